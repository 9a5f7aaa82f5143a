"""Tags that stand for what a representation says: its canonical JSON, or one value in it. Two bodies may share such a tag.

So no part of a body may be put together with another under one (RFC 9110 §14.5): ranges are not cut where a tag is made here.
"""

import json
import zlib
from collections.abc import Sequence

from .canonical import canonical
from .etag import EntityTag
from .pointer import Pointer
from .resource import ResourceKey
from .settling import is_unsettled
from .variant import WINDOW_BITS
from .version import ContentDigest

_NO_VERSIONS = frozenset({b"null", b"true", b"false", b'""'})
_IDENTITY = frozenset({b"", b"identity,"})


class Document:
    """Takes in a content to make a tag of what it says. `coding` is its Content-Encoding, `max_bytes` how long it may be without it."""

    __slots__ = ("_coding", "_key", "_max_bytes", "_pieces", "_salt")
    is_of_octets = False

    def __init__(self, salt: bytes, key: ResourceKey, coding: bytes, max_bytes: int) -> None:
        self._salt = salt
        self._key = key
        self._coding = coding
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Take in the next piece of the content."""
        self._pieces.append(piece)

    def _decoded(self) -> bytes | None:
        """All of it without its coding; None where that cannot be taken off here."""
        octets = b"".join(self._pieces)
        if self._coding in _IDENTITY:
            return octets
        bits = WINDOW_BITS.get(self._coding)
        if bits is None:
            return None
        decoder = zlib.decompressobj(bits)
        try:
            content = decoder.decompress(octets, self._max_bytes)
        except zlib.error:
            return None
        return content if decoder.eof and not decoder.unused_data else None

    def _tag(self, kind: bytes, octets: bytes) -> EntityTag:
        digest = ContentDigest(self._salt, self._key, kind)
        digest.add(octets)
        return digest.tag()


class JsonDigest(Document):
    """The tag of a JSON document without the members that `ignored` leads to, however it is laid out (`canonical.py`).

    What is no JSON, or has a name twice, is tagged by its octets: it has to be the same to the last one then.
    """

    __slots__ = ("_ignored",)

    def __init__(self, salt: bytes, key: ResourceKey, coding: bytes, max_bytes: int, ignored: Sequence[Pointer]) -> None:
        super().__init__(salt, key, coding, max_bytes)
        self._ignored = ignored

    def tag(self) -> EntityTag:
        """The strong tag of all that was added."""
        decoded = self._decoded()
        form = None if decoded is None else canonical(decoded, self._ignored)
        return self._tag(self._coding, b"".join(self._pieces)) if form is None else self._tag(b"json", form)


class MemberDigest(Document):
    """The tag of one value in a JSON document. `now` is when the backend sent it, in seconds since 1970."""

    __slots__ = ("_now", "_pointer")

    def __init__(self, salt: bytes, key: ResourceKey, coding: bytes, max_bytes: int, pointer: Pointer, now: float) -> None:
        super().__init__(salt, key, coding, max_bytes)
        self._pointer = pointer
        self._now = now

    def tag(self) -> EntityTag | None:
        """The tag of the value that was added; None where it names no version.

        That is: no JSON, no such value, one of two under the same name, null, a boolean, an empty text, a date that is not settled yet.
        """
        decoded = self._decoded()
        form = None if decoded is None else canonical(decoded, (), self._pointer)
        if form is None or form in _NO_VERSIONS:
            return None
        value = json.loads(form) if form.startswith(b'"') else form.decode("ascii")
        return None if is_unsettled(value, self._now) else self._tag(b"field", form)


def tag_of_field(salt: bytes, key: ResourceKey, values: Sequence[bytes], now: float) -> EntityTag | None:
    """The tag of a header field's value: an ETag, weak or not, a date, a number. None for several lines, an empty or an unsettled one."""
    if len(values) != 1 or not values[0]:
        return None
    if is_unsettled(values[0].decode("latin-1"), now):
        return None
    digest = ContentDigest(salt, key, b"field")
    digest.add(values[0])
    return digest.tag()
