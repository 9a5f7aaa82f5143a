"""Preconditions: read from a request (RFC 9110 §13.1), and judged against what stands (§13.2.2).

A gateway acts as the origin server outward (§3.7). The licence of §13.1.1 for intermediaries to leave If-Match alone is not ours: every
condition is judged here, in the origin's order, and none is left to a backend that has no idea of versions.

Two rules of this file. Malformed is never absent: a condition that cannot be read is the client's error, not an unconditional write.
And a verdict names its consequence: "no" to the first of these fields is not what it is to the next, so no yes or no leaves this file.

Field names are lower-case here, as in the mapping that comes in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .dates import parse_http_date
from .etag import EntityTag, Malformed, TagList, Wildcard, parse_tag, parse_tag_list

IF_MATCH = b"if-match"
IF_NONE_MATCH = b"if-none-match"
IF_MODIFIED_SINCE = b"if-modified-since"
IF_UNMODIFIED_SINCE = b"if-unmodified-since"
IF_RANGE = b"if-range"
CONDITION_FIELDS = frozenset({IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE})

UNCONDITIONAL_METHODS = frozenset({b"CONNECT", b"OPTIONS", b"TRACE"})
"""Methods that select no representation: preconditions do not apply to them (§13.2.1)."""

# ---- what a request asks for -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conditions:
    """The preconditions of one request. None: the field was absent, or has to be ignored because its date is not one.

    `read_conditions` never puts a Malformed in the two lists. Where one stands there all the same, the request is refused.
    """

    if_match: TagList | None = None
    if_none_match: TagList | None = None
    if_modified_since: float | None = None
    if_unmodified_since: float | None = None
    if_range: EntityTag | float | Malformed | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no condition at all."""
        return self == NO_CONDITIONS


NO_CONDITIONS = Conditions()


@dataclass(frozen=True, slots=True)
class MalformedCondition:
    """A list that cannot be read: the request is a 400. `value` holds the field's lines joined by commas."""

    field: bytes
    value: bytes
    why: str


def read_conditions(lines: Mapping[bytes, Sequence[bytes]], now: float) -> Conditions | MalformedCondition:
    """Read the preconditions among the field lines, which are given by lower-case name, in order. `now` serves two-digit years.

    A name that is not in the mapping is an absent field; an empty value is a malformed one. A date that is not one, or comes twice, is
    as good as absent (§13.1.3, §13.1.4); an If-Range that cannot be read is kept as Malformed, and matches nothing.
    """
    if lines.keys().isdisjoint(CONDITION_FIELDS):
        return NO_CONDITIONS
    lists: list[TagList | None] = []
    for field in (IF_MATCH, IF_NONE_MATCH):
        values = lines.get(field)
        tags = None if values is None else parse_tag_list(values)
        if isinstance(tags, Malformed):
            return MalformedCondition(field, b", ".join(values or ()), tags.why)
        lists.append(tags)
    return Conditions(
        if_match=lists[0],
        if_none_match=lists[1],
        if_modified_since=_read_date(lines.get(IF_MODIFIED_SINCE, ()), now),
        if_unmodified_since=_read_date(lines.get(IF_UNMODIFIED_SINCE, ()), now),
        if_range=_read_if_range(lines[IF_RANGE], now) if IF_RANGE in lines else None,
    )


def _read_date(values: Sequence[bytes], now: float) -> float | None:
    return parse_http_date(values[0].strip(b" \t"), now) if len(values) == 1 else None


def _read_if_range(values: Sequence[bytes], now: float) -> EntityTag | float | Malformed:
    if len(values) != 1:
        return Malformed("not a single value")
    value = values[0].strip(b" \t")
    # §13.1.5: a DQUOTE among the first three characters tells a tag from a date.
    if b'"' in value[:3]:
        return parse_tag(value)
    date = parse_http_date(value, now)
    return Malformed("neither an entity-tag nor a date") if date is None else date


# ---- what stands -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Present:
    """There is a current representation.

    `tag` None: it has none. `last_modified` None: no date is known. `date` is when the origin made the answer that told of it, and only
    serves to tell whether `last_modified` is strong.
    """

    tag: EntityTag | None
    last_modified: float | None
    date: float | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no current representation: the backend answered 404 or 410."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The backend answered a plain request of this client with `status`, which is neither a representation nor the lack of one."""

    status: int


Current = Present | Absent | Unreadable

# ---- the judgement -----------------------------------------------------------------------------------------------------------------


class Verdict(Enum):
    """What the preconditions demand."""

    PROCEED = "perform the method"
    NOT_MODIFIED = "304"
    FAILED = "412, and the method is not performed"
    NOT_APPLICABLE = "the backend's own refusal is the answer"


class Judgement(NamedTuple):
    """A verdict, and the field that decided it (b"": none did)."""

    verdict: Verdict
    because: bytes


_PROCEED = Judgement(Verdict.PROCEED, b"")


