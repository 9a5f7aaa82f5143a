"""Templates: segments with a form, the values of parameters, and the one spelling of a path."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.resource import Routes
from proxy.core.template import Form, Pattern, TemplateError, parse_template

UUID = b"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"
PLAIN = b"6ba7b8109dad11d180b400c04fd430c8"

# Form -> segments that are of it, with their one spelling; segments that are not.
FORMS: dict[Form, tuple[dict[bytes, bytes], list[bytes]]] = {
    Form.INT: (
        {b"0": b"0", b"7": b"7", b"007": b"7", b"00": b"0", b"9" * 40: b"9" * 40},
        [b"", b"-1", b"+1", b"1.0", b"a", b"1a", b"\xb2"],
    ),
    Form.UUID: (
        {UUID: PLAIN, UUID.lower(): PLAIN, PLAIN: PLAIN},
        [b"", PLAIN[1:], PLAIN + b"0", UUID.replace(b"-", b"", 1), b"{%b}" % UUID, b"g" * 32],
    ),
    Form.HEX: ({b"0": b"0", b"BEEF": b"beef", b"0f": b"0f"}, [b"", b"0x1", b"g", b"a-b"]),
}


@pytest.mark.parametrize(("form", "cases"), FORMS.items(), ids=[form.value for form in FORMS])
def test_the_form_of_a_segment(form: Form, cases: tuple[dict[bytes, bytes], list[bytes]]) -> None:
    inside, outside = cases
    assert {segment: form.canonical(segment) for segment in inside} == inside
    assert [segment for segment in inside if not form.takes(segment)] == []
    assert [segment for segment in outside if form.takes(segment)] == []
    assert [form.canonical(segment) for segment in outside] == outside


# Template, path -> the values of its parameters, and its one spelling.
VALUES = [
    ("/a", b"/a", {}, b"/a"),
    ("/{a}/x/{b}", b"/1/x/2", {"a": b"1", "b": b"2"}, b"/1/x/2"),
    ("/{a:int}/x/{b}", b"/01/x/02", {"a": b"01", "b": b"02"}, b"/1/x/02"),
    ("/{a:int}/{b:int}/", b"/01/02/", {"a": b"01", "b": b"02"}, b"/1/2/"),
    ("/x/{a:int}/{rest*}", b"/x/01/02/03", {"a": b"01", "rest": b"02/03"}, b"/x/1/02/03"),
    ("/x/{a:int}/{rest*}", b"/x/01", {"a": b"01", "rest": b""}, b"/x/1"),
    ("/{rest*}", b"/", {"rest": b""}, b"/"),
    ("/{a:uuid}", b"/" + UUID, {"a": UUID}, b"/" + PLAIN),
]


@pytest.mark.parametrize(("text", "path", "values", "canonical"), VALUES)
def test_what_a_path_says_of_parameters(text: str, path: bytes, values: dict[str, bytes], canonical: bytes) -> None:
    template = parse_template(text)
    assert template.values(path) == values
    assert template.canonical(path) == canonical
    assert template.canonical(canonical) == canonical


@pytest.mark.parametrize("text", ["/{a:}", "/{a:number}", "/{a:INT}", "/{:int}", "/{a:int*}", "/{a*:int}", "/{a:int}/{a}"])
def test_forms_that_are_none(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)


def test_an_unknown_form_is_met_with_those_that_there_are() -> None:
    with pytest.raises(TemplateError, match="int, uuid, hex"):
        parse_template("/{a:integer}")


def routes(**patterns: tuple[str, bytes, str]) -> Routes[str]:
    """Routes by name: path, host, and methods with spaces between them."""
    return Routes(
        (Pattern(parse_template(path), host, frozenset(methods.encode().split())), name) for name, (path, host, methods) in patterns.items()
    )


ROUTED = routes(
    write=("/a/{id:int}", b"", "PUT PATCH"),
    show=("/a/{id:int}", b"", "GET"),
    other=("/a/{name}", b"", ""),
    api=("/b", b"api.example.org", ""),
    below=("/b", b"*.example.org", "GET"),
    any=("/b", b"", ""),
)

# Method, path, host -> the route.
TAKEN = [
    (b"PUT", b"/a/1", b"", "write"),
    (b"PATCH", b"/a/1", b"", "write"),
    (b"GET", b"/a/1", b"", "show"),
    (b"HEAD", b"/a/1", b"", "show"),
    (b"OPTIONS", b"/a/1", b"", "write"),
    (b"DELETE", b"/a/1", b"", "other"),
    (b"PUT", b"/a/x", b"", "other"),
    (b"GET", b"/b", b"api.example.org", "api"),
    (b"GET", b"/b", b"API.Example.ORG:8080", "api"),
    (b"GET", b"/b", b"api.example.org.", "api"),
    (b"GET", b"/b", b"api.example.org.:80", "api"),
    (b"GET", b"/b", b"x.y.example.org", "below"),
    (b"PUT", b"/b", b"x.example.org", "any"),
    (b"GET", b"/b", b"example.org", "any"),
    (b"GET", b"/b", b"anexample.org", "any"),
    (b"GET", b"/b", b"[::1]:80", "any"),
    (b"GET", b"/b", b"", "any"),
]


@pytest.mark.parametrize(("method", "path", "host", "name"), TAKEN)
def test_methods_and_hosts(method: bytes, path: bytes, host: bytes, name: str) -> None:
    assert ROUTED.match(path, method, host) == name


def test_nothing_is_asked_of_a_head_where_no_route_does() -> None:
    assert ROUTED.minds_heads
    assert not routes(a=("/a", b"", "")).minds_heads
    assert routes(a=("/a", b"h", "")).minds_heads
    assert routes(a=("/a", b"", "GET")).minds_heads


SEGMENTS = ["a", "b", "7", "be", "{x}", "{x:int}", "{x:hex}"]
FORM_OF = {"{x}": "[^/]+", "{x:int}": "[0-9]+", "{x:hex}": "[0-9a-fA-F]+"}
METHOD_SETS = [frozenset[bytes](), frozenset({b"GET"}), frozenset({b"PUT", b"POST"})]
HOSTS = [b"", b"h.example", b"*.example"]

GivenPattern = tuple[list[str], bool, frozenset[bytes], bytes]
"""Segments, whether any further path may follow, methods, and a host."""

segment_lists = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3)
patterns = st.lists(st.tuples(segment_lists, st.booleans(), st.sampled_from(METHOD_SETS), st.sampled_from(HOSTS)), max_size=6)
targets = st.lists(st.sampled_from(["a", "b", "7", "07", "be", "BE", "zz", ""]), min_size=1, max_size=4)


def is_for(pattern: GivenPattern, path: str, method: bytes, host: bytes) -> bool:
    """Whether a pattern takes a request, by a regular expression."""
    segments, has_tail, methods, wanted = pattern
    expression = "".join(f"/{FORM_OF.get(segment, segment)}" for segment in segments) + ("(/.*)?" if has_tail else "")
    fits_host = wanted in (b"", host) or (wanted.startswith(b"*") and host.endswith(wanted[1:]))
    fits_method = not methods or method in methods or method == b"OPTIONS" or (method == b"HEAD" and b"GET" in methods)
    return fits_host and fits_method and re.fullmatch(expression, path) is not None


@given(patterns, targets, st.sampled_from([b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"]), st.sampled_from([b"h.example", b"x", b""]))
def test_the_tree_finds_what_a_walk_through_all_routes_finds(
    given_: list[GivenPattern], target: list[str], method: bytes, host: bytes
) -> None:
    path = "/" + "/".join(target)
    named = []
    for number, (segments, has_tail, methods, wanted) in enumerate(given_):
        literal = "".join(f"/{segment.replace('{x', f'{{x{place}')}" for place, segment in enumerate(segments))
        text = literal + ("/{rest*}" if has_tail else "")
        named.append((Pattern(parse_template(text), wanted, methods), number))
    expected = next((number for number, pattern in enumerate(given_) if is_for(pattern, path, method, host)), None)
    assert Routes(named).match(path.encode(), method, host) == expected
