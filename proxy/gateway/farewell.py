"""Farewells: what a client is told before its connection ends without a request of its being served."""

import asyncio
from typing import cast

from aiohttp import web

from ..core.conflict import Problem
from ..telemetry.refusal import Refusal
from .handler import CLOSE, Sent
from .limits import CURES
from .reply import message, problem

FAREWELL_SECONDS = 1.0
"""How long a connection over the limit is kept after its 503, so that no reset overtakes the answer."""


class Surplus(asyncio.Protocol):
    """A connection over the limit: 503, and the end, whatever it asks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, id_line: bytes) -> None:
        self._loop = loop
        self._id_line = id_line
        self._farewell: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything is asked."""
        stream = cast(asyncio.Transport, transport)
        stream.write(closing(*CURES[Refusal.CONNECTIONS], self._id_line))
        if stream.can_write_eof():
            stream.write_eof()
        self._farewell = self._loop.call_later(FAREWELL_SECONDS, stream.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        if self._farewell is not None:
            self._farewell.cancel()


class Refused(Sent):
    """The answer to what could not be read: nothing of the request is in it."""

    def __init__(self, kind: Problem, detail: str, id_line: bytes) -> None:
        super().__init__(keep_alive=False)
        self._message = closing(kind, detail, id_line)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer."""
        await request.writer.write(self._message)


def closing(kind: Problem, detail: str, id_line: bytes) -> bytes:
    """A refusal after which the connection ends."""
    reply = problem(kind, detail, b"")
    assert isinstance(reply.body, bytes)
    return message(reply, reply.body, id_line + CLOSE)
