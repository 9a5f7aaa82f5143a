"""Keys: what can be asked of a key of the schema. How it is spelt elsewhere, what it takes, and whether a value is one of these."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from inspect import get_annotations
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec.inspect import BoolType, EnumType, FloatType, IntType, Metadata, NoneType, StrType, Type, UnionType, VarTupleType, type_info
from msgspec.structs import fields

from .dialect import NamedDialect
from .forms import masked
from .limits import Limits
from .notes import Note
from .route import Route
from .schema import Log, Protocol, Store
from .server import Server
from .tracing import Tracing
from .upstream import NamedUpstream, Upstream

PREFIX = "NOCLOBBER__"
"""What our variables begin with. One underscore is not enough: Kubernetes puts NOCLOBBER_PORT and the like into every container."""

SHOWN_CHARS = 80
"""How much of a value an error text repeats."""

SECTIONS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "server": Server,
        "upstream": Upstream,
        "store": Store,
        "protocol": Protocol,
        "limits": Limits,
        "log": Log,
        "tracing": Tracing,
        "upstreams": NamedUpstream,
        "dialect": NamedDialect,
        "route": Route,
    }
)

ARRAYS = frozenset({"upstreams", "dialect", "route"})
"""The sections that are arrays of tables."""

Kind = StrType | EnumType | BoolType | IntType | FloatType | VarTupleType | UnionType
"""What a key takes. A tuple is one of texts, and a union one of choices and such a tuple."""

_NOUNS = ((StrType, "a text"), (EnumType, "a text"), (BoolType, "true or false"), (IntType, "a whole number"), (FloatType, "a number"))
_NOUNS_OF_LISTS = ((VarTupleType, "an array of texts"), (UnionType, "a text or an array of texts"))


class Refused(NamedTuple):
    """Why a value is none that its key takes: what is wrong, as the end of the sentence "The value ...".

    `position` is that of the item of an array that is wrong; None where it is the whole value.
    """

    what: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the schema. `default` is msgspec.NODEFAULT where the key must be written."""

    section: str
    name: str
    type: object
    kind: Kind
    note: Note
    default: object

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.section}__{self.name}".upper()

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        kind = self.kind
        if self.note.allowed:
            return self.note.allowed
        if isinstance(kind, EnumType):
            return ", ".join(shown(choice) for choice in self.choices)
        noun = _noun(kind)
        if not isinstance(kind, IntType | FloatType):
            return noun
        limit = f", {kind.ge} or more" if kind.ge is not None else f" above {kind.gt}"
        return f"{noun} of {self.note.unit}{limit}"

    @property
    def choices(self) -> list[str]:
        """The texts of a closed set; empty for other keys."""
        return [member.value for member in closed.cls] if (closed := _closed_set(self.kind)) else []

    @property
    def shown_default(self) -> str:
        """Its default as a file writes it, or in words; "none" where it must be written."""
        if self.default is msgspec.NODEFAULT:
            return "none"
        return self.note.default or shown(self.default.value if isinstance(self.default, Enum) else self.default)

    def refusals(self, value: object) -> list[Refused]:
        """Why value, as tomllib gives it, is none that the key takes: once for each item of an array that is wrong; empty if it is one."""
        kind = self.kind
        if not _is_of(kind, value):
            return [Refused(f"is not {_noun(kind)}")]
        if found := self._refused_texts(value):
            return found
        # TOML has inf and nan, and a time of either would switch a limit off.
        if isinstance(value, float) and not math.isfinite(value):
            return [Refused("is out of range")]
        try:
            msgspec.convert(value, type=self.type)
        except msgspec.ValidationError:
            return [Refused("is none of the choices" if self.choices else "is out of range")]
        return []

    def _refused_texts(self, value: object) -> list[Refused]:
        check = self.note.check
        # Of a union, a text is a choice.
        is_text = isinstance(value, str) and not isinstance(self.kind, UnionType)
        found: list[Refused] = []
        for position, text in enumerate(value if isinstance(value, list) else [value] if is_text else []):
            try:
                if check is not None:
                    check(text)
            except ValueError as error:
                found.append(Refused(str(error), position if isinstance(value, list) else None))
        return found

    def from_text(self, text: str) -> object:
        """Read the text of a variable or a flag: as it stands where the key is a text, else as a TOML value (itself if it is none)."""
        if isinstance(self.kind, StrType | EnumType):
            return text
        try:
            found = tomllib.loads(f"value = {text}")
        except ValueError:
            return text
        return found["value"] if len(found) == 1 else text


