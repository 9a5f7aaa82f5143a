"""Naming: the keys that requests are known by, from wherever their parts come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.alias import EXACT, Aliases, Case, TrailingSlash
from proxy.core.naming import Naming, Source, Unnamed, canonical_value, parse_key_template, parse_reference
from proxy.core.pointer import NOTHING, Pointer
from proxy.core.references import Known, KnownRoutes
from proxy.core.resource import resource_key
from proxy.core.template import Pattern, parse_template


@dataclass
class Request:
    """The parts of a request, as it has them."""

    path: Mapping[str, bytes] = field(default_factory=dict)
    queries: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    fields: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    members: Mapping[Pointer, object] = field(default_factory=dict)

    def parameter(self, name: str) -> bytes:
        return self.path[name]

    def query(self, name: str) -> Sequence[bytes]:
        return self.queries.get(name, ())

    def header(self, name: str) -> Sequence[bytes]:
        return self.fields.get(name, ())

    def body(self, pointer: Pointer) -> object:
        return self.members.get(pointer, NOTHING)


def naming(group: str, key: str, path: str = "/x/{a}/{b}") -> Naming:
    """The naming of a route."""
    found = Naming.of(group, key, parse_template(path))
    assert found is not None
    return found


PARTS = Request({"a": b"1", "b": b"%20x"}, {"q": [b"2"]}, {"x-job": [b"3"]}, {("job",): "4", ("at", "0"): 5})

# Group, key -> the key of PARTS.
KEYS = {
    ("g", ""): b"g:1/x",
    ("g", "{b}-{a}"): b"g:x-1",
    ("g", "{query:q}"): b"g:2",
    ("g", "{header:X-Job}"): b"g:3",
    ("g", "{body:/job}"): b"g:4",
    ("g", "{body:/at/0}/{a}"): b"g:5/1",
    ("g", "all"): b"g:all",
    ("", "{query:q}"): b"=/x/{a}/{b}?2",
}


@pytest.mark.parametrize(("made_of", "key"), KEYS.items())
def test_a_key_is_made_of_its_parts(made_of: tuple[str, str], key: bytes) -> None:
    assert naming(*made_of).key(PARTS) == key


def test_without_group_and_key_the_path_alone_tells() -> None:
    assert Naming.of("", "", parse_template("/x/{a}")) is None


def test_no_two_scopes_share_a_key_and_none_is_a_path() -> None:
    scopes = [naming("g", "1"), naming("g-1", ""), naming("h", "1"), naming("", "1"), naming("", "1", "/y/{a}/{b}"), naming("g", "=/x")]
    keys = [scope.key(PARTS) for scope in scopes]
    assert all(left != right for left, right in combinations(keys, 2))
    assert not any(isinstance(key, bytes) and key.startswith(b"/") for key in keys)


# What backends take for one value: a way round the lock of each other where they had two keys.
ALIKE = [
    [b"7", b"007", b" 7", b"7 ", b"+7", b"7.0", b"7.", b"0_7"],
    [b"0", b"000", b"0.0"],
    [
        b"6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        b"6BA7B8109DAD11D180B400C04FD430C8",
        b"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        b"(6BA7B810-9DAD-11D1-80B4-00C04FD430C8)",
        b"urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        b"URN:UUID:6ba7b8109dad11d180b400c04fd430c8",
        b"6ba7b8109dad-11d1-80b4-00c0-4fd430c8",
        b"6ba7b810-9dad-11d1-80b4-c04fd430c8",
    ],
]
APART = [b"7", b"70", b"-7", b"7.5", b"7a", b"a", b"A", b"", b"7e0", b"0x7", b"7_", b"_7", b"{7}", b"urn:7", b"a-b", b"1-2-3-4"]


@pytest.mark.parametrize("spellings", ALIKE)
def test_spellings_of_one_value_make_one_key(spellings: list[bytes]) -> None:
    assert len({canonical_value(spelling) for spelling in spellings}) == 1


def test_values_that_differ_make_keys_that_differ() -> None:
    assert len({canonical_value(value) for value in APART}) == len(APART)


def test_a_value_from_the_body_meets_the_one_from_the_path() -> None:
    by_body = naming("g", "{body:/job}")
    by_path = naming("g", "{a}")
    for value in ("17", 17, "017", " 17"):
        assert by_body.key(Request(members={("job",): value})) == by_path.key(Request({"a": b"17"}))


@given(st.lists(st.binary(min_size=1), min_size=2, max_size=2), st.lists(st.binary(min_size=1), min_size=2, max_size=2))
def test_no_value_is_taken_for_what_stands_around_it(left: list[bytes], right: list[bytes]) -> None:
    by_query = naming("g", "{query:q}/{query:r}")
    keys = [by_query.key(Request(queries={"q": [each[0]], "r": [each[1]]})) for each in (left, right)]
    if not any(isinstance(key, Unnamed) for key in keys):
        assert (keys[0] == keys[1]) == ([*map(canonical_value, left)] == [*map(canonical_value, right)])


# Key, request -> why it cannot be told.
UNNAMED = [
    ("{query:q}", Request(), 'The parameter "q" of the query is missing'),
    ("{query:q}", Request(queries={"q": [b"1", b"1"]}), 'The parameter "q" of the query stands more than once'),
    ("{query:q}", Request(queries={"q": [b""]}), 'The parameter "q" of the query is empty'),
    ("{header:x-job}", Request(), "The field X-Job is missing"),
    ("{header:X-Job}", Request(fields={"x-job": [b"..", b"a"]}), "The field X-Job stands more than once"),
    ("{body:/a/b}", Request(), "The member /a/b of the body is missing"),
    *[
        ("{body:/a}", Request(members={("a",): value}), "The member /a of the body is neither a text nor a number")
        for value in (True, None, 1.5, [1], {"b": 1})
    ],
    ("{body:/a}", Request(members={("a",): "."}), "The member /a of the body is a dot segment"),
    ("{body:/a}", Request(members={("a",): " "}), "The member /a of the body is empty"),
]


@pytest.mark.parametrize(("key", "request_", "why"), UNNAMED)
def test_what_is_missing_is_named(key: str, request_: Request, why: str) -> None:
    found = naming("g", key).key(request_)
    assert isinstance(found, Unnamed)
    assert found.why == f"{why}, and the resource is known by it."


def test_capitals_do_not_count_where_the_route_says_so() -> None:
    blind = Naming.of("g", "{query:q}", parse_template("/x"), Aliases(case=Case.INSENSITIVE))
    assert blind is not None
    assert blind.key(Request(queries={"q": ["Ä".encode()]})) == blind.key(Request(queries={"q": ["ä".encode()]}))
    assert naming("g", "{query:q}").key(Request(queries={"q": [b"A"]})) != naming("g", "{query:q}").key(Request(queries={"q": [b"a"]}))


@pytest.mark.parametrize("text", ["{", "}", "{A}", "{}", "{query:}", "{header:}", "{cookie:x}", "{body:x}", "{body:/~2}", "a{b}}"])
def test_key_templates_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"has|is no"):
        parse_key_template(text)


def test_the_sources_of_a_template() -> None:
    assert parse_key_template("{a}{query:b}{header:c}{body:/d}").sources == frozenset(Source)
    assert parse_key_template("a").sources == frozenset()


def known(path: str, group: str = "", key: str = "", aliases: Aliases = EXACT, methods: str = "") -> Known:
    """A route that can be referred to."""
    template = parse_template(path)
    return Known(Pattern(template, b"", frozenset(methods.encode().split())), group, Naming.of(group, key, template, aliases), aliases)


MEMBER = Request({"p": b"9"}, members={("id",): "A b", ("n",): 7})
ROUTES = KnownRoutes(
    [
        known("/jobs/{id}/lock", methods="POST"),
        known("/jobs/{id}/", "job"),
        known("/Docs/{id}/", aliases=Aliases(case=Case.INSENSITIVE, trailing_slash=TrailingSlash.IGNORED)),
        known("/items/{id:int}"),
        known("/parts/{whole}/{id}", "part", "{id}.{whole}"),
        known("/odd/{id}", "odd", "{query:id}"),
        known("/tail/{rest*}", "tail"),
    ]
)

# Reference -> the key of the resource for MEMBER.
REFERRED = {
    "job/{body:/id}": b"job:A%20b",
    "/jobs/{body:/id}/": b"job:A%20b",
    "/jobs/{p}/": b"job:9",
    "/jobs/007/": b"job:7",
    "/docs/{body:/id}": b"/docs/a%20b",
    "/items/{body:/n}": b"/items/7",
    "/items/07": b"/items/7",
    "/parts/x/{body:/n}": b"part:7.x",
    "/parts/{p}/y": b"part:y.9",
    "/else/{body:/n}": b"/else/7",
}


@pytest.mark.parametrize(("text", "key"), REFERRED.items())
def test_a_reference_leads_to_the_key_that_the_other_route_has(text: str, key: bytes) -> None:
    assert ROUTES.naming(parse_reference(text)).key(MEMBER) == key


def test_a_path_without_a_group_is_its_own_key() -> None:
    assert ROUTES.naming(parse_reference("/else/{body:/n}")).key(MEMBER) == resource_key(b"/else/7")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nobody/{body:/id}", 'names the group "nobody", which no route has'),
        ("/jobs/x-{body:/id}/", "has a placeholder that is not a whole segment"),
        ("/odd/{body:/id}", "name its group instead"),
        ("/tail/{body:/id}", "name its group instead"),
    ],
)
def test_a_reference_that_leads_nowhere(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ROUTES.naming(parse_reference(text))
