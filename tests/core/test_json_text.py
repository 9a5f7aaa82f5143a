"""Reading JSON and editing it in place, held against `json` of the standard library."""

import json
import random
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.json_parse import MAX_DEPTH
from proxy.core.json_text import Document, Number, as_int, read_json
from proxy.core.pointer import INDEX, NOTHING, Pointer, parse_pointer, resolve
from tests import strategies as _profile  # noqa: F401  (loads the profile)
from tests.core.json_documents import names, objects, places, values, write

NOT_JSON = (
    *(b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"{'a':1}", b'{"a" 1}', b"{1:2}", b"[1] x", b"nul", b"// c\n1", b"\x0b1", b"\xc2\xa01"),
    *(b"NaN", b"[Infinity]", b"-Infinity", b"01", b"1.", b"+1", b".5", b'"\x01"', b'"\\x"'),
    *(b"\xff", b'"\xed\xa0\x80"', b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf1", b"\xfe\xff\x00[\x00]"),
)  # fmt: skip


def document(text: str | bytes) -> Document:
    found = read_json(text if isinstance(text, bytes) else text.encode())
    assert found is not None
    return found


def edited(text: str, changes: Mapping[str, str | None]) -> str:
    encoded = {parse_pointer(pointer): None if new is None else new.encode() for pointer, new in changes.items()}
    return document(text).edited(encoded).decode()


@pytest.mark.parametrize("octets", NOT_JSON)
def test_what_is_no_json_is_not_read(octets: bytes) -> None:
    assert read_json(octets) is None


@given(values, st.randoms(use_true_random=False))
def test_a_document_is_read_as_it_was_written(value: object, chance: random.Random) -> None:
    found = document(write(value, chance))
    assert found.value(()) == value
    assert not found.has_duplicates
    for pointer in places(value):
        there = resolve(value, pointer)
        assert found.value(pointer) == there
        assert found.members(pointer) == ([(*pointer, str(index)) for index in range(len(there))] if isinstance(there, list) else [])


@given(st.binary(max_size=12) | st.text('[]{}",:\\ 01-.eEtrufalsn\ufeff', max_size=24).map(str.encode))
def test_what_is_read_is_what_the_standard_library_reads(octets: bytes) -> None:
    def refuse(constant: str) -> object:
        raise ValueError(constant)

    try:
        text = octets.decode("utf-8")
        expected = json.loads(text.removeprefix("\ufeff"), parse_constant=refuse, parse_int=Number, parse_float=Number)
    except ValueError:
        assert read_json(octets) is None
    else:
        assert document(octets).value(()) == expected


def test_a_number_is_told_from_a_string() -> None:
    found = document('{"n": 10, "s": "10", "f": 10.0, "big": 1234567890123456789, "huge": ' + "9" * 5000 + "}")
    assert [as_int(found.value((name,))) for name in ("n", "s", "f", "big", "huge", "none")] == [10, None, None, None, None, None]
    assert as_int(document("-999999999999999999").value(())) == -999999999999999999
    assert as_int(document("-0").value(())) == 0
    assert as_int(True) is None
    assert found.value(("none",)) is NOTHING


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"x":{"a":1,"\\u0061":2}}]', '{"a":{"b":1,"b":2},"a":3}'])
def test_a_name_that_stands_twice_is_noticed(text: str) -> None:
    assert document(text).has_duplicates


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_depth_ends_at_a_fixed_place(opening: str, closing: str) -> None:
    levels = MAX_DEPTH // (1 + (len(opening) > 1 and opening[0] == "["))
    deepest = opening * levels + "1" + closing * levels
    assert read_json(deepest.encode()) is not None
    assert read_json(f"[{deepest}]".encode()) is None
    assert read_json((opening * 300_000).encode()) is None
    assert read_json(b'{"a":' + f"[{deepest}]".encode() + b',"a":1}') is None
    flat = "[" + ",".join(["[]", "{}", '"[[["'] * 200) + "]"
    assert read_json(flat.encode()) is not None


