"""Keep-alive, pipelining, HTTP/1.0, streaming, and the methods that are meant for hops (http.md §2)."""

import asyncio

import pytest

from tests.gateway.client import chunked, request
from tests.gateway.serving import route, serving, until
from tests.origin.scripted import Close, Hear, HearBytes, Say, Script, ScriptedBackend, WaitFor, ok, serve

GET = request(b"GET", b"/doc")
BAD = {
    "no HTTP": b"\x16\x03\x01nonsense\r\n\r\n",
    "a head that is refused": request(b"GET", b"/%zz"),
    "a framing that is refused": b"GET /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("good", [GET, GET * 3, request(b"POST", b"/doc", body=b"x")], ids=["one", "three", "with a body"])
async def test_a_bad_request_takes_no_answer_down_that_others_in_its_packet_are_owed(good: bytes, bad: bytes) -> None:
    async with ScriptedBackend(serve(ok(), 3)) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(good + bad + GET)
        for _ in range(good.count(b"HTTP/1.1")):
            assert (await client.answer(b"GET")).status == 200
        got = await client.answer(b"GET")
        assert (got.status, got.one(b"Connection")) == (400, b"close")
        assert await asyncio.wait_for(client.rest(), 30) == b""
    assert backend.requests == good.count(b"HTTP/1.1")


async def test_many_requests_in_one_packet_are_answered_in_order() -> None:
    async with ScriptedBackend(serve(ok(), 200)) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(b"".join(request(b"GET", b"/%d" % number, b"X-Request-ID: %d" % number) for number in range(200)))
        for number in range(200):
            assert (await client.answer(b"GET")).one(b"X-Request-ID") == b"%d" % number
    assert [line.split()[1] for line in backend.heard.split(b"\r\n") if line.startswith(b"GET ")] == [b"/%d" % each for each in range(200)]


async def test_a_body_with_what_looks_like_a_head_is_a_body() -> None:
    inner = GET * 3
    async with ScriptedBackend(serve(ok(), 3)) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(
            request(b"PUT", b"/a", body=inner) + request(b"PUT", b"/b", b"Transfer-Encoding: chunked") + chunked(inner, b"\r\n\r\n") + GET
        )
        for _ in range(3):
            assert (await client.answer(b"GET")).status == 200
    assert backend.heard.count(inner) == 2


async def test_http_1_0_keeps_alive_when_it_asks_for_it() -> None:
    async with ScriptedBackend(serve(ok(), 3)) as backend, serving(backend.port) as door:
        client = await door.connect()
        for _ in range(2):
            got = await client.ask(b"GET", b"/doc", b"Connection: keep-alive", version=b"1.0")
            assert (got.status, got.body, got.one(b"Connection")) == (200, b"hello", b"keep-alive")
        got = await client.ask(b"GET", b"/doc", version=b"1.0")
        assert (got.body, got.one(b"Connection")) == (b"hello", b"close")
        assert await asyncio.wait_for(client.rest(), 30) == b""
    assert backend.heard.count(b"\r\nVia: 1.0 noclobber\r\n") == 3


async def test_an_answer_of_unknown_length_ends_with_the_connection_for_http_1_0_only() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hel", b"lo")
    async with ScriptedBackend(serve(chunks, 2)) as backend, serving(backend.port, route(guarded=False)) as door:
        old = await door.ask(b"GET", b"/doc", b"Connection: keep-alive", version=b"1.0")
        new = await door.ask(b"GET", b"/doc", b"Connection: close")
    assert (old.body, old.one(b"Connection"), old.one(b"Transfer-Encoding")) == (b"hello", b"close", None)
    assert (new.body, new.one(b"Connection"), new.one(b"Transfer-Encoding")) == (b"hello", b"close", b"chunked")


# ---- as it comes ----------------------------------------------------------------------------------------------------------------------


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n"
STREAMS = {
    "guarded, server-sent events": (route(), b"text/event-stream; charset=utf-8"),
    "guarded, any case": (route(), b"Text/Event-Stream"),
    "guarded, a camera": (route(), b"multipart/x-mixed-replace; boundary=b"),
    "unguarded": (route(guarded=False), b"application/json"),
}


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b""], ids=["chunked", "until the end"])
@pytest.mark.parametrize(("config", "kind"), STREAMS.values(), ids=STREAMS)
async def test_what_comes_about_as_it_is_sent_is_not_waited_for(config: str, kind: bytes, framing: bytes) -> None:
    """Each event is there before the backend makes the next one."""
    events = [b"data: %d\n\n" % number for number in range(3)]
    said = [b"%x\r\n%b\r\n" % (len(event), event) if framing else event for event in events]
    goes_on = [asyncio.Event() for _ in events]
    steps = [step for pair in zip(map(Say, said), map(WaitFor, goes_on), strict=True) for step in pair]
    end = [Say(b"0\r\n\r\n") if framing else Close()]
    async with ScriptedBackend([Hear(), Say(EVENTS % (kind, framing)), *steps, *end]) as backend, serving(backend.port, config) as door:
        client = await door.connect()
        client.send(GET)
        status, _, fields = await client.head()
        assert status == 200
        assert (b"Transfer-Encoding", b"chunked") in fields
        assert b"ETag" not in dict(fields)
        for event, further in zip(events, goes_on, strict=True):
            assert await asyncio.wait_for(client.rest_of(len(event) + 5), 30) == b"%x\r\n%b\r\n" % (len(event), event)
            further.set()
        assert await asyncio.wait_for(client.rest_of(5), 30) == b"0\r\n\r\n"


