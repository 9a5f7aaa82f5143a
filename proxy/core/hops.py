"""Hops: what a proxy between the client and us does to a tag on its way out, undone when the tag comes back.

A hop that compresses must not leave a strong tag on other bytes (RFC 9110 §8.8.3.3), so it weakens the tag or writes the coding behind it:

    W/"x"                       nginx gzip, Varnish, HAProxy, Envoy, most CDNs
    "x-gzip"  "x-br"  "x-zstd"  Apache mod_deflate and mod_brotli, Caddy; "x-gunzip" is mod_deflate's for what it has inflated
    "x--gzip" "x--br"           Jetty
    "x;gzip"  "x;gz"  "x;br"    older frameworks, LiteSpeed

and few of them take it off again. What is left after that still names one state, so a write may be judged by it. A range may not: the
client's part was cut from other bytes, so If-Range, and If-Match on a read, are compared as they came.

The rules of this file. The tag as it came is compared first, so that a tag whose real text ends like this is itself. Our own tags have a
shape (`OWN_TAG`) that no marked tag has: undoing one can never give the tag of another state. A backend's tag has none, so it is only
undone where that is known to be a hop's work (`Backend.MARKS_NONE`).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from .etag import EntityTag, TagList
from .precondition import Conditions

MAX_MARKS = 3
"""As many compressing hops as are believed in; each leaves one mark."""

_CODINGS = (b"gzip", b"gz", b"gunzip", b"br", b"zstd", b"deflate")
_MARK = re.compile(rb"(?:--|[-;])(%b)\Z" % b"|".join(_CODINGS))
_KINDS = {b"gz": "gzip-suffix", b"gunzip": "gzip-suffix"}
WEAK = "weak"
KINDS = (WEAK, "gzip-suffix", "br-suffix", "zstd-suffix", "deflate-suffix")
"""What `Undone.kind` may be: the last thing that was done to the tag."""

# The state: 128 bits in base64url. Behind it, where the backend coded the content: which coding, and which of its many outputs.
OWN_TAG = re.compile(rb"([A-Za-z0-9_\-]{22})(?:\.(?:gzip|deflate)\.[A-Za-z0-9_\-]{8})?")


class Backend(Enum):
    """Whether the tag that stands is a backend's own, and what its tags look like. MARKS_SOME: some are weak or end like a hop's mark."""

    OURS = "the tag is of our own making"
    MARKS_NONE = "native, and every mark is a hop's"
    MARKS_SOME = "native, and a mark may be part of the tag"


class Undone(NamedTuple):
    """Conditions as they would have come without hops. `kind` is empty where nothing had to be undone."""

    conditions: Conditions
    kind: str


def state_of(opaque: bytes) -> bytes:
    """The part of a tag that names the state: all of it, unless it is of our own making and names a variant as well."""
    own = OWN_TAG.fullmatch(opaque)
    return opaque if own is None else own[1]


def unmarked(tag: EntityTag) -> list[tuple[bytes, str]]:
    """What tag may have been before one hop after the other marked it, the nearest first, each with the kind of the last mark."""
    found = [(tag.opaque, WEAK)] if tag.weak else []
    opaque, last = tag.opaque, WEAK if tag.weak else ""
    for _ in range(MAX_MARKS):
        mark = _MARK.search(opaque)
        if mark is None:
            break
        opaque = opaque[: mark.start()]
        last = last or _KINDS.get(mark[1], mark[1].decode("ascii") + "-suffix")
        found.append((opaque, last))
    return found


def undo_for_write(conditions: Conditions, current: EntityTag, backend: Backend) -> Undone:
    """Put `current` for every listed tag that names its state: marked by hops, or given out with another coding of the content."""
    compare = _same_state if backend is Backend.OURS else _SAME_BYTES[backend]
    if_match, kind = _undo(conditions.if_match, current, compare)
    if_none_match, other = _undo(conditions.if_none_match, current, compare)
    if if_match is conditions.if_match and if_none_match is conditions.if_none_match:
        return Undone(conditions, "")
    return Undone(replace(conditions, if_match=if_match, if_none_match=if_none_match), kind or other)


def undo_for_read(conditions: Conditions, current: EntityTag, backend: Backend) -> Undone:
    """Put `current` for the tag in If-None-Match that hops have marked.

    A tag of another coding stays what it is, since a 304 would tell the client that it has these bytes. So does If-Match: with a Range it
    asks for a part of the very bytes that the client has, and those are the hop's.
    """
    if_none_match, kind = _undo(conditions.if_none_match, current, _SAME_BYTES[backend])
    if if_none_match is conditions.if_none_match:
        return Undone(conditions, "")
    return Undone(replace(conditions, if_none_match=if_none_match), kind)


def is_marked(tag: EntityTag) -> bool:
    """Whether tag looks as if a hop had marked it."""
    return tag.weak or (tag.opaque.endswith(_CODINGS) and _MARK.search(tag.opaque) is not None)


def has_marks(conditions: Conditions) -> bool:
    """Whether a listed tag looks as if a hop had marked it."""
    lists = (conditions.if_match, conditions.if_none_match)
    return any(is_marked(tag) for tags in lists if isinstance(tags, tuple) for tag in tags)


_Compare = Callable[[EntityTag, EntityTag], str | None]
"""Say of a listed tag what its mark is if it names the current one, empty for none; None where it names another."""


def _same_state(tag: EntityTag, current: EntityTag) -> str | None:
    state = state_of(current.opaque)
    forms = unmarked(tag) if tag.weak else [(tag.opaque, ""), *unmarked(tag)]
    return next((kind for opaque, kind in forms if state_of(opaque) == state), None)


def _same_bytes(tag: EntityTag, current: EntityTag) -> str | None:
    return next((kind for opaque, kind in unmarked(tag) if opaque == current.opaque), None)


def _nothing(tag: EntityTag, current: EntityTag) -> str | None:
    return None


_SAME_BYTES: dict[Backend, _Compare] = {
    Backend.OURS: _same_bytes,
    Backend.MARKS_NONE: _same_bytes,
    Backend.MARKS_SOME: _nothing,
}


def _undo(tags: TagList | None, current: EntityTag, compare: _Compare) -> tuple[TagList | None, str]:
    """Return the very same list where there is nothing to undo, or where a tag in it is the current one as it came."""
    if not isinstance(tags, tuple) or current in tags:
        return tags, ""
    for position, tag in enumerate(tags):
        kind = compare(tag, current)
        if kind is not None:
            return (*tags[:position], current, *tags[position + 1 :]), kind
    return tags, ""
