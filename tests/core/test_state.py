"""Tags of what a representation says."""

import gzip
import zlib

import pytest

from proxy.core.etag import EntityTag, parse_tag
from proxy.core.pointer import Pointer
from proxy.core.resource import ResourceKey
from proxy.core.state import JsonDigest, MemberDigest, tag_of_field
from proxy.core.version import ContentDigest

SALT, KEY = b"s" * 32, ResourceKey(b"/a")
NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
GZIP, DEFLATE = gzip.compress(b'{"v": 7}'), zlib.compress(b'{"v": 7}')


def of_json(
    *pieces: bytes, coding: bytes = b"", ignored: tuple[Pointer, ...] = (), key: ResourceKey = KEY, salt: bytes = SALT
) -> EntityTag:
    digest = JsonDigest(salt, key, coding, 1000, ignored)
    for piece in pieces:
        digest.add(piece)
    return digest.tag()


def of_member(octets: bytes, *pointer: str, coding: bytes = b"", key: ResourceKey = KEY, salt: bytes = SALT) -> EntityTag | None:
    digest = MemberDigest(salt, key, coding, 1000, pointer, NOW)
    digest.add(octets)
    return digest.tag()


def test_a_state_has_one_tag() -> None:
    tag = of_json(b'{"a":1,"t":5,"b":[]}', ignored=(("t",),))
    assert of_json(b'{ "b" : [ ] ', b', "t":6, "\\u0061":1 }', ignored=(("t",),)) == tag
    assert of_json(b'{"a":1,"b":[]}', ignored=(("t",),)) == tag
    assert parse_tag(bytes(tag)) == tag


def test_everything_else_changes_it() -> None:
    tags = [
        of_json(b'{"a":1}'),
        of_json(b'{"a":1.0}'),
        of_json(b'{"a":"1"}'),
        of_json(b'{"a":1}', key=ResourceKey(b"/b")),
        of_json(b'{"a":1}', salt=b"t" * 32),
        of_json(b"0.1234567890123456789"),
        of_json(b"0.12345678901234567890"),
        of_json(b"1" * 30),
        of_json(b"1" * 29 + b"2"),
    ]
    assert len({bytes(tag) for tag in tags}) == len(tags)


@pytest.mark.parametrize("octets", [b'{"a":1,"a":1}', b"<html>", b"", b"\xff", b'{"a":1'])
def test_what_is_no_json_is_tagged_by_its_octets(octets: bytes) -> None:
    content = ContentDigest(SALT, KEY)
    content.add(octets)
    assert of_json(octets) == content.tag()
    assert of_json(octets + b" ") != of_json(octets)


def test_a_coding_is_taken_off() -> None:
    plain = of_json(b'{"v":7}')
    assert of_json(GZIP, coding=b"gzip,") == of_json(GZIP, coding=b"x-gzip,") == of_json(DEFLATE, coding=b"deflate,") == plain
    assert of_json(b'{"v":7}', coding=b"identity,") == plain
    assert of_member(GZIP, "v", coding=b"gzip,") == of_member(b'{"v":7}', "v")


@pytest.mark.parametrize(
    ("octets", "coding"),
    [
        (GZIP, b"br,"),
        (GZIP[:-1], b"gzip,"),
        (GZIP + GZIP, b"gzip,"),
        (GZIP, b"gzip,gzip,"),
        (b'{"v":7}', b"gzip,"),
        (gzip.compress(b'{"v":"' + b"x" * 2000 + b'"}'), b"gzip,"),
    ],
    ids=["unknown", "cut", "two-members", "twice", "not-coded", "too-long"],
)
def test_a_coding_that_cannot_be_taken_off_leaves_octets(octets: bytes, coding: bytes) -> None:
    content = ContentDigest(SALT, KEY, coding)
    content.add(octets)
    assert of_json(octets, coding=coding) == content.tag()
    assert of_member(octets, "v", coding=coding) is None


def test_a_value_has_one_tag() -> None:
    tag = of_member(b'{"meta":{"version":7},"t":1}', "meta", "version")
    assert tag is not None
    assert of_member(b'{"t":2, "meta":{"x":0, "version" : 7}}', "meta", "version") == tag
    others = [b'{"v":"7"}', b'{"v":7.0}', b'{"v":8}', b'{"v":[7]}', b'{"v":{"$date":7}}', b'{"v":"2026-03-01T11:59:58Z"}', b'{"v":0}']
    tags = {tag, *(of_member(other, "v") for other in others), of_member(b'{"v":7}', "v", key=ResourceKey(b"/b"))}
    assert None not in tags
    assert len(tags) == len(others) + 2
    assert of_member(b'{"v":7}', "v", salt=b"t" * 32) not in tags


@pytest.mark.parametrize(
    "octets",
    [
        *(b"{}", b'{"v":null}', b'{"v":true}', b'{"v":false}', b'{"v":""}', b'{"v":1,"v":1}', b'{"v":1'),
        *(b'{"v":"2026-03-01T11:59:59Z"}', b'{"v":1772366399}'),
    ],
)
def test_what_names_no_version_has_no_tag(octets: bytes) -> None:
    assert of_member(octets, "v") is None


def test_a_field_of_the_head() -> None:
    tag = tag_of_field(SALT, KEY, [b'W/"17"'], NOW)
    assert tag is not None
    assert not tag.weak
    assert tag_of_field(SALT, KEY, [b'W/"18"'], NOW) not in (None, tag)
    assert tag_of_field(SALT, ResourceKey(b"/b"), [b'W/"17"'], NOW) not in (None, tag)
    assert tag_of_field(b"t" * 32, KEY, [b'W/"17"'], NOW) not in (None, tag)
    assert tag_of_field(SALT, KEY, [b"Sun, 01 Mar 2026 11:59:58 GMT"], NOW) is not None
    assert tag_of_field(SALT, KEY, [b"Sun, 01 Mar 2026 11:59:59 GMT"], NOW) is None
    for values in ([], [b""], [b"1", b"1"]):
        assert tag_of_field(SALT, KEY, values, NOW) is None
