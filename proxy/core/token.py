"""Tokens: the version that a client says its write is based on, wherever it puts it, as the condition that If-Match would be.

Two rules of this file. Malformed is never absent: a version that cannot be read is the client's error, not a write without one. And a
version that nobody was ever given is well-formed all the same: it names no state, so what it comes to is stale.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .alias import query_pairs
from .dialect import Compare
from .etag import EntityTag, Malformed, Wildcard, parse_tag
from .json_text import Number
from .pointer import NOTHING
from .precondition import IF_MATCH, IF_NONE_MATCH, Conditions, MalformedCondition, read_conditions

MAX_DIGITS = 16
"""As many as 2^53 has, over which JavaScript does not tell one number from the next. No version has more."""

# What an integer that is no version of itself looks like to nobody: no sign, no fraction, no exponent, no leading zero.
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)")
# etagc without the comma, which ends a member of a list
_BARE = rb"[\x21\x23-\x2B\x2D-\x7E\x80-\xFF]++"
_LOOSE_MEMBER = re.compile(rb'[ \t,]*+(?:(?:W/)?"([\x21\x23-\x7E\x80-\xFF]*+)"|(?:W/|(?!W/))(%b))[ \t]*+(?=,|\Z)' % _BARE)
_GAP = re.compile(rb"[ \t,]*+")


def read_fields(lines: Mapping[bytes, Sequence[bytes]], now: float, compare: Compare) -> Conditions | MalformedCondition:
    """Read the preconditions among the field lines as clients of this kind write them. As `read_conditions`, which it is for STRONG."""
    if compare is Compare.STRONG:
        return read_conditions(lines, now)
    if compare is not Compare.WEAK:
        lines = {name: [_quoted(value) for value in values] if name in _LISTS else values for name, values in lines.items()}
    conditions = read_conditions(lines, now)
    if isinstance(conditions, MalformedCondition) or not isinstance(conditions.if_match, tuple):
        return conditions
    tags: list[EntityTag] = []
    for tag in conditions.if_match:
        base = _predecessor(tag.opaque.decode("latin-1")) if compare is Compare.SUCCESSOR else EntityTag(tag.opaque)
        if isinstance(base, Malformed):
            return MalformedCondition(IF_MATCH, b", ".join(lines[IF_MATCH]), base.why)
        tags.append(base)
    return replace(conditions, if_match=tuple(tags))


_LISTS = frozenset({IF_MATCH, IF_NONE_MATCH})


def _quoted(line: bytes) -> bytes:
    """Put quotes around the members of a list that have none. A line that is no list even so comes back as it is."""
    if line.strip(b" \t") == b"*":
        return line
    members: list[bytes] = []
    end = 0
    while found := _LOOSE_MEMBER.match(line, end):
        if found[2] == b"*":
            return line
        members.append(b'"%b"' % (found[1] if found[2] is None else found[2]))
        end = found.end()
    return b", ".join(members) if members and _GAP.fullmatch(line, end) else line


def read_text(text: bytes, compare: Compare) -> EntityTag | Wildcard | Malformed:
    """Read a version that stands alone in a text: the value of a query parameter, or a string in JSON."""
    if text == b"*":
        return Wildcard.ANY
    if compare is Compare.SUCCESSOR:
        return _predecessor(text.decode("latin-1"))
    found = _LOOSE_MEMBER.fullmatch(text)
    if found is None or text[:1] in b" \t,":
        # A tag that holds a comma needs its quotes, and this says what is wrong with it otherwise.
        tag = parse_tag(text)
        return tag if isinstance(tag, Malformed) else EntityTag(tag.opaque)
    return EntityTag(found[1] if found[2] is None else found[2])


def read_value(value: object, compare: Compare, *, is_number: bool) -> EntityTag | Malformed | None:
    """Read a version out of JSON, its numbers as the texts that they are. None: nothing stands there (NOTHING); `null` is malformed.

    `is_number`: versions of this route are numbers; then a string is none, and otherwise it has to be one.
    """
    if value is NOTHING:
        return None
    if is_number or compare is Compare.SUCCESSOR:
        if not isinstance(value, Number):
            return Malformed("not a number")
        return _predecessor(str(value)) if compare is Compare.SUCCESSOR else _number(str(value))
    if not isinstance(value, str) or isinstance(value, Number):
        return Malformed("not a string")
    try:
        tag = read_text(value.encode("latin-1"), compare)
    except UnicodeEncodeError:
        return Malformed("not one entity-tag")
    # `*` is for fields: in a document it would be a version that nobody gave out.
    return Malformed("not one entity-tag") if tag is Wildcard.ANY else tag


def read_query(query: bytes | None, name: str, compare: Compare) -> tuple[bytes, EntityTag | Wildcard | Malformed] | None:
    """Read the version in a query, with its text. None: the parameter is not there; twice, or empty, it is malformed."""
    found = [value for given, value in query_pairs(query or b"") if given == name.encode()]
    if not found:
        return None
    if len(found) > 1:
        return b", ".join(found), Malformed("given twice")
    return found[0], read_text(found[0], compare)


def also_named(conditions: Conditions, base: EntityTag | Wildcard) -> Conditions | Malformed:
    """Add what the token names to the conditions of the fields. Malformed: an If-Match beside it names other states."""
    given = conditions.if_match
    if given is None or given is Wildcard.ANY:
        return replace(conditions, if_match=base if base is Wildcard.ANY else (base,))
    if base is Wildcard.ANY or isinstance(given, Malformed):
        return conditions
    if not any(tag.is_strong_match(base) for tag in given):
        return Malformed("not what If-Match names")
    return replace(conditions, if_match=(base,))


def _predecessor(text: str) -> EntityTag | Malformed:
    number = _number(text)
    if isinstance(number, Malformed):
        return number
    return EntityTag(b"%d" % (int(number.opaque) - 1)) if number.opaque != b"0" else Malformed("the successor of no version")


def _number(text: str) -> EntityTag | Malformed:
    if _NUMBER.fullmatch(text) is None:
        return Malformed("not a whole number from 0 on")
    if len(text) > MAX_DIGITS:
        return Malformed(f"a number of more than {MAX_DIGITS} digits")
    return EntityTag(text.encode("ascii"))
