"""JSON Patch (RFC 6902): what turns one document into another, as operations. Pure, and right before it is short.

Values are as `json_text.py` gives them: numbers are texts of a type of their own, so 1 and "1" differ, and so do 1 and 1.0.
"""

import json
from collections.abc import Iterator, Mapping

from .json_text import Document, Number
from .pointer import Pointer, write_pointer

MAX_OPERATIONS = 500
"""Beyond so many, the document itself says more."""


def patch(old: Document, new: Document) -> bytes | None:
    """The patch that makes new of old, as JSON; None where it takes more than MAX_OPERATIONS, or an object has a name twice."""
    if old.has_duplicates or new.has_duplicates:
        return None
    operations: list[str] = []
    for operation in _changes((), old.value(()), new.value(())):
        if len(operations) == MAX_OPERATIONS:
            return None
        operations.append(operation)
    return f"[{', '.join(operations)}]".encode()


def _changes(at: Pointer, old: object, new: object) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _members(at, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(at, old, new)
    elif not is_same(old, new):
        yield _operation("replace", at, new)


def _members(at: Pointer, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f'{{"op": "remove", "path": {_text(write_pointer((*at, name)))}}}'
    for name, value in new.items():
        if name in old:
            yield from _changes((*at, name), old[name], value)
        else:
            yield _operation("add", (*at, name), value)


def _items(at: Pointer, old: list[object], new: list[object]) -> Iterator[str]:
    """What both begin and end with stays. Of the rest, as many as both have are changed in place, and the others go or come behind them."""
    first = 0
    while first < min(len(old), len(new)) and is_same(old[first], new[first]):
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and is_same(old[-1 - last], new[-1 - last]):
        last += 1
    middle, fresh = old[first : len(old) - last], new[first : len(new) - last]
    both = min(len(middle), len(fresh))
    for index in range(both):
        yield from _changes((*at, str(first + index)), middle[index], fresh[index])
    # From behind: what goes must not move what goes next.
    for index in range(len(middle) - 1, both - 1, -1):
        yield f'{{"op": "remove", "path": {_text(write_pointer((*at, str(first + index))))}}}'
    for index in range(both, len(fresh)):
        yield _operation("add", (*at, str(first + index)), fresh[index])


def is_same(one: object, other: object) -> bool:
    """Whether two values are the same, members in any order."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def _operation(name: str, at: Pointer, value: object) -> str:
    return f'{{"op": "{name}", "path": {_text(write_pointer(at))}, "value": {_json(value)}}}'


def _json(value: object) -> str:
    """A value as JSON text, a number as it stood there."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(name)}: {_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


def _text(text: str) -> str:
    return json.dumps(text)
