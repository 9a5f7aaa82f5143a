"""Naming: which resource a request is about, where its path alone does not say it.

A key template is a text with `{name}` (a parameter of the route's path), `{query:name}`, `{header:Name}` or `{body:/pointer}` in it. Two
routes with one group and one template value name one resource: several URLs, one lock, one version.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from .alias import EXACT, Aliases, Case, fold_case, quote, unquote
from .pointer import NOTHING, Pointer, parse_pointer, write_pointer
from .resource import ResourceKey, resource_key
from .template import Template

# A placeholder: parameter / "query:" name / "header:" name / "body:" pointer, in braces.
_PLACEHOLDER = re.compile(r"\{(?:(?P<kind>query|header|body):)?(?P<name>[^{}]*)\}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")
_NO_SEGMENT = frozenset({b"", b".", b".."})
# What Python's int() and the number fields of Django, DRF, Rails and PHP take for a whole number that is not below 0.
_WHOLE = re.compile(rb"\+?[0-9](?:_?[0-9])*(?:\.0*)?")

_GROUPS = re.compile(rb"[0-9a-f]{1,8}(?:-[0-9a-f]{1,4}){3}-[0-9a-f]{1,12}")
# RFC 9562 §4: UUID = 4hexOctet "-" 2hexOctet "-" 2hexOctet "-" 2hexOctet "-" 6hexOctet
_GROUP_WIDTHS = (8, 4, 4, 4, 12)
_DIGITS_OF_A_UUID = re.compile(rb"[0-9a-f]{32}")


class Source(Enum):
    """Where a part of a key comes from."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"


class Part(NamedTuple):
    """A placeholder, and the literal text before it. `pointer` is only that of a body."""

    literal: str
    source: Source
    name: str
    pointer: Pointer = ()


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """A key template: its parts, and the literal text after the last."""

    text: str
    parts: tuple[Part, ...]
    tail: str

    @property
    def sources(self) -> frozenset[Source]:
        """What has to be there before the key can be told."""
        return frozenset(part.source for part in self.parts)


def parse_key_template(text: str) -> KeyTemplate:
    """Read a key template. Raise ValueError saying what is wrong, as the end of the sentence "The value ..."."""
    parts: list[Part] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        literal, name = text[end : found.start()], found["name"]
        _check_literal(literal)
        end = found.end()
        source = Source(found["kind"] or "path")
        if source is Source.BODY:
            parts.append(Part(literal, source, "", parse_pointer(name)))
            continue
        if not name or (source is Source.PATH and _PARAMETER.fullmatch(name) is None):
            raise ValueError(f"has {found[0]}, which is none of {{name}}, {{query:name}}, {{header:Name}} and {{body:/pointer}}")
        parts.append(Part(literal, source, name.lower() if source is Source.HEADER else name))
    _check_literal(text[end:])
    return KeyTemplate(text, tuple(parts), text[end:])


def _check_literal(text: str) -> None:
    if "{" in text or "}" in text:
        raise ValueError("has a brace that belongs to no placeholder")


class Reference(NamedTuple):
    """The name of a resource of another route: by its group, or (`group` empty) by its path."""

    group: str
    template: KeyTemplate


# "GROUP/TEMPLATE"
_REFERENCE = re.compile(r"(?P<group>[a-z0-9\-]+)/(?P<template>.*)", re.DOTALL)


def parse_reference(text: str) -> Reference:
    """Read "GROUP/TEMPLATE" or a path with placeholders. Raise ValueError as `parse_key_template` does."""
    if text.startswith("/"):
        return Reference("", parse_key_template(text))
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ValueError('names no resource: it is neither "GROUP/TEMPLATE" nor a path')
    return Reference(found["group"], parse_key_template(found["template"]))


