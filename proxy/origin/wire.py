"""What a transport of the loop cannot do: ask the socket itself. The same on asyncio and uvloop, whose socket is only a number."""

import asyncio
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

_LINGER_ZERO = struct.pack("ii", 1, 0)
_READ_BYTES = 64 * 1024


class Wire:
    """The socket under a transport. Nothing here may be called once the loop has reported it lost: the number may be another's then."""

    __slots__ = ("_poll", "_socket", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN | select.POLLPRI)

    def is_silent(self) -> bool:
        """Say whether nothing has come that the loop has not read yet: neither bytes nor an end."""
        return not self._poll.poll(0)

    def reset(self) -> None:
        """Close by RST: what is still buffered, here or in the kernel, does not leave."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()

    def unread(self) -> Iterator[bytes]:
        """Yield what lies in the socket of a transport that has stopped reading. Nothing under TLS: it could not be read."""
        if self._transport.get_extra_info("sslcontext") is None:
            with suppress(OSError):
                while data := os.read(self._socket.fileno(), _READ_BYTES):
                    yield data
