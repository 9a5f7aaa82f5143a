"""JSON documents as they came: read a value, find the members of a list, and change members without touching another byte."""

import re
from collections.abc import Mapping, Sequence

from .canonical import canonical
from .json_edit import edit
from .json_parse import Parsed, parse
from .pointer import Pointer, resolve

MAX_DIGITS = 18
"""The longest integer that is read as one: it fits in 64 bits."""

_INTEGER = re.compile(rf"-?(?:0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}})")


class Number(str):
    """A number, as the text that stood there: 1, 1.0 and 1e0 are three."""

    __slots__ = ()


def as_int(value: object) -> int | None:
    """The integer that a value is; None for anything else, be it 1.0, "1" or an integer of more than MAX_DIGITS digits."""
    return int(value) if isinstance(value, Number) and _INTEGER.fullmatch(value) else None


class Document:
    """A document that was read. Its bytes are kept; values are those of `json.loads`, with `Number` for numbers."""

    __slots__ = ("_octets", "_parsed")

    def __init__(self, octets: bytes, parsed: Parsed) -> None:
        self._octets = octets
        self._parsed = parsed

    @property
    def has_duplicates(self) -> bool:
        """Whether an object in it has a name twice: readers do not agree on which value counts; here it is the last one."""
        return self._parsed.has_duplicates

    def value(self, pointer: Pointer) -> object:
        """The value that pointer leads to, NOTHING where there is none."""
        return resolve(self._parsed.value, pointer)

    def members(self, pointer: Pointer) -> list[Pointer]:
        """The pointers to the items of the array that pointer leads to; empty if it leads to no array."""
        value = self.value(pointer)
        return [(*pointer, str(index)) for index in range(len(value))] if isinstance(value, list) else []

    def edited(self, changes: Mapping[Pointer, bytes | None]) -> bytes:
        """The document with other values, each given as JSON text, in the places that changes name; every other byte is as it was.

        What is not there is put in as the first member of its object, in the order of changes, and so are objects on the way to it. None
        takes a member or an item out, with the objects around it that are empty then (never an item of an array, nor the document).
        Where an array has no such item, or a scalar stands on the way, nothing is changed. Indices are those before the change. Of a
        name that stands twice, each is changed. Raises ValueError where one pointer lies within another, or is to the whole document.
        """
        text = edit(self._parsed.text, changes).encode("utf-8")
        return self._octets[:3] + text if self._parsed.is_marked else text

    def canonical(self, ignored: Sequence[Pointer] = (), pointer: Pointer = ()) -> bytes | None:
        """The canonical form of the value that pointer leads to: see `canonical.py`. None if there is none, or has_duplicates."""
        return canonical(self._octets, ignored, pointer)


def read_json(octets: bytes) -> Document | None:
    """Read a document; None where the bytes are no JSON (RFC 8259) in UTF-8, or nested deeper than MAX_DEPTH."""
    parsed = parse(octets, Number)
    return None if parsed is None else Document(octets, parsed)
