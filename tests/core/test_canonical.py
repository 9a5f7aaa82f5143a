"""The canonical form: one for all ways to write a state down, and another for every other state."""

import json
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.core.canonical import canonical
from proxy.core.json_text import Number, read_json
from proxy.core.pointer import parse_pointer
from tests import strategies as _profile  # noqa: F401  (loads the profile)
from tests.core.json_documents import places, values, write

FORMS = (
    ("names-sorted", '{"b": 1, "a": {"d": [2, 1], "c": null}}', '{"a":{"c":null,"d":[2,1]},"b":1}'),
    (
        "by-code-point",
        '{"é": 1, "z": 2, "Z": 3, "\\ud83d\\ude00": 4, "\\uffff": 5}',
        '{"Z":3,"z":2,"\\u00e9":1,"\\uffff":5,"\\ud83d\\ude00":4}',
    ),
    ("escapes", '["\\u0041\\/\\t", "é", "\\u00E9"]', '["A/\\t","\\u00e9","\\u00e9"]'),
    ("numbers", "[1, 1.0, 1e0, -0, 0.1234567890123456789, " + "1" * 30 + "]", "[1,1.0,1e0,-0,0.1234567890123456789," + "1" * 30 + "]"),
    ("like-a-mark", '["[NaN,", "12", "[NaN,\\"12\\"]"]', '["[NaN,","12","[NaN,\\"12\\"]"]'),
    ("number-or-text", '{"12": "12", "n": 12}', '{"12":"12","n":12}'),
    ("huge", "9" * 5000, "9" * 5000),
)


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_forms(text: str, expected: str) -> None:
    assert canonical(text.encode()) == expected.encode()


@pytest.mark.parametrize("text", ["", "{", '{"a":1,"a":1}', '[{"b":{"a":1,"\\u0061":1}}]', "NaN", "\xff"])
def test_no_form(text: str) -> None:
    assert canonical(text.encode("latin-1")) is None


@given(values, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_layout_does_not_matter(value: object, one: random.Random, other: random.Random) -> None:
    form = canonical(write(value, one).encode())
    assert form is not None
    assert canonical(write(value, other).encode()) == form
    found = read_json(form)
    assert found is not None
    assert found.value(()) == value
    assert found.canonical() == form


def exact(value: object) -> object:
    """A value in which a number is no text, and true is not 1."""
    match value:
        case dict():
            return {"{": {name: exact(below) for name, below in value.items()}}
        case list():
            return [exact(below) for below in value]
        case Number():
            return ("number", str(value))
        case _:
            return (type(value), value)


@given(values, values, st.randoms(use_true_random=False))
def test_two_states_have_two_forms(one: object, other: object, chance: random.Random) -> None:
    assume(exact(one) != exact(other))
    assert canonical(write(one, chance).encode()) != canonical(write(other, chance).encode())


@given(st.data(), values, st.randoms(use_true_random=False))
def test_any_change_of_a_scalar_changes_the_form(data: st.DataObject, value: object, chance: random.Random) -> None:
    text = write(value, chance).encode()
    found = read_json(text)
    assert found is not None
    scalars = [place for place in places(value) if place and not isinstance(found.value(place), dict | list)]
    assume(scalars)
    place = data.draw(st.sampled_from(scalars))
    was = found.value(place)
    now: object = data.draw(st.sampled_from([Number("1"), Number("1.0"), "1", True, None, Number("0.12345678901234567890"), "", []]))
    assume(exact(was) != exact(now))
    changed = found.edited({place: (str(now) if isinstance(now, Number) else json.dumps(now)).encode()})
    assert canonical(changed) != canonical(text)


IGNORED = (
    ("member", '{"a":1,"serverTime":"x"}', ["/serverTime"], '{"a":1}'),
    ("not-there", '{"a":1}', ["/serverTime", "/b/c", "/a/b", "/a/0"], '{"a":1}'),
    ("nested", '{"m":{"t":1,"u":2}}', ["/m/t"], '{"m":{"u":2}}'),
    ("items", '{"items":[{"v":1,"t":1},{"v":2,"t":2}]}', ["/items/*/t"], '{"items":[{"v":1},{"v":2}]}'),
    ("members", '{"a":{"t":1},"b":{"t":2,"u":3},"c":4}', ["/*/t"], '{"a":{},"b":{"u":3},"c":4}'),
    ("item-stays-as-null", "[1,2,3]", ["/1"], "[1,null,3]"),
    ("no-such-item", "[1]", ["/1", "/-", "/01"], "[1]"),
    ("all-items", "[1,2]", ["/*"], "[null,null]"),
    ("all-members", '{"a":1,"b":2}', ["/*"], "{}"),
    ("two", '{"a":1,"b":2,"c":3}', ["/a", "/c"], '{"b":2}'),
    ("scalar", "17", ["/a"], "17"),
)


@pytest.mark.parametrize(("text", "ignored", "expected"), [row[1:] for row in IGNORED], ids=[row[0] for row in IGNORED])
def test_what_is_ignored_is_left_out(text: str, ignored: list[str], expected: str) -> None:
    assert canonical(text.encode(), [parse_pointer(each) for each in ignored]) == expected.encode()


def test_a_part_of_a_document() -> None:
    text = b'{"a":{"y":1,"x":[2.50]},"b":0}'
    assert canonical(text, (), ("a",)) == b'{"x":[2.50],"y":1}'
    assert canonical(text, (), ("a", "x", "0")) == b"2.50"
    assert canonical(text, [("a", "x")], ("a",)) == b'{"y":1}'
    assert canonical(text, (), ("c",)) is None
    assert canonical(text, [("a",)], ("a",)) is None
