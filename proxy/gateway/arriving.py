"""The body of a request while it arrives, at the pace that its sender is allowed."""

import asyncio
from collections.abc import Sequence

from aiohttp import web
from aiohttp.http import HttpVersion10

from ..core.fields import Field, RequestFields, read_answer_fields
from ..errors import BodyMalformed, BodyTooSlow
from .limits import BodyPace
from .reply import status_line
from .spool import PIECE_BYTES

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ArrivingBody:
    """The body of a request, as aiohttp takes it in, and what its sender is told before there is an answer."""

    __slots__ = ("_allowed_seconds", "_fields", "_left_seconds", "_pace", "_request")

    def __init__(self, request: web.BaseRequest, fields: RequestFields, pace: BodyPace) -> None:
        self._request = request
        self._fields = fields
        self._pace = pace
        self._allowed_seconds = pace.start_seconds
        self._left_seconds = pace.total_seconds

    @property
    def size_bytes(self) -> int | None:
        """0: there is none; None: not announced."""
        request = self._request
        if not request.body_exists:
            return 0
        for name, value in request.raw_headers:
            if name.lower() == b"content-length":
                return int(value)
        return None

    async def read(self) -> bytes:
        """Return the next piece: `readany` would give all that is buffered, and have as much again buffered while that is on its way."""
        content = self._request.content
        try:
            # What is there already needs no timer, and that is most bodies.
            piece = content.read_nowait(PIECE_BYTES)
            if not piece and not content.is_eof():
                piece = await self._wait()
        except web.RequestPayloadError as exc:
            raise BodyMalformed(str(exc)) from exc
        if self._allowed_seconds < self._pace.start_seconds and piece:
            self._pay_back(len(piece))
        return piece

    async def _wait(self) -> bytes:
        """Wait for the next piece, as long as the client may still take."""
        if self._request.transport is None:
            # aiohttp would call it a RuntimeError.
            raise ConnectionResetError("the client is gone")
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(min(self._allowed_seconds, self._left_seconds)):
                return await self._request.content.read(PIECE_BYTES)
        except TimeoutError as exc:
            raise BodyTooSlow("the client sends its body too slowly") from exc
        finally:
            waited = loop.time() - started
            self._allowed_seconds -= waited
            self._left_seconds -= waited

    def _pay_back(self, size: int) -> None:
        rate, most = self._pace.min_bytes_per_second, self._pace.start_seconds
        self._allowed_seconds = min(most, self._allowed_seconds + size / rate) if rate else most

    async def ask_for(self) -> None:
        """Answer `Expect: 100-continue` (RFC 9110 §10.1.1): aiohttp's low-level server never does."""
        request = self._request
        if not self._fields.expectations or request.version == HttpVersion10 or request.content.is_eof():
            return
        if any(value.lower() == b"100-continue" for value in self._fields.expectations):
            await request.writer.write(_CONTINUE)

    def pass_interim(self, status: int, raw: Sequence[Field]) -> None:
        """Pass on a 1xx of the backend's (RFC 9110 §15.2). What is between two hops, and tags, are no part of it."""
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.write(status_line(status, b"") + b"".join(read_answer_fields(raw).passing) + b"\r\n")
