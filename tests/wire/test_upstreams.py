"""Several servers of one backend, and several backends: reads go on where one fails, a write is on the wire once."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from proxy.gateway.points import Faults, Point
from proxy.origin import several
from tests.gateway.client import request
from tests.gateway.legacy import Legacy, answering
from tests.gateway.serving import SHORT, Door, route, serving
from tests.origin.scripted import Close, Hear, HearBytes, Reset, Say, Script, ScriptedBackend, Wait, ok, serve
from tests.servers import free_port

DOCUMENT = b"old"
PUT = b"PUT"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Clock:
    """The time that pauses are counted in."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """It stands still unless it is put forward."""
    clock = Clock()
    monkeypatch.setattr(several, "monotonic", clock)
    return clock


@pytest.fixture
async def second() -> AsyncIterator[Legacy]:
    """The other server, with the same document."""
    async with Legacy() as backend:
        backend.documents["/doc"] = DOCUMENT
        yield backend


@pytest.fixture
async def first() -> AsyncIterator[Legacy]:
    """The preferred server."""
    async with Legacy() as backend:
        backend.documents["/doc"] = DOCUMENT
        yield backend


@asynccontextmanager
async def before(first: int, second: int, *routes: str, faults: Faults | None = None, **settings: Any) -> AsyncIterator[Door]:
    """Run noclobber before two servers of one backend."""
    others = json.dumps([f"http://127.0.0.1:{second}"])
    async with serving(first, *routes, faults=faults, upstream__alternatives=others, **settings) as door:
        yield door


class Leaving(Faults):
    """A server that leaves between the verifying GET and the write."""

    def __init__(self, server: AsyncExitStack) -> None:
        self._server = server
        self.has_left = False

    async def reach(self, point: Point) -> None:
        if point is Point.RESERVE and not self.has_left:
            self.has_left = True
            await self._server.aclose()

    def reach_gate(self) -> None:
        pass


class Vanishing(Faults):
    """A server whose sockets are closed just before a connection is reserved, while the loop does not look."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.sockets = sockets

    async def reach(self, point: Point) -> None:
        while point is Point.RESERVE and self.sockets:
            self.sockets.pop().close()

    def reach_gate(self) -> None:
        pass


