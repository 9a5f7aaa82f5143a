"""Tokens: what clients write for a version, by the manner of comparison and the place."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialect import Compare
from proxy.core.etag import EntityTag, Malformed, Wildcard
from proxy.core.json_text import Number, read_json
from proxy.core.pointer import NOTHING
from proxy.core.precondition import NO_CONDITIONS, Absent, Conditions, MalformedCondition, Present, Verdict, evaluate, read_conditions
from proxy.core.token import also_named, read_fields, read_query, read_text, read_value

LOOSE = [Compare.BARE, Compare.EQUAL]
A, B = EntityTag(b"a"), EntityTag(b"b")


def if_match(compare: Compare, *lines: bytes) -> object:
    """What If-Match comes to: tags as their octets, else the wildcard, or None for malformed."""
    read = read_fields({b"if-match": lines}, 0.0, compare)
    if isinstance(read, MalformedCondition):
        return None
    return [bytes(tag) for tag in read.if_match] if isinstance(read.if_match, tuple) else read.if_match


IF_MATCH: dict[str, tuple[bytes, object, object, object]] = {
    # what came, and what it is by STRONG, WEAK, and BARE or EQUAL
    "a tag": (b'"a"', [b'"a"'], [b'"a"'], [b'"a"']),
    "a weak tag": (b'W/"a"', [b'W/"a"'], [b'"a"'], [b'"a"']),
    "two": (b'"a", W/"b"', [b'"a"', b'W/"b"'], [b'"a"', b'"b"'], [b'"a"', b'"b"']),
    "bare": (b"a", None, None, [b'"a"']),
    "bare and weak": (b"W/a", None, None, [b'"a"']),
    "bare beside a tag": (b'a,"b"', None, None, [b'"a"', b'"b"']),
    "a comma within quotes": (b'"a,b"', [b'"a,b"'], [b'"a,b"'], [b'"a,b"']),
    "a comma in a bare list": (b"a,b", None, None, [b'"a"', b'"b"']),
    "gaps": (b', "a",, ', [b'"a"'], [b'"a"'], [b'"a"']),
    "an empty tag": (b'""', [b'""'], [b'""'], [b'""']),
    "the wildcard": (b"*", Wildcard.ANY, Wildcard.ANY, Wildcard.ANY),
    "the wildcard beside a tag": (b'*, "a"', None, None, None),
    "the wildcard beside a bare one": (b"a, *", None, None, None),
    "a tag of an asterisk": (b'"*"', [b'"*"'], [b'"*"'], [b'"*"']),
    "nothing": (b"", None, None, None),
    "gaps alone": (b" , ", None, None, None),
    "an open quote": (b'"a', None, None, None),
    "two bare words": (b"a b", None, None, None),
    "a quote within": (b'a"b', None, None, None),
    "a small w": (b'w/"a"', None, None, None),
    "a number": (b"7", None, None, [b'"7"']),
}


@pytest.mark.parametrize(("line", "strong", "weak", "loose"), IF_MATCH.values(), ids=IF_MATCH)
def test_if_match(line: bytes, strong: object, weak: object, loose: object) -> None:
    assert if_match(Compare.STRONG, line) == strong
    assert if_match(Compare.WEAK, line) == weak
    for compare in LOOSE:
        assert if_match(compare, line) == loose


SUCCESSORS: dict[bytes, object] = {
    b'"6"': [b'"5"'],
    b"6": [b'"5"'],
    b"1": [b'"0"'],
    b"0": None,
    b"-1": None,
    b"06": None,
    b"abc": None,
    b"6.0": None,
    b"9" * 16: [b'"%d"' % (10**16 - 2)],
    b"9" * 17: None,
    b"*": Wildcard.ANY,
}


@pytest.mark.parametrize(("line", "expected"), SUCCESSORS.items())
def test_the_successor_names_the_one_before(line: bytes, expected: object) -> None:
    assert if_match(Compare.SUCCESSOR, line) == expected


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), min_size=1, max_size=3))
def test_strong_is_what_rfc_9110_has(lines: list[bytes]) -> None:
    fields = {b"if-match": lines, b"if-none-match": lines}
    assert read_fields(fields, 0.0, Compare.STRONG) == read_conditions(fields, 0.0)


_TAGS = st.lists(st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=8), min_size=1, max_size=5)


@given(_TAGS, st.data())
def test_quotes_and_the_mark_of_weakness_make_no_difference_where_they_are_optional(tags: list[str], data: st.DataObject) -> None:
    forms = [data.draw(st.sampled_from([f'"{tag}"', f'W/"{tag}"', tag, f"W/{tag}"])) for tag in tags]
    assert if_match(Compare.BARE, ", ".join(forms).encode()) == [f'"{tag}"'.encode() for tag in tags]


@given(st.binary(max_size=40))
def test_what_is_read_is_never_absent_and_never_more_than_one_reads_strictly(line: bytes) -> None:
    for compare in Compare:
        read = read_fields({b"if-match": [line]}, 0.0, compare)
        assert isinstance(read, MalformedCondition) or read.if_match is not None
    strict = if_match(Compare.STRONG, line)
    if isinstance(strict, list):
        assert if_match(Compare.WEAK, line) == [tag.removeprefix(b"W/") for tag in strict]


def test_if_none_match_may_be_bare_as_well() -> None:
    read = read_fields({b"if-none-match": [b"a"]}, 0.0, Compare.BARE)
    assert read == Conditions(if_none_match=(A,))
    assert read_fields({}, 0.0, Compare.BARE) == NO_CONDITIONS


# ---- in JSON ---------------------------------------------------------------------------------------------------------------------------

NUMBERS: dict[str, bytes | None] = {
    "3": b"3",
    "0": b"0",
    "9007199254740992": b"9007199254740992",
    "3.0": None,
    "3e0": None,
    "-1": None,
    "-0": None,
    "99999999999999999": None,
    '"3"': None,
    "null": None,
    "true": None,
    "[3]": None,
    "{}": None,
}


@pytest.mark.parametrize(("text", "expected"), NUMBERS.items())
def test_a_number_is_a_whole_one_without_a_sign(text: str, expected: bytes | None) -> None:
    document = read_json(f'{{"version": {text}}}'.encode())
    assert document is not None
    read = read_value(document.value(("version",)), Compare.EQUAL, is_number=True)
    assert read == EntityTag(expected) if expected is not None else isinstance(read, Malformed)


def test_nothing_is_absent_and_null_is_malformed() -> None:
    assert read_value(NOTHING, Compare.EQUAL, is_number=True) is None
    assert isinstance(read_value(None, Compare.EQUAL, is_number=True), Malformed)
    assert isinstance(read_value(None, Compare.EQUAL, is_number=False), Malformed)


@given(st.integers(1, 10**15))
def test_a_successor_in_json(number: int) -> None:
    assert read_value(Number(str(number)), Compare.SUCCESSOR, is_number=True) == EntityTag(b"%d" % (number - 1))


STRINGS: dict[str, bytes | None] = {
    'W/"a"': b"a",
    '"a"': b"a",
    "a": b"a",
    "": None,
    "*": None,
    "a b": None,
    '"a': None,
    '"a","b"': None,
    "a,b": None,
    "\u20ac": None,
}


@pytest.mark.parametrize(("text", "expected"), STRINGS.items())
def test_a_tag_in_a_string(text: str, expected: bytes | None) -> None:
    read = read_value(text, Compare.EQUAL, is_number=False)
    assert read == EntityTag(expected) if expected is not None else isinstance(read, Malformed)


def test_a_number_is_no_tag() -> None:
    assert isinstance(read_value(Number("3"), Compare.EQUAL, is_number=False), Malformed)


# ---- in the query ----------------------------------------------------------------------------------------------------------------------

QUERIES: dict[bytes, object] = {
    b"": None,
    b"other=1": None,
    b"versions=1": None,
    b"version=3": (b"3", EntityTag(b"3")),
    b"a=b&version=3&c": (b"3", EntityTag(b"3")),
    b"version=%223%22": (b'"3"', EntityTag(b"3")),
    b"v%65rsion=3": (b"3", EntityTag(b"3")),
    b"version=*": (b"*", Wildcard.ANY),
}


@pytest.mark.parametrize(("query", "expected"), QUERIES.items())
def test_a_version_in_the_query(query: bytes, expected: object) -> None:
    assert read_query(query, "version", Compare.EQUAL) == expected


@pytest.mark.parametrize("query", [b"version=", b"version", b"version=1&version=1", b"version=1&version=2", b"version=1+2", b"version=%22"])
def test_a_version_in_the_query_that_is_none(query: bytes) -> None:
    found = read_query(query, "version", Compare.EQUAL)
    assert found is not None
    assert isinstance(found[1], Malformed)


def test_no_query_has_no_version() -> None:
    assert read_query(None, "version", Compare.EQUAL) is None


@given(st.binary(max_size=20))
def test_a_text_is_read_or_malformed(text: bytes) -> None:
    for compare in Compare:
        read = read_text(text, compare)
        assert isinstance(read, EntityTag | Malformed) or (read is Wildcard.ANY and text == b"*")


# ---- beside If-Match -------------------------------------------------------------------------------------------------------------------

BESIDE: dict[str, tuple[object, object, object]] = {
    "nothing": (None, A, (A,)),
    "the same": ((A,), A, (A,)),
    "among others": ((B, A), A, (A,)),
    "the wildcard asks for less": (Wildcard.ANY, A, (A,)),
    "a wildcard of its own asks for less": ((A,), Wildcard.ANY, (A,)),
    "two wildcards": (Wildcard.ANY, Wildcard.ANY, Wildcard.ANY),
}


@pytest.mark.parametrize(("given_tags", "base", "expected"), BESIDE.values(), ids=BESIDE)
def test_a_token_beside_if_match(given_tags: object, base: object, expected: object) -> None:
    conditions = Conditions(if_match=given_tags)  # type: ignore[arg-type]
    named = also_named(conditions, base)  # type: ignore[arg-type]
    assert isinstance(named, Conditions)
    assert named.if_match == expected


def test_a_token_that_contradicts_if_match_is_refused() -> None:
    assert isinstance(also_named(Conditions(if_match=(B,)), A), Malformed)


@given(st.sampled_from(list(Compare)), st.integers(0, 50), st.integers(0, 50))
def test_only_the_version_that_stands_passes(compare: Compare, sent: int, stands: int) -> None:
    """Whatever the manner: what is sent for another version than the one that stands never lets a write through."""
    read = read_value(Number(str(sent)), compare, is_number=True)
    names_it = sent == stands + 1 if compare is Compare.SUCCESSOR else sent == stands
    if isinstance(read, Malformed):
        assert not names_it
        return
    assert read is not None
    conditions = also_named(NO_CONDITIONS, read)
    assert isinstance(conditions, Conditions)
    verdict = evaluate(b"PUT", conditions, Present(EntityTag(b"%d" % stands), None)).verdict
    assert (verdict is Verdict.PROCEED) == names_it
    assert evaluate(b"PUT", conditions, Absent()).verdict is Verdict.FAILED
