"""Tunnels: WebSocket and nothing else, as bytes. What is said in one is never read.

Only WebSocket: an `Upgrade: h2c` that was passed on would let a client write past us, in HTTP. That field is dropped instead, as RFC 9110
§7.8 allows, and the request is served as it stands.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import cast

from aiohttp import web

from ..core.fields import read_answer_fields
from ..errors import OriginError
from ..origin.port import OriginRequest, Switchboard, Switched
from .exchange import Exchange
from .refusing import backend_failed
from .reply import Reply, Writer, own_lines, relay

MAX_HELD_BYTES = 64 * 1024
"""Above this much that the backend has not taken, the client is made to wait."""
_WEBSOCKET = b"websocket"
_ASK = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


@dataclass(slots=True)
class Opened(Reply):
    """A 101, and what stands behind it."""

    switched: Switched | None = None

    def close(self) -> None:
        """Reset the way to the backend."""
        if self.switched is not None:
            self.switched.answer.abandon()


class Tunnels:
    """Open tunnels; one in which nothing moves for idle_seconds is reset. `switchboard` is for exchanges without a backend of their own."""

    def __init__(self, switchboard: Switchboard, idle_seconds: float) -> None:
        self._switchboard = switchboard
        self._idle_seconds = idle_seconds

    def wants(self, exchange: Exchange) -> bool:
        """Whether a request asks for WebSocket (RFC 6455 §4.2.1)."""
        fields = exchange.fields
        return (
            exchange.method == b"GET"
            and fields.upgrades == (_WEBSOCKET,)
            and b"upgrade" in fields.options
            and exchange.body.size_bytes == 0
        )

    async def open(self, exchange: Exchange) -> Reply:
        """Ask the backend. What it answers in place of a 101 is passed on like any other answer."""
        request = OriginRequest(exchange.method, exchange.target.forwarded, exchange.lines_to_pass() + _ASK)
        started = perf_counter()
        try:
            switched = await (exchange.origin or self._switchboard).switch(request, self._idle_seconds, exchange.interim)
        except OriginError as failure:
            return backend_failed(exchange, failure)
        finally:
            exchange.upstream_seconds += perf_counter() - started
        answer = switched.answer
        fields = read_answer_fields(answer.fields)
        if answer.status == 101:
            upgrade = [b"%b: %b\r\n" % (name, value) for name, value in answer.fields if name.lower() == b"upgrade"]
            return Opened(101, answer.reason, [*fields.passing, b"Connection: Upgrade\r\n", *upgrade], None, fields.date, switched=switched)
        # On a guarded route the backend's own tags are not given out: they are not what a write would be held against.
        return relay(answer, fields, [] if exchange.rules.is_guarded else own_lines(fields), exchange.method)


class ClientSide:
    """What the client sends once the protocol is switched, fed by aiohttp."""

    def __init__(self, connection: web.RequestHandler) -> None:
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._has_ended = self._is_lost = False
        self._news = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take in a piece. The answer says that aiohttp is to do nothing further."""
        self._pieces.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD_BYTES:
            self._connection.pause_reading()
        self._news.set()
        return False, b""

    def feed_eof(self) -> None:
        """The connection is gone."""
        self._is_lost = True
        self._news.set()

    def end(self) -> None:
        """The client has said all, and may still listen."""
        self._has_ended = True
        self._news.set()

    async def pour_into(self, switched: Switched) -> None:
        """Pass everything on until the end, and the end as well. A client that is gone takes the way to the backend with it."""
        try:
            while True:
                while not self._pieces and not self._has_ended and not self._is_lost:
                    self._news.clear()
                    await self._news.wait()
                if self._is_lost:
                    switched.answer.abandon()
                    return
                if not self._pieces:
                    switched.write_end()
                    # The client may still go.
                    self._has_ended = False
                    continue
                data = b"".join(self._pieces)
                self._pieces.clear()
                self._held_bytes = 0
                self._connection.resume_reading()
                await switched.write(data)
        except OriginError:
            # Who reads from the backend is told as well.
            switched.answer.abandon()


async def pump(opened: Opened, request: web.BaseRequest, writer: Writer) -> None:
    """Pass bytes on both ways until the backend ends it. OriginError where it is cut, ConnectionError where the client is gone."""
    switched, connection = opened.switched, request.protocol
    assert switched is not None
    client = ClientSide(connection)
    connection.set_parser(cast("web.WebSocketReader", client))  # type: ignore[name-defined]
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        upwards = group.create_task(client.pour_into(switched))
        try:
            while piece := await switched.answer.read():
                await writer.write(piece)
        except (OriginError, OSError) as cut:
            failure = cut
        switched.answer.abandon()
        upwards.cancel()
    if failure is not None:
        raise failure
