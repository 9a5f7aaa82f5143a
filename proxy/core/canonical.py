"""The canonical form of a JSON document: one text for one state, however its writer laid it out.

Names sorted by code point, no white space, strings escaped one way, and every number as it stood: parsers collapse
0.1234567890123456789 and integers of 30 digits, so two states would share a form, and so does RFC 8785 (JCS), which writes doubles.
"""

import json
import math
import re
from collections.abc import Sequence

from .json_parse import parse
from .pointer import INDEX, NOTHING, Pointer, resolve

ANY = "*"
"""In an ignored pointer: every member of an object, or every item of an array."""

# A number goes through the encoder as an array that no document can hold, because NaN is no JSON; then its text is put in its place.
# Inside a string the quote would be escaped, and after the quote that ends one there stands no digit.
_MARKED = re.compile(r'\[NaN,"([-+.0-9eE]++)"\]')
_encode = json.JSONEncoder(check_circular=False, sort_keys=True, separators=(",", ":")).encode


def canonical(octets: bytes, ignored: Sequence[Pointer] = (), pointer: Pointer = ()) -> bytes | None:
    """The canonical form of the value that pointer leads to, in ASCII; None for no JSON, no such value, or where a name stands twice.

    `ignored` are left out: a member of an object as if it were not there, an item of an array as if it were null. They are pointers into
    the document, with ANY for every member.
    """
    parsed = parse(octets, _mark)
    if parsed is None or parsed.has_duplicates:
        return None
    for one in ignored:
        _leave_out(parsed.value, one)
    value = resolve(parsed.value, pointer)
    if value is NOTHING:
        return None
    return _MARKED.sub(r"\1", _encode(value)).encode("ascii")


def _mark(number: str) -> object:
    return (math.nan, number)


def _leave_out(document: object, pointer: Pointer) -> None:
    values = [document]
    for token in pointer[:-1]:
        values = [below for value in values for below in _below(value, token)]
    for value in values:
        if isinstance(value, dict):
            for name in list(value) if pointer[-1] == ANY else pointer[-1:]:
                value.pop(name, None)
        elif isinstance(value, list):
            for index in _indices(value, pointer[-1]):
                value[index] = None


def _below(value: object, token: str) -> Sequence[object]:
    if isinstance(value, dict):
        return list(value.values()) if token == ANY else [value[token]] if token in value else []
    return [value[index] for index in _indices(value, token)] if isinstance(value, list) else []


def _indices(items: list[object], token: str) -> Sequence[int]:
    if token == ANY:
        return range(len(items))
    return [int(token)] if INDEX.fullmatch(token) and int(token) < len(items) else []
