"""Aliases: two targets have one key if and only if what is forwarded for them is equal up to what the route declares."""

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.core.alias import EXACT, Aliases, Case, PathParameters, Query, TrailingSlash, query_pairs
from proxy.core.resource import Routes
from proxy.core.target import RefusedTarget, Target, parse_target
from proxy.core.template import Pattern, parse_template

HOST = b"a"
KINDS = [
    EXACT,
    Aliases(case=Case.INSENSITIVE),
    Aliases(trailing_slash=TrailingSlash.IGNORED),
    Aliases(query=Query.SIGNIFICANT),
    Aliases(query=("id", "lang")),
    Aliases(suffixes=(".json", ".xml")),
    Aliases(path_parameters=PathParameters.STRIP),
    Aliases(path_parameters=PathParameters.KEEP),
    Aliases(Case.INSENSITIVE, TrailingSlash.IGNORED, Query.SIGNIFICANT, (".json",), PathParameters.STRIP),
    Aliases(Case.INSENSITIVE, TrailingSlash.IGNORED, ("id",), (".JSON",), PathParameters.KEEP),
]


def placed(raw: bytes, aliases: Aliases) -> tuple[bytes, bytes] | None:
    """The key of a target and what is forwarded for it; None where it is refused."""
    target = parse_target(raw, HOST)
    if isinstance(target, RefusedTarget):
        return None
    admitted = aliases.admit(target)
    return None if isinstance(admitted, RefusedTarget) else (aliases.fold(admitted), admitted.forwarded)


def equal(left: bytes, right: bytes, aliases: Aliases) -> bool:
    """Whether two forwarded targets are one resource: the declarations, read by another hand and with another library."""
    return described(left.decode(), aliases) == described(right.decode(), aliases)


def described(forwarded: str, aliases: Aliases) -> object:
    """Take a forwarded target apart as a backend of that kind would. No case of the alphabets here folds to several letters."""
    path, _, query = forwarded.partition("?")
    segments = [unquote(segment, errors="surrogateescape") for segment in path.split("/")[1:]]
    is_blind = aliases.case is Case.INSENSITIVE
    if is_blind:
        segments = [segment.lower() for segment in segments]
    if aliases.trailing_slash is TrailingSlash.IGNORED and len(segments) > 1 and segments[-1] == "":
        segments.pop()
    suffixes = [suffix.lower() if is_blind else suffix for suffix in aliases.suffixes]
    while any(segments[-1].endswith(suffix) and segments[-1] != suffix for suffix in suffixes):
        segments[-1] = segments[-1].rpartition(".")[0]
    if aliases.query is Query.IGNORED:
        return segments
    pairs = parse_qsl(query.replace(";", "&"), keep_blank_values=True, errors="surrogateescape")
    pairs = [(name.strip(), value) for name, value in pairs]
    if is_blind:
        pairs = [(name.lower(), value.lower()) for name, value in pairs]
    if isinstance(aliases.query, tuple):
        pairs = [(name, value) for name, value in pairs if name in aliases.query]
    by_name: dict[str, list[str]] = {}
    for name, value in pairs:
        by_name.setdefault(name, []).append(value)
    return segments, by_name


PATHS = st.lists(
    st.sampled_from(
        [b"/", b"a", b"A", b"%41", b"%c3%a4", b"%C3%84", b".json", b".JSON", b".xml", b";", b"x", b"%3b", b"%3F", b".", b",", b"%2C"]
    ),
    max_size=5,
).map(lambda pieces: b"/" + b"".join(pieces))
QUERIES = st.lists(
    st.sampled_from(
        [b"id=1", b"id=2", b"ID=1", b"i%64=1", b"lang=a", b"lang=A", b"x", b"x=", b"+x=", b"y=%26", b"id", b"", b"a=b=c", b"=v"]
    ),
    max_size=4,
)
TARGETS = st.builds(
    lambda path, query, separator: path if query is None else path + b"?" + separator.join(query),
    PATHS,
    st.none() | QUERIES,
    st.sampled_from([b"&", b";"]),
)


