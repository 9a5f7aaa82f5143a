"""The sockets that the parent holds: those that clients come to, which go down to workers as lanes, and that of operators."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..config import Address, UnixPath
from ..gateway.binding import BACKLOG, TcpPlace, UnixPlace, bind_tcp, bind_unix, shown


@dataclass(frozen=True, slots=True)
class Lane:
    """One listening socket. A shared one is accepted from by every worker, any other by the one of its slot, or who stands in for it."""

    number: int
    socket: socket.socket
    is_shared: bool


class Sockets:
    """All sockets of one listener. `at` says where it is, with the port that was taken."""

    def __init__(self, address: Address | UnixPath, mode: str, copies: int) -> None:
        """Take the address, `copies` times where that can be. OSError where somebody listens there."""
        self._file: tuple[Path, int] | None = None
        if isinstance(address, UnixPath):
            place = UnixPlace(Path(address.path), int(mode, 8))
            self.lanes = [Lane(0, bind_unix(place), is_shared=True)]
            self._file = (place.path, os.stat(place.path).st_ino)
            self.at = shown(place, 0)
            return
        taken = bind_tcp(TcpPlace(address.host, address.port), copies)
        self.lanes = [Lane(number, held, is_shared=False) for number, held in enumerate(sum(zip(*taken, strict=True), ()))]
        name = self.lanes[0].socket.getsockname()
        self.at = shown(TcpPlace(name[0], name[1]), name[1])

    def listen(self) -> None:
        """Let clients connect. They wait until a worker takes them."""
        for lane in self.lanes:
            lane.socket.listen(BACKLOG)

    def close(self) -> None:
        """Let go. Who has got a lane still has it."""
        for lane in self.lanes:
            lane.socket.close()
        self.lanes = []
        if self._file is not None:
            path, inode = self._file
            # Another process may listen under this name by now.
            with suppress(OSError):
                if os.stat(path).st_ino == inode:
                    path.unlink()
            self._file = None
