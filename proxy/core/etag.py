"""Entity tags: the value, its grammar (RFC 9110 §8.8.3, §5.6.1) and its two comparisons (§8.8.3.2), on bytes.

Rules of this file. A list is a wildcard, tags or malformed, and never mistaken for absent: a condition that could not be read must not
let a write pass. The wildcard is a type of its own, so that the ordinary tag `"*"` is never taken for it. Nothing is unescaped, decoded
or folded: two tags are equal when their bytes are. Every pattern is possessive and reads each byte once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MAX_TAGS = 64
"""The longest list that is read. A client that holds more versions than this of one resource is not asking about a version."""

# entity-tag = [ weak ] opaque-tag
# weak       = %s"W/"                        ; case-sensitive
# opaque-tag = DQUOTE *etagc DQUOTE
# etagc      = %x21 / %x23-7E / obs-text     ; obs-text = %x80-FF
_ENTITY_TAG = rb'(W/)?"([\x21\x23-\x7E\x80-\xFF]*+)"'
_ALONE = re.compile(rb"[ \t]*+" + _ENTITY_TAG + rb"[ \t]*+")
# A recipient's #entity-tag (§5.6.1.2): [ element ] *( OWS "," OWS [ element ] ). A match skips a gap and takes a member, or the end.
_MEMBER = re.compile(rb"[ \t,]*+(?:" + _ENTITY_TAG + rb"[ \t]*+(?=,|\Z)|\Z)")


@dataclass(frozen=True, slots=True)
class EntityTag:
    """One tag. `opaque` is what stands between the quotes, byte for byte; empty is legal. The maker answers for its grammar."""

    opaque: bytes
    weak: bool = False

    def __bytes__(self) -> bytes:
        """Give the wire form."""
        return b'W/"%b"' % self.opaque if self.weak else b'"%b"' % self.opaque

    def is_strong_match(self, other: "EntityTag") -> bool:
        """Say whether both are strong and the same (§8.8.3.2)."""
        return self.opaque == other.opaque and not self.weak and not other.weak

    def is_weak_match(self, other: "EntityTag") -> bool:
        """Say whether both are the same, weak or not (§8.8.3.2)."""
        return self.opaque == other.opaque


class Wildcard(Enum):
    """The `*` of If-Match and If-None-Match."""

    ANY = "*"


@dataclass(frozen=True, slots=True)
class Malformed:
    """What was read is not in the grammar. `why` is for the one who sent it, and quotes none of it."""

    why: str


TagList = Wildcard | tuple[EntityTag, ...] | Malformed
"""The value of If-Match or If-None-Match. The tuple is never empty."""


def parse_tag(value: bytes) -> EntityTag | Malformed:
    """Read a single entity-tag: the value of an ETag, or of an If-Range that holds one. A bare `abc` is malformed."""
    found = _ALONE.fullmatch(value)
    if found is None:
        return Malformed("not one entity-tag")
    return EntityTag(found[2], found[1] is not None)


def parse_tag_list(lines: Sequence[bytes]) -> TagList:
    """Read the field lines of one If-Match or If-None-Match, in order, as one list (§5.3).

    Empty members are skipped, a list without any other member is malformed, and so is `*` beside anything, be it an empty member.
    Each line is read by itself: no tag is put together from the end of one and the start of the next.
    """
    if len(lines) == 1:
        only = _ALONE.fullmatch(lines[0])
        if only is not None:
            return (EntityTag(only[2], only[1] is not None),)
        if lines[0].strip(b" \t") == b"*":
            return Wildcard.ANY
    tags: list[EntityTag] = []
    for number, line in enumerate(lines, 1):
        at = 0
        while True:
            member = _MEMBER.match(line, at)
            if member is None:
                return _malformed(line, at, number)
            if member[2] is None:
                break
            if len(tags) == MAX_TAGS:
                return Malformed(f"more than {MAX_TAGS} entity-tags")
            tags.append(EntityTag(member[2], member[1] is not None))
            at = member.end()
    return tuple(tags) or Malformed("no entity-tag in it")


def _malformed(line: bytes, at: int, number: int) -> Malformed:
    rest = line[at:].lstrip(b" \t,")
    if rest.startswith(b"*"):
        return Malformed("* stands beside something else")
    return Malformed(f"no entity-tag at octet {len(line) - len(rest) + 1} of line {number}")
