"""Lanes: listening sockets that another process holds and hands down, so that nobody is turned away when this one ends.

A lane may be given to several processes at once: each connection goes to one of them.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .binding import BACKLOG
from .connection import ClientServer
from .listening import SHUTDOWN_SECONDS


class Lanes:
    """Accept from the lanes that are held at the moment."""

    at = "the sockets of the parent"

    def __init__(self, clients: ClientServer, tls: ssl.SSLContext | None) -> None:
        self._clients = clients
        self._tls = tls
        # A handshake is a part of the way to the first head.
        self._handshake_seconds = None if tls is None else clients.limits.header_seconds
        self._held: dict[int, tuple[socket.socket, asyncio.Server]] = {}

    async def accept(self, number: int, lane: socket.socket) -> None:
        """Take connections from a lane, too. The socket is ours then."""
        lane.setblocking(False)
        await self.release([number])
        loop = asyncio.get_running_loop()
        begin = loop.create_unix_server if lane.family == socket.AF_UNIX else loop.create_server
        server = await begin(self._clients, sock=lane.dup(), backlog=BACKLOG, ssl=self._tls, ssl_handshake_timeout=self._handshake_seconds)
        self._held[number] = (lane, server)

    async def release(self, numbers: Iterable[int]) -> None:
        """Leave these lanes to others."""
        for number in numbers:
            if number in self._held:
                lane, server = self._held.pop(number)
                server.close()
                lane.close()

    async def close(self) -> None:
        """Take no further connections; those that stand go on, and those that wait to be taken are taken."""
        held, self._held = self._held, {}
        for _, server in held.values():
            server.close()
        loop = asyncio.get_running_loop()
        rest = [connection for lane, _ in held.values() for connection in _rest(lane)]
        beginnings = (
            loop.connect_accepted_socket(self._clients, connection, ssl=self._tls, ssl_handshake_timeout=self._handshake_seconds)
            for connection in rest
        )
        await asyncio.gather(*beginnings, return_exceptions=True)

    async def end(self) -> None:
        """Close what still stands."""
        await self.close()
        self._clients.pre_shutdown()
        await self._clients.shutdown(SHUTDOWN_SECONDS)


def _rest(lane: socket.socket) -> Iterator[socket.socket]:
    """Take the connections that wait, and close the lane at once: closing the last copy of a socket resets what waits there."""
    with lane, suppress(OSError):
        while True:
            connection, _ = lane.accept()
            connection.setblocking(False)
            yield connection
