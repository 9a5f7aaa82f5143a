"""What other parsers of If-Match get wrong, and what this one says instead.

A row that names a parser was seen in its code or its answers (Django 5.2, Werkzeug 3.1, aiohttp 3.14, Starlette, Community Solid Server);
the others are their neighbours. aiohttp is installed here, so its own answers stand beside ours: where a newer version of it gets a row
right, that test fails and the row can go.
"""

from typing import Final, NamedTuple

import pytest
from aiohttp import ETag
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from proxy.core.etag import EntityTag, Malformed, TagList, Wildcard, parse_tag_list
from proxy.core.precondition import (
    IF_MATCH,
    IF_NONE_MATCH,
    IF_RANGE,
    Absent,
    Conditions,
    Current,
    MalformedCondition,
    Present,
    Verdict,
    applies_range,
    evaluate,
    read_conditions,
)

CURRENT: Final = Present(EntityTag(b"cur"), None)
BAD_REQUEST: Final = "400"


class Row(NamedTuple):
    """A value of If-Match on a PUT, who gets it wrong and how (empty: a neighbour of such a row), and what RFC 9110 says."""

    name: str
    theirs: str
    lines: list[bytes]
    current: Current
    outcome: Verdict | str


ROWS = [
    Row("star", "Werkzeug: false, is_strong ignores the star", [b"*"], CURRENT, Verdict.PROCEED),
    Row("star, white space", "aiohttp: unreadable; Werkzeug: a tag named *", [b" * "], CURRENT, Verdict.PROCEED),
    Row("star, absent", "Starlette: knows no star", [b"*"], Absent(), Verdict.FAILED),
    Row("star, untagged", "", [b"*"], Present(None, None), Verdict.PROCEED),
    Row("comma in a tag", "Django: no tags, the condition is ignored", [b'"a,b"'], CURRENT, Verdict.FAILED),
    Row("comma in the current tag", "Solid, Starlette: split at it", [b'"a,b"'], Present(EntityTag(b"a,b"), None), Verdict.PROCEED),
    Row("comma, first half", "Solid, Starlette: split at it", [b'"a,b"'], Present(EntityTag(b"a"), None), Verdict.FAILED),
    Row("bare", "Django: ignored, the write passes", [b"abc"], CURRENT, BAD_REQUEST),
    Row("bare, equal to the current", "Werkzeug: a tag", [b"cur"], CURRENT, BAD_REQUEST),
    Row("space in a tag", "Werkzeug: a tag", [b'"a b"'], CURRENT, BAD_REQUEST),
    Row("empty tag", "aiohttp: unreadable; Werkzeug: None, never matches", [b'""'], Present(EntityTag(b""), None), Verdict.PROCEED),
    Row("empty tag, another stands", "Werkzeug: None", [b'""'], CURRENT, Verdict.FAILED),
    Row("weak stands, strong asked", "Werkzeug: true", [b'"cur"'], Present(EntityTag(b"cur", weak=True), None), Verdict.FAILED),
    Row("strong stands, weak asked", "Starlette: takes the W/ off", [b'W/"cur"'], CURRENT, Verdict.FAILED),
    Row("tag that begins like a weak one", "", [b'"W/cur"'], CURRENT, Verdict.FAILED),
    Row("two lines, second current", "aiohttp: the first only", [b'"a"', b'"cur"'], CURRENT, Verdict.PROCEED),
    Row("two lines, neither", "aiohttp: the first only", [b'"a"', b'"b"'], CURRENT, Verdict.FAILED),
    Row("two lines, second malformed", "aiohttp: the first only", [b'"cur"', b"junk"], CURRENT, BAD_REQUEST),
    Row("empty member", "aiohttp: stops there", [b'"a",, "cur"'], CURRENT, Verdict.PROCEED),
    Row("empty member, empty tag stands", "Werkzeug: adds an empty tag", [b'"a",, "b"'], Present(EntityTag(b""), None), Verdict.FAILED),
    Row("empty member first", "aiohttp: unreadable", [b', "cur"'], CURRENT, Verdict.PROCEED),
    Row("empty member last", "", [b'"cur",'], CURRENT, Verdict.PROCEED),
    Row("quoted star", "aiohttp: the wildcard", [b'"*"'], CURRENT, Verdict.FAILED),
    Row("quoted star, absent", "aiohttp: the wildcard", [b'"*"'], Absent(), Verdict.FAILED),
    Row("quoted star stands", "aiohttp: the wildcard", [b'"*"'], Present(EntityTag(b"*"), None), Verdict.PROCEED),
    Row("empty field", "aiohttp: absent, the write passes", [b""], CURRENT, BAD_REQUEST),
    Row("empty field, white space", "", [b"  "], CURRENT, BAD_REQUEST),
    Row("only commas", "", [b", ,"], CURRENT, BAD_REQUEST),
    Row("star and a tag", "Werkzeug: two tags", [b'*, "cur"'], CURRENT, BAD_REQUEST),
    Row("tag and a star", "aiohttp: the tag", [b'"cur", *'], CURRENT, BAD_REQUEST),
    Row("junk between tags", "aiohttp: the first", [b'"cur", junk, "b"'], CURRENT, BAD_REQUEST),
    Row("lower-case w", "Werkzeug: weak", [b'w/"cur"'], CURRENT, BAD_REQUEST),
    Row("not closed", "Django: ignored, the write passes", [b'"cur'], CURRENT, BAD_REQUEST),
    Row("a tag and one not closed", "Django: the first", [b'"cur", "b'], CURRENT, BAD_REQUEST),
    Row("single quotes", "Django: ignored, the write passes", [b"'cur'"], CURRENT, BAD_REQUEST),
    Row("obs-text", "aiohttp: fails to decode it", [b'"\xe9"'], Present(EntityTag(b"\xe9"), None), Verdict.PROCEED),
    Row(
        "obs-text, another octet",
        "",
        [b'"\xe9"'],
        Present(EntityTag(b"\xe8"), None),
        Verdict.FAILED,
    ),
    Row("quotes within", "", [b'"a\\"b"'], CURRENT, BAD_REQUEST),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.name} ({row.theirs})" if row.theirs else row.name for row in ROWS])
