"""Patches: applied by somebody else's library they make the new document of the old one."""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.json_text import Document, read_json
from proxy.core.patch import MAX_OPERATIONS, patch

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "b", "a/b", "~", "1", "ä"])
NAMES = st.sampled_from(["a", "b", "a/b", "~1", "", "0"])
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4),
)


def read(value: object) -> Document:
    document = read_json(json.dumps(value).encode())
    assert document is not None
    return document


def operations(old: object, new: object) -> list[dict[str, Any]]:
    text = patch(read(old), read(new))
    assert text is not None
    found: list[dict[str, Any]] = json.loads(text)
    return found


@given(DOCUMENTS, DOCUMENTS)
def test_it_makes_the_new_of_the_old(old: object, new: object) -> None:
    # The library changes what it is given; and to Python 1 is True, so texts are compared.
    made = jsonpatch.apply_patch(json.loads(json.dumps(old)), operations(old, new))
    assert json.dumps(made, sort_keys=True) == json.dumps(new, sort_keys=True)


@given(DOCUMENTS)
def test_what_is_the_same_needs_none(value: object) -> None:
    assert operations(value, value) == []


CASES: dict[str, tuple[object, object, list[dict[str, Any]]]] = {
    "a member changes": ({"a": 1, "b": 2}, {"b": 2, "a": 3}, [{"op": "replace", "path": "/a", "value": 3}]),
    "a member goes, one comes": (
        {"a": 1},
        {"b": [1]},
        [{"op": "remove", "path": "/a"}, {"op": "add", "path": "/b", "value": [1]}],
    ),
    "deep": ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [{"op": "replace", "path": "/a/0/b", "value": 2}]),
    "an item is put in front": ([1, 2, 3], [0, 1, 2, 3], [{"op": "add", "path": "/0", "value": 0}]),
    "items go from the middle": ([1, 2, 3, 4], [1, 4], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]),
    "true is not 1": ([True], [1], [{"op": "replace", "path": "/0", "value": 1}]),
    "a text is no number": (["1"], [1], [{"op": "replace", "path": "/0", "value": 1}]),
    "null is a value": ({"a": None}, {}, [{"op": "remove", "path": "/a"}]),
    "names are escaped": ({}, {"a/~b": 1}, [{"op": "add", "path": "/a~1~0b", "value": 1}]),
    "the whole document": (1, {"a": 1}, [{"op": "replace", "path": "", "value": {"a": 1}}]),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_it_says_no_more_than_is_needed(old: object, new: object, expected: list[dict[str, Any]]) -> None:
    assert operations(old, new) == expected


def test_numbers_stay_as_they_were() -> None:
    old, new = read_json(b'{"a": 1, "b": 2}'), read_json(b'{"a": 1.0, "b": 0.12345678901234567890}')
    assert old is not None
    assert new is not None
    text = patch(old, new)
    assert text is not None
    assert b'"value": 1.0}' in text
    assert b'"value": 0.12345678901234567890}' in text


def test_what_would_be_too_long_or_ambiguous_is_not_made() -> None:
    twice = read_json(b'{"a": 1, "a": 2}')
    assert twice is not None
    assert patch(twice, read({})) is None
    assert patch(read({}), twice) is None
    many = {str(number): number for number in range(MAX_OPERATIONS + 1)}
    assert patch(read({}), read(many)) is None
    del many["0"]
    assert patch(read({}), read(many)) is not None
