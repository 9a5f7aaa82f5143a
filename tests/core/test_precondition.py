"""Preconditions: RFC 9110 §13.1 read, §13.2 judged. Ids name the clause, then the method.

The table of literal cases says what each clause demands. test_precondition_oracles.py goes through every combination.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import pytest

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


def read(lines: Lines) -> Conditions:
    conditions = read_conditions(lines, NOW)
    assert isinstance(conditions, Conditions)
    return conditions


@pytest.mark.parametrize(("method", "lines", "current", "judgement"), CASES)
def test_judges(method: bytes, lines: Lines, current: Current, judgement: Judgement) -> None:
    assert evaluate(method, read(lines), current) == judgement


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
    assert applies_range(read(lines), current) is applies
