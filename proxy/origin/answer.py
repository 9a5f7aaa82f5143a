"""An answer whose head has arrived, and what is buffered of its body."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from ..errors import Delivery, OriginBroken, OriginError
from .port import Field, OriginAnswer


class Source(Protocol):
    """Where the rest of an answer comes from."""

    def resume(self) -> None:
        """Read on: the buffer is empty."""

    def wait_anew(self) -> None:
        """Begin the wait for the final answer again: an interim one came."""

    def reset(self, why: str) -> None:
        """Give the rest up."""


class Answer:
    """The client's OriginAnswer. `source` None means that nothing more will come: the body has ended, or `fault` cut it."""

    __slots__ = ("_reader", "content_length", "fault", "fields", "held_bytes", "pieces", "reason", "source", "status", "trailers")

    def __init__(self, source: Source, status: int, reason: bytes, fields: Sequence[Field], content_length: int | None) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.content_length = content_length
        self.trailers: Sequence[Field] = ()
        self.source: Source | None = source
        self.fault: OriginError | None = None
        self.pieces: list[bytes] = []
        self.held_bytes = 0
        self._reader: asyncio.Future[None] | None = None

    def arrived(self) -> bytes | None:
        """Return the whole body if it has arrived already and nothing of it was read, else None. To be asked once, before `read`."""
        if self.source is not None or self.fault is not None:
            return None
        pieces = self.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held_bytes = 0
        return body

    async def read(self) -> bytes:
        """Return all that is buffered of the body, b"" at its clean end; OriginError if it is cut. Cancelling it abandons the answer."""
        if not self.pieces:
            if self.source is not None:
                await self._arrival()
            if not self.pieces:
                if self.fault is not None:
                    raise self.fault
                return b""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held_bytes = 0
        if self.source is not None:
            self.source.resume()
        return data

    def abandon(self) -> None:
        """Reset the connection unless the answer has arrived in full."""
        if self.source is not None:
            self.source.reset("the answer was abandoned")

    def hold(self, piece: bytes) -> None:
        """Take in a piece of the body. The reader is woken by `wake`, once for all that one packet held."""
        self.pieces.append(piece)
        self.held_bytes += len(piece)

    def wake(self) -> None:
        """Wake the one who waits, if there is something for it: what came may have been only a chunk's head."""
        if self._reader is not None and not self._reader.done() and (self.pieces or self.source is None):
            self._reader.set_result(None)

    def end(self, fault: OriginError | None = None) -> None:
        """Note that nothing more will come. `fault` None: the body is whole."""
        self.source = None
        self.fault = fault
        self.wake()

    async def _arrival(self) -> None:
        if self._reader is not None:
            raise RuntimeError("two readers of one answer")
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        except asyncio.CancelledError:
            self.abandon()
            raise
        finally:
            self._reader = None


def cut(why: str) -> OriginBroken:
    """Say that an exchange ended too early, after its first byte was written."""
    return OriginBroken(why, Delivery.MAYBE_SENT)


def _is_an_answer(answer: Answer) -> OriginAnswer:
    """Static guard: the class fulfils the port."""
    return answer
