"""Versions: what distinguishes two states of a resource, and the entity tag that names it to a client.

A version is always a function of what the backend just showed, never of what we remember: so it is right whatever races.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Protocol

from .etag import EntityTag, TagList, parse_tag
from .hops import state_of, unmarked
from .pointer import Pointer
from .record import Version
from .resource import ResourceKey

DIGEST_BYTES = 16
"""128 bits: a collision would be a lost update, so the digest is a cryptographic one and this much of it is kept."""


TAG_CHARS = 22
"""As many characters of base64 as DIGEST_BYTES fill; the rest is padding."""


# base64url (RFC 4648 §5), without the two calls that the base64 module puts around this.
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Strategy(Enum):
    """Where the version of a representation comes from."""

    AUTO = "auto"
    NATIVE = "native"
    CONTENT = "content"
    JSON = "json"
    FIELD = "field"
    REVISION = "revision"


@dataclass(frozen=True, slots=True)
class FieldSource:
    """The one value of an answer that is its version: a field of its head (`name`, in lower case), else a member of its JSON."""

    name: bytes = b""
    pointer: Pointer = ()


def native_tag(etag_lines: Sequence[bytes]) -> EntityTag | None:
    """The backend's own tag, if it can serve as a version: a single, well-formed, strong one.

    A weak tag says only that two representations will do for each other (RFC 9110 §8.8.1), and of two ETag lines none can be believed.
    """
    if len(etag_lines) != 1:
        return None
    tag = parse_tag(etag_lines[0].strip(b" \t"))
    return tag if isinstance(tag, EntityTag) and not tag.weak else None


class Digest(Protocol):
    """What a content is fed to, to be tagged. `is_of_octets`: no two contents have one of its tags, so that parts of one fit together."""

    @property
    def is_of_octets(self) -> bool: ...

    def add(self, piece: bytes) -> None:
        """Take in the next piece of the content."""

    def tag(self) -> EntityTag | None:
        """The tag of all that was added; None where it has none."""


class ContentDigest:
    """The tag of a representation made from its bytes: SHA-256 over salt, resource key, content coding and content.

    The salt keeps low-entropy contents from being guessed from their tags; with the key in it, equal contents of two resources have
    different tags; with the coding in it, no two codings share one.
    """

    __slots__ = ("_sum",)
    is_of_octets = True

    def __init__(self, salt: bytes, key: ResourceKey, coding: bytes = b"") -> None:
        self._sum = sha256(b"%b%d:%b%d:%b" % (salt, len(key), key, len(coding), coding))

    def add(self, piece: bytes) -> None:
        """Take in the next piece of the content."""
        self._sum.update(piece)

    def tag(self) -> EntityTag:
        """The strong tag of all that was added."""
        return EntityTag(b2a_base64(self._sum.digest()[:DIGEST_BYTES]).translate(_URL_SAFE)[:TAG_CHARS])


def version_of(tag: EntityTag | None) -> Version:
    """The version that a strong tag names, whatever variant of it; NOT_KNOWN for None."""
    return Version("" if tag is None else state_of(tag.opaque).decode("latin-1"))


# A space cannot stand in an entity tag (RFC 9110 §8.8.3), so no version begins with one by itself.
_DISPROVED = " "


def disproved(version: Version) -> Version:
    """Mark a version: the backend's own tags of this resource have been caught naming two states, so its content tells."""
    return Version(_DISPROVED + version)


def is_disproved(version: Version) -> bool:
    """Whether version carries that mark."""
    return version.startswith(_DISPROVED)


def undisproved(version: Version) -> Version:
    """A version without that mark."""
    return Version(version.removeprefix(_DISPROVED))


def is_named(tags: TagList | None, version: Version) -> bool:
    """Whether a list names version with a strong tag. A wildcard names nothing in particular."""
    if not isinstance(tags, tuple):
        return False
    opaque = undisproved(version).encode("latin-1")
    # A version is a state already, so a tag that is the same is its own state.
    return any(not tag.weak and (tag.opaque == opaque or state_of(tag.opaque) == opaque) for tag in tags)


def may_be_named(tags: TagList | None, version: Version) -> bool:
    """Whether a list names version once the marks of hops are off it: good enough to go on to a GET, never to a verdict."""
    if is_named(tags, version):
        return True
    opaque = undisproved(version).encode("latin-1")
    return isinstance(tags, tuple) and any(state_of(form) == opaque for tag in tags for form, _ in unmarked(tag))
