"""A connection that leaves HTTP: after its 101 it carries bytes of any protocol, both ways.

Reading works as for a body that ends with the connection. This file adds the way back.
"""

import asyncio

from .answer import Answer, cut
from .connection import Connection, Home
from .options import OriginOptions
from .port import Switched


class SwitchingConnection(Connection):
    """For one request, which asks for another protocol. `idle_seconds` of the options limits the silence of both sides together."""

    __slots__ = ("_has_room", "_room")

    def __init__(self, home: Home, options: OriginOptions, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(home, options, loop)
        self._parser.may_switch = True
        self._has_room = True
        self._room: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait until the backend has taken most of them."""
        self._transport_or_cut().write(data)
        self._deadline.expect(self._options.idle_seconds)
        if not self._has_room:
            self._room = self._loop.create_future()
            await self._room
            self._transport_or_cut()

    def write_end(self) -> None:
        """Half-close; where TLS knows no such thing, do nothing: the idle limit ends it."""
        transport = self._transport_or_cut()
        if transport.can_write_eof():
            transport.write_eof()

    def _transport_or_cut(self) -> asyncio.Transport:
        if self.is_closed or self._transport.is_closing():
            raise cut("the connection is closed")
        return self._transport

    def _finish(self, answer: Answer) -> None:
        """Close: this connection has no place in the pool, and is not to be used for anything else."""
        self._parser.persists = False
        super()._finish(answer)

    def pause_writing(self) -> None:
        """The backend does not take what we send."""
        self._has_room = False

    def resume_writing(self) -> None:
        """The backend has taken most of it."""
        self._has_room = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end. `exc` None: an orderly one."""
        super().connection_lost(exc)
        self._wake()

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


class Switching:
    """An answer to a request for another protocol, and the way back after a 101."""

    __slots__ = ("_connection", "answer")

    def __init__(self, answer: Answer, connection: SwitchingConnection) -> None:
        self.answer = answer
        self._connection = connection

    async def write(self, data: bytes) -> None:
        """Send bytes of the new protocol, and wait until the backend has taken most of them. OriginError when it is gone."""
        await self._connection.write(data)

    def write_end(self) -> None:
        """Say that nothing more will be sent. OriginError when the backend is gone."""
        self._connection.write_end()


def _is_switched(switching: Switching) -> Switched:
    """Static guard: the class fulfils the port."""
    return switching