async def drop(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
    """Reset the connection in the place of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def up(door: Door, port: int) -> float:
    return await door.sample("noclobber_upstream_up", upstream="default", server=f"127.0.0.1:{port}")


# ---- reads ---------------------------------------------------------------------------------------------------------------------------

# What the preferred server does with a read before a byte of an answer.
NO_ANSWER: Mapping[str, Script] = {
    "resets before it listens": [Reset()],
    "resets at the first byte": [HearBytes(1), Reset()],
    "resets after the head": [Hear(), Reset()],
    "closes after the head": [Hear(), Close()],
    "says nothing": [Hear(), Wait(60)],
}
# What it does where a client may have been told something already.
PART_OF_AN_ANSWER: Mapping[str, Script] = {
    "one byte": [Hear(), Say(b"H"), Close()],
    "half a head": [Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Le"), Reset()],
    "an interim answer": [Hear(), Say(HINTS), Close()],
    "no HTTP": [Hear(), Say(b"hello\r\n\r\n"), Close()],
    "half a body": [Hear(), Say(ok(DOCUMENT)[:-1]), Close()],
}


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("script", NO_ANSWER.values(), ids=NO_ANSWER)
async def test_a_read_goes_on_where_nothing_of_an_answer_came(second: Legacy, script: Script, method: bytes) -> None:
    async with ScriptedBackend(script) as first, before(first.port, second.port, upstream__first_byte_seconds=0.5) as door:
        answer = await door.ask(method, b"/doc")
        assert (answer.status, answer.body) == (200, DOCUMENT if method == b"GET" else b"")
        assert first.requests <= 1
        assert len(second.asked) == 1


async def test_a_read_goes_on_where_nobody_listens(second: Legacy) -> None:
    async with before(free_port(), second.port) as door:
        assert (await door.ask(b"GET", b"/doc")).body == DOCUMENT


@pytest.mark.parametrize("script", PART_OF_AN_ANSWER.values(), ids=PART_OF_AN_ANSWER)
async def test_a_read_does_not_go_on_after_a_part_of_an_answer(second: Legacy, script: Script) -> None:
    async with ScriptedBackend(script) as first, before(first.port, second.port) as door:
        assert (await door.ask(b"GET", b"/doc")).status == 502
        assert first.requests == 1
        assert second.asked == []
        assert await up(door, first.port) == 1


async def test_a_5xx_is_an_answer(first: Legacy, second: Legacy) -> None:
    first.respond = answering(503)
    async with before(first.port, second.port, upstream__max_failures=1) as door:
        assert (await door.ask(b"GET", b"/doc")).status == 503
        assert await up(door, first.port) == 1
    assert second.asked == []


async def test_where_all_are_down_each_is_asked(clock: Clock) -> None:
    async with (
        ScriptedBackend([Hear(), Reset()]) as first,
        ScriptedBackend([Hear(), Reset()]) as second,
        before(first.port, second.port, upstream__max_failures=1) as door,
    ):
        for count in (1, 2, 3):
            assert (await door.ask(b"GET", b"/doc")).status == 502
            assert (first.requests, second.requests) == (count, count)
        assert (await up(door, first.port), await up(door, second.port)) == (0, 0)


# ---- writes --------------------------------------------------------------------------------------------------------------------------

# What becomes of a write after its first byte -> what its client is told.
CUT: Mapping[str, tuple[Script, int]] = {
    "at the first byte": ([HearBytes(1), Reset()], 504),
    "in the body": ([HearBytes(90), Reset()], 504),
    "after all of it": ([Hear(), Reset()], 504),
    "closed after all of it": ([Hear(), Close()], 504),
    "in the head of the answer": ([Hear(), Say(b"HTTP/1.1 2"), Reset()], 504),
    "without a word": ([Hear(), Wait(60)], 504),
}


def puts(*heard: bytes) -> int:
    return sum(each.count(b"PUT /doc") for each in heard)


@pytest.mark.parametrize("size", [3, 300_000])
@pytest.mark.parametrize(("script", "status"), CUT.values(), ids=CUT)
async def test_a_write_that_was_begun_is_on_the_wire_once(second: Legacy, script: Script, status: int, size: int) -> None:
    async with ScriptedBackend(script) as first, before(first.port, second.port, **SHORT) as door:
        answer = await door.ask(PUT, b"/doc", body=b"n" * size)
        assert (answer.status, answer.one(b"Noclobber-Outcome")) == (status, b"unknown")
        assert first.requests == 1
        assert second.asked == []
        assert second.documents["/doc"] == DOCUMENT


@pytest.mark.parametrize(("script", "status"), CUT.values(), ids=CUT)
async def test_so_is_one_that_was_verified(second: Legacy, script: Script, status: int) -> None:
    # Counted from the first of two GETs.
    steps = [*serve(ok(DOCUMENT), 2), *(HearBytes(1500) if isinstance(step, HearBytes) else step for step in script)]
    async with ScriptedBackend(steps) as first, before(first.port, second.port, **SHORT) as door:
        tag = await door.tag()
        answer = await door.ask(PUT, b"/doc", b"If-Match: " + tag, body=b"n" * 2000)
        assert (answer.status, answer.one(b"Noclobber-Outcome")) == (status, b"unknown")
        assert puts(first.heard) == 1
        assert second.asked == []


@pytest.mark.parametrize("script", [NO_ANSWER["resets after the head"], NO_ANSWER["closes after the head"]], ids=["reset", "close"])
async def test_what_is_not_guarded_is_sent_once_as_well(second: Legacy, script: Script) -> None:
    async with ScriptedBackend(script) as first, before(first.port, second.port, route(guarded=False)) as door:
        assert (await door.ask(b"POST", b"/doc", body=b"new")).status == 502
        assert first.requests == 1
    assert second.asked == []


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_write_that_nobody_could_be_sent_takes_another_server(second: Legacy, guarded: bool) -> None:
    async with before(free_port(), second.port, route(guarded=guarded)) as door:
        assert (await door.ask(PUT, b"/doc", body=b"new")).status == 204
    assert second.documents["/doc"] == b"new"
    assert second.methods().count("PUT") == 1


async def test_a_connection_that_was_closed_while_idle_is_no_connection(second: Legacy) -> None:
    """The server has gone in the very turn of the loop in which a connection of before is taken from the pool."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        faults = Vanishing([listener])
        async with before(listener.getsockname()[1], second.port, route(after_write="none"), faults=faults) as door:
            client = await door.connect()
            client.send(request(b"GET", b"/doc"))
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            faults.sockets.append(connection)
            await loop.sock_recv(connection, 65536)
            await loop.sock_sendall(connection, ok(DOCUMENT))
            assert (await client.answer(b"GET")).status == 200
            assert (await door.ask(PUT, b"/doc", body=b"new")).status == 204
    assert (faults.sockets, second.methods()) == ([], ["PUT"])


async def test_what_showed_what_stands_gets_the_write_and_shows_what_it_left(first: Legacy, second: Legacy) -> None:
    async with before(first.port, second.port) as door:
        tag = await door.tag()
        first.asked.clear()
        dropped = []

        async def drop_one(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            if len(first.asked) > 2:
                return None
            dropped.append(request.method)
            return await drop(request, body)

        # A used connection is replaced once, so two requests are one that failed.
        first.respond = drop_one
        wrote = await door.ask(PUT, b"/doc", b"If-Match: " + tag, body=b"new")
        assert wrote.status == 204
        assert dropped == ["GET", "GET"]
        # The first server is back, and is not down; still it had no part in the rest.
        assert first.methods() == ["GET", "GET"]
        assert second.methods() == ["GET", "PUT", "GET"]
        assert second.documents["/doc"] == b"new"
        second.asked.clear()
        await door.ask(b"GET", b"/doc")
        assert second.asked == []


async def test_a_server_that_has_shown_what_stands_is_not_left_for_the_write(second: Legacy) -> None:
    """It answers the verifying GET, and nobody can connect to it then: what the other one holds has not been seen."""
    script: Script = [Hear(), Say(ok(DOCUMENT, b"Connection: close"))]
    async with AsyncExitStack() as gone:
        first = await gone.enter_async_context(ScriptedBackend(script))
        faults = Leaving(gone)
        async with before(first.port, second.port, faults=faults) as door:
            tag = await door.tag()
            answer = await door.ask(PUT, b"/doc", b"If-Match: " + tag, body=b"new")
            assert (answer.status, answer.kind) == (503, "not-sent")
            assert faults.has_left
            assert second.asked == []
            # The next attempt is another one's.
            assert (await door.ask(PUT, b"/doc", b"If-Match: " + tag, body=b"new")).status == 204
    assert second.methods() == ["GET", "PUT", "GET"]


async def test_a_write_that_is_not_answered_in_time_counts_against_its_server(second: Legacy, clock: Clock) -> None:
    script: Script = [Hear(), Wait(60)]
    async with ScriptedBackend(script) as first, before(first.port, second.port, upstream__max_failures=1, **SHORT) as door:
        assert (await door.ask(PUT, b"/doc", body=b"new")).status == 504
        assert await up(door, first.port) == 0
        assert (await door.ask(b"GET", b"/doc")).body == DOCUMENT
        assert first.requests == 1


# ---- down, and up again -----------------------------------------------------------------------------------------------------------


async def test_a_server_is_left_alone_for_longer_and_longer(first: Legacy, second: Legacy, clock: Clock) -> None:
    # A used connection is replaced once, which would be counted here.
    first.extra = {"Connection": "close"}
    first.respond = drop
    async with before(first.port, second.port, upstream__max_failures=3, upstream__max_down_seconds=3) as door:

        async def read() -> int:
            """Read five times at once; return how often the first server has been asked."""
            first.asked.clear()
            answers = await asyncio.gather(*(door.ask(b"GET", b"/doc") for _ in range(5)))
            assert {answer.body for answer in answers} == {DOCUMENT}
            return len(first.asked)

        for count in (1, 2, 3):
            assert await up(door, first.port) == 1
            await door.ask(b"GET", b"/doc")
            assert len(first.asked) == count
        assert (await up(door, first.port), await up(door, second.port)) == (0, 1)
        assert await read() == 0
        for pause in (1.0, 2.0, 3.0, 3.0):
            clock.now += pause - 0.1
            assert await read() == 0
            clock.now += 0.1
            assert await read() == 1
        first.respond = None
        assert await read() == 0
        clock.now += 3.0
        assert (await door.ask(b"GET", b"/doc")).status == 200
        assert await up(door, first.port) == 1
        second.asked.clear()
        assert await read() == 5
        assert second.asked == []
        # The pause begins anew as well.
        first.respond = drop
        for _ in range(3):
            await door.ask(b"GET", b"/doc")
        assert await up(door, first.port) == 0
        clock.now += 1.0
        assert await read() == 1


async def test_only_failures_in_a_row_count(first: Legacy, second: Legacy) -> None:
    async with before(first.port, second.port, upstream__max_failures=2) as door:
        for _ in range(4):
            first.respond = drop
            await door.ask(b"GET", b"/doc")
            first.respond = None
            await door.ask(b"GET", b"/doc")
            assert await up(door, first.port) == 1


async def test_one_server_that_is_down_is_asked_all_the_same() -> None:
    async with ScriptedBackend([Hear(), Reset()]) as only, serving(only.port) as door:
        for count in range(1, 6):
            assert (await door.ask(b"GET", b"/doc")).status == 502
            assert only.requests == count
            assert await up(door, only.port) == 0


# ---- several backends ----------------------------------------------------------------------------------------------------------------


def files(port: int, *others: int) -> str:
    """A further backend."""
    urls = [f"http://127.0.0.1:{each}" for each in others]
    return f'[[upstreams]]\nname = "files"\nurl = "http://127.0.0.1:{port}"\nalternatives = {json.dumps(urls)}\n'


async def test_each_route_has_its_backend(first: Legacy, second: Legacy) -> None:
    second.documents["/files/doc"] = b"file"
    routes = (route("/files/{p*}", "f", upstream="files"), route("/raw/{p*}", "w", upstream="files", guarded=False), route(name="rest"))
    async with serving(first.port, files(second.port), *routes) as door:
        got = await door.ask(b"GET", b"/files/doc")
        assert got.body == b"file"
        assert (await door.ask(PUT, b"/files/doc", b"If-Match: " + got.etag, body=b"new")).status == 204
        assert (await door.ask(PUT, b"/files/doc", b"If-Match: " + got.etag, body=b"late")).status == 412
        assert (await door.ask(PUT, b"/raw/doc", body=b"raw")).status == 201
        assert (await door.ask(b"OPTIONS", b"/files/doc")).status == 200
        assert first.asked == []
        second.asked.clear()
        got = await door.ask(b"GET", b"/doc")
        assert (await door.ask(PUT, b"/doc", b"If-Match: " + got.etag, body=b"newer")).status == 204
        assert second.asked == []
    assert (first.documents["/doc"], second.documents["/files/doc"], second.documents["/raw/doc"]) == (b"newer", b"new", b"raw")


async def test_what_no_route_takes_goes_to_the_default_one(first: Legacy, second: Legacy) -> None:
    async with serving(first.port, files(second.port), route("/files/{p*}", "f", upstream="files")) as door:
        assert (await door.ask(b"GET", b"/doc")).body == DOCUMENT
    assert second.asked == []


async def test_a_named_backend_has_alternatives_of_its_own(first: Legacy, second: Legacy) -> None:
    dead = free_port()
    async with serving(first.port, files(dead, second.port), route(upstream="files"), upstream__max_failures=1) as door:
        assert (await door.ask(PUT, b"/doc", body=b"new")).status == 204
        assert await door.sample("noclobber_upstream_up", upstream="files", server=f"127.0.0.1:{dead}") == 0
        assert await door.sample("noclobber_upstream_up", upstream="files", server=f"127.0.0.1:{second.port}") == 1
        assert await up(door, first.port) == 1
    assert (first.asked, second.documents["/doc"]) == ([], b"new")


UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_a_tunnel_leads_to_the_backend_of_its_route_and_past_a_server_that_is_away(first: Legacy) -> None:
    async with (
        ScriptedBackend([Hear(), Say(SWITCHED), Say(b"welcome"), Close()]) as second,
        serving(first.port, files(free_port(), second.port), route(upstream="files")) as door,
    ):
        client = await door.connect()
        client.send(request(b"GET", b"/chat", *UPGRADE))
        assert (await client.head())[0] == 101
        assert await client.rest_of(7) == b"welcome"
    assert first.asked == []


async def test_a_tunnel_is_asked_for_once(second: Legacy) -> None:
    async with ScriptedBackend([Hear(), Reset()]) as first, before(first.port, second.port) as door:
        assert (await door.ask(b"GET", b"/chat", *UPGRADE)).status == 502
        assert first.requests == 1
    assert second.asked == []
