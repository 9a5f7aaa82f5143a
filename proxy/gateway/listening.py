"""Listeners: where clients connect, over TCP or a Unix socket, with TLS or without."""

import asyncio
import os
import socket
import ssl
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .connection import ClientServer

BACKLOG = 1024
SHUTDOWN_SECONDS = 1.0
"""What connections are given to close once nothing is in flight any more."""
PROBE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """A host, without brackets, and a port; 0 takes any free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UnixPlace:
    """A Unix socket, and the permissions that its file gets."""

    path: Path
    mode: int


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
            held = _bind(place)
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


def _bind(place: UnixPlace) -> socket.socket:
    """Make the socket's file, in the place of one that nobody listens at any more."""
    path = str(place.path)
    _clear(path)
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.setblocking(False)
        # From the first moment on nobody may connect who may not later.
        before = os.umask(0o777 & ~place.mode)
        try:
            held.bind(path)
        finally:
            os.umask(before)
    except BaseException:
        held.close()
        raise
    return held


def _clear(path: str) -> None:
    """Remove a socket that its process has left behind. OSError where somebody listens, or where it is no socket."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} is there already, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
    raise FileExistsError(f"somebody listens at {path} already")