async def test_a_write_to_a_stream_of_events_does_not_wait_for_its_end() -> None:
    """The verifying GET would never end. What cannot be tagged matches nothing but `*`."""
    stream: Script = [Hear(), Say(EVENTS % (b"text/event-stream", b"") + b"data: 1\n\n")]
    async with ScriptedBackend(stream) as backend, serving(backend.port) as door:
        assert (await asyncio.wait_for(door.ask(b"PUT", b"/doc", b'If-Match: "stale"', body=b"x"), 30)).status == 412
    assert b"PUT " not in backend.heard


async def test_an_upload_reaches_the_backend_of_an_unguarded_route_as_it_comes() -> None:
    async with ScriptedBackend([HearBytes(1), Hear(), Say(ok())]) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(request(b"POST", b"/doc", b"Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
        await until(lambda: backend.heard.endswith(b"first\r\n"))
        client.send(b"4\r\nlast\r\n0\r\n\r\n")
        assert (await client.answer(b"POST")).status == 200
    assert backend.heard.endswith(b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n")


# ---- OPTIONS, TRACE, CONNECT ----------------------------------------------------------------------------------------------------------

ALLOW = b"GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE"


@pytest.mark.parametrize("lines", [[], [b"Max-Forwards: 0"], [b"Max-Forwards: 5"]], ids=["", "0", "5"])
async def test_options_of_everything_is_answered_here(lines: list[bytes]) -> None:
    """RFC 9110 §9.3.7: it is about this server, and the connection goes on."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        client = await door.connect()
        got = await client.ask(b"OPTIONS", b"*", *lines)
        assert (got.status, got.one(b"Allow"), got.one(b"Content-Length")) == (200, ALLOW, b"0")
        assert (await client.ask(b"GET", b"/doc")).status == 200
    assert backend.requests == 1


@pytest.mark.parametrize("target", [b"a.example:443", b"/doc"])
@pytest.mark.parametrize("is_known", [False, True], ids=["unknown target", "known target"])
async def test_connect_is_refused(target: bytes, is_known: bool) -> None:
    async with ScriptedBackend(serve(ok(), 2)) as backend, serving(backend.port) as door:
        if is_known:
            await door.ask(b"GET", b"/doc")
        got = await door.ask(b"CONNECT", target)
    assert got.status in ((405,) if target != b"/doc" else (400, 405))
    assert got.one(b"Connection") == b"close"
    if got.status == 405:
        assert got.one(b"Allow") == ALLOW
    assert b"CONNECT" not in backend.heard


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
async def test_max_forwards_is_counted_down(method: bytes) -> None:
    """RFC 9110 §7.6.2."""
    async with ScriptedBackend(serve(ok(), 2)) as backend, serving(backend.port) as door:
        assert (await door.ask(method, b"/doc", b"A: 1", b"max-forwards: 10", b"B: 2")).status == 200
    assert b"\r\nA: 1\r\nmax-forwards: 9\r\nB: 2\r\n" in backend.heard


async def test_max_forwards_0_ends_here() -> None:
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        asked = await door.ask(b"OPTIONS", b"/doc", b"Max-Forwards: 0")
        secrets = [b"Authorization: secret", b"Cookie: secret", b"Proxy-Authorization: secret"]
        traced = await door.ask(b"TRACE", b"/doc?q", b"Max-Forwards: 0", b"X-Mine: 1", *secrets)
    assert (asked.status, asked.one(b"Allow"), asked.body) == (200, ALLOW, b"")
    assert (traced.status, traced.one(b"Content-Type")) == (200, b"message/http")
    assert traced.body == b"TRACE /doc?q HTTP/1.1\r\nHost: api.example\r\nMax-Forwards: 0\r\nX-Mine: 1\r\n\r\n"
    assert backend.requests == 0


@pytest.mark.parametrize("lines", [[b"Max-Forwards: x"], [b"Max-Forwards: -1"], [b"Max-Forwards:"], [b"Max-Forwards: 1"] * 2])
async def test_max_forwards_that_is_no_number_is_refused(lines: list[bytes]) -> None:
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        assert (await door.ask(b"OPTIONS", b"/doc", *lines)).status == 400
        assert backend.requests == 0


async def test_max_forwards_means_nothing_to_other_methods() -> None:
    """RFC 9110 §7.6.2: it goes on as it came."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port) as door:
        assert (await door.ask(b"GET", b"/doc", b"Max-Forwards: 0x")).status == 200
    assert b"\r\nMax-Forwards: 0x\r\n" in backend.heard
