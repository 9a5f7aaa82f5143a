"""Which routes take the requests of which others, held against the tree that decides it when requests come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.overlap import Patterns, covers
from proxy.core.resource import Routes
from proxy.core.template import Pattern, parse_template


def pattern(text: str) -> Pattern:
    """A pattern of a text such as "GET,PUT host /path": methods and host may be *."""
    methods, host, path = text.split(" ")
    named = frozenset[bytes]() if methods == "*" else frozenset(methods.encode().split(b","))
    return Pattern(parse_template(path), b"" if host == "*" else host.encode(), named)


COVERED = [
    ("* * /a", "* * /a"),
    ("* * /a", "GET h /a"),
    ("GET * /a", "GET,HEAD * /a"),
    ("GET,PUT * /a", "PUT * /a"),
    ("* *.b /a", "* x.b /a"),
    ("* *.b /a", "* *.x.b /a"),
    ("* * /{x}", "* * /{x:int}"),
    ("* * /{x:hex}", "* * /{x:int}"),
    ("* * /{x:int}", "* * /7"),
    ("* * /{x:int}/{y*}", "* * /7/a/{z*}"),
]
NOT_COVERED = [
    ("GET * /a", "* * /a"),
    ("HEAD * /a", "GET * /a"),
    ("GET * /a", "PUT * /a"),
    ("* h /a", "* * /a"),
    ("* h /a", "* i /a"),
    ("* *.b /a", "* b /a"),
    ("* *.b /a", "* ab /a"),
    ("* *.x.b /a", "* *.b /a"),
    ("* * /{x:int}", "* * /{x}"),
    ("* * /{x:int}", "* * /{x:hex}"),
    ("* * /{x:hex}", "* * /{x:uuid}"),
    ("* * /{x:int}", "* * /a"),
]


@pytest.mark.parametrize(("earlier", "later"), COVERED)
def test_what_is_never_reached(earlier: str, later: str) -> None:
    assert covers(pattern(earlier), pattern(later))


@pytest.mark.parametrize(("earlier", "later"), NOT_COVERED)
def test_what_is_reached(earlier: str, later: str) -> None:
    assert not covers(pattern(earlier), pattern(later))


SEGMENTS = ["a", "7", "{p}", "{p:int}", "{p:hex}"]
paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=2).map(
    lambda found: "".join(f"/{segment.replace('{p', f'{{p{place}')}" for place, segment in enumerate(found))
)
templates = st.tuples(paths, st.sampled_from(["", "/{rest*}"])).map("".join)
heads = st.tuples(st.sampled_from(["*", "GET", "GET,PUT", "HEAD"]), st.sampled_from(["*", "h.b", "*.b"]))
patterns = st.tuples(heads, templates).map(lambda found: pattern(" ".join((*found[0], found[1]))))

REQUESTS = [
    (path.encode(), method, host)
    for path in ("/a", "/7", "/b", "/a/a", "/a/7", "/7/b", "/b/a/a", "/z", "/z/z")
    for method in (b"GET", b"HEAD", b"PUT", b"DELETE")
    for host in (b"h.b", b"i.b", b"b")
]


@given(patterns, patterns)
def test_a_covered_route_takes_nothing_that_is_left(earlier: Pattern, later: Pattern) -> None:
    if covers(earlier, later):
        both = Routes([(earlier, "earlier"), (later, "later")])
        assert "later" not in {both.match(*request) for request in REQUESTS}


@given(st.lists(patterns, max_size=5), patterns)
def test_none_that_covers_or_meets_is_overlooked(known: list[Pattern], other: Pattern) -> None:
    index: Patterns[int] = Patterns()
    for number, each in enumerate(known):
        index.add(each, number)
    assert set(index.covering(other)) == {number for number, each in enumerate(known) if covers(each, other)}
    met = {number for _, number in index.meeting(other)}
    for number, each in enumerate(known):
        for path, _, host in REQUESTS:
            fits = [Routes([(Pattern(one.template, one.host), "it")]).match(path, b"GET", host) for one in (each, other)]
            assert number in met or None in fits
