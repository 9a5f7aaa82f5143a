"""Versions: which tag of a backend's is believed, and the tag that is made of a content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.etag import EntityTag, Wildcard, parse_tag
from proxy.core.record import NOT_KNOWN, Version
from proxy.core.resource import ResourceKey
from proxy.core.version import ContentDigest, disproved, is_disproved, is_named, native_tag, version_of

NATIVE: dict[str, tuple[list[bytes], EntityTag | None]] = {
    "8.8.3 strong": ([b'"a"'], EntityTag(b"a")),
    "8.8.3 empty": ([b'""'], EntityTag(b"")),
    "8.8.3 obs-text": ([b'"\xff"'], EntityTag(b"\xff")),
    "5.5 white space around": ([b' "a"\t'], EntityTag(b"a")),
    "8.8.1 weak": ([b'W/"a"'], None),
    "none": ([], None),
    "two": ([b'"a"', b'"a"'], None),
    "a list": ([b'"a", "b"'], None),
    "unquoted": ([b"a"], None),
    "empty": ([b""], None),
}


@pytest.mark.parametrize(("lines", "expected"), NATIVE.values(), ids=NATIVE)
def test_the_backends_own_tag(lines: list[bytes], expected: EntityTag | None) -> None:
    assert native_tag(lines) == expected


def tag_of(salt: bytes, key: bytes, coding: bytes, *pieces: bytes) -> EntityTag:
    digest = ContentDigest(salt, ResourceKey(key), coding)
    for piece in pieces:
        digest.add(piece)
    return digest.tag()


def test_everything_that_a_tag_stands_for_changes_it() -> None:
    """The lengths stand in what is hashed, so that no two parts can trade bytes."""
    salt = b"s" * 32
    tags = {
        tag_of(salt, b"/a", b"", b"content"),
        tag_of(b"t" * 32, b"/a", b"", b"content"),
        tag_of(salt, b"/b", b"", b"content"),
        tag_of(salt, b"/a", b"gzip,", b"content"),
        tag_of(salt, b"/a", b"", b"content."),
        tag_of(salt, b"/a0:", b"", b"content"),
        tag_of(salt, b"/", b"a", b"content"),
        tag_of(salt, b"/a", b"", b""),
    }
    assert len(tags) == 8


@given(st.binary(max_size=40), st.integers(0, 40))
def test_the_tag_does_not_depend_on_the_pieces(content: bytes, cut: int) -> None:
    assert tag_of(b"s", b"/a", b"", content[:cut], content[cut:]) == tag_of(b"s", b"/a", b"", content)


@given(st.binary(max_size=40))
def test_a_tag_that_was_made_can_be_read(content: bytes) -> None:
    tag = tag_of(b"s", b"/a", b"", content)
    assert not tag.weak
    assert len(tag.opaque) == 22
    assert parse_tag(bytes(tag)) == tag


def test_versions() -> None:
    assert version_of(None) == NOT_KNOWN
    assert version_of(EntityTag(b"a\xff")) == "a\xff"


NAMED = {
    "by a strong tag": ((EntityTag(b"x"), EntityTag(b"a\xff")), True),
    "by a weak one": ((EntityTag(b"a\xff", weak=True),), False),
    "not at all": ((EntityTag(b"x"),), False),
    "by any": (Wildcard.ANY, False),
    "by nothing": (None, False),
}


@pytest.mark.parametrize(("tags", "expected"), NAMED.values(), ids=NAMED)
def test_naming(tags: tuple[EntityTag, ...] | Wildcard | None, expected: bool) -> None:
    assert is_named(tags, Version("a\xff")) is expected
    assert is_named(tags, disproved(Version("a\xff"))) is expected


def test_the_mark_of_a_disproved_version_is_none_of_the_version() -> None:
    """A space cannot stand in an entity-tag (RFC 9110 §8.8.3), so no version looks marked by itself."""
    assert is_disproved(disproved(Version("a")))
    assert is_disproved(disproved(NOT_KNOWN))
    assert not is_disproved(Version("a"))
    assert native_tag([b'" a"']) is None
