"""Preconditions: RFC 9110 §13.1 read, §13.2 judged. Ids name the clause, then the method.

The table of literal cases says what each clause demands. Two oracles then go through every combination: a second reading of §13.2.2
that shares no code with the first, and the PyPI package `etag` where it has an opinion.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Final, NamedTuple

import etag as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dates import format_http_date
from proxy.core.etag import EntityTag, Malformed, Wildcard
from proxy.core.precondition import (
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    NO_CONDITIONS,
    Absent,
    Conditions,
    Current,
    Judgement,
    MalformedCondition,
    Present,
    Unreadable,
    Verdict,
    applies_range,
    evaluate,
    read_conditions,
)
from tests.strategies import near_tag_lines

Lines = Mapping[bytes, list[bytes]]

CHANGED: Final = 784111777.0
"""When the current representation was last modified: Sun, 06 Nov 1994 08:49:37 GMT."""
NOW: Final = CHANGED + 86400

BEFORE: Final = b"Sun, 06 Nov 1994 08:49:36 GMT"
SAME: Final = b"Sun, 06 Nov 1994 08:49:37 GMT"
AFTER: Final = b"Sun, 06 Nov 1994 08:49:38 GMT"
NO_DATE: Final = b"yesterday"

CURRENT: Final = EntityTag(b"cur")
WEAK_CURRENT: Final = EntityTag(b"cur", weak=True)
STRONG: Final = Present(CURRENT, CHANGED)
WEAK: Final = Present(WEAK_CURRENT, CHANGED)
UNTAGGED: Final = Present(None, CHANGED)
UNDATED: Final = Present(CURRENT, None)
BARE: Final = Present(None, None)
ABSENT: Final = Absent()
FORBIDDEN: Final = Unreadable(403)

PROCEED: Final = Judgement(Verdict.PROCEED, b"")
NOT_APPLICABLE: Final = Judgement(Verdict.NOT_APPLICABLE, b"")
MATCH_FAILED: Final = Judgement(Verdict.FAILED, b"if-match")
MATCH_MOOT: Final = Judgement(Verdict.NOT_APPLICABLE, b"if-match")
NONE_MATCH_FAILED: Final = Judgement(Verdict.FAILED, b"if-none-match")
NONE_MATCH_SAME: Final = Judgement(Verdict.NOT_MODIFIED, b"if-none-match")
MODIFIED_SAME: Final = Judgement(Verdict.NOT_MODIFIED, b"if-modified-since")
UNMODIFIED_FAILED: Final = Judgement(Verdict.FAILED, b"if-unmodified-since")

READS: Final = (b"GET", b"HEAD")
WRITES: Final = (b"PUT", b"POST", b"PATCH", b"DELETE", b"PROPPATCH")
NOT_PUT: Final = (b"GET", b"HEAD", b"POST", b"PATCH", b"DELETE", b"PROPPATCH")
ALL: Final = READS + WRITES
NEVER: Final = (b"CONNECT", b"OPTIONS", b"TRACE")


class Row(NamedTuple):
    """One demand of a clause, and the methods that it is made of."""

    clause: str
    methods: tuple[bytes, ...]
    lines: Lines
    current: Current
    judgement: Judgement


TABLE = [
    Row("13.2.2(6) nothing asked, present", ALL, {}, STRONG, PROCEED),
    Row("13.2.2(6) nothing asked, absent", ALL, {}, ABSENT, PROCEED),
    Row("13.2.2(6) nothing asked, unreadable", ALL, {}, FORBIDDEN, PROCEED),
    # §13.1.1
    Row("13.1.1 the current tag", ALL, {IF_MATCH: [b'"cur"']}, STRONG, PROCEED),
    Row("13.1.1 another tag", ALL, {IF_MATCH: [b'"old"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 the current tag among others", ALL, {IF_MATCH: [b'"old", "cur"']}, STRONG, PROCEED),
    Row("13.1.1 the current tag in a second line", ALL, {IF_MATCH: [b'"old"', b'"cur"']}, STRONG, PROCEED),
    Row("13.1.1 none of the others", ALL, {IF_MATCH: [b'"old", "older"', b'"oldest"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 strong comparison, weak asked", ALL, {IF_MATCH: [b'W/"cur"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 strong comparison, weak stands", ALL, {IF_MATCH: [b'"cur"']}, WEAK, MATCH_FAILED),
    Row("13.1.1 strong comparison, both weak", ALL, {IF_MATCH: [b'W/"cur"']}, WEAK, MATCH_FAILED),
    Row("13.1.1 star, tagged", ALL, {IF_MATCH: [b"*"]}, STRONG, PROCEED),
    Row("13.1.1 star, weak", ALL, {IF_MATCH: [b"*"]}, WEAK, PROCEED),
    Row("13.1.1 star, untagged", ALL, {IF_MATCH: [b"*"]}, UNTAGGED, PROCEED),
    Row("13.1.1 quoted star is a tag", ALL, {IF_MATCH: [b'"*"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 quoted star stands", ALL, {IF_MATCH: [b'"*"']}, Present(EntityTag(b"*"), None), PROCEED),
    Row("13.1.1 a tag, untagged", ALL, {IF_MATCH: [b'"cur"']}, UNTAGGED, MATCH_FAILED),
    Row("13.1.1 the empty tag, untagged", ALL, {IF_MATCH: [b'""']}, UNTAGGED, MATCH_FAILED),
    Row("13.1.1 the empty tag stands", ALL, {IF_MATCH: [b'""']}, Present(EntityTag(b""), None), PROCEED),
    Row("13.1.1 a part of the tag", ALL, {IF_MATCH: [b'"cu"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 the tag with a hop's suffix", ALL, {IF_MATCH: [b'"cur-gzip"']}, STRONG, MATCH_FAILED),
    Row("13.1.1 other case", ALL, {IF_MATCH: [b'"CUR"']}, STRONG, MATCH_FAILED),
    # §13.1.1 on what is not there; §13.2.1 lets the 404 stand, except for the PUT that would have created.
    Row("13.1.1 absent, tag, would create", (b"PUT",), {IF_MATCH: [b'"cur"']}, ABSENT, MATCH_FAILED),
    Row("13.1.1 absent, star, would create", (b"PUT",), {IF_MATCH: [b"*"]}, ABSENT, MATCH_FAILED),
    Row("13.2.1 absent, tag", NOT_PUT, {IF_MATCH: [b'"cur"']}, ABSENT, MATCH_MOOT),
    Row("13.2.1 absent, star", NOT_PUT, {IF_MATCH: [b"*"]}, ABSENT, MATCH_MOOT),
    # §13.1.2
    Row("13.1.2 the current tag, read", READS, {IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_SAME),
    Row("13.1.2 the current tag, write", WRITES, {IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_FAILED),
    Row("13.1.2 another tag", ALL, {IF_NONE_MATCH: [b'"old"']}, STRONG, PROCEED),
    Row("13.1.2 weak comparison, weak asked", READS, {IF_NONE_MATCH: [b'W/"cur"']}, STRONG, NONE_MATCH_SAME),
    Row("13.1.2 weak comparison, weak stands", READS, {IF_NONE_MATCH: [b'"cur"']}, WEAK, NONE_MATCH_SAME),
    Row("13.1.2 weak comparison, write", WRITES, {IF_NONE_MATCH: [b'W/"cur"']}, WEAK, NONE_MATCH_FAILED),
    Row("13.1.2 one of several", READS, {IF_NONE_MATCH: [b'"a", "b"', b'W/"cur"']}, STRONG, NONE_MATCH_SAME),
    Row("13.1.2 none of several", ALL, {IF_NONE_MATCH: [b'"a", "b"', b'W/"c"']}, STRONG, PROCEED),
    Row("13.1.2 star, read", READS, {IF_NONE_MATCH: [b"*"]}, STRONG, NONE_MATCH_SAME),
    Row("13.1.2 star, write", WRITES, {IF_NONE_MATCH: [b"*"]}, STRONG, NONE_MATCH_FAILED),
    Row("13.1.2 star, untagged", WRITES, {IF_NONE_MATCH: [b"*"]}, BARE, NONE_MATCH_FAILED),
    Row("13.1.2 star, absent: create", ALL, {IF_NONE_MATCH: [b"*"]}, ABSENT, PROCEED),
    Row("13.1.2 a tag, absent", ALL, {IF_NONE_MATCH: [b'"cur"']}, ABSENT, PROCEED),
    Row("13.1.2 a tag, untagged", ALL, {IF_NONE_MATCH: [b'"cur"']}, UNTAGGED, PROCEED),
    Row("13.1.2 quoted star is a tag", ALL, {IF_NONE_MATCH: [b'"*"']}, STRONG, PROCEED),
    # §13.1.3
    Row("13.1.3 changed since", READS, {IF_MODIFIED_SINCE: [BEFORE]}, STRONG, PROCEED),
    Row("13.1.3 not since that second", READS, {IF_MODIFIED_SINCE: [SAME]}, STRONG, MODIFIED_SAME),
    Row("13.1.3 not since", READS, {IF_MODIFIED_SINCE: [AFTER]}, STRONG, MODIFIED_SAME),
    Row("13.1.3 untagged all the same", READS, {IF_MODIFIED_SINCE: [SAME]}, UNTAGGED, MODIFIED_SAME),
    Row("13.1.3 only GET and HEAD", WRITES, {IF_MODIFIED_SINCE: [AFTER]}, STRONG, PROCEED),
    Row("13.1.3 no date known", READS, {IF_MODIFIED_SINCE: [AFTER]}, UNDATED, PROCEED),
    Row("13.1.3 absent", ALL, {IF_MODIFIED_SINCE: [AFTER]}, ABSENT, PROCEED),
    Row("13.1.3 not a date", READS, {IF_MODIFIED_SINCE: [NO_DATE]}, STRONG, PROCEED),
    Row("13.1.3 empty", READS, {IF_MODIFIED_SINCE: [b""]}, STRONG, PROCEED),
    Row("13.1.3 twice", READS, {IF_MODIFIED_SINCE: [AFTER, AFTER]}, STRONG, PROCEED),
    Row("13.1.3 ignored beside If-None-Match", READS, {IF_NONE_MATCH: [b'"old"'], IF_MODIFIED_SINCE: [AFTER]}, STRONG, PROCEED),
    Row("13.1.3 RFC 850", READS, {IF_MODIFIED_SINCE: [b"Sunday, 06-Nov-94 08:49:37 GMT"]}, STRONG, MODIFIED_SAME),
    Row("13.1.3 asctime", READS, {IF_MODIFIED_SINCE: [b"Sun Nov  6 08:49:37 1994"]}, STRONG, MODIFIED_SAME),
    # §13.1.4
    Row("13.1.4 unchanged since", ALL, {IF_UNMODIFIED_SINCE: [AFTER]}, STRONG, PROCEED),
    Row("13.1.4 unchanged since that second", ALL, {IF_UNMODIFIED_SINCE: [SAME]}, STRONG, PROCEED),
    Row("13.1.4 changed since", ALL, {IF_UNMODIFIED_SINCE: [BEFORE]}, STRONG, UNMODIFIED_FAILED),
    Row("13.1.4 no date known", ALL, {IF_UNMODIFIED_SINCE: [BEFORE]}, UNDATED, PROCEED),
    Row("13.1.4 absent", ALL, {IF_UNMODIFIED_SINCE: [BEFORE]}, ABSENT, PROCEED),
    Row("13.1.4 not a date", WRITES, {IF_UNMODIFIED_SINCE: [NO_DATE]}, STRONG, PROCEED),
    Row("13.1.4 twice", WRITES, {IF_UNMODIFIED_SINCE: [BEFORE, BEFORE]}, STRONG, PROCEED),
    Row("13.1.4 ignored beside a true If-Match", ALL, {IF_MATCH: [b'"cur"'], IF_UNMODIFIED_SINCE: [BEFORE]}, STRONG, PROCEED),
    Row("13.1.4 ignored beside a false If-Match", ALL, {IF_MATCH: [b'"old"'], IF_UNMODIFIED_SINCE: [AFTER]}, STRONG, MATCH_FAILED),
    # §13.1.5 is not of the verdict.
    Row("13.1.5 does not judge", ALL, {IF_RANGE: [b'"old"']}, STRONG, PROCEED),
    # §13.2.1
    Row("13.2.1 unreadable, If-Match", ALL, {IF_MATCH: [b'"old"']}, FORBIDDEN, NOT_APPLICABLE),
    Row("13.2.1 unreadable, star", ALL, {IF_MATCH: [b"*"]}, Unreadable(401), NOT_APPLICABLE),
    Row("13.2.1 unreadable, If-None-Match", ALL, {IF_NONE_MATCH: [b"*"]}, Unreadable(500), NOT_APPLICABLE),
    Row("13.2.1 unreadable, If-Unmodified-Since", ALL, {IF_UNMODIFIED_SINCE: [BEFORE]}, FORBIDDEN, NOT_APPLICABLE),
    Row("13.2.1 unreadable, If-Modified-Since", READS, {IF_MODIFIED_SINCE: [AFTER]}, Unreadable(301), NOT_APPLICABLE),
    Row("13.1.3 unreadable, nothing to heed", WRITES, {IF_MODIFIED_SINCE: [AFTER]}, FORBIDDEN, PROCEED),
    Row("13.2.1 unreadable, If-Range", (b"GET",), {IF_RANGE: [b'"cur"']}, FORBIDDEN, NOT_APPLICABLE),
    Row("13.1.5 unreadable, nothing to heed", (b"HEAD", *WRITES), {IF_RANGE: [b'"cur"']}, FORBIDDEN, PROCEED),
    Row("13.2.1 never, If-Match", NEVER, {IF_MATCH: [b'"old"']}, STRONG, PROCEED),
    Row("13.2.1 never, If-None-Match", NEVER, {IF_NONE_MATCH: [b"*"]}, STRONG, PROCEED),
    Row("13.2.1 never, dates", NEVER, {IF_UNMODIFIED_SINCE: [BEFORE], IF_MODIFIED_SINCE: [AFTER]}, STRONG, PROCEED),
    Row("13.2.1 never, absent", NEVER, {IF_MATCH: [b"*"]}, ABSENT, PROCEED),
    Row("13.2.1 never, unreadable", NEVER, {IF_MATCH: [b"*"]}, FORBIDDEN, PROCEED),
    # §13.2.2
    Row("13.2.2(1) true, then (3) false", READS, {IF_MATCH: [b'"cur"'], IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_SAME),
    Row("13.2.2(1) true, then (3) false", WRITES, {IF_MATCH: [b'"cur"'], IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_FAILED),
    Row("13.2.2(1) true, then (3) true", ALL, {IF_MATCH: [b'"cur"'], IF_NONE_MATCH: [b'"old"']}, STRONG, PROCEED),
    Row("13.2.2(1) false before (3)", ALL, {IF_MATCH: [b'"old"'], IF_NONE_MATCH: [b'"cur"']}, STRONG, MATCH_FAILED),
    Row("13.2.2(1) star and no star", (b"PUT",), {IF_MATCH: [b"*"], IF_NONE_MATCH: [b"*"]}, STRONG, NONE_MATCH_FAILED),
    Row("13.2.2(1) star and no star, absent", (b"PUT",), {IF_MATCH: [b"*"], IF_NONE_MATCH: [b"*"]}, ABSENT, MATCH_FAILED),
    Row("13.2.2(1) true, then (4) false", READS, {IF_MATCH: [b'"cur"'], IF_MODIFIED_SINCE: [SAME]}, STRONG, MODIFIED_SAME),
    Row("13.2.2(2) true, then (3) false", READS, {IF_UNMODIFIED_SINCE: [SAME], IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_SAME),
    Row("13.2.2(2) true, then (4) false", READS, {IF_UNMODIFIED_SINCE: [SAME], IF_MODIFIED_SINCE: [SAME]}, STRONG, MODIFIED_SAME),
    Row("13.2.2(2) false before (3)", ALL, {IF_UNMODIFIED_SINCE: [BEFORE], IF_NONE_MATCH: [b'"cur"']}, STRONG, UNMODIFIED_FAILED),
    Row("13.2.2(2) false before (4)", READS, {IF_UNMODIFIED_SINCE: [BEFORE], IF_MODIFIED_SINCE: [AFTER]}, STRONG, UNMODIFIED_FAILED),
    Row("13.2.2(4) not after (3)", READS, {IF_NONE_MATCH: [b'"old"'], IF_MODIFIED_SINCE: [SAME]}, STRONG, PROCEED),
    # §9.1: method names are case-sensitive, and an unknown method is judged like a write.
    Row("9.1 get is not GET", (b"get", b"Head"), {IF_NONE_MATCH: [b'"cur"']}, STRONG, NONE_MATCH_FAILED),
    Row("9.1 options is not OPTIONS", (b"options",), {IF_MATCH: [b'"old"']}, STRONG, MATCH_FAILED),
]

CASES = [
    pytest.param(method, row.lines, row.current, row.judgement, id=f"{row.clause} - {method.decode()}")
    for row in TABLE
    for method in row.methods
]


def _read(lines: Lines) -> Conditions:
    conditions = read_conditions(lines, NOW)
    assert isinstance(conditions, Conditions)
    return conditions


@pytest.mark.parametrize(("method", "lines", "current", "judgement"), CASES)
def test_judges(method: bytes, lines: Lines, current: Current, judgement: Judgement) -> None:
    assert evaluate(method, _read(lines), current) == judgement


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 250


# ---- reading -----------------------------------------------------------------------------------------------------------------------

READ: dict[str, tuple[Lines, Conditions]] = {
    "13.1 nothing": ({}, NO_CONDITIONS),
    "13.1 other fields": ({b"host": [b"example.org"], b"range": [b"bytes=0-"]}, NO_CONDITIONS),
    "13.1.1 tags": ({IF_MATCH: [b'"a", W/"b"']}, Conditions(if_match=(EntityTag(b"a"), EntityTag(b"b", weak=True)))),
    "13.1.1 star": ({IF_MATCH: [b"*"]}, Conditions(if_match=Wildcard.ANY)),
    "13.1.2 tags": ({IF_NONE_MATCH: [b'"a"', b'"b"']}, Conditions(if_none_match=(EntityTag(b"a"), EntityTag(b"b")))),
    "13.1.2 star": ({IF_NONE_MATCH: [b" * "]}, Conditions(if_none_match=Wildcard.ANY)),
    "13.1.3 date": ({IF_MODIFIED_SINCE: [SAME]}, Conditions(if_modified_since=CHANGED)),
    "13.1.3 white space": ({IF_MODIFIED_SINCE: [b"\t" + SAME + b" "]}, Conditions(if_modified_since=CHANGED)),
    "13.1.3 no date": ({IF_MODIFIED_SINCE: [NO_DATE]}, NO_CONDITIONS),
    "13.1.3 twice": ({IF_MODIFIED_SINCE: [SAME, SAME]}, NO_CONDITIONS),
    "13.1.3 two in a line": ({IF_MODIFIED_SINCE: [SAME + b", " + SAME]}, NO_CONDITIONS),
    "13.1.4 date": ({IF_UNMODIFIED_SINCE: [SAME]}, Conditions(if_unmodified_since=CHANGED)),
    "13.1.4 no date": ({IF_UNMODIFIED_SINCE: [b""]}, NO_CONDITIONS),
    "13.1.4 twice": ({IF_UNMODIFIED_SINCE: [SAME, AFTER]}, NO_CONDITIONS),
    "13.1.5 strong tag": ({IF_RANGE: [b'"a"']}, Conditions(if_range=EntityTag(b"a"))),
    "13.1.5 weak tag": ({IF_RANGE: [b' W/"a"']}, Conditions(if_range=EntityTag(b"a", weak=True))),
    "13.1.5 date": ({IF_RANGE: [b" " + SAME]}, Conditions(if_range=CHANGED)),
    "13.1.5 empty": ({IF_RANGE: [b""]}, Conditions(if_range=Malformed("neither an entity-tag nor a date"))),
    "13.1.5 bare": ({IF_RANGE: [b"abc"]}, Conditions(if_range=Malformed("neither an entity-tag nor a date"))),
    "13.1.5 star": ({IF_RANGE: [b"*"]}, Conditions(if_range=Malformed("neither an entity-tag nor a date"))),
    "13.1.5 list": ({IF_RANGE: [b'"a", "b"']}, Conditions(if_range=Malformed("not one entity-tag"))),
    "13.1.5 lower-case w": ({IF_RANGE: [b'w/"a"']}, Conditions(if_range=Malformed("not one entity-tag"))),
    "13.1.5 two lines": ({IF_RANGE: [b'"a"', b'"a"']}, Conditions(if_range=Malformed("not a single value"))),
    "13.1.5 no line": ({IF_RANGE: []}, Conditions(if_range=Malformed("not a single value"))),
    "13.2.2 all five": (
        {IF_MATCH: [b'"a"'], IF_NONE_MATCH: [b'"b"'], IF_MODIFIED_SINCE: [BEFORE], IF_UNMODIFIED_SINCE: [AFTER], IF_RANGE: [b'"c"']},
        Conditions((EntityTag(b"a"),), (EntityTag(b"b"),), CHANGED - 1, CHANGED + 1, EntityTag(b"c")),
    ),
}

MALFORMED: dict[str, tuple[Lines, MalformedCondition]] = {
    f"{clause} {title}": ({field: lines}, MalformedCondition(field, value, why))
    for clause, field in (("13.1.1", IF_MATCH), ("13.1.2", IF_NONE_MATCH))
    for title, lines, value, why in (
        ("empty", [b""], b"", "no entity-tag in it"),
        ("no line", [], b"", "no entity-tag in it"),
        ("bare", [b"abc"], b"abc", "no entity-tag at octet 1 of line 1"),
        ("star beside a tag", [b"*", b'"a"'], b'*, "a"', "* stands beside something else"),
        ("a bad line among good", [b'"a"', b"x", b'"b"'], b'"a", x, "b"', "no entity-tag at octet 1 of line 2"),
    )
}


@pytest.mark.parametrize(("lines", "conditions"), READ.values(), ids=READ)
def test_reads(lines: Lines, conditions: Conditions) -> None:
    assert read_conditions(lines, NOW) == conditions
    assert conditions.is_empty == (conditions == NO_CONDITIONS)


@pytest.mark.parametrize(("lines", "malformed"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_is_not_absent(lines: Lines, malformed: MalformedCondition) -> None:
    assert read_conditions(lines, NOW) == malformed


def test_no_condition_is_the_same_value_each_time() -> None:
    assert read_conditions({}, NOW) is NO_CONDITIONS
    assert read_conditions({b"host": [b"example.org"]}, NOW) is NO_CONDITIONS


def test_if_match_is_named_where_both_lists_are_malformed() -> None:
    malformed = read_conditions({IF_NONE_MATCH: [b"x"], IF_MATCH: [b"y"]}, NOW)
    assert isinstance(malformed, MalformedCondition)
    assert (malformed.field, malformed.value) == (IF_MATCH, b"y")


def test_now_serves_two_digit_years() -> None:
    value = [b"Sunday, 06-Nov-94 08:49:37 GMT"]
    assert read_conditions({IF_UNMODIFIED_SINCE: value}, NOW) == Conditions(if_unmodified_since=CHANGED)
    a_century_on = 36525 * 86400
    assert read_conditions({IF_UNMODIFIED_SINCE: value}, NOW + a_century_on) == Conditions(if_unmodified_since=CHANGED + a_century_on)


@pytest.mark.parametrize("method", [*ALL, b"BREW"])
@pytest.mark.parametrize("current", [STRONG, BARE, ABSENT], ids=["present", "bare", "absent"])
def test_a_malformed_list_never_lets_a_request_pass(method: bytes, current: Current) -> None:
    """Nobody builds such conditions, `read_conditions` least of all; but no path may end in PROCEED."""
    no_list = Malformed("by hand")
    if_match = evaluate(method, Conditions(if_match=no_list), current)
    assert if_match == (MATCH_MOOT if current is ABSENT and method != b"PUT" else MATCH_FAILED)
    assert evaluate(method, Conditions(if_none_match=no_list), current) == NONE_MATCH_FAILED


# ---- If-Range ----------------------------------------------------------------------------------------------------------------------

RANGES: dict[str, tuple[Lines, Present, bool]] = {
    "13.1.5 absent": ({}, STRONG, True),
    "13.1.5 absent, bare": ({}, BARE, True),
    "13.1.5 absent beside others": ({IF_MATCH: [b'"cur"']}, STRONG, True),
    "13.1.5 the tag": ({IF_RANGE: [b'"cur"']}, STRONG, True),
    "13.1.5 another tag": ({IF_RANGE: [b'"old"']}, STRONG, False),
    "13.1.5 weak asked": ({IF_RANGE: [b'W/"cur"']}, STRONG, False),
    "13.1.5 weak stands": ({IF_RANGE: [b'"cur"']}, WEAK, False),
    "13.1.5 both weak": ({IF_RANGE: [b'W/"cur"']}, WEAK, False),
    "13.1.5 untagged": ({IF_RANGE: [b'"cur"']}, UNTAGGED, False),
    "13.1.5 list": ({IF_RANGE: [b'"cur", "cur"']}, STRONG, False),
    "13.1.5 star": ({IF_RANGE: [b"*"]}, STRONG, False),
    "13.1.5 empty": ({IF_RANGE: [b""]}, STRONG, False),
    "8.8.2.2 a second old": ({IF_RANGE: [SAME]}, replace(STRONG, date=CHANGED + 1), True),
    "8.8.2.2 a day old": ({IF_RANGE: [SAME]}, replace(UNTAGGED, date=CHANGED + 86400), True),
    "8.8.2.2 less than a second old": ({IF_RANGE: [SAME]}, replace(STRONG, date=CHANGED + 0.9), False),
    "8.8.2.2 of the same second": ({IF_RANGE: [SAME]}, replace(STRONG, date=CHANGED), False),
    "8.8.2.2 no Date": ({IF_RANGE: [SAME]}, STRONG, False),
    "13.1.5 exact, not later": ({IF_RANGE: [AFTER]}, replace(STRONG, date=CHANGED + 86400), False),
    "13.1.5 exact, not earlier": ({IF_RANGE: [BEFORE]}, replace(STRONG, date=CHANGED + 86400), False),
    "13.1.5 no date known": ({IF_RANGE: [SAME]}, replace(UNDATED, date=CHANGED + 86400), False),
    "13.1.5 not a date": ({IF_RANGE: [NO_DATE]}, replace(STRONG, date=CHANGED + 86400), False),
}


@pytest.mark.parametrize(("lines", "current", "applies"), RANGES.values(), ids=RANGES)
def test_if_range(lines: Lines, current: Present, applies: bool) -> None:
    assert applies_range(_read(lines), current) is applies


# ---- a second reading of §13.2.2 ---------------------------------------------------------------------------------------------------

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
        (_read({name: [value] for name, value in fields.items()}), {name.decode(): value.decode() for name, value in fields.items()})
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
        ours = evaluate(method, _read(lines), current)
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
    unmodified = evaluate(b"PUT", _read({IF_UNMODIFIED_SINCE: value}), current)
    modified = evaluate(b"GET", _read({IF_MODIFIED_SINCE: value}), current)
    assert unmodified == (PROCEED if offset >= 0 else UNMODIFIED_FAILED)
    assert modified == (MODIFIED_SAME if offset >= 0 else PROCEED)
