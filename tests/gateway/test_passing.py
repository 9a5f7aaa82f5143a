"""What is not guarded, and what is neither a read nor a write: passed on once, as it came."""

import pytest

from tests.origin.scripted import Close, Hear, ScriptedBackend, ok, serve

from .legacy import Legacy, answering
from .serving import route, serving


async def test_an_unguarded_route_is_left_alone() -> None:
    answer = ok(b"hello", b'ETag: W/"theirs"', b"Content-Encoding: gzip", b"Accept-Ranges: none")
    async with ScriptedBackend(serve(answer, 2)) as backend, serving(backend.port, route(guarded=False)) as door:
        lines = [b"Accept-Encoding: gzip", b"If-Match: not a tag", b"If-None-Match: W/x", b"Range: bytes=0-1", b"Expect: nothing"]
        got = await door.ask(b"GET", b"/doc?a=b", *lines)
        put = await door.ask(b"PUT", b"/doc", b"If-Match: unquoted", b"Content-Range: bytes 0-1/2", body=b"hi")
    assert (got.status, got.body, put.status) == (200, b"hello", 200)
    assert got.lines(b"ETag") == [b'W/"theirs"']
    assert got.lines(b"Accept-Ranges") == [b"none"]
    for line in [*lines[:4], b"GET /doc?a=b HTTP/1.1", b"If-Match: unquoted", b"Content-Range: bytes 0-1/2"]:
        assert line + b"\r\n" in backend.heard


async def test_a_path_without_a_route_is_passed_on(legacy: Legacy) -> None:
    async with serving(legacy.port, route("/api/{id}")) as door:
        assert b"etag" not in (await door.ask(b"GET", b"/doc")).names
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "stale"', body=b"new")).status == 204
    assert legacy.documents["/doc"] == b"new"


@pytest.mark.parametrize("method", [b"OPTIONS", b"PROPFIND", b"REPORT", b"SEARCH", b"TRACE"])
async def test_other_safe_methods_are_passed_on(legacy: Legacy, method: bytes) -> None:
    async with serving(legacy.port) as door:
        got = await door.ask(method, b"/doc", b'If-Match: "stale"')
    assert (got.status, got.body) == (200, method)
    assert legacy.last(method.decode()).fields["if-match"] == '"stale"'


UNGUARDED_BODIES = {
    "a length": (b"Content-Length: 5\r\n", b"hello", b"\r\nContent-Length: 5\r\n"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n"),
    "length 0": (b"Content-Length: 0\r\n", b"", b"\r\nContent-Length: 0\r\n"),
}


@pytest.mark.parametrize(("line", "body", "forwarded"), UNGUARDED_BODIES.values(), ids=UNGUARDED_BODIES)
async def test_unguarded_bodies_are_framed_as_they_were(line: bytes, body: bytes, forwarded: bytes) -> None:
    """RFC 9110 §8.6: a POST that says Content-Length: 0 is not one that says nothing, and some backends ask for it (411)."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(b"POST /doc HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n" + body)
        assert (await client.answer(b"POST")).status == 200
    assert forwarded in backend.heard
    assert backend.heard.endswith(body)


async def test_a_failing_backend_of_an_unguarded_route() -> None:
    async with ScriptedBackend([Hear(), Close()]) as backend, serving(backend.port, route(guarded=False)) as door:
        assert (await door.ask(b"POST", b"/doc", body=b"x")).status == 502
        assert backend.requests == 1


@pytest.mark.parametrize("status", [200, 404])
async def test_an_unguarded_head_has_no_body(legacy: Legacy, status: int) -> None:
    legacy.respond = answering(status, b"words")
    async with serving(legacy.port, route(guarded=False)) as door:
        client = await door.connect()
        head = await client.ask(b"HEAD", b"/doc")
        assert (head.status, head.one(b"Content-Length")) == (status, b"5")
        await client.check_boundary()


async def test_a_get_with_content_is_passed_on_untagged() -> None:
    """RFC 9110 §9.3.1: content of a GET has no meaning that we know of, so its answer is no representation that a tag could name."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        got = await door.ask(b"GET", b"/search", b"Content-Type: application/json", body=b'{"query": 1}')
    assert (got.status, got.body) == (200, b"hello")
    assert b"etag" not in got.names
    assert b"\r\nContent-Type: application/json\r\n" in backend.heard
    assert backend.heard.endswith(b'\r\n\r\n{"query": 1}')


async def test_what_a_client_prefers_reaches_the_backend_on_a_read() -> None:
    """RFC 7240: with some backends Prefer decides what a GET shows."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        await door.ask(b"GET", b"/doc", b"Prefer: count=exact")
    assert b"\r\nPrefer: count=exact\r\n" in backend.heard
