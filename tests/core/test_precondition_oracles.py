"""Preconditions against two oracles, over every combination: a second reading of §13.2.2, and the PyPI package `etag`.

The reading below shares no code and no shape with `core/precondition.py`: it works on text and sets, and answers with status codes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import etag as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dates import format_http_date
from proxy.core.etag import EntityTag, Wildcard
from proxy.core.precondition import (
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
    NO_CONDITIONS,
    Absent,
    Conditions,
    Current,
    MalformedCondition,
    Present,
    Unreadable,
    Verdict,
    evaluate,
    read_conditions,
)
from tests.core.test_precondition import (
    ABSENT,
    AFTER,
    ALL,
    BARE,
    BEFORE,
    CHANGED,
    CURRENT,
    FORBIDDEN,
    MATCH_FAILED,
    MATCH_MOOT,
    MODIFIED_SAME,
    NEVER,
    NO_DATE,
    NOW,
    PROCEED,
    READS,
    SAME,
    STRONG,
    UNDATED,
    UNMODIFIED_FAILED,
    UNTAGGED,
    WEAK,
    WEAK_CURRENT,
    read,
)
from tests.strategies import near_tag_lines

METHODS = (*ALL, *NEVER, b"BREW", b"get")
TAG_FIELDS = (None, b"*", b'"cur"', b'W/"cur"', b'"old"', b'"old", W/"cur"', b'"old","cur"', b'"*"', b'""')
DATE_FIELDS = (None, BEFORE, SAME, AFTER, NO_DATE)
STATES: dict[str, Current] = {
    "strong": STRONG,
    "weak": WEAK,
    "untagged": UNTAGGED,
    "undated": UNDATED,
    "bare": BARE,
    "empty tag": Present(EntityTag(b""), CHANGED),
    "star tag": Present(EntityTag(b"*"), None),
    "absent": ABSENT,
    "unreadable": FORBIDDEN,
}


def _second_reading(method: str, fields: Mapping[str, str], current: Current) -> tuple[str, str]:
    """Say what §13.2.2 demands, working on text and sets, clause by clause, with the consequences as status codes."""
    reading = method in ("GET", "HEAD")
    heeded = {name: value for name, value in fields.items() if value != NO_DATE.decode()}
    if "if-match" in heeded:
        heeded.pop("if-unmodified-since", None)
    if "if-none-match" in heeded or not reading:
        heeded.pop("if-modified-since", None)
    if method in ("CONNECT", "OPTIONS", "TRACE") or not heeded:
        return "perform", ""
    if isinstance(current, Unreadable):
        return "backend", ""
    exists = isinstance(current, Present)
    here = {bytes(current.tag).decode()} if isinstance(current, Present) and current.tag is not None else set()
    changed = current.last_modified if isinstance(current, Present) else None
    truth: dict[str, bool] = {}
    for name in ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since"):
        if name not in heeded:
            continue
        asked = {member.strip() for member in heeded[name].split(",")}
        if name == "if-match":
            truth[name] = exists if asked == {"*"} else bool({tag for tag in asked if not tag.startswith("W/")} & here)
        elif name == "if-none-match":
            truth[name] = (
                not exists if asked == {"*"} else not ({tag[tag.index('"') :] for tag in asked} & {tag[tag.index('"') :] for tag in here})
            )
        else:
            second = {BEFORE.decode(): -1, SAME.decode(): 0, AFTER.decode(): 1}[heeded[name]]
            older = changed is None or changed <= CHANGED + second
            truth[name] = changed is None or (older if name == "if-unmodified-since" else not older)
    for name, holds in truth.items():
        if holds:
            continue
        if name == "if-match" and not exists and method != "PUT":
            return "backend", name
        status = "304" if reading and name in ("if-none-match", "if-modified-since") else "412"
        return status, name
    return "perform", ""


AS_STATUS = {Verdict.PROCEED: "perform", Verdict.NOT_MODIFIED: "304", Verdict.FAILED: "412", Verdict.NOT_APPLICABLE: "backend"}


def _field_sets() -> Iterator[dict[bytes, bytes]]:
    for if_match, if_none_match, modified, unmodified in product(TAG_FIELDS, TAG_FIELDS, DATE_FIELDS, DATE_FIELDS):
        given_fields = {IF_MATCH: if_match, IF_NONE_MATCH: if_none_match, IF_MODIFIED_SINCE: modified, IF_UNMODIFIED_SINCE: unmodified}
        yield {name: value for name, value in given_fields.items() if value is not None}


@pytest.fixture(scope="module")
def all_conditions() -> list[tuple[Conditions, dict[str, str]]]:
    return [
        (read({name: [value] for name, value in fields.items()}), {name.decode(): value.decode() for name, value in fields.items()})
        for fields in _field_sets()
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.decode())
def test_agrees_with_a_second_reading_of_13_2_2(method: bytes, state: str, all_conditions: list[tuple[Conditions, dict[str, str]]]) -> None:
    for conditions, fields in all_conditions:
        verdict, because = evaluate(method, conditions, STATES[state])
        assert (AS_STATUS[verdict], because.decode()) == _second_reading(method.decode(), fields, STATES[state]), fields


# ---- the PyPI package `etag` -------------------------------------------------------------------------------------------------------

# Where it differs: it knows no dates and no unreadable state; it answers 412 to a failed If-Match on an absent target whatever the method
# (§13.2.1 lets the 404 win); a malformed If-Match is a 412 to it and a malformed If-None-Match true, where this proxy answers 400; and
# `*` with empty members around it is the wildcard to it.


def _their_status(method: str, fields: dict[str, Any], current: Present | Absent) -> int | None:
    tag = current.tag if isinstance(current, Present) else None
    text = None if tag is None else bytes(tag).decode("latin-1")
    return oracle.evaluate_preconditions(method, text, exists=isinstance(current, Present), **fields)


@pytest.mark.parametrize("state", [state for state, current in STATES.items() if not isinstance(current, Unreadable)])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.decode())
def test_agrees_with_the_package_etag(method: bytes, state: str) -> None:
    current = STATES[state]
    assert not isinstance(current, Unreadable)
    for if_match, if_none_match in product(TAG_FIELDS, TAG_FIELDS):
        lines = {name: [value] for name, value in ((IF_MATCH, if_match), (IF_NONE_MATCH, if_none_match)) if value is not None}
        ours = evaluate(method, read(lines), current)
        theirs = _their_status(method.decode(), {"if_match": if_match, "if_none_match": if_none_match}, current)
        if ours == MATCH_MOOT:
            assert theirs == 412
        else:
            assert theirs == {Verdict.PROCEED: None, Verdict.NOT_MODIFIED: 304, Verdict.FAILED: 412}[ours.verdict], lines


@given(near_tag_lines, st.sampled_from([b"cur", b"", b"*", b"a", b"W/"]), st.booleans(), st.sampled_from([b"GET", b"PUT", b"PATCH"]))
def test_a_fuzzed_if_match_passes_where_the_package_etag_lets_it(lines: list[bytes], opaque: bytes, weak: bool, method: bytes) -> None:
    current = Present(EntityTag(opaque, weak), None)
    conditions = read_conditions({IF_MATCH: lines}, NOW)
    if isinstance(conditions, MalformedCondition):
        # The one thing it takes that we do not is a wildcard with empty members. A field with no line is no field to it.
        assert not lines or oracle.is_wildcard(lines) or not oracle.if_match(lines, bytes(current.tag or b"").decode("latin-1"))
        return
    theirs = _their_status(method.decode(), {"if_match": lines}, current)
    assert evaluate(method, conditions, current) == (PROCEED if theirs is None else MATCH_FAILED)


_dates = st.none() | st.integers(min_value=-2, max_value=2).map(lambda offset: CHANGED + offset)
_lists = st.sampled_from([None, Wildcard.ANY, (CURRENT,), (WEAK_CURRENT,), (EntityTag(b"old"),), (EntityTag(b"old"), CURRENT)])


@given(
    st.sampled_from(METHODS),
    st.builds(Conditions, _lists, _lists, _dates, _dates, st.none() | st.just(CURRENT) | st.just(CHANGED)),
    st.sampled_from(list(STATES.values())),
)
def test_what_a_judgement_can_be(method: bytes, conditions: Conditions, current: Current) -> None:
    verdict, because = evaluate(method, conditions, current)
    by_name = {
        IF_MATCH: conditions.if_match,
        IF_NONE_MATCH: conditions.if_none_match,
        IF_MODIFIED_SINCE: conditions.if_modified_since,
        IF_UNMODIFIED_SINCE: conditions.if_unmodified_since,
    }
    assert (because == b"") == (verdict is Verdict.PROCEED or isinstance(current, Unreadable))
    assert because == b"" or by_name[because] is not None
    if verdict is Verdict.NOT_MODIFIED:
        assert method in READS
        assert isinstance(current, Present)
    if isinstance(current, Unreadable):
        assert verdict in (Verdict.PROCEED, Verdict.NOT_APPLICABLE)
    # The deciding field alone would have decided the same.
    if because:
        alone = {IF_MATCH: "if_match", IF_NONE_MATCH: "if_none_match", IF_MODIFIED_SINCE: "if_modified_since"}.get(
            because, "if_unmodified_since"
        )
        assert evaluate(method, replace(NO_CONDITIONS, **{alone: getattr(conditions, alone)}), current) == (verdict, because)


@given(st.integers(min_value=0, max_value=4_000_000_000), st.integers(min_value=-3, max_value=3))
def test_dates_are_compared_by_the_second(changed: int, offset: int) -> None:
    current = Present(None, float(changed))
    value = [format_http_date(float(changed + offset))]
    unmodified = evaluate(b"PUT", read({IF_UNMODIFIED_SINCE: value}), current)
    modified = evaluate(b"GET", read({IF_MODIFIED_SINCE: value}), current)
    assert unmodified == (PROCEED if offset >= 0 else UNMODIFIED_FAILED)
    assert modified == (MODIFIED_SAME if offset >= 0 else PROCEED)