def test_what_rfc_9110_says(row: Row) -> None:
    conditions = read_conditions({IF_MATCH: row.lines}, now=0.0)
    if isinstance(conditions, MalformedCondition):
        assert row.outcome == BAD_REQUEST
        assert conditions.value == b", ".join(row.lines)
    else:
        assert evaluate(b"PUT", conditions, row.current).verdict is row.outcome


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_malformed_list_is_a_400_in_either_field(row: Row) -> None:
    """A malformed If-None-Match is not "none matches" either: that would let a create overwrite."""
    read = read_conditions({IF_NONE_MATCH: row.lines}, now=0.0)
    assert isinstance(read, MalformedCondition) == (row.outcome == BAD_REQUEST)


class Theirs(NamedTuple):
    """A field, what aiohttp's `request.if_match` makes of it, and what we do."""

    lines: list[str]
    aiohttp: tuple[ETag, ...] | None
    ours: TagList


STAR = ETag(is_weak=False, value="*")
A = ETag(is_weak=False, value="a")

AIOHTTP: dict[str, Theirs] = {
    "an empty field is absent": Theirs([""], None, Malformed("no entity-tag in it")),
    "the first line only": Theirs(['"a"', '"b"'], (A,), (EntityTag(b"a"), EntityTag(b"b"))),
    "the quoted star is the wildcard": Theirs(['"*"'], (STAR,), (EntityTag(b"*"),)),
    "and the wildcard the same value": Theirs(["*"], (STAR,), Wildcard.ANY),
    "stops at an empty member": Theirs(['"a",, "b"'], (A,), (EntityTag(b"a"), EntityTag(b"b"))),
    "nothing after a leading comma": Theirs([',"a"'], (), (EntityTag(b"a"),)),
    "an empty tag is unreadable": Theirs(['""'], (), (EntityTag(b""),)),
    "a star after a tag is dropped": Theirs(['"a", *'], (A,), Malformed("* stands beside something else")),
    "junk after a tag is dropped": Theirs(['"a", junk, "b"'], (A,), Malformed("no entity-tag at octet 6 of line 1")),
    "malformed is an empty list": Theirs(["abc"], (), Malformed("no entity-tag at octet 1 of line 1")),
}


@pytest.mark.parametrize("row", AIOHTTP.values(), ids=AIOHTTP)
def test_aiohttp_differs(row: Theirs) -> None:
    request = make_mocked_request("PUT", "/", headers=CIMultiDict([("If-Match", line) for line in row.lines]))
    assert request.if_match == row.aiohttp
    assert parse_tag_list([line.encode() for line in row.lines]) == row.ours


def test_aiohttp_reads_no_tag_in_if_range() -> None:
    request = make_mocked_request("GET", "/", headers={"If-Range": '"cur"'})
    assert request.if_range is None
    conditions = read_conditions({IF_RANGE: [b'"other"']}, now=0.0)
    assert isinstance(conditions, Conditions)
    assert not applies_range(conditions, CURRENT)
