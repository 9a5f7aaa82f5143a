"""Entity tags: grammar, comparison, lists of them. Ids name the clause of RFC 9110."""

import time
from typing import Final

import etag as oracle
import pytest
from hypothesis import example, given

from proxy.core.etag import MAX_TAGS, EntityTag, Malformed, Wildcard, parse_tag, parse_tag_list
from tests.strategies import ETAGC, entity_tags, near_tag_lines, ows, tag_lists

A: Final = EntityTag(b"a")
WEAK_A: Final = EntityTag(b"a", weak=True)
B: Final = EntityTag(b"b")

LEGAL_TAGS = {
    "8.8.3 strong": (b'"xyzzy"', EntityTag(b"xyzzy")),
    "8.8.3 weak": (b'W/"xyzzy"', EntityTag(b"xyzzy", weak=True)),
    "8.8.3 empty": (b'""', EntityTag(b"")),
    "8.8.3 weak empty": (b'W/""', EntityTag(b"", weak=True)),
    "8.8.3 comma inside": (b'"a,b"', EntityTag(b"a,b")),
    "8.8.3 star inside": (b'"*"', EntityTag(b"*")),
    "8.8.3 slash inside": (b'"W/"', EntityTag(b"W/")),
    "8.8.3 backslash is no escape": (b'"a\\"', EntityTag(b"a\\")),
    "8.8.3 first etagc": (b'"!"', EntityTag(b"!")),
    "8.8.3 last ascii etagc": (b'"#~"', EntityTag(b"#~")),
    "8.8.3 obs-text": (b'"\x80\xff"', EntityTag(b"\x80\xff")),
    "8.8.3 not utf-8, not decoded": (b'"\xc3\x28"', EntityTag(b"\xc3\x28")),
    "5.5 white space around": (b' \t"a"\t ', A),
}

BAD_TAGS = {
    "8.8.3 nothing": b"",
    "8.8.3 white space only": b" \t",
    "8.8.3 bare": b"abc",
    "8.8.3 lower-case w": b'w/"a"',
    "8.8.3 W alone": b"W/",
    "8.8.3 W without slash": b'W"a"',
    "8.8.3 backslash for slash": b'W\\"a"',
    "8.8.3 space after W/": b'W/ "a"',
    "8.8.3 W/ twice": b'W/W/"a"',
    "8.8.3 weak and bare": b"W/abc",
    "8.8.3 not opened": b'a"',
    "8.8.3 not closed": b'"a',
    "8.8.3 one quote": b'"',
    "8.8.3 single quotes": b"'a'",
    "8.8.3 space inside": b'"a b"',
    "8.8.3 tab inside": b'"a\tb"',
    "8.8.3 quote inside": b'"a"b"',
    "8.8.3 escaped quote inside": b'"a\\"b"',
    "8.8.3 DEL inside": b'"a\x7f"',
    "8.8.3 NUL inside": b'"a\x00"',
    "8.8.3 control inside": b'"a\x1f"',
    "8.8.3 line feed after": b'"a"\n',
    "8.8.3 junk after": b'"a" b',
    "8.8.3 suffix of a hop": b'"a"-gzip',
    "5.5 vertical tab around": b'\x0b"a"',
}

LISTS: dict[str, tuple[list[bytes], object]] = {
    "13.1.1 one": ([b'"a"'], (A,)),
    "13.1.1 three": ([b'"xyzzy", "r2d2xxxx", "c3piozzzz"'], (EntityTag(b"xyzzy"), EntityTag(b"r2d2xxxx"), EntityTag(b"c3piozzzz"))),
    "13.1.2 weak ones": ([b'W/"a", W/"b"'], (WEAK_A, EntityTag(b"b", weak=True))),
    "13.1.2 mixed": ([b'"a", W/"a"'], (A, WEAK_A)),
    "13.1.1 the same twice": ([b'"a","a"'], (A, A)),
    "13.1.1 wildcard": ([b"*"], Wildcard.ANY),
    "5.6.3 wildcard in white space": ([b" \t*\t "], Wildcard.ANY),
    "8.8.3 quoted star": ([b'"*"'], (EntityTag(b"*"),)),
    "8.8.3 quoted star in a list": ([b'"a", "*"'], (A, EntityTag(b"*"))),
    "8.8.3 comma in a tag": ([b'"a,b","c"'], (EntityTag(b"a,b"), EntityTag(b"c"))),
    "8.8.3 only commas in a tag": ([b'",",","'], (EntityTag(b","), EntityTag(b","))),
    "8.8.3 empty tag in a list": ([b'"", "a"'], (EntityTag(b""), A)),
    "5.6.1.1 no white space": ([b'"a","b"'], (A, B)),
    "5.6.1.1 white space both sides": ([b'"a" \t, \t"b"'], (A, B)),
    "5.6.1.2 leading": ([b',"a"'], (A,)),
    "5.6.1.2 trailing": ([b'"a",'], (A,)),
    "5.6.1.2 doubled": ([b'"a",,"b"'], (A, B)),
    "5.6.1.2 all of it": ([b' , ,"a" ,\t, "b",, '], (A, B)),
    "5.3 two lines": ([b'"a"', b'"b"'], (A, B)),
    "5.3 order is kept": ([b'"b"', b'"a"'], (B, A)),
    "5.3 lists in lines": ([b'"a", "b"', b'W/"a"'], (A, B, WEAK_A)),
    "5.3 an empty line among others": ([b'"a"', b"", b'"b"'], (A, B)),
    "5.3 an empty line first": ([b"", b'"a"'], (A,)),
}

