"""Listeners: where clients connect, over TCP or a Unix socket, with TLS or without."""

import asyncio
import os
import ssl
from contextlib import suppress
from pathlib import Path

from .binding import BACKLOG, TcpPlace, UnixPlace, bind_unix
from .connection import ClientServer

SHUTDOWN_SECONDS = 1.0
"""What connections are given to close once nothing is in flight any more."""


class Listener:
    """One listener. `at` says where it is, with the port that was taken."""

    def __init__(self, clients: ClientServer, server: asyncio.Server, at: str, file: tuple[Path, int] | None) -> None:
        self._clients = clients
        self._server = server
        self._file = file
        self.at = at

    @classmethod
    async def open(cls, clients: ClientServer, place: TcpPlace | UnixPlace, tls: ssl.SSLContext | None) -> "Listener":
        """Begin to listen. OSError where that cannot be."""
        loop = asyncio.get_running_loop()
        # A handshake is a part of the way to the first head.
        seconds = None if tls is None else clients.limits.header_seconds
        if isinstance(place, UnixPlace):
            held = bind_unix(place)
            inode = os.stat(place.path).st_ino
            unix = await loop.create_unix_server(clients, sock=held, backlog=BACKLOG, ssl=tls, ssl_handshake_timeout=seconds)
            return cls(clients, unix, f"unix:{place.path}", (place.path, inode))
        server = await loop.create_server(clients, place.host, place.port, backlog=BACKLOG, ssl=tls, ssl_handshake_timeout=seconds)
        host, port = server.sockets[0].getsockname()[:2]
        return cls(clients, server, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", None)

    async def close(self) -> None:
        """Take no further connections; those that stand go on."""
        self._server.close()
        if self._file is not None:
            path, inode = self._file
            # Another process may listen under this name by now.
            with suppress(OSError):
                if os.stat(path).st_ino == inode:
                    path.unlink()

    async def end(self) -> None:
        """Close what still stands."""
        await self.close()
        self._clients.pre_shutdown()
        await self._clients.shutdown(SHUTDOWN_SECONDS)
