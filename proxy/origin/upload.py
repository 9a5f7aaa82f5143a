"""The body of a request that leaves in several pieces, while its answer may already come."""

import asyncio
import math
from collections.abc import Callable

from ..errors import Delivery, OriginBroken, OriginTimeout
from . import framing
from .answer import Answer
from .deadline import Deadline
from .port import OriginRequest, StreamedBody

Gate = Callable[[], bool]
"""Asked before the first byte of a guarded write and before the last piece of it: may it still be sent?"""

Head = asyncio.Future[Answer]
"""What the head of a final answer comes to, or the failure in its stead."""


class _Stopped(Exception):
    """Sending has become pointless: the future of the answer's head tells why, or will."""


class Upload:
    """Write one request, head and body, piece by piece. `head` None: not a byte of it was written.

    `begin` writes the first bytes if the connection is live and the gate open. `idle_seconds` limits how long the backend may take
    nothing; the source of the body is the caller's to limit.
    """

    __slots__ = (
        "_begin",
        "_body",
        "_deadline",
        "_gate",
        "_has_room",
        "_idle_seconds",
        "_request",
        "_room",
        "_scope",
        "_transport",
        "_unsent_bytes",
        "head",
    )

    def __init__(
        self,
        request: OriginRequest,
        body: bytes | StreamedBody,
        gate: Gate | None,
        begin: Callable[[bytes, Gate | None], Head],
        transport: asyncio.Transport,
        deadline: Deadline,
        idle_seconds: float,
    ) -> None:
        self._request = request
        self._body = StreamedBody(len(body), framing.pieces_of(body)) if isinstance(body, bytes) else body
        self._gate = gate
        self._begin = begin
        self._transport = transport
        self._deadline = deadline
        self._idle_seconds = idle_seconds
        self._scope: asyncio.Timeout | None = None
        self._room: asyncio.Future[None] | None = None
        self._has_room = True
        self._unsent_bytes = 0
        self.head: Head | None = None

    async def run(self) -> bool:
        """Return True when all is written, False when it was stopped. What the source of the body raises comes through."""
        try:
            async with asyncio.timeout(None) as self._scope:
                await self._pour()
        except _Stopped:
            return False
        except TimeoutError:
            # Of `stop`, or the source's own.
            if self._scope is not None:
                raise
            return False
        finally:
            self._scope = None
        self._unsent_bytes = self._transport.get_write_buffer_size()
        return True

    def stop(self) -> None:
        """Interrupt it wherever it waits: a final answer has come, or the connection is gone. Harmless after the end."""
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
            self._scope = None

    def pause(self) -> None:
        """The backend does not take what is written."""
        self._has_room = False

    def resume(self) -> None:
        """The backend has taken most of it."""
        self._has_room = True
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def has_moved(self) -> bool:
        """Say whether the backend has taken anything since this was asked last, or since the wait began."""
        before, self._unsent_bytes = self._unsent_bytes, self._transport.get_write_buffer_size()
        return self._unsent_bytes < before

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
            delivery = Delivery.NOT_SENT if self.head is None else Delivery.MAYBE_SENT
            raise OriginBroken(f"the body of the request is not the {size_bytes} bytes that were announced", delivery)
        if size_bytes is None:
            ready += framing.LAST_CHUNK
        if ready:
            await self._put(ready, self._gate)

    async def _put(self, data: bytes, gate: Gate | None) -> None:
        """Write data, and wait until the backend has taken most of it. The first bytes always ask the gate."""
        head = self.head
        if head is None:
            self.head = head = self._begin(data, self._gate)
        else:
            # A source may be deaf to its cancelling, so `stop` alone does not do.
            if head.done() or self._transport.is_closing():
                raise _Stopped
            if gate is not None and not gate():
                raise OriginTimeout("the time to send was over before the last piece", Delivery.MAYBE_SENT)
            self._transport.write(data)
        if not self._has_room:
            self._room = asyncio.get_running_loop().create_future()
            self._unsent_bytes = self._transport.get_write_buffer_size()
            self._deadline.expect(self._idle_seconds)
            await self._room
            if not head.done():
                # An early answer has a clock of its own.
                self._deadline.at = math.inf
