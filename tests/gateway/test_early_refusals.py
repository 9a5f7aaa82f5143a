"""What is said of a write before its body is asked for, and of bodies that are not what was announced (protocol §5, W0 and W1)."""

import asyncio

import pytest

from .client import chunked, request
from .legacy import Legacy
from .serving import Door, route, serving

STALE = b'If-Match: "stale"'


REQUIRED = {
    "nothing": ([], 428),
    "13.1.3 If-Modified-Since counts on reads only": ([b"If-Modified-Since: Mon, 01 Jun 2026 10:00:00 GMT"], 428),
    "13.1.4 a date that is none": ([b"If-Unmodified-Since: now"], 428),
    "13.1.4 a date that nothing can be held against": ([b"If-Unmodified-Since: Mon, 01 Jun 2026 10:00:00 GMT"], 428),
    "If-Match": ([STALE], 412),
    "If-None-Match": ([b"If-None-Match: *"], 412),
}


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE", b"POST", b"MOVE"])
@pytest.mark.parametrize(("lines", "status"), REQUIRED.values(), ids=REQUIRED)
async def test_a_route_may_require_a_precondition(legacy: Legacy, lines: list[bytes], status: int, method: bytes) -> None:
    """RFC 6585 §3."""
    async with serving(legacy.port, route(missing="require")) as door:
        got = await door.ask(method, b"/doc", *lines, body=None if method == b"DELETE" else b"x")
        assert got.status == status
        if status == 428:
            assert got.kind == "required"
            assert "If-Match" in got.problem["next"]
            assert got.one(b"Cache-Control") == b"no-store"
            assert await door.sample("noclobber_conflicts_total", kind="missing") == 1
    assert method.decode() not in legacy.methods()


MODIFIED = "Mon, 01 Jun 2026 10:00:00 GMT"
DATES = {
    "13.1.4 the date itself": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 11:00:00 GMT", 204),
    "13.1.4 modified since": ("Mon, 01 Jun 2026 09:59:59 GMT", MODIFIED, "Mon, 01 Jun 2026 11:00:00 GMT", 412),
    "8.8.2.2 too young to prove anything": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 10:00:01 GMT", 412),
    "8.8.2.2 old enough": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 10:00:02 GMT", 204),
}


@pytest.mark.parametrize(("sent", "modified", "made", "status"), DATES.values(), ids=DATES)
async def test_if_unmodified_since_alone(legacy: Legacy, sent: str, modified: str, made: str, status: int) -> None:
    legacy.extra = {"Last-Modified": modified, "Date": made}
    async with serving(legacy.port, route(missing="require")) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Unmodified-Since: " + sent.encode(), body=b"x")
        assert got.status == status
        if status == 412:
            assert got.problem["received"] == {"field": "If-Unmodified-Since", "value": sent}


async def test_a_young_date_does_not_spoil_a_tag_beside_it(legacy: Legacy, door: Door) -> None:
    legacy.extra = {"Last-Modified": MODIFIED, "Date": MODIFIED}
    lines = [b"If-Match: " + await door.tag(), b"If-Unmodified-Since: " + MODIFIED.encode()]
    assert (await door.ask(b"PUT", b"/doc", *lines, body=b"x")).status == 204


@pytest.mark.parametrize("value", [b"", b"abc", b'"a" "b"', b'*, "a"', b'"a', b'w/"a"', b"W/*", b'"' + b"a" * 10 + b'\x7f"'])
@pytest.mark.parametrize("field", [b"If-Match", b"If-None-Match"])
async def test_malformed_is_never_absent(legacy: Legacy, door: Door, field: bytes, value: bytes) -> None:
    got = await door.ask(b"PUT", b"/doc", field + b": " + value, body=b"x")
    assert got.status == 400
    assert legacy.asked == []
    if b"\x7f" not in value:  # The parser in front of us has its own words for that one.
        assert got.kind == "malformed"
        assert got.problem["received"]["field"] == field.decode()


async def test_a_put_of_a_part_is_refused(legacy: Legacy, door: Door) -> None:
    """RFC 9110 §14.5: it must not be taken for the whole."""
    got = await door.ask(b"PUT", b"/doc", b"Content-Range: bytes 0-1/5", body=b"ab")
    assert (got.status, got.kind) == (400, "bad-request")
    assert legacy.asked == []


EARLY = {
    "428": (b"Content-Length: 5", 428),
    "400": (b"Content-Length: 5\r\nIf-Match: a", 400),
    "413": (b"Content-Length: 101\r\nIf-Match: *", 413),
    "400 part": (b"Content-Length: 5\r\nIf-Match: *\r\nContent-Range: bytes 0-4/9", 400),
}


@pytest.mark.parametrize("expectation", [b"\r\nExpect: 100-continue", b""], ids=["expects 100", "does not"])
@pytest.mark.parametrize(("lines", "status"), EARLY.values(), ids=EARLY)
async def test_what_the_head_tells_is_said_before_the_body_is_asked_for(
    legacy: Legacy, lines: bytes, status: int, expectation: bytes
) -> None:
    """RFC 9110 §10.1.1: no 100, and no wait for a body that will not come."""
    async with serving(legacy.port, route(missing="require"), limits__max_body_bytes=100) as door:
        client = await door.connect()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\n" + lines + expectation + b"\r\n\r\n")
        got = await asyncio.wait_for(client.answer(b"PUT"), 2)
        client.leave()
    assert (got.status, got.interims) == (status, [])
    assert got.one(b"Connection") == b"close"


async def test_a_body_over_the_cap_is_refused_when_it_turns_out_to_be(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_body_bytes=100, limits__spool_memory_bytes=10) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", b"Transfer-Encoding: chunked") + chunked(bytes(60), bytes(60)))
        got = await client.answer(b"PUT")
    assert (got.status, got.kind) == (413, "too-large")
    assert legacy.asked == []


CONTINUES = {
    "HTTP/1.1": (b"1.1", b"100-continue", [100]),
    "any case": (b"1.1", b"100-CONTINUE", [100]),
    "HTTP/1.0": (b"1.0", b"100-continue", []),
}


@pytest.mark.parametrize(("version", "value", "interims"), CONTINUES.values(), ids=CONTINUES)
async def test_a_client_that_waits_is_told_to_go_on(legacy: Legacy, door: Door, version: bytes, value: bytes, interims: list[int]) -> None:
    """RFC 9110 §15.2: never to HTTP/1.0."""
    client = await door.connect()
    client.send(b"PUT /doc HTTP/" + version + b"\r\nHost: a\r\nContent-Length: 3\r\nExpect: " + value + b"\r\n\r\n")
    if interims:
        assert (await client.head())[0] == 100
    assert legacy.asked == []
    client.send(b"new")
    got = await client.answer(b"PUT")
    assert (got.status, got.interims, legacy.documents["/doc"]) == (204, [], b"new")
    assert "expect" not in legacy.last("PUT").fields


async def test_a_body_that_is_there_already_needs_no_100(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/doc", b"Expect: 100-continue", body=b"")
    assert (got.status, got.interims) == (204, [])
