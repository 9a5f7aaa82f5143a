"""Naming: which resource a request is about, where its path alone does not say it.

A key template is a text with `{name}` (a parameter of the route's path), `{query:name}`, `{header:Name}` or `{body:/pointer}` in it. Two
routes with one group and one template value name one resource: several URLs, one lock, one version.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .pointer import Pointer, parse_pointer
from .resource import Template

# A placeholder: parameter / "query:" name / "header:" name / "body:" pointer, in braces.
_PLACEHOLDER = re.compile(r"\{(?:(?P<kind>query|header|body):)?(?P<name>[^{}]*)\}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")


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


@dataclass(frozen=True, slots=True)
class Naming:
    """How a route names its resources: each value of `template` is one of them within `scope`, which begins no path and no other scope."""

    scope: bytes
    template: KeyTemplate

    @classmethod
    def of(cls, group: str, key: str, path: Template) -> "Naming | None":
        """The naming that a route asks for; None where the path alone names its resources. Raise ValueError as `parse_key_template`."""
        if not group and not key:
            return None
        template = parse_key_template(key or "/".join(f"{{{parameter.name}}}" for parameter in path.parameters))
        return cls(f"{group}:".encode() if group else f"={path.text}?".encode(), template)
