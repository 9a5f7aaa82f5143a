"""A relay on loopback that loses answers: what was asked has been done, and who asked never hears of it."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

# SO_LINGER with no time: closing resets the connection.
_RESET = struct.pack("ii", 1, 0)


class Cutter:
    """Relay connections to a port. `cut(method)` arms it: the next answer to a request of that method is lost, with its connection."""

    def __init__(self, port: int) -> None:
        """Relay to port from here on."""
        self._to = port
        self._armed = b""
        self._lock = threading.Lock()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, method: str) -> None:
        """Lose the answer to the next request of this method."""
        with self._lock:
            self._armed = method.encode() + b" "

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        for one in list(self._open):
            _reset(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._to))
        self._open |= {client, server}
        doomed = threading.Event()
        threading.Thread(target=self._forward, args=(client, server, doomed), daemon=True).start()
        with contextlib.suppress(OSError):
            while answer := server.recv(65536):
                if doomed.is_set():
                    self.cuts += 1
                    break
                client.sendall(answer)
        for one in (client, server):
            self._open.discard(one)
            _reset(one)

    def _forward(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while request := client.recv(65536):
                with self._lock:
                    if self._armed and request.startswith(self._armed):
                        self._armed = b""
                        doomed.set()
                server.sendall(request)
            server.shutdown(socket.SHUT_WR)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # Whoever waits in recv on it is woken only by this.
        one.shutdown(socket.SHUT_RDWR)
    one.close()