BAD_LISTS: dict[str, tuple[list[bytes], str]] = {
    "13.1.1 no line": ([], "no entity-tag in it"),
    "13.1.1 empty": ([b""], "no entity-tag in it"),
    "13.1.1 white space": ([b" \t"], "no entity-tag in it"),
    "5.6.1.2 only empty members": ([b", ,,"], "no entity-tag in it"),
    "5.3 only empty lines": ([b"", b""], "no entity-tag in it"),
    "13.1.1 star, tag": ([b'*, "a"'], "* stands beside something else"),
    "13.1.1 tag, star": ([b'"a", *'], "* stands beside something else"),
    "13.1.1 star twice": ([b"*, *"], "* stands beside something else"),
    "13.1.1 star and an empty member": ([b"*,"], "* stands beside something else"),
    "13.1.1 empty member and a star": ([b", *"], "* stands beside something else"),
    "13.1.1 double star": ([b"**"], "* stands beside something else"),
    "5.3 star in one line, tag in the next": ([b"*", b'"a"'], "* stands beside something else"),
    "5.3 tag in one line, star in the next": ([b'"a"', b"*"], "* stands beside something else"),
    "5.3 star in two lines": ([b"*", b"*"], "* stands beside something else"),
    "5.3 star and an empty line": ([b"*", b""], "* stands beside something else"),
    "8.8.3 bare": ([b"abc"], "no entity-tag at octet 1 of line 1"),
    "8.8.3 bare in a list": ([b'"a", abc'], "no entity-tag at octet 6 of line 1"),
    "8.8.3 lower-case w in a list": ([b'"a", w/"b"'], "no entity-tag at octet 6 of line 1"),
    "8.8.3 not closed": ([b'"a", "b'], "no entity-tag at octet 6 of line 1"),
    "8.8.3 space in a tag": ([b'"a b"'], "no entity-tag at octet 1 of line 1"),
    "8.8.3 bad octet in the second": ([b'"a","\x7f"'], "no entity-tag at octet 5 of line 1"),
    "5.6.1 no comma between": ([b'"a" "b"'], "no entity-tag at octet 1 of line 1"),
    "5.6.1 no gap between": ([b'"a""b"'], "no entity-tag at octet 1 of line 1"),
    "5.6.1 semicolon between": ([b'"a";"b"'], "no entity-tag at octet 1 of line 1"),
    "5.6.1 W/ apart from its tag": ([b'W/,"a"'], "no entity-tag at octet 1 of line 1"),
    "5.3 bad second line": ([b'"a"', b'"b", x'], "no entity-tag at octet 6 of line 2"),
    "5.3 a tag over two lines": ([b'"a', b'b"'], "no entity-tag at octet 1 of line 1"),
    "5.3 W/ and its tag in two lines": ([b"W/", b'"a"'], "no entity-tag at octet 1 of line 1"),
}

# RFC 9110 §8.8.3.2, the table there: tag, tag, strong match, weak match.
COMPARISON = [
    (b'W/"1"', b'W/"1"', False, True),
    (b'W/"1"', b'W/"2"', False, False),
    (b'W/"1"', b'"1"', False, True),
    (b'"1"', b'"1"', True, True),
    # Not in the table, but following from it.
    (b'"1"', b'"2"', False, False),
    (b'"1"', b'W/"1"', False, True),
    (b'"a"', b'"A"', False, False),
    (b'""', b'""', True, True),
    (b'"\xe9"', b'"\xc3\xa9"', False, False),
    (b'"1"', b'"1-gzip"', False, False),
]


def _tag(wire: bytes) -> EntityTag:
    tag = parse_tag(wire)
    assert isinstance(tag, EntityTag)
    return tag


@pytest.mark.parametrize(("wire", "tag"), LEGAL_TAGS.values(), ids=LEGAL_TAGS)
def test_reads_a_tag(wire: bytes, tag: EntityTag) -> None:
    assert parse_tag(wire) == tag
    assert parse_tag_list([wire]) == (tag,)
    assert bytes(tag) == wire.strip(b" \t")


@pytest.mark.parametrize("wire", BAD_TAGS.values(), ids=BAD_TAGS)
def test_refuses_what_is_no_tag(wire: bytes) -> None:
    assert parse_tag(wire) == Malformed("not one entity-tag")
    assert isinstance(parse_tag_list([wire]), Malformed)