def evaluate(method: bytes, conditions: Conditions, current: Current) -> Judgement:
    """Judge the preconditions of a request in the order of §13.2.2. The method's name is case-sensitive.

    If-Range is not judged here but by `applies_range`: it can only widen an answer, never refuse one.
    """
    if conditions is NO_CONDITIONS or method in UNCONDITIONAL_METHODS:
        return _PROCEED
    is_read = method in (b"GET", b"HEAD")
    # §13.2.1: ignore all preconditions if the answer without them would be neither a 2xx nor a 412.
    if isinstance(current, Unreadable):
        return Judgement(Verdict.NOT_APPLICABLE, b"") if _has_a_say(method, conditions) else _PROCEED

    # Step 1: when recipient is the origin server and If-Match is present, evaluate it.
    if conditions.if_match is not None:
        if not _if_match_passes(conditions.if_match, current):
            return Judgement(_refusal(method, current), IF_MATCH)

    # Step 2: when If-Match is not present and If-Unmodified-Since is, evaluate it.
    elif conditions.if_unmodified_since is not None and not _if_unmodified_since_passes(conditions.if_unmodified_since, current):
        return Judgement(Verdict.FAILED, IF_UNMODIFIED_SINCE)

    # Step 3: when If-None-Match is present, evaluate it.
    if conditions.if_none_match is not None:
        if not _if_none_match_passes(conditions.if_none_match, current):
            is_cached = is_read and not isinstance(conditions.if_none_match, Malformed)
            return Judgement(Verdict.NOT_MODIFIED if is_cached else Verdict.FAILED, IF_NONE_MATCH)

    # Step 4: when the method is GET or HEAD, If-None-Match is not present and If-Modified-Since is, evaluate it.
    elif is_read and conditions.if_modified_since is not None and not _if_modified_since_passes(conditions.if_modified_since, current):
        return Judgement(Verdict.NOT_MODIFIED, IF_MODIFIED_SINCE)

    # Step 5, Range and If-Range, is the answer's: `applies_range`. Step 6: perform the method.
    return _PROCEED


def applies_range(conditions: Conditions, current: Present) -> bool:
    """Say whether a GET's Range may be honoured, as defined in RFC 9110 §13.1.5. Without If-Range it may."""
    match conditions.if_range:
        case None:
            return True
        case Malformed():
            return False
        case EntityTag() as tag:
            return current.tag is not None and tag.is_strong_match(current.tag)
        case date:
            return date == current.last_modified and _is_strong_date(date, current.date)


def _is_strong_date(last_modified: float, date: float | None) -> bool:
    """§8.8.2.2: the answer was made at least a second later, so no second change can hide behind the same date."""
    return date is not None and last_modified + 1 <= date


def _has_a_say(method: bytes, conditions: Conditions) -> bool:
    """Whether any of the conditions is one that this method has to heed."""
    if conditions.if_match is not None or conditions.if_none_match is not None or conditions.if_unmodified_since is not None:
        return True
    if conditions.if_modified_since is not None and method in (b"GET", b"HEAD"):
        return True
    return conditions.if_range is not None and method == b"GET"


def _refusal(method: bytes, current: Current) -> Verdict:
    """What a false If-Match means. On an absent target only a PUT would have been a 2xx, the rest is the backend's 404 (§13.2.1)."""
    return Verdict.NOT_APPLICABLE if isinstance(current, Absent) and method != b"PUT" else Verdict.FAILED


def _if_match_passes(condition: TagList, current: Present | Absent) -> bool:
    """Test the If-Match comparison as defined in RFC 9110 §13.1.1: strong, and `*` asks for any representation."""
    if condition is Wildcard.ANY:
        return isinstance(current, Present)
    return _is_listed(condition, current, EntityTag.is_strong_match)


def _if_none_match_passes(condition: TagList, current: Present | Absent) -> bool:
    """Test the If-None-Match comparison as defined in RFC 9110 §13.1.2: weak, and `*` asks for no representation."""
    if condition is Wildcard.ANY:
        return isinstance(current, Absent)
    if isinstance(condition, Malformed):
        return False
    return not _is_listed(condition, current, EntityTag.is_weak_match)


def _if_unmodified_since_passes(condition: float, current: Present | Absent) -> bool:
    """Test the If-Unmodified-Since comparison as defined in RFC 9110 §13.1.4; true where no date is known."""
    return isinstance(current, Absent) or current.last_modified is None or current.last_modified <= condition


def _if_modified_since_passes(condition: float, current: Present | Absent) -> bool:
    """Test the If-Modified-Since comparison as defined in RFC 9110 §13.1.3; true where no date is known."""
    return isinstance(current, Absent) or current.last_modified is None or current.last_modified > condition


def _is_listed(
    condition: tuple[EntityTag, ...] | Malformed, current: Present | Absent, matches: Callable[[EntityTag, EntityTag], bool]
) -> bool:
    if isinstance(condition, Malformed) or isinstance(current, Absent) or current.tag is None:
        return False
    tag = current.tag
    return any(matches(listed, tag) for listed in condition)