class Sources(Protocol):
    """Where the parts of a key are taken from."""

    def parameter(self, name: str) -> bytes:
        """The segment of the path that a parameter stands for, folded."""

    def query(self, name: str) -> Sequence[bytes]:
        """The values of a parameter of the query, decoded."""

    def header(self, name: str) -> Sequence[bytes]:
        """The values of a field of the head. `name` is in lower case."""

    def body(self, pointer: Pointer) -> object:
        """A value of the body's JSON; NOTHING where it has none, or is no JSON."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """What a key is to be made of is not there. `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Naming:
    """How resources are named: each value of `template` is one of them within `scope`, which begins no path and no other scope.

    `scope` empty: the template is that of a path, and the resource is the one at that path by the route of `path` and `aliases`.
    """

    scope: bytes
    template: KeyTemplate
    aliases: Aliases = EXACT
    path: Template | None = None

    @classmethod
    def of(cls, group: str, key: str, path: Template, aliases: Aliases = EXACT) -> "Naming | None":
        """The naming that a route asks for; None where the path alone names its resources. Raise ValueError as `parse_key_template`."""
        if not group and not key:
            return None
        template = parse_key_template(key or "/".join(f"{{{parameter.name}}}" for parameter in path.parameters))
        return cls(f"{group}:".encode() if group else f"={path.text}?".encode(), template, aliases, path)

    def key(self, sources: Sources) -> ResourceKey | Unnamed:
        """The key of the resource that a request is about."""
        if not self.scope:
            path = filled(self.template, sources)
            if isinstance(path, Unnamed):
                return path
            folded = self.aliases.fold_path(path)
            return resource_key(folded if self.path is None else self.path.canonical(folded))
        is_blind = self.aliases.case is Case.INSENSITIVE
        text = filled(self.template, sources, lambda value: canonical_value(fold_case(value) if is_blind else value))
        return text if isinstance(text, Unnamed) else ResourceKey(self.scope + text)


def filled(template: KeyTemplate, sources: Sources, spelling: Callable[[bytes], bytes] = bytes) -> bytes | Unnamed:
    """A template with its values put in, as `spelling` spells them, and escaped: none is taken for what stands around it."""
    pieces: list[bytes] = []
    for part in template.parts:
        value = _value(part, sources)
        if isinstance(value, Unnamed):
            return value
        value = spelling(value)
        # The rest of a path may be empty, and the others of its segments never are.
        if value in _NO_SEGMENT and part.source is not Source.PATH:
            return Unnamed(f"{_called(part)} is {'a dot segment' if value else 'empty'}, and the resource is known by it.")
        pieces += (part.literal.encode(), quote(value))
    return b"".join((*pieces, template.tail.encode()))


def canonical_value(value: bytes) -> bytes:
    """One spelling for those of a value that backends take for the same: of a whole number, and of a UUID.

    Frameworks read " 7", "+7", "007" and 7.0 as 7. Two values that are made one here cost a wait; one that is left as two, an update.
    """
    stripped = value.strip()
    if _WHOLE.fullmatch(stripped):
        digits = stripped.partition(b".")[0].replace(b"_", b"").lstrip(b"+").lstrip(b"0")
        return digits or b"0"
    return _uuid(stripped)


def _uuid(value: bytes) -> bytes:
    """The 32 digits of a UUID in whatever spelling; another value as it is.

    Python's UUID() overlooks hyphens, braces and `urn:uuid:`, .NET's Guid parentheses, and Java's fromString leading zeros in a group.
    """
    text = value.lower().replace(b"urn:", b"").replace(b"uuid:", b"").strip(b"{}()")
    if _GROUPS.fullmatch(text):
        return b"".join(group.rjust(width, b"0") for group, width in zip(text.split(b"-"), _GROUP_WIDTHS, strict=True))
    digits = text.replace(b"-", b"")
    return digits if _DIGITS_OF_A_UUID.fullmatch(digits) else value


def _value(part: Part, sources: Sources) -> bytes | Unnamed:
    if part.source is Source.PATH:
        return unquote(sources.parameter(part.name))
    if part.source is Source.BODY:
        value = sources.body(part.pointer)
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, int) and not isinstance(value, bool):
            return b"%d" % value
        what = "is missing" if value is NOTHING else "is neither a text nor a number"
        return Unnamed(f"{_called(part)} {what}, and the resource is known by it.")
    found = sources.query(part.name) if part.source is Source.QUERY else sources.header(part.name)
    if len(found) == 1:
        return found[0]
    return Unnamed(f"{_called(part)} {'stands more than once' if found else 'is missing'}, and the resource is known by it.")


# A part of the path is always there.
_CALLED = {
    Source.QUERY: 'The parameter "{}" of the query',
    Source.HEADER: "The field {}",
    Source.BODY: "The member {} of the body",
}


def _called(part: Part) -> str:
    name = part.name.title() if part.source is Source.HEADER else part.name or write_pointer(part.pointer)
    return _CALLED[part.source].format(name)
