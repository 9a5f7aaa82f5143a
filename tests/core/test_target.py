"""Request targets: one string for one resource, and what could be read in two ways is refused (RFC 9112 §3.2, RFC 3986 §6.2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.target import RefusedTarget, Target, parse_target

HOST = b"a.example:8080"

# What came -> path, query.
TARGETS: dict[bytes, tuple[bytes, bytes | None]] = {
    b"/": (b"/", None),
    b"/a": (b"/a", None),
    b"/a/b/": (b"/a/b/", None),
    b"/a?": (b"/a", b""),
    b"/a?b=c": (b"/a", b"b=c"),
    b"/a?b?c/d=//e": (b"/a", b"b?c/d=//e"),
    b"/?q={x}|y[0]": (b"/", b"q={x}|y[0]"),
    b"/a?q=%2f%zz;x/../": (b"/a", b"q=%2f%zz;x/../"),
    b"/a:b@c!$&'()*+,=~-._": (b"/a:b@c!$&'()*+,=~-._", None),
    b"/%7euser": (b"/~user", None),
    b"/%41%5a%30": (b"/AZ0", None),
    b"/%c3%a4": (b"/%C3%A4", None),
    b"/%3f%23%25%20": (b"/%3F%23%25%20", None),
    b"/%3b": (b"/%3B", None),
    b"/.well-known": (b"/.well-known", None),
    b"/a./b..": (b"/a./b..", None),
    b"/a;jsessionid=1": (b"/a;jsessionid=1", None),
    b"/;x": (b"/;x", None),
    b"/...": (b"/...", None),
    b"/a%2eb": (b"/a.b", None),
    b"http://a.example:8080/a?b": (b"/a", b"b"),
    b"HTTPS://A.EXAMPLE:8080": (b"/", None),
    b"http://a.example:8080?q": (b"/", b"q"),
}


@pytest.mark.parametrize(("raw", "expected"), TARGETS.items(), ids=[raw.decode() for raw in TARGETS])
def test_targets(raw: bytes, expected: tuple[bytes, bytes | None]) -> None:
    path, query = expected
    assert parse_target(raw, HOST) == Target(path, query, path if query is None else path + b"?" + query)


REFUSED = {
    "3.2.4 asterisk": b"*",
    "3.2.3 authority": b"a.example:8080",
    "empty": b"",
    "relative": b"a/b",
    "another scheme": b"ftp://a.example:8080/",
    "3.2.2 another authority": b"http://other.example/",
    "3.2.2 user in the authority": b"http://u@a.example:8080/",
    "3.2.2 another port": b"http://a.example/",
    "3.2.2 a fragment of the authority": b"http://a.example:8080#/",
    "dot": b"/a/./b",
    "dot at the end": b"/a/.",
    "dots": b"/a/../b",
    "dots at the end": b"/a/..",
    "dots alone": b"/..",
    "encoded dots": b"/a/%2e%2E/b",
    "half-encoded dots": b"/a/.%2e",
    "encoded dot": b"/%2e",
    "empty segment": b"/a//b",
    "empty first segment": b"//a",
    "empty last segment": b"/a//",
    "encoded slash": b"/a%2Fb",
    "encoded slash in lower case": b"/a%2fb",
    "backslash": b"/a\\b",
    "encoded backslash": b"/a%5cb",
    "NUL": b"/a%00",
    "bare percent": b"/a%",
    "one digit": b"/a%4",
    "no digits": b"/a%zz",
    "dots with a parameter": b"/a/..;x/b",
    "nothing but a parameter": b"/a/;x/b",
    "fragment": b"/a#b",
    "fragment in the query": b"/a?b#c",
    "space": b"/a b",
    "space in the query": b"/a?b c",
    "control": b"/a\x01",
    "control in the query": b"/a?\x7f",
    "not ASCII": b"/\xc3\xa4",
    "not ASCII in the query": b"/a?\xc3",
    "quote": b'/a"b',
    "bracket": b"/a[b]",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_a_second_name_for_a_resource_is_refused(raw: bytes) -> None:
    refused = parse_target(raw, HOST)
    assert isinstance(refused, RefusedTarget)
    assert refused.why


PIECES = st.sampled_from(
    [b"/", b"a", b"Z", b"0", b"-", b".", b"%41", b"%7e", b"%c3", b"%2F", b"%2e", b"?", b"%", b";", b"\\", b"\xe4", b"~"]
)


@given(st.lists(PIECES, max_size=8).map(lambda pieces: b"/" + b"".join(pieces)))
def test_what_is_forwarded_is_what_the_key_was_computed_from(raw: bytes) -> None:
    """Whatever is accepted is a fixed point: read again, by us or by the next hop, it is the same."""
    target = parse_target(raw, HOST)
    if isinstance(target, Target):
        assert target.forwarded == (target.path if target.query is None else target.path + b"?" + target.query)
        assert parse_target(target.forwarded, HOST) == target
        assert not {b"", b".", b".."} & set(target.path.removesuffix(b"/").split(b"/")[1:])


def test_two_spellings_of_one_path_have_one_key() -> None:
    spellings = [parse_target(raw, HOST) for raw in (b"/~a%c3", b"/%7Ea%C3", b"/%7e%61%C3", b"http://a.example:8080/~a%C3")]
    assert len({target.path for target in spellings if isinstance(target, Target)}) == 1