EDITS: tuple[tuple[str, str, dict[str, str | None], str], ...] = (
    ("replaced", '{ "a" : 1 ,"b": [2]}', {"/a": '"x"'}, '{ "a" : "x" ,"b": [2]}'),
    ("container-replaced", '{"a":1, "b": [2, {}] }', {"/b": "0"}, '{"a":1, "b": 0 }'),
    ("put-first", '{ "a": 1}', {"/v": "3"}, '{"v":3, "a": 1}'),
    ("put-into-empty", "{ }", {"/v": "3", "/w": "4"}, '{"v":3,"w":4 }'),
    ("parents-made", '{"a":1}', {"/m/x/v": "3", "/m/y": "4"}, '{"m":{"x":{"v":3},"y":4},"a":1}'),
    ("parent-there", '{"m":{"t":"User"}}', {"/m/v": "3"}, '{"m":{"v":3,"t":"User"}}'),
    ("first-out", '{ "v": 3, "a": 1 }', {"/v": None}, '{  "a": 1 }'),
    ("middle-out", '{"a":1, "v": 3 , "b":2}', {"/v": None}, '{"a":1 , "b":2}'),
    ("last-out", '{\n  "a": 1,\n  "v": 3\n}', {"/v": None}, '{\n  "a": 1\n}'),
    ("two-of-the-front", '{"v":3,"w":4,"a":1}', {"/v": None, "/w": None}, '{"a":1}'),
    ("two-of-the-end", '{"a":1,"v":3,"w":4}', {"/v": None, "/w": None}, '{"a":1}'),
    ("all-out", '{ "v": 3 , "w":4 }', {"/v": None, "/w": None}, "{  }"),
    ("all-out-one-in", '{"v":3}', {"/v": None, "/w": "1"}, '{"w":1}'),
    ("emptied-parent-out", '{"version":{"number":3},"t":1}', {"/version/number": None}, '{"t":1}'),
    ("parent-with-more-stays", '{"version":{"number":3,"by":"x"}}', {"/version/number": None}, '{"version":{"by":"x"}}'),
    ("empty-before-stays", '{"version":{},"t":1}', {"/version/number": None}, '{"version":{},"t":1}'),
    ("emptied-all-the-way", '{"a":{"b":{"c":1}}}', {"/a/b/c": None}, "{}"),
    ("emptied-item-stays", '[{"v":1},{"v":2,"w":3}]', {"/0/v": None, "/1/v": None}, '[{},{"w":3}]'),
    ("items-out", "[0, 1, 2, 3]", {"/0": None, "/2": None}, "[ 1, 3]"),
    ("all-items-out", '{"a":[0, 1]}', {"/a/0": None, "/a/1": None}, '{"a":[]}'),
    ("item-replaced", "[0, [1], 2]", {"/1/0": "9", "/2": "{}"}, "[0, [9], {}]"),
    ("no-such-item", "[0]", {"/1": "1", "/-": "1", "/x": None}, "[0]"),
    ("empty-array", "[ ]", {"/0": "1"}, "[ ]"),
    ("scalar-on-the-way", '{"m":null,"a":[1]}', {"/m/v": "3", "/a/0/v": "1"}, '{"m":null,"a":[1]}'),
    ("scalar-document", " 17 ", {"/v": "3"}, " 17 "),
    ("not-there", '{"a":{"b":1}}', {"/a/c": None, "/d/e": None}, '{"a":{"b":1}}'),
    ("escaped-name", '{"\\u0076":1,"a":[{"x":"}"}]}', {"/v": "2"}, '{"\\u0076":2,"a":[{"x":"}"}]}'),
    ("name-to-escape", '{"a":1}', {'/q"~1': "2"}, '{"q\\"/":2,"a":1}'),
    ("each-of-a-double-name", '{"v":1,"a":2,"v":{"x":3}}', {"/v": None}, '{"a":2}'),
    ("within-a-double-name", '{"m":{"v":1},"m":{"w":2}}', {"/m/v": "9"}, '{"m":{"v":9},"m":{"v":9,"w":2}}'),
    ("marked", '\ufeff {"v":1}', {"/v": "2"}, '\ufeff {"v":2}'),
    ("numbers-kept", '{"n":1.00,"b":1234567890123456789012,"v":1}', {"/v": "2"}, '{"n":1.00,"b":1234567890123456789012,"v":2}'),
    ("nothing", '{"a": 1 }', {}, '{"a": 1 }'),
)  # fmt: skip


