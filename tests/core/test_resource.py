"""Resources: templates, the first route that matches, and the names of records."""

import re

import pytest

from proxy.core.resource import Routes, key_digest, resource_key
from proxy.core.template import Pattern, TemplateError, parse_template

# Template -> paths that it matches, paths that it does not.
MATCHES: dict[str, tuple[list[bytes], list[bytes]]] = {
    "/": ([b"/"], [b"/a", b"//"]),
    "/a": ([b"/a"], [b"/", b"/a/", b"/a/b", b"/A", b"/ab"]),
    "/a/": ([b"/a/"], [b"/a", b"/a/b"]),
    "/a/{id}": ([b"/a/1", b"/a/x.y"], [b"/a", b"/a/", b"/a/1/2", b"/b/1"]),
    "/a/{id}/b": ([b"/a/1/b"], [b"/a/1", b"/a//b", b"/a/b"]),
    "/{x}/{y}": ([b"/a/b"], [b"/a", b"/a/", b"/a/b/c"]),
    "/{rest*}": ([b"/", b"/a", b"/a/b/"], []),
    "/a/{rest*}": ([b"/a", b"/a/", b"/a/b", b"/a/b/c"], [b"/", b"/ab", b"/b/a"]),
    "/a/{id}/{rest*}": ([b"/a/1", b"/a/1/", b"/a/1/2/3"], [b"/a", b"/a/"]),
    "/\u00e4": (["/\u00e4".encode()], [b"/a"]),
}


@pytest.mark.parametrize(("text", "paths"), MATCHES.items(), ids=list(MATCHES))
def test_matching(text: str, paths: tuple[list[bytes], list[bytes]]) -> None:
    routes = Routes([(Pattern(parse_template(text)), "it")])
    assert [path for path in paths[0] if routes.match(path) is None] == []
    assert [path for path in paths[1] if routes.match(path) is not None] == []


FIRST = [
    (["/a", "/{x}"], b"/a", "/a"),
    (["/{x}", "/a"], b"/a", "/{x}"),
    (["/{x}", "/a/b"], b"/a/b", "/a/b"),
    (["/{rest*}", "/a"], b"/a", "/{rest*}"),
    (["/a/b", "/a/{rest*}", "/{x}/b"], b"/a/b", "/a/b"),
    (["/a/{rest*}", "/a/b"], b"/a/b", "/a/{rest*}"),
    (["/{x}/c", "/a/{y}", "/a/b"], b"/a/b", "/a/{y}"),
    (["/{x}/c", "/a/{y}", "/a/b"], b"/a/c", "/{x}/c"),
    (["/{x}", "/{y}"], b"/a", "/{x}"),
    (["/{x*}", "/{y*}"], b"/a", "/{x*}"),
    (["/{x}", "/{rest*}"], b"/", "/{rest*}"),
]


@pytest.mark.parametrize(("templates", "path", "expected"), FIRST)
def test_the_first_in_the_file_wins(templates: list[str], path: bytes, expected: str) -> None:
    assert Routes((Pattern(parse_template(text)), text) for text in templates).match(path) == expected


def test_no_routes() -> None:
    assert Routes[str]([]).match(b"/a") is None


REFUSED = [
    "",
    "a",
    "a/{b}",
    "/a/{",
    "/a/}",
    "/a{b}",
    "/{b}c",
    "/{B}",
    "/{1}",
    "/{}",
    "/{a b}",
    "/a*",
    "/{a*}/b",
    "/{a}/{a}",
    "/{a}/{a*}",
    "/{a**}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_templates_that_are_none(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)


def test_the_name_of_a_record_shows_no_byte_of_a_client() -> None:
    names = {key_digest(resource_key(path)) for path in (b"/", b"/a", b"/a/", b"/\xff", b"/" + b"a" * 5000)}
    assert len(names) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{24}", name) for name in names)
