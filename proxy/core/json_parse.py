"""Parsing of JSON (RFC 8259) without loss: the text of every number is kept, and a name that stands twice is noticed.

`json` of the standard library does the work; what it takes beyond the grammar (NaN, Infinity) is refused here, and so is a document that
is nested deeper than anyone means, because where the recursion of a parser ends is no property of a document.
"""

import json
import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

MAX_DEPTH = 128
"""How deep arrays and objects may stand in one another. JSON parsers in use stop at 64 (PHP's encoder, System.Text.Json) up to 1000."""

_BOM = "\ufeff"
# What is neither a bracket nor in need of being looked at: strings whole, and runs of anything else.
_NO_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)


class Parsed(NamedTuple):
    """A document. `text` begins with its value or white space; `is_marked`: a byte order mark stood before it."""

    text: str
    value: object
    has_duplicates: bool
    is_marked: bool


def parse(octets: bytes, number: Callable[[str], object]) -> Parsed | None:
    """Parse a document, with number making the values of numbers out of their text; None where it is no JSON in UTF-8, or too deep.

    Of a name that stands twice the last value counts. RFC 8259 §8.1 lets a reader ignore a byte order mark.
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    is_marked = text.startswith(_BOM)
    if is_marked:
        text = text[1:]
    if is_too_deep(text):
        return None
    has_duplicates = False

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal has_duplicates
        made = dict(pairs)
        if len(made) != len(pairs):
            has_duplicates = True
        return made

    decoder = json.JSONDecoder(object_pairs_hook=members, parse_float=number, parse_int=number, parse_constant=_refuse)
    try:
        value = decoder.decode(text)
    except ValueError:
        return None
    return Parsed(text, value, has_duplicates, is_marked)


def is_too_deep(text: str) -> bool:
    """Whether brackets stand in one another more than MAX_DEPTH deep. Says nothing of whether they match."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _NO_BRACKETS.sub("", text):
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
