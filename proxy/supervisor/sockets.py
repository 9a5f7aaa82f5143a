"""The sockets that the parent holds: those that clients come to, which go down to workers as lanes, and that of operators."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..config import Address, UnixPath
from ..gateway.binding import BACKLOG, TcpPlace, UnixPlace, bind_again, bind_tcp, bind_unix, shown


@dataclass(frozen=True, slots=True)
class Lane:
    """One listening socket. It is accepted from by the worker of its slot, or who stands in for it; `slot` None: by every worker."""

    number: int
    slot: int | None
    socket: socket.socket


class Sockets:
    """All sockets of one listener. `at` says where it is, with the port that was taken."""

    def __init__(self, address: Address | UnixPath, mode: str, copies: int) -> None:
        """Take the address, `copies` times if it is one of TCP. OSError where somebody listens there."""
        self._file: tuple[Path, int] | None = None
        if isinstance(address, UnixPath):
            place = UnixPlace(Path(address.path), int(mode, 8))
            self.lanes = [Lane(0, None, bind_unix(place))]
            self._file = (place.path, os.stat(place.path).st_ino)
            self.at = shown(place, 0)
            return
        self.lanes = [Lane(number, 0, held) for number, held in enumerate(bind_tcp(TcpPlace(address.host, address.port)))]
        self.widen(copies)
        name = self.lanes[0].socket.getsockname()
        self.at = shown(TcpPlace(name[0], name[1]), name[1])

    def widen(self, copies: int) -> None:
        """Have each address `copies` times at least. OSError where that cannot be."""
        slots = {lane.slot for lane in self.lanes}
        for lane in self.lanes[:]:
            if lane.slot == 0:
                for slot in set(range(copies)) - slots:
                    self.lanes.append(Lane(len(self.lanes), slot, bind_again(lane.socket)))

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
