"""The schema as JSON Schema, draft 2020-12: for editors that complete and check `config.toml` as it is written.

What a schema cannot say (relations between keys, the form of a text) only `noclobber check` tells.
"""

import inspect
from collections.abc import Mapping

import msgspec
from msgspec.inspect import BoolType, EnumType, FloatType, IntType, StrType, UnionType, VarTupleType

from .keys import ARRAYS, KEYS, SECTIONS, Key

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, object]


def json_schema() -> Schema:
    """The schema of a configuration file."""
    sections: Schema = {}
    for section in KEYS:
        table = {"$ref": f"#/$defs/{section}"}
        sections[section] = {"type": "array", "items": table} if section in ARRAYS else table
    return {
        "$schema": DIALECT,
        "title": "The configuration of noclobber",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
        "$defs": {section: _table(section, keys) for section, keys in KEYS.items()},
    }


def _table(section: str, keys: Mapping[str, Key]) -> Schema:
    table: Schema = {
        "description": inspect.getdoc(SECTIONS[section]) or "",
        "type": "object",
        "properties": {name: _property(key) for name, key in keys.items()},
        "additionalProperties": False,
    }
    # A key outside the arrays can be given by a flag or a variable as well.
    required = [name for name, key in keys.items() if key.default is msgspec.NODEFAULT]
    return table | {"required": required} if section in ARRAYS else table


def _property(key: Key) -> Schema:
    note = key.note
    unit = f" In {note.unit}." if note.unit in ("seconds", "bytes") else ""
    about: Schema = {"description": f"{note.does}{unit} Default: {key.shown_default}. What goes wrong: {note.goes_wrong}"}
    return about | _values(key.kind)


def _values(kind: object) -> Schema:
    match kind:
        case EnumType():
            return {"enum": [member.value for member in kind.cls]}
        case UnionType():
            return {"anyOf": [_values(each) for each in kind.types]}
        case VarTupleType():
            return {"type": "array", "items": {"type": "string"}}
        case BoolType():
            return {"type": "boolean"}
        case IntType() | FloatType():
            bounds = {"minimum": kind.ge, "maximum": kind.le, "exclusiveMinimum": kind.gt}
            name = "integer" if isinstance(kind, IntType) else "number"
            return {"type": name, **{bound: value for bound, value in bounds.items() if value is not None}}
        case _:
            assert isinstance(kind, StrType)
            return {"type": "string"}
