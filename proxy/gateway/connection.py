"""Client connections: aiohttp's protocol, but for what it says to clients that we would not.

aiohttp repeats the input that it could not read, logs a traceback of it, takes a half-close for a client that is gone, and leaves who
waits for a body waiting when that turns out to be framed wrongly (http.md §2, §3). Nor does it limit how many connections there are, and
how long a client may take to read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import Logger
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpProcessingError, RawRequestMessage

from ..core.conflict import Problem
from ..telemetry.refusal import Refusal
from .farewell import Refused, Surplus, closing
from .lasting import LastingHandler
from .limits import CURES, ConnectionLimits, Refuse
from .peer import Forwarding, Peer
from .preface import Unfinished, read_preface
from .progress import reset, taken_bytes
from .requestid import RequestIds
from .tunnel import ClientSide

_ENDS_HEAD = b"\r\n\r\n"

_TOO_LONG = "Got more than "
_TOO_MANY = "Too many headers"
_UNREADABLE = (Problem.BAD_REQUEST, "The request cannot be read as HTTP/1.1.")


@dataclass(frozen=True, slots=True)
class Clients:
    """What is known of all clients of a listener. `reads_prefaces`: those that are trusted begin with the PROXY protocol."""

    forwarding: Forwarding
    ids: RequestIds
    reads_prefaces: bool


class ClientServer(web.Server):
    """Make connections of ours. `refuse` counts refusals. `clients` None: of no consequence who they are."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: ConnectionLimits,
        refuse: Refuse,
        clients: Clients | None = None,
    ) -> None:
        # A client that leaves does not stop a handler.
        super().__init__(handler, handler_cancellation=False)
        self.limits = limits
        self.refuse = refuse
        self.clients = clients

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def id_line(self) -> bytes:
        """The id of a request that cannot be read, as a line; empty where requests have none."""
        return b"" if self.clients is None else self.clients.ids.line(self.clients.ids.of(()))

    def __call__(self) -> "ClientConnection":
        """Make the protocol of one connection."""
        limits = self.limits
        return ClientConnection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=cast(Logger, None),
            # A body is passed on as it came.
            auto_decompress=False,
            # aiohttp's only limit on slow heads; its own default is an hour.
            keepalive_timeout=limits.header_seconds,
            lingering_time=5.0,
            # A client that sends faster than we take it on is made to wait at twice this much.
            read_bufsize=limits.read_buffer_bytes,
            max_line_size=limits.max_line_bytes,
            # The parser names only the limit that was passed, so the two must differ.
            max_field_size=limits.max_field_bytes + (limits.max_field_bytes == limits.max_line_bytes),
            max_headers=limits.max_fields,
        )


