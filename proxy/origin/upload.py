"""The body of a request that leaves in several pieces, while its answer may already come."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..errors import Delivery, OriginBroken
from . import framing
from .port import OriginRequest, StreamedBody

Gate = Callable[[], bool]
"""Asked before the first byte of a guarded write and before the last piece of it: may it still be sent?"""


class Stopped(Exception):
    """Sending has become pointless: the future of the answer's head tells why, or will."""


class Line(Protocol):
    """What a body is written to."""

    @property
    def has_written(self) -> bool:
        """Say whether a byte of this request was written."""

    def write_first(self, data: bytes, gate: Gate | None) -> object:
        """Write the first bytes, if the line is live and the gate open."""

    def write_more(self, data: bytes, gate: Gate | None) -> None:
        """Write further bytes, if the gate is open. Raise Stopped on a closed line."""

    @property
    def has_room(self) -> bool:
        """Say whether the backend takes what is written; where not, `Upload.go_on` tells when it does again."""

    def wait_for_room(self) -> None:
        """Give the backend its time to take what was written."""

    def have_room(self) -> None:
        """Stop that clock: what takes time now is the source of the body, and the caller's to limit."""


class Upload:
    """Write one request, head and body, piece by piece. `stop` interrupts it wherever it waits."""

    __slots__ = ("_body", "_gate", "_line", "_request", "_room", "_scope")

    def __init__(self, line: Line, request: OriginRequest, body: StreamedBody, gate: Gate | None) -> None:
        self._line = line
        self._request = request
        self._body = body
        self._gate = gate
        self._scope: asyncio.Timeout | None = None
        self._room: asyncio.Future[None] | None = None

    async def run(self) -> bool:
        """Return True when all is written, False when it was stopped. What the source of the body raises comes through."""
        try:
            async with asyncio.timeout(None) as self._scope:
                await self._pour()
        except Stopped:
            return False
        except TimeoutError:
            # Of `stop`, or the source's own.
            if self._scope is not None:
                raise
            return False
        finally:
            self._scope = None
        return True

    def stop(self) -> None:
        """Interrupt: a final answer has come, or the connection is gone."""
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
            self._scope = None

    def go_on(self) -> None:
        """The backend has taken most of what was written."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _pour(self) -> None:
        """Write head and pieces. With a gate one piece is kept back, so that it can be asked before the last one."""
        size_bytes, sent_bytes = self._body.size_bytes, 0
        ready, holds_piece = framing.head_before(self._request, size_bytes), False
        async for piece in self._body.chunks:
            if not piece:
                continue
            sent_bytes += len(piece)
            if size_bytes is not None and sent_bytes > size_bytes:
                break
            if holds_piece:
                await self._put(ready, None)
                ready = b""
            ready += piece if size_bytes is not None else framing.chunk(piece)
            holds_piece = True
            if self._gate is None:
                await self._put(ready, None)
                ready, holds_piece = b"", False
        if size_bytes is not None and sent_bytes != size_bytes:
            delivery = Delivery.MAYBE_SENT if self._line.has_written else Delivery.NOT_SENT
            raise OriginBroken(f"the body of the request is not the {size_bytes} bytes that were announced", delivery)
        if size_bytes is None:
            ready += framing.LAST_CHUNK
        if ready:
            await self._put(ready, self._gate)

    async def _put(self, data: bytes, gate: Gate | None) -> None:
        """Write data, and wait until the backend has taken most of it. The first bytes always ask the gate."""
        line = self._line
        if line.has_written:
            line.write_more(data, gate)
        else:
            line.write_first(data, self._gate)
        if not line.has_room:
            self._room = asyncio.get_running_loop().create_future()
            line.wait_for_room()
            await self._room
            line.have_room()
