"""Injecting: what is written into a document comes out of it again, and nothing else is touched."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialect import Dialect, Written
from proxy.core.etag import EntityTag
from proxy.core.json_text import read_json
from proxy.gateway.injecting import may_change, with_version, with_versions, written

NUMBERS = Dialect(inject=(("version",),), written=Written.NUMBER)
NESTED = Dialect(inject=(("meta", "version"),), written=Written.WEAK_TAG)
SEVEN = EntityTag(b"7")

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_objects = st.dictionaries(st.text().filter(lambda name: name not in ("version", "meta")), _values, max_size=6)
_layouts = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def text_of(value: Any, layout: dict[str, Any]) -> bytes:
    return json.dumps(value, **layout).encode("utf-8", "surrogatepass")


@given(_objects, _layouts, st.sampled_from([NUMBERS, NESTED]))
def test_what_is_written_in_comes_out_again(value: dict[str, Any], layout: dict[str, Any], dialect: Dialect) -> None:
    content = text_of(value, layout)
    changed = with_version(dialect, content, SEVEN)
    if read_json(content) is None:
        assert changed is None  # A lone surrogate is no UTF-8.
        return
    assert changed is not None
    shown = json.loads(changed)
    assert (shown["version"] if dialect is NUMBERS else shown["meta"]["version"]) == (7 if dialect is NUMBERS else 'W/"7"')
    assert {name: shown[name] for name in value} == json.loads(content)
    document = read_json(changed)
    assert document is not None
    assert json.loads(document.edited(dict.fromkeys(dialect.inject))) == json.loads(content)


@given(st.lists(_objects | st.integers() | st.text(), max_size=5), _layouts)
def test_every_member_that_is_an_object_gets_its_own(values: list[Any], layout: dict[str, Any]) -> None:
    content = text_of(values, layout)
    document = read_json(content)
    if document is None:
        return
    members = document.members(())
    changed = with_versions(NUMBERS, document, {place: b"%d" % number for number, place in enumerate(members)})
    expected = [{**value, "version": number} if isinstance(value, dict) else value for number, value in enumerate(json.loads(content))]
    assert (json.loads(content) if changed is None else json.loads(changed)) == expected


def test_a_version_is_written_over_what_stands_in_its_place() -> None:
    assert with_version(NUMBERS, b'{"version": "old", "a": 1}', SEVEN) == b'{"version": 7, "a": 1}'
    # Of two members of one name readers take either.
    assert with_version(NUMBERS, b'{"version": 1, "version": 2}', SEVEN) == b'{"version": 7, "version": 7}'


def test_where_there_is_no_place_nothing_is_written() -> None:
    for content in (b"", b"[]", b"3", b"null", b'"x"', b"{", b'{"a": \xff}'):
        assert with_version(NUMBERS, content, SEVEN) is None


def test_a_tag_that_is_no_number_is_not_written_as_one() -> None:
    assert written(NUMBERS, EntityTag(b"a.7")) is None
    assert with_version(NUMBERS, b"{}", EntityTag(b"a.7")) is None
    assert written(Dialect(written=Written.TAG), EntityTag(b"a.7")) == rb'"\"a.7\""'
    assert written(NESTED, EntityTag(b"\xe9")) == rb'"W/\"\u00e9\""'


def test_what_may_be_changed() -> None:
    assert may_change([])
    assert may_change([b"Content-Type: application/json; charset=utf-8\r\n", b"Cache-Control: no-cache, max-age=3\r\n"])
    assert may_change([b"content-type:application/scim+json\r\n", b"Content-Encoding: identity\r\n"])
    for line in (b"Content-Type: text/html\r\n", b"Content-Encoding: br\r\n", b"cache-control: private , NO-TRANSFORM\r\n"):
        assert not may_change([line])