@pytest.mark.parametrize(("text", "changes", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_edits(text: str, changes: dict[str, str | None], expected: str) -> None:
    assert edited(text, changes) == expected


@pytest.mark.parametrize("changes", [{"": "1"}, {"": None}, {"/a": "1", "/a/b": "2"}, {"/a/b": "2", "/a": None}, {"": "1", "/a": "2"}])
def test_a_change_within_another_is_an_error(changes: dict[str, str | None]) -> None:
    with pytest.raises(ValueError, match=r"within|around"):
        edited('{"a":1}', changes)


GONE = {"an item": "that is taken out"}


def wanted(value: object, changes: Mapping[Pointer, object]) -> object:
    """The oracle: what a document is after changes, on the parsed value."""
    value = json.loads(json.dumps(value))
    for pointer, new in changes.items():
        if new is not None:
            _set(value, pointer, new)
    for pointer, new in changes.items():
        if new is None:
            _take_out(value, pointer)
    return _without_gone(value)


def _without_gone(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_gone(below) for name, below in value.items()}
    return [_without_gone(below) for below in value if below is not GONE] if isinstance(value, list) else value


def _set(value: object, pointer: Pointer, new: object) -> None:
    for token in pointer[:-1]:
        if isinstance(value, list):
            value = value[int(token)] if INDEX.fullmatch(token) and int(token) < len(value) else None
        elif isinstance(value, dict):
            value = value.setdefault(token, {})
    if isinstance(value, dict):
        value[pointer[-1]] = new
    elif isinstance(value, list) and INDEX.fullmatch(pointer[-1]) and int(pointer[-1]) < len(value):
        value[int(pointer[-1])] = new


def _take_out(value: object, pointer: Pointer) -> None:
    parents = [resolve(value, pointer[:length]) for length in range(len(pointer))]
    for number in range(len(pointer) - 1, -1, -1):
        parent = parents[number]
        if isinstance(parent, list) and number == len(pointer) - 1 and resolve(parent, pointer[number:]) is not NOTHING:
            parent[int(pointer[number])] = GONE
            return
        if not isinstance(parent, dict) or pointer[number] not in parent:
            return
        del parent[pointer[number]]
        if parent:
            return


@given(st.data(), objects, st.randoms(use_true_random=False))
def test_edits_do_what_they_say_and_nothing_else(data: st.DataObject, value: dict[str, object], chance: random.Random) -> None:
    tree = json.loads(json.dumps(value, default=str))
    there = places(tree)[1:]
    pointers = st.lists(names, min_size=1, max_size=3).map(tuple) | (st.sampled_from(there) if there else st.nothing())
    chosen = data.draw(st.lists(pointers, max_size=4, unique=True))
    apart = [one for one in chosen if not any(one != other and one[: len(other)] == other for other in chosen)]
    changes: dict[Pointer, object] = {pointer: data.draw(st.sampled_from((None, "new", ["x"], {}))) for pointer in apart}
    text = write(value, chance)
    out = document(text).edited({pointer: None if new is None else json.dumps(new).encode() for pointer, new in changes.items()})
    assert json.loads(out) == wanted(json.loads(text), changes)


@given(st.data(), objects, st.randoms(use_true_random=False))
def test_what_was_put_in_is_taken_out_without_a_trace(data: st.DataObject, value: dict[str, object], chance: random.Random) -> None:
    text = write(value, chance).encode()
    pointers = data.draw(st.lists(st.lists(names, min_size=1, max_size=3).map(tuple), max_size=3))
    missing = {pointer: b'{"injected": [1]}' for pointer in pointers if pointer[0] not in value}
    apart = {p: new for p, new in missing.items() if not any(p != q and p[: len(q)] == q for q in missing)}
    put_in = document(text).edited(apart)
    assert (put_in == text) == (not apart)
    assert document(put_in).edited(dict.fromkeys(apart)) == text


@given(st.data(), values, st.randoms(use_true_random=False))
def test_a_value_put_in_its_own_place_changes_no_byte(data: st.DataObject, value: object, chance: random.Random) -> None:
    text = write(value, chance).encode()
    choices = [pointer for pointer in places(value) if pointer and not isinstance(resolve(value, pointer), dict | list)]
    if choices:
        pointer = data.draw(st.sampled_from(choices))
        once = document(text).edited({pointer: b'"\xc3\xa9"'})
        assert document(once).value(pointer) == "é"
        before, after = once.split(b'"\xc3\xa9"', 1) if once.count(b'"\xc3\xa9"') == 1 else (b"", b"")
        assert text.startswith(before)
        assert text.endswith(after)


def test_a_list_of_a_megabyte_is_edited_in_linear_time() -> None:
    def seconds(count: int) -> float:
        item = {"name": "item", "version": 1, "tags": ["a", "b"], "owner": {"id": 7}, "note": "some text, and more of it to make it long"}
        listing = document(json.dumps({"items": [{"id": number, **item} for number in range(count)]}))
        changes = {(*pointer, "version"): b"2" for pointer in listing.members(("items",))}
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            out = listing.edited(changes)
            best = min(best, time.process_time() - started)
        assert out.count(b'"version": 2') == count
        return best

    assert seconds(8000) < 25 * seconds(1000)