@pytest.mark.parametrize("aliases", KINDS, ids=range(len(KINDS)))
@given(left=TARGETS, right=TARGETS)
@example(left=b"/a?x&id=1", right=b"/a?id=1&x=")
@example(left=b"/A.json", right=b"/a")
@example(left=b"/a/", right=b"/a")
@settings(max_examples=300, deadline=None)
def test_one_key_if_and_only_if_what_is_forwarded_is_equal_up_to_the_aliases(left: bytes, right: bytes, aliases: Aliases) -> None:
    one, other = placed(left, aliases), placed(right, aliases)
    if one is not None and other is not None:
        assert (one[0] == other[0]) == equal(one[1], other[1], aliases)


@pytest.mark.parametrize("aliases", KINDS, ids=range(len(KINDS)))
@given(raw=TARGETS)
@settings(max_examples=100, deadline=None)
def test_what_is_forwarded_is_a_fixed_point(raw: bytes, aliases: Aliases) -> None:
    """Read again, by us or by a noclobber behind us, it is the same target with the same key."""
    found = placed(raw, aliases)
    assert found is None or placed(found[1], aliases) == found


SAME: dict[str, tuple[Aliases, list[bytes]]] = {
    "case": (Aliases(case=Case.INSENSITIVE), [b"/Doc", b"/dOC", b"/%44oc"]),
    "case beyond ASCII": (Aliases(case=Case.INSENSITIVE), [b"/%C3%84", b"/%c3%a4"]),
    "slash": (Aliases(trailing_slash=TrailingSlash.IGNORED), [b"/doc", b"/doc/"]),
    "escapes": (EXACT, [b"/a,b", b"/a%2cb", b"/%61%2Cb"]),
    "query": (EXACT, [b"/doc", b"/doc?a", b"/doc?"]),
    "order of the query": (Aliases(query=Query.SIGNIFICANT), [b"/doc?a=1&b=2", b"/doc?b=2&a=1", b"/doc?b=2;a=%31", b"/doc?&b=2&&a=1"]),
    "named parameters": (Aliases(query=("id",)), [b"/doc?id=1", b"/doc?_=9&id=1", b"/doc?i%64=1", b"/doc?+id=1", b"/doc?id%00x=1"]),
    "suffixes": (Aliases(suffixes=(".json", ".xml")), [b"/doc", b"/doc.json", b"/doc.xml", b"/doc.json.xml"]),
    "suffix and slash": (Aliases(trailing_slash=TrailingSlash.IGNORED, suffixes=(".json",)), [b"/doc", b"/doc.json/", b"/doc/"]),
    "stripped": (Aliases(path_parameters=PathParameters.STRIP), [b"/a/doc", b"/a/doc;x", b"/a;y=1/doc;", b"/a;y=1;z/doc"]),
}


@pytest.mark.parametrize(("aliases", "targets"), SAME.values(), ids=SAME)
def test_declared_aliases_share_a_key(aliases: Aliases, targets: list[bytes]) -> None:
    found = [placed(target, aliases) for target in targets]
    assert None not in found
    assert len({each[0] for each in found if each is not None}) == 1


OTHERS: dict[str, tuple[Aliases, list[bytes]]] = {
    "all": (EXACT, [b"/doc", b"/Doc", b"/doc/", b"/doc.json", b"/doc%3Bx", b"/doc%253Bx", b"/doc%3Fx"]),
    "root": (Aliases(trailing_slash=TrailingSlash.IGNORED), [b"/", b"/a"]),
    "a name that is a suffix": (Aliases(suffixes=(".json",)), [b"/a/.json", b"/a/", b"/a"]),
    "values": (
        Aliases(query=Query.SIGNIFICANT),
        [b"/doc", b"/doc?a", b"/doc?a=1", b"/doc?a=1&a=2", b"/doc?a=2&a=1", b"/doc?a=1%26b", b"/doc?b"],
    ),
    "named parameters": (Aliases(query=("id",)), [b"/doc?x=1", b"/doc?id=1", b"/doc?id=2", b"/doc?id"]),
    "kept": (Aliases(path_parameters=PathParameters.KEEP), [b"/doc", b"/doc;x", b"/doc;y"]),
}


