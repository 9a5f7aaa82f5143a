"""Variants: the tag of a content that came coded."""

import gzip
import zlib
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.etag import EntityTag
from proxy.core.hops import OWN_TAG, state_of
from proxy.core.resource import ResourceKey
from proxy.core.variant import VariantDigest
from proxy.core.version import ContentDigest
from tests import strategies

assert strategies.EXAMPLES, "importing it loads the profile"

SALT: Final = b"s" * 32
KEY: Final = ResourceKey(b"/doc")
LIMIT: Final = 1 << 20


def plain(content: bytes) -> EntityTag:
    digest = ContentDigest(SALT, KEY)
    digest.add(content)
    return digest.tag()


def coded(coding: bytes, *pieces: bytes, limit: int = LIMIT) -> EntityTag:
    digest = VariantDigest(SALT, KEY, coding, limit)
    for piece in pieces:
        digest.add(piece)
    return digest.tag()


def opaque_digest(coding: bytes, content: bytes) -> EntityTag:
    digest = ContentDigest(SALT, KEY, coding)
    digest.add(content)
    return digest.tag()


@given(content=st.binary(max_size=300), level=st.integers(1, 9), cut=st.integers(0, 300))
def test_every_coding_of_a_content_names_its_state_and_none_shares_a_tag(content: bytes, level: int, cut: int) -> None:
    zipped, deflated = gzip.compress(content, level, mtime=0), zlib.compress(content, level)
    tags = {plain(content), coded(b"gzip,", zipped[:cut], zipped[cut:]), coded(b"deflate,", deflated)}

    assert len(tags) == 3
    assert {state_of(tag.opaque) for tag in tags} == {plain(content).opaque}
    assert all(OWN_TAG.fullmatch(tag.opaque) for tag in tags)
    assert coded(b"x-gzip,", zipped) != plain(content)


@given(one=st.binary(max_size=100), two=st.binary(max_size=100))
def test_two_contents_are_two_states(one: bytes, two: bytes) -> None:
    tags = [coded(b"gzip,", gzip.compress(content, mtime=0)) for content in (one, two)]

    assert (tags[0] == tags[1]) == (one == two)
    assert (state_of(tags[0].opaque) == state_of(tags[1].opaque)) == (one == two)


def test_two_outputs_of_one_coding_have_one_state_and_two_tags() -> None:
    first, second = (coded(b"gzip,", gzip.compress(b"hello", mtime=second)) for second in (1, 2))

    assert first != second
    assert state_of(first.opaque) == state_of(second.opaque) == plain(b"hello").opaque


ZIPPED: Final = gzip.compress(b"hello", mtime=0)
UNREADABLE: Final = {
    "cut": (b"gzip,", ZIPPED[:-1]),
    "nothing": (b"gzip,", b""),
    "no gzip": (b"gzip,", b"hello"),
    "wrong checksum": (b"gzip,", ZIPPED[:-8] + b"\0" * 8),
    "something behind it": (b"gzip,", ZIPPED + b"x"),
    "two members": (b"gzip,", ZIPPED + ZIPPED),
    "no zlib": (b"deflate,", ZIPPED),
    "a coding that is not known here": (b"br,", ZIPPED),
    "two codings": (b"gzip,br,", ZIPPED),
}


@pytest.mark.parametrize(("coding", "content"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_decoded_is_tagged_by_its_octets(coding: bytes, content: bytes) -> None:
    assert coded(coding, content) == coded(coding, *(bytes([octet]) for octet in content)) == opaque_digest(coding, content)


def test_a_bomb_is_tagged_by_its_octets() -> None:
    bomb = gzip.compress(bytes(LIMIT), mtime=0)

    assert state_of(coded(b"gzip,", bomb).opaque) == plain(bytes(LIMIT)).opaque
    assert coded(b"gzip,", bomb, limit=LIMIT - 1) == opaque_digest(b"gzip,", bomb)
