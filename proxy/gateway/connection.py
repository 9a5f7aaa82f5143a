"""Client connections: aiohttp's protocol, but for what it says to clients that we would not.

aiohttp repeats the input that it could not read, logs a traceback of it, takes a half-close for a client that is gone, and leaves who
waits for a body waiting when that turns out to be framed wrongly (http.md §2, §3).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import Logger
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpProcessingError, RawRequestMessage

from ..core.conflict import Problem
from .handler import CLOSE, Sent
from .reply import problem, send


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may take: for a head to arrive, and between requests; of a line, a field, their number; of a body before it is read."""

    header_seconds: float
    max_line_bytes: int
    max_field_bytes: int
    max_fields: int
    read_buffer_bytes: int


class ClientServer(web.Server):
    """Make connections of ours."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], limits: ConnectionLimits) -> None:
        # A client that leaves does not stop a handler.
        super().__init__(handler, handler_cancellation=False)
        self._limits = limits

    def __call__(self) -> "ClientConnection":
        """Make the protocol of one connection."""
        limits = self._limits
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
            max_field_size=limits.max_field_bytes,
            max_headers=limits.max_fields,
        )


class ClientConnection(web.RequestHandler):
    """One connection of a client. `_body` is that of the last request whose head has come."""

    _body: StreamReader | None = None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Refuse what could not be read; let a client go that is gone."""
        if isinstance(exc, ConnectionError):
            raise exc
        if isinstance(exc, HttpProcessingError):
            return cast(web.StreamResponse, _Refusal())
        return super().handle_error(request, status, exc, message)

    def data_received(self, data: bytes) -> None:
        """Tell who reads a body that it cannot be read on: aiohttp tells only the next reader of a head."""
        super().data_received(data)
        if self._messages:
            message, body = self._messages[-1]
            if isinstance(message, RawRequestMessage):
                self._body = body
            elif self._body is not None and not self._body.is_eof():
                self._body.set_exception(web.RequestPayloadError("not framed as its head says"))

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp never keeps a transport open, the loop lets it
        """A client that has said all may still listen. One that was cut within a request, or is idle, is gone."""
        is_idle = self._waiter is not None and not self._waiter.done()
        if is_idle or self._body is None or not self._body.is_eof():
            return False
        self.close()
        return True


class _Refusal(Sent):
    """A 400 to what could not be read."""

    def __init__(self) -> None:
        super().__init__(keep_alive=False)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer: nothing of the request is in it."""
        detail = "The request cannot be read as HTTP/1.1, or a part of it is longer than allowed."
        await send(problem(Problem.BAD_REQUEST, detail, b""), request.writer, CLOSE)
