"""What a client has taken of what was written to it, and how to part with one that takes nothing."""

import asyncio
import socket
import struct
import sys
from contextlib import suppress

LINGER_ZERO = struct.pack("ii", 1, 0)
# linux/tcp.h, struct tcp_info: tcpi_bytes_acked, since Linux 4.1.
_ACKED = struct.Struct("=120xQ")


def taken_bytes(transport: asyncio.Transport) -> int:
    """A figure that grows when the other side takes something.

    The kernel's word where it has one: its buffer holds megabytes, and a client that reads slowly moves ours only every minute or so.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
            if len(info) == _ACKED.size:
                return int(_ACKED.unpack(info)[0])
    return -transport.get_write_buffer_size()


def reset(transport: asyncio.Transport) -> None:
    """Close by RST: what is unsent is dropped, here and in the kernel."""
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()