def keys_of(section: str, struct: type[msgspec.Struct]) -> Mapping[str, Key]:
    """The keys of a section, by name, in the order of the schema."""
    keys: dict[str, Key] = {}
    # What a section has of its own stands before what it inherits.
    for each in sorted(fields(struct), key=lambda field: _generation(struct, field.name)):
        info = _without_none(type_info(each.type))
        assert isinstance(info, Metadata)
        assert isinstance(info.type, Kind)
        note = (info.extra or {})["note"]
        assert isinstance(note, Note)
        keys[each.name] = Key(section, each.name, each.type, info.type, note, each.default)
    return MappingProxyType(keys)


def _generation(struct: type[msgspec.Struct], name: str) -> int:
    """How far up the line of its ancestors a struct has a field from."""
    return next(distance for distance, each in enumerate(struct.__mro__) if name in get_annotations(each))


def _without_none(info: Type) -> Type:
    """The type of a key that may be absent without a default of its own."""
    if not isinstance(info, UnionType):
        return info
    return next(each for each in info.types if not isinstance(each, NoneType))


KEYS: Mapping[str, Mapping[str, Key]] = MappingProxyType({section: keys_of(section, struct) for section, struct in SECTIONS.items()})
"""Every key, by section and name. Those of ARRAYS occur once per table of the file, and nowhere else."""

SINGLE_KEYS = tuple(key for section, keys in KEYS.items() if section not in ARRAYS for key in keys.values())
"""The keys that occur once, and so can be set from the environment."""

VARIABLES: Mapping[str, Key] = MappingProxyType({key.variable: key for key in SINGLE_KEYS})
FLAGS: Mapping[str, Key] = MappingProxyType({key.note.flag: key for key in SINGLE_KEYS if key.note.flag})


def label(section: str) -> str:
    """The header of a section, as a file writes it."""
    return f"[[{section}]]" if section in ARRAYS else f"[{section}]"


def shown(value: object) -> str:
    """Show a value that was read, on one line, its passwords masked."""
    match value:
        case str():
            text = json.dumps(masked(value), ensure_ascii=False)
            return text if len(text) <= SHOWN_CHARS else f'{text[:SHOWN_CHARS]}..."'
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            items = [shown(item) for item in value if isinstance(item, str)]
            text = f"[{', '.join(items)}]"
            return text if len(items) == len(value) and len(text) <= SHOWN_CHARS else "an array"
        case _:
            return str(value)


def shown_setting(value: object) -> str:
    """Show a setting as a file would write it."""
    return shown(value.value if isinstance(value, Enum) else [*value] if isinstance(value, tuple) else value)


def meant(word: str, candidates: list[str]) -> str:
    """Return the candidate that was probably meant by word; empty where none is near."""
    near = get_close_matches(word, candidates, n=1)
    return near[0] if near else ""


def _noun(kind: object) -> str:
    return next(noun for each, noun in (*_NOUNS, *_NOUNS_OF_LISTS) if isinstance(kind, each))


def _closed_set(kind: object) -> EnumType | None:
    """The choices of a kind; None where it has none."""
    kinds = kind.types if isinstance(kind, UnionType) else (kind,)
    return next((each for each in kinds if isinstance(each, EnumType)), None)


def _is_of(kind: object, value: object) -> bool:
    # bool is a subclass of int, and a time of `true` is a mistake.
    match kind:
        case FloatType():
            return type(value) in (int, float)
        case IntType():
            return type(value) is int
        case BoolType():
            return isinstance(value, bool)
        case VarTupleType():
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case UnionType():
            return any(_is_of(each, value) for each in kind.types)
        case _:
            return isinstance(value, str)
