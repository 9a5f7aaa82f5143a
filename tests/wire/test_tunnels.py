"""WebSocket as a tunnel of bytes (http.md §2), and what asks for one in vain."""

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web

from tests.gateway.client import Client, NoAnswer, request
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving, until
from tests.origin.scripted import Close, HalfClose, Hear, HearBytes, Reset, Say, ScriptedBackend, Step, ok, serve

ASK = [
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
]
YES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nsec-websocket-accept: abc\r\n\r\n"
MEGABYTE = bytes(range(256)) * 4096


async def echo(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
    """A WebSocket server by aiohttp: it says back what it hears."""
    socket = web.WebSocketResponse(protocols=["chat"], max_msg_size=1 << 24)
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


@pytest.mark.parametrize("config", [route(), route(guarded=False)], ids=["guarded", "unguarded"])
async def test_a_real_client_and_a_real_server_talk(config: str) -> None:
    async with Legacy() as legacy, serving(legacy.port, config) as door, aiohttp.ClientSession() as session:
        legacy.respond = echo
        url = f"http://{door.gateway.listen}/chat?room=1"
        async with session.ws_connect(url, protocols=["chat"], compress=15, max_msg_size=1 << 24) as socket:
            assert socket.protocol == "chat"
            for number in range(50):
                await socket.send_str(f"message {number}")
                assert await socket.receive_str() == f"message {number}"
            await socket.send_bytes(MEGABYTE * 4)
            assert await socket.receive_bytes() == MEGABYTE * 4
            await socket.ping()
            assert door.gateway.handler.in_flight == 1
            await socket.close(code=4001, message=b"bye")
            # aiohttp's server answers a close with its own code; 1006 would say that it never did.
            assert socket.close_code == 1000
        await until(lambda: door.gateway.handler.in_flight == 0)
    assert legacy.asked[0].target == "/chat?room=1"
    assert "x-request-id" in legacy.asked[0].fields


async def opened(door: Door) -> Client:
    """A client in a tunnel."""
    client = await door.connect()
    client.send(request(b"GET", b"/chat", *ASK))
    status, reason, fields = await client.head()
    assert (status, reason) == (101, b"Switching Protocols")
    named = [(name, value) for name, value in fields if name not in (b"Date", b"X-Request-ID")]
    assert named == [(b"sec-websocket-accept", b"abc"), (b"Connection", b"Upgrade"), (b"Upgrade", b"WebSocket")]
    return client


async def test_bytes_pass_as_they_are_from_the_first_on() -> None:
    """What comes in one packet with the 101 belongs to the tunnel already, and what looks like HTTP does not count."""
    head = request(b"GET", b"/doc")
    async with ScriptedBackend([Hear(), Say(YES + b"\x00early\r\n\r\n"), HearBytes(1), Say(b"late"), Close()]) as backend:
        async with serving(backend.port) as door:
            client = await opened(door)
            assert await client.rest_of(10) == b"\x00early\r\n\r\n"
            client.send(head)
            assert await asyncio.wait_for(client.rest(), 30) == b"late"
        heard = backend.heard
    asked, _, rest = heard.partition(b"\r\n\r\n")
    assert rest in (b"", head)
    assert asked.count(b"\r\nConnection: Upgrade") == asked.count(b"\r\nUpgrade: websocket") == 1
    assert b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" in asked
    assert len(backend.conversations) == 1


async def test_what_a_client_sends_along_with_its_request_is_not_lost() -> None:
    async with ScriptedBackend([Hear(), Say(YES), HearBytes(1)]) as backend, serving(backend.port) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/chat", *ASK) + b"\x81early")
        assert (await client.head())[0] == 101
        await until(lambda: backend.heard.endswith(b"\r\n\r\n\x81early"))


async def test_a_client_that_half_closes_still_hears() -> None:
    async with ScriptedBackend([Hear(), Say(YES)]) as backend, serving(backend.port) as door:
        client = await opened(door)
        client.send(b"last words")
        client.half_close()
        await until(lambda: bool(backend.conversations) and backend.conversations[0].end == "fin")
        assert backend.heard.endswith(b"last words")
    # The backend closes on the end that it sees, and so do we.


async def test_a_client_that_is_gone_takes_the_backend_with_it() -> None:
    async with ScriptedBackend([Hear(), Say(YES)]) as backend, serving(backend.port) as door:
        client = await opened(door)
        client.leave()
        await until(lambda: backend.conversations[0].end is not None)
        await until(lambda: door.gateway.handler.in_flight == 0)
        assert len(backend.conversations) == 1


ENDS: dict[str, Step] = {"closed": Close(), "half-closed": HalfClose(), "reset": Reset()}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_backend_that_ends_it_ends_it_for_the_client(end: Step) -> None:
    async with ScriptedBackend([Hear(), Say(YES + b"hello"), end]) as backend, serving(backend.port) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/chat", *ASK))
        with contextlib.suppress(NoAnswer):
            assert (await client.head())[0] == 101
        await asyncio.wait_for(client.rest(), 30)
        await until(lambda: door.gateway.handler.in_flight == 0)


async def test_a_silent_tunnel_is_closed() -> None:
    async with ScriptedBackend([Hear(), Say(YES)]) as backend, serving(backend.port, server__tunnel_idle_seconds=0.3) as door:
        client = await opened(door)
        assert await asyncio.wait_for(client.rest(), 30) == b""
        await until(lambda: backend.conversations[0].end == "reset")


async def test_the_end_of_draining_closes_tunnels() -> None:
    async with ScriptedBackend([Hear(), Say(YES)]) as backend:
        async with serving(backend.port, server__drain_seconds=0.2) as door:
            await opened(door)
            assert door.gateway.handler.in_flight == 1
        await until(lambda: backend.conversations[0].end is not None)


async def test_who_does_not_read_makes_the_other_wait() -> None:
    """Both ways: what a tunnel holds is bounded."""
    async with ScriptedBackend([Hear(), Say(YES), HearBytes(64 << 20)]) as backend, serving(backend.port) as door:
        client = await opened(door)
        conversation = backend.conversations[0]
        for _ in range(8):
            await asyncio.wait_for(client.pour(MEGABYTE), 30)
        await until(lambda: len(conversation.heard) > 8 << 20)
        assert conversation.heard.endswith(MEGABYTE)


REFUSED = {
    "no tunnel": (b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 2\r\n\r\nno", 426, b"no"),
    "a page": (ok(b"page", b'ETag: "theirs"'), 200, b"page"),
    "a page in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n", 200, b"page"),
    "a 101 that names no protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502, None),
    "a 101 with a body": (YES.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"), 502, None),
}


@pytest.mark.parametrize(("answer", "status", "body"), REFUSED.values(), ids=REFUSED)
async def test_any_other_answer_is_passed_on_and_the_connection_goes_on(answer: bytes, status: int, body: bytes | None) -> None:
    """A status that is taken for a tunnel would let a client speak to the backend past us."""
    async with ScriptedBackend([Hear(), Say(answer)], serve(ok(b"next"))) as backend, serving(backend.port) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/chat", *ASK) + request(b"GET", b"/doc"))
        got = await client.answer(b"GET")
        assert got.status == status
        assert body is None or got.body == body
        assert b"etag" not in got.names
        assert (await client.answer(b"GET")).body == b"next"


PLAIN = {
    "h2c": [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    "several": [b"Connection: Upgrade", b"Upgrade: h2c, websocket"],
    "no Connection": [b"Upgrade: websocket"],
}


@pytest.mark.parametrize("lines", PLAIN.values(), ids=PLAIN)
async def test_what_is_no_websocket_is_served_as_it_stands(lines: list[bytes]) -> None:
    """RFC 9110 §7.8: a server MAY ignore Upgrade. In h2c a client could write past us."""
    async with ScriptedBackend(serve(ok(), 2)) as backend, serving(backend.port) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/doc", *lines) + request(b"GET", b"/doc"))
        assert (await client.answer(b"GET")).etag
        assert (await client.answer(b"GET")).etag
    assert b"pgrade" not in backend.heard.replace(b"Upgrade-Insecure", b"")


async def test_a_write_that_asks_for_websocket_is_a_write() -> None:
    async with ScriptedBackend(serve(ok(b"old"), 4)) as backend, serving(backend.port) as door:
        got = await door.ask(b"PUT", b"/doc", b'If-Match: "stale"', *ASK, body=b"new")
    assert got.status == 412
    assert b"PUT" not in backend.heard
