"""How bytes come in from a backend: in pieces of a bounded size.

uvloop hands a plain protocol up to 256 KB at a time, and a busy loop always finds that much waiting. A hundred connections would then hold
25 MB before anybody has looked at them.
"""

import asyncio
import threading

RECEIVE_BYTES = 64 * 1024


class _Buffer(threading.local):
    """What a thread's loop reads into. The loop fills it and calls `buffer_updated` in one go, so all connections of a loop share one."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECEIVE_BYTES))


_buffer = _Buffer()


class Reception(asyncio.BufferedProtocol):
    """Call `data_received` with RECEIVE_BYTES at most. To be made on the thread of its loop."""

    __slots__ = ("_view",)

    def __init__(self) -> None:
        # Kept, because looking up what belongs to a thread costs more than the call.
        self._view = _buffer.view

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop is to put what has come."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what it put there; a copy, because the next read overwrites it."""
        self.data_received(self._view[:nbytes].tobytes())

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        raise NotImplementedError