@pytest.mark.parametrize("wire", [b'"a","b"', b'"a",', b',"a"', b"*"], ids=["two", "comma after", "comma before", "star"])
def test_a_list_is_not_a_tag(wire: bytes) -> None:
    assert parse_tag(wire) == Malformed("not one entity-tag")


def test_every_octet_alone_in_a_tag() -> None:
    legal = {octet for octet in range(256) if isinstance(parse_tag(b'"%c"' % octet), EntityTag)}
    assert legal == {0x21, *range(0x23, 0x7F), *range(0x80, 0x100)} == set(ETAGC)


@pytest.mark.parametrize(("lines", "expected"), LISTS.values(), ids=LISTS)
def test_reads_a_list(lines: list[bytes], expected: object) -> None:
    assert parse_tag_list(lines) == expected


@pytest.mark.parametrize(("lines", "why"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_refuses_what_is_no_list(lines: list[bytes], why: str) -> None:
    assert parse_tag_list(lines) == Malformed(why)


@pytest.mark.parametrize("per_line", [1, 16, MAX_TAGS])
def test_the_longest_list(per_line: int) -> None:
    tags = [b'"%d"' % number for number in range(MAX_TAGS)]
    lines = [b",".join(tags[start : start + per_line]) for start in range(0, MAX_TAGS, per_line)]
    assert parse_tag_list(lines) == tuple(EntityTag(b"%d" % number) for number in range(MAX_TAGS))
    assert parse_tag_list([*lines, b'"one-more"']) == Malformed("more than 64 entity-tags")
    assert parse_tag_list([*lines, b", ,"]) == parse_tag_list(lines)


@pytest.mark.parametrize(("left", "right", "is_strong", "is_weak"), COMPARISON, ids=lambda value: repr(value))
def test_comparison_8_8_3_2(left: bytes, right: bytes, is_strong: bool, is_weak: bool) -> None:
    for one, other in ((_tag(left), _tag(right)), (_tag(right), _tag(left))):
        assert one.is_strong_match(other) is is_strong
        assert one.is_weak_match(other) is is_weak


def test_the_wildcard_is_not_the_quoted_star() -> None:
    assert parse_tag_list([b'"*"']) == (EntityTag(b"*"),)
    assert parse_tag_list([b"*"]) is Wildcard.ANY


@pytest.mark.parametrize(
    "piece", [b" ", b"\t", b",", b", ", b"W/", b'"', b'""', b'"a"', b'"a",', b'"a" ', b"*", b"\xff"], ids=lambda piece: repr(piece)
)
def test_time_grows_with_length_only(piece: bytes) -> None:
    """A pattern that backtracks would need minutes for these: half a megabyte in each of the positions where it could."""
    hostile = piece * (500_000 // len(piece))
    started = time.process_time()
    parse_tag(hostile)
    parse_tag_list([hostile])
    parse_tag_list([b'"a",' + hostile, b'"' + hostile])
    assert time.process_time() - started < 2


@given(tag_lists())
def test_what_was_written_is_read(written: tuple[tuple[EntityTag, ...], list[bytes]]) -> None:
    tags, lines = written
    assert parse_tag_list(lines) == tags


@given(entity_tags, ows, ows)
def test_a_tag_survives_the_wire(tag: EntityTag, before: bytes, after: bytes) -> None:
    assert parse_tag(before + bytes(tag) + after) == tag


@given(entity_tags, entity_tags)
def test_strong_implies_weak(one: EntityTag, other: EntityTag) -> None:
    assert one.is_strong_match(other) == (one == other and not one.weak)
    assert one.is_weak_match(other) or not one.is_strong_match(other)
    assert one.is_weak_match(other) == other.is_weak_match(one) == (one.opaque == other.opaque)


# Where the oracle takes `*` with empty members around it for the wildcard, this parser does not: `If-Match = "*" / #entity-tag`.
def _is_star_with_empty_members(lines: list[bytes]) -> bool:
    joined = b",".join(lines)
    return oracle.is_wildcard(joined) and joined.strip(b" \t") != b"*"


@given(near_tag_lines)
@example([b'"a",, "b"'])
@example([b"*"])
@example([b'"*"'])
@example([b"*, "])
@example([b"", b"*"])
def test_agrees_with_another_parser(lines: list[bytes]) -> None:
    ours = parse_tag_list(lines)
    if _is_star_with_empty_members(lines):
        assert isinstance(ours, Malformed)
        return
    if oracle.is_wildcard(lines):
        assert ours is Wildcard.ANY
        return
    try:
        theirs = oracle.parse(lines)
    except ValueError:
        assert isinstance(ours, Malformed)
        return
    assert ours == tuple(EntityTag(value.encode("latin-1"), weak) for value, weak in theirs)


@given(tag_lists(max_tags=MAX_TAGS))
def test_agrees_with_another_parser_on_lists(written: tuple[tuple[EntityTag, ...], list[bytes]]) -> None:
    tags, lines = written
    assert [(tag.opaque.decode("latin-1"), tag.weak) for tag in tags] == oracle.parse(lines)
