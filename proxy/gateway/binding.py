"""Binding: the sockets that listeners are made of. Imports nothing of the data plane: who only holds sockets is to stay small."""

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 1024
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


def shown(place: TcpPlace | UnixPlace, port: int) -> str:
    """Say where a socket is, under the port that was taken."""
    if isinstance(place, UnixPlace):
        return f"unix:{place.path}"
    return f"[{place.host}]:{port}" if ":" in place.host else f"{place.host}:{port}"


def bind_tcp(place: TcpPlace) -> list[socket.socket]:
    """Take a place, with one socket for each address of the host. Others of ours may share it by `bind_again`.

    OSError where somebody listens there already, also where that one would share: two noclobbers on one port were a mistake.
    """
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    families: dict[tuple[object, ...], int] = {address: family for family, _, _, _, address in found}
    taken: list[socket.socket] = []
    try:
        for address, family in families.items():
            with _bound(family, address, socket.SO_REUSEADDR) as probe:
                taken.append(_bound(family, probe.getsockname(), socket.SO_REUSEPORT))
    except BaseException:
        for each in taken:
            each.close()
        raise
    return taken


def bind_again(held: socket.socket) -> socket.socket:
    """Take the address of a socket once more: the kernel shares connections out between all that listen there."""
    return _bound(held.family, held.getsockname(), socket.SO_REUSEPORT)


def _bound(family: int, address: tuple[object, ...], option: int) -> socket.socket:
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setblocking(False)
        for each in (socket.SO_REUSEADDR, option):
            held.setsockopt(socket.SOL_SOCKET, each, 1)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.bind(address)
    except OSError as error:
        held.close()
        raise OSError(error.errno, f"{address[0]} port {address[1]}: {os.strerror(error.errno or 0)}") from None
    return held


def bind_unix(place: UnixPlace) -> socket.socket:
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