@pytest.mark.parametrize(("aliases", "targets"), OTHERS.values(), ids=OTHERS)
def test_others_do_not(aliases: Aliases, targets: list[bytes]) -> None:
    found = [placed(target, aliases) for target in targets]
    assert None not in found
    assert len({each[0] for each in found if each is not None}) == len(targets)


def test_what_is_stripped_is_not_forwarded() -> None:
    target = parse_target(b"/a;x/b;y=%3b?q;z", HOST)
    assert isinstance(target, Target)
    assert Aliases(path_parameters=PathParameters.STRIP).admit(target) == Target(b"/a/b", b"q;z", b"/a/b?q;z")


def test_a_parameter_of_the_key_stands_once() -> None:
    assert placed(b"/doc?id=1&id=2", Aliases(query=("id",))) is None
    assert placed(b"/doc?id=1&i%64=1", Aliases(query=("id",))) is None
    assert placed(b"/doc?x=1&x=2", Aliases(query=("id",))) is not None


def test_pairs() -> None:
    assert query_pairs(b"a=1&&b;c=+%2B") == [(b"a", b"1"), (b"b", b""), (b"c", b" +")]


ROUTES: list[tuple[Aliases, str, list[bytes], list[bytes]]] = [
    (EXACT, "/Api/{id}", [b"/Api/1", b"/Api;x/1;y"], [b"/api/1"]),
    (Aliases(case=Case.INSENSITIVE), "/Api/{id}", [b"/Api/1", b"/aPI/x", b"/%41pi/1"], [b"/b/1"]),
    (Aliases(trailing_slash=TrailingSlash.IGNORED), "/a/{id}", [b"/a/1", b"/a/1/"], [b"/a/"]),
    (Aliases(trailing_slash=TrailingSlash.IGNORED), "/a/", [b"/a/", b"/a"], [b"/"]),
    (Aliases(trailing_slash=TrailingSlash.IGNORED), "/", [b"/"], [b"/a"]),
    (Aliases(suffixes=(".json",)), "/doc.json", [b"/doc", b"/doc.json"], [b"/doc.xml"]),
    (Aliases(suffixes=(".json",)), "/doc", [b"/doc", b"/doc.json"], [b"/doc.json/a"]),
    (Aliases(suffixes=(".json",)), "/a.json/{rest*}", [b"/a.json/b", b"/a.json/"], [b"/a/b"]),
    (Aliases(Case.INSENSITIVE, suffixes=(".json",)), "/Doc", [b"/doc.JSON"], [b"/doc.xml"]),
]


@pytest.mark.parametrize(("aliases", "template", "inside", "outside"), ROUTES)
def test_no_alias_leads_past_its_route(aliases: Aliases, template: str, inside: list[bytes], outside: list[bytes]) -> None:
    routes = Routes([(Pattern(parse_template(template)), "it")], lambda _: aliases)
    assert [path for path in inside if routes.match(path) is None] == []
    assert [path for path in outside if routes.match(path) is not None] == []


def test_the_first_in_the_file_wins_whatever_its_aliases() -> None:
    kinds = {"blind": Aliases(case=Case.INSENSITIVE), "exact": EXACT, "rest": EXACT}
    texts = {"blind": "/a/{x}", "exact": "/A/b", "rest": "/{rest*}"}
    routes = Routes(((Pattern(parse_template(text)), name) for name, text in texts.items()), lambda name: kinds[name])
    assert [routes.match(path) for path in (b"/A/b", b"/a/b", b"/b")] == ["blind", "blind", "rest"]
