"""Connections of clients: half-closed, broken off, and unreadable."""

import asyncio

import pytest

from .client import NoAnswer, chunked, request
from .legacy import Legacy, waiting_for
from .serving import Door, serving, until

# What the parser in front of us refuses by itself: pinned, since we rely on it.
UNREADABLE = {
    "3.2 no Host": b"GET /doc HTTP/1.1\r\nX: secret\r\n\r\n",
    "3.2 two Hosts": b"GET /doc HTTP/1.1\r\nHost: secret\r\nHost: secret\r\n\r\n",
    "6.3 both framings": b"PUT /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "6.3 two lengths": b"PUT /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "6.3 odd length": b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: +secret\r\n\r\nabc",
    "5.2 folded line": b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\r\n secret\r\n\r\n",
    "5.1 space before the colon": b"GET /doc HTTP/1.1\r\nHost: a\r\nX : secret\r\n\r\n",
    "NUL in a value": b"GET /doc HTTP/1.1\r\nHost: a\r\nX: secret\x00b\r\n\r\n",
    "bare CR": b"GET /doc HTTP/1.1\r\nHost: a\r\nX: secret\rb\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01secret\r\n\r\n",
    "a chunk that is none": b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\nhello\r\n",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_http_goes_nowhere(legacy: Legacy, door: Door, raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """http.md §3: an answer that repeats nothing of the input, and no traceback for every port scan."""
    client = await door.connect()
    client.send(raw)
    got = await client.answer(b"GET")
    assert (got.status, got.kind, got.one(b"Connection")) == (400, "bad-request", b"close")
    assert b"secret" not in got.body
    assert await client.rest() == b""
    assert legacy.asked == []
    assert "aiohttp" not in " ".join(record.name for record in caplog.records)


@pytest.mark.parametrize("data", [b"zz\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n"])
async def test_a_body_that_turns_out_to_be_framed_wrongly_is_a_400_and_goes_nowhere(legacy: Legacy, door: Door, data: bytes) -> None:
    """Its head is being served by then, and waits for the rest."""
    client = await door.connect()
    client.send(request(b"PUT", b"/doc", b"Transfer-Encoding: chunked"))
    await until(lambda: door.gateway.handler.in_flight == 1)
    client.send(data)
    got = await client.answer(b"PUT")
    assert (got.status, got.kind, got.one(b"Connection")) == (400, "bad-request", b"close")
    assert legacy.asked == []
    assert door.gateway.handler.in_flight == 0


async def test_a_body_framed_wrongly_behind_an_answer_ends_the_connection_without_a_word(
    legacy: Legacy, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """The request was refused for its head; its body is read on for a while, so that the client can read the answer."""
    client = await door.connect()
    client.send(request(b"PUT", b"/a//b", b"Transfer-Encoding: chunked"))
    assert (await client.answer(b"PUT")).status == 400
    client.send(b"zz\r\nhello\r\n")
    await asyncio.wait_for(client.rest(), 10)
    assert caplog.records == []


async def test_a_client_that_half_closes_still_gets_its_answer(legacy: Legacy, door: Door) -> None:
    """http.md §2: it has said all, and listens."""
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    client = await door.connect()
    client.send(request(b"PUT", b"/doc", b"Transfer-Encoding: chunked") + chunked(b"new"))
    await until(lambda: "PUT" in legacy.methods())
    client.half_close()
    await asyncio.sleep(0.02)
    goes_on.set()
    assert (await client.answer(b"PUT")).status == 204
    # And then the connection ends, at once.
    assert await asyncio.wait_for(client.rest(), 2) == b""


async def test_a_client_that_half_closes_behind_several_requests_gets_all_its_answers(legacy: Legacy, door: Door) -> None:
    """RFC 9112 §9.3.2: what was pipelined has been asked, whoever has nothing more to ask."""
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    client = await door.connect()
    client.send(request(b"PUT", b"/doc", body=b"new") + request(b"GET", b"/doc") + request(b"DELETE", b"/doc"))
    await until(lambda: "PUT" in legacy.methods())
    client.half_close()
    await asyncio.sleep(0.02)
    goes_on.set()
    assert [(await client.answer(method)).status for method in (b"PUT", b"GET", b"DELETE")] == [204, 200, 204]
    assert await asyncio.wait_for(client.rest(), 10) == b""


async def test_a_request_and_the_end_in_one_packet(legacy: Legacy, door: Door) -> None:
    client = await door.connect()
    client.send(request(b"GET", b"/doc"))
    client.half_close()
    assert (await client.answer(b"GET")).body == b'{"count": 1}'
    assert await asyncio.wait_for(client.rest(), 2) == b""


@pytest.mark.parametrize(
    "part", [b"PUT /doc HTTP/1.1\r\nHost: a\r\n", request(b"PUT", b"/doc", b"Content-Length: 10") + b"half"], ids=["head", "body"]
)
async def test_a_request_that_was_cut_is_nothing(legacy: Legacy, door: Door, part: bytes, caplog: pytest.LogCaptureFixture) -> None:
    client = await door.connect()
    client.send(part)
    await asyncio.sleep(0.02)
    client.half_close()
    with pytest.raises(NoAnswer):
        await client.answer(b"PUT")
    await until(lambda: door.gateway.handler.in_flight == 0)
    assert legacy.asked == []
    assert "aiohttp" not in " ".join(record.name for record in caplog.records)


async def test_a_client_that_leaves_within_its_body_has_sent_nothing(legacy: Legacy, door: Door, caplog: pytest.LogCaptureFixture) -> None:
    client = await door.connect()
    client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    await until(lambda: door.gateway.handler.in_flight == 1)
    client.leave()
    await until(lambda: door.gateway.handler.in_flight == 0)
    assert legacy.asked == []
    assert "aiohttp" not in " ".join(record.name for record in caplog.records)
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"x")).status == 204


async def test_an_idle_connection_is_closed(legacy: Legacy) -> None:
    async with serving(legacy.port, server__header_seconds=0.2) as door:
        client = await door.connect()
        assert (await client.ask(b"GET", b"/doc")).status == 200
        assert await asyncio.wait_for(client.rest(), 3) == b""