class ClientConnection(LastingHandler):
    """One connection of a client. `_body` is that of the last request whose head has come; `_head_since` when a head began, 0: none has.

    `_preface` is what came of an unfinished one, None where none is awaited.
    `_has_said_all`: no further request will come.
    """

    _body: StreamReader | None = None
    _preface: bytes | None = None
    _peer: Peer | None = None
    _head_since = 0.0
    _taken = 0
    _reader_timer: asyncio.TimerHandle | None = None

    def __init__(self, server: ClientServer, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._server = server

    # ---- how many ----------------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many already."""
        server = self._server
        if server.open < server.limits.max_connections:
            super().connection_made(transport)
            if server.clients is not None and server.clients.reads_prefaces and self.peer.is_trusted:
                self._preface = b""
            return
        server.refuse(Refusal.CONNECTIONS)
        surplus = Surplus(self._loop, server.id_line())
        transport.set_protocol(surplus)
        surplus.connection_made(transport)

    # ---- who ---------------------------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        """Who is at the other end. To be asked where the server knows `clients`."""
        if self._peer is None:
            name = self.peername
            self._peer = self._peer_at(name[0] if isinstance(name, tuple) else None)
        return self._peer

    def _peer_at(self, address: str | None) -> Peer:
        assert self._server.clients is not None
        return self._server.clients.forwarding.peer(address, b"http" if self.ssl_context is None else b"https")

    # ---- unreadable --------------------------------------------------------------------------------------------------------------

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Refuse what could not be read; let a client go that is gone."""
        if isinstance(exc, ConnectionError):
            raise exc
        if isinstance(exc, HttpProcessingError):
            refusal = self._refusal(exc)
            if refusal is not None:
                self._server.refuse(refusal)
            return cast(web.StreamResponse, Refused(*(_UNREADABLE if refusal is None else CURES[refusal]), self._server.id_line()))
        return super().handle_error(request, status, exc, message)

    def _refusal(self, exc: HttpProcessingError) -> Refusal | None:
        """Which limit it was that the parser met; None: none."""
        if exc.message.startswith(_TOO_LONG):
            limit = exc.args[1] if len(exc.args) > 1 else None
            return Refusal.LINE if limit == self._server.limits.max_line_bytes else Refusal.FIELDS
        return Refusal.FIELDS if exc.message.startswith(_TOO_MANY) else None

    def data_received(self, data: bytes) -> None:
        """Give aiohttp one head at a time: of several at once it would forget those before one that it cannot read."""
        if self._preface is not None:
            data = self._take_preface(self._preface + data)
            if not data:
                return
        start = 0
        while not self._upgraded and (self._body is None or self._body.is_eof()):
            end = data.find(_ENDS_HEAD, start) + len(_ENDS_HEAD)
            if end < len(_ENDS_HEAD) or end == len(data):
                break
            self._feed(data[start:end])
            start = end
        self._feed(data[start:] if start else data)

    def _take_preface(self, data: bytes) -> bytes:
        """Read the preface; return what comes after it, and nothing as long as it is not whole."""
        found = read_preface(data)
        if found is Unfinished.SHORT:
            self._preface = data
            return b""
        self._preface = None
        if isinstance(found, Unfinished):
            self.force_close()
            return b""
        if found.address is not None:
            self._peer = self._peer_at(found.address)
        return data[found.length :]

    def _feed(self, data: bytes) -> None:
        """Tell who reads a body that it cannot be read on: aiohttp tells only the next reader of a head."""
        super().data_received(data)
        if self._messages:
            self._head_since = 0.0
            message, body = self._messages[-1]
            if isinstance(message, RawRequestMessage):
                self._body = body
            elif self._body is not None and not self._body.is_eof():
                self._body.set_exception(web.RequestPayloadError("not framed as its head says"))
                # Nor is it to be waited for once the answer is sent.
                self._lingering_time = 0.0
        elif not self._head_since and (self._waiter is not None or not self._request_count):
            # The very first bytes may come before anybody waits for them.
            self._head_since = self._loop.time()

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp never keeps a transport open, the loop lets it
        """A client that has said all may still listen. One that was cut within a request, or is idle, is gone."""
        if self._payload_parser is not None:
            cast(ClientSide, self._payload_parser).end()
            return True
        is_idle = self._waiter is not None and not self._waiter.done()
        if is_idle or self._body is None or not self._body.is_eof():
            return False
        self._has_said_all = True
        if not self._messages:
            self.close()
        return True

    # ---- slow senders ------------------------------------------------------------------------------------------------------------

    def _process_keepalive(self) -> None:
        """Refuse a head that does not arrive in time. A connection that nobody uses is closed without a word."""
        transport = self.transport
        if self._head_since and transport is not None and self._waiter is not None and not self._waiter.done():
            due = self._head_since + self._server.limits.header_seconds
            if self._loop.time() < due:
                self._keepalive_handle = self._loop.call_at(due, self._process_keepalive)
                return
            self._server.refuse(Refusal.SLOW_HEAD)
            transport.write(closing(*CURES[Refusal.SLOW_HEAD], self._server.id_line()))
            self._keepalive_handle = None
            self.force_close()
            return
        super()._process_keepalive()

    def hurry(self) -> None:
        """Close as soon as the answer is written: the rest of the request is not waited for."""
        self._lingering_time = 0.0

    # ---- slow readers ------------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The client does not take what is written: see whether that stays so."""
        super().pause_writing()
        if self.transport is not None:
            self._watch_reader(self.transport)

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        self._end_watch()

    async def start(self) -> None:
        """Serve. What is unsent at the end has to be taken, too."""
        try:
            await super().start()
        finally:
            if self.transport is not None:
                self._watch_rest(self.transport)

    def force_close(self) -> None:
        """Close; what is unsent has to be taken, too."""
        transport = self.transport
        super().force_close()
        if transport is not None:
            self._watch_rest(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        # Before aiohttp: it closes what is closed already.
        self.transport = None
        self._end_watch()
        super().connection_lost(exc)

    def _watch_rest(self, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size():
            self._watch_reader(transport)

    def _watch_reader(self, transport: asyncio.Transport) -> None:
        self._end_watch()
        self._taken = taken_bytes(transport)
        self._reader_timer = self._loop.call_later(self._server.limits.reader_seconds, self._look_at_reader, transport)

    def _look_at_reader(self, transport: asyncio.Transport) -> None:
        if taken_bytes(transport) > self._taken:
            self._watch_reader(transport)
        else:
            self._reader_timer = None
            self._server.refuse(Refusal.SLOW_READER)
            reset(transport)

    def _end_watch(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
