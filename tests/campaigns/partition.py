"""A TCP relay between noclobber and its store that does to connections what networks do: loses, delays, trickles, resets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from enum import Enum

LINGER_ZERO = struct.pack("ii", 1, 0)
PIECE_BYTES = 65_536


class Weather(Enum):
    """What the relay does with what it is given."""

    FAIR = "passes on"
    BLACK_HOLE = "passes nothing on, either way, and takes connections all the same"
    DEAF = "passes requests on, and no answers"
    DELAY = "passes on late"
    TRICKLE = "passes on byte by byte, slowly"
    REFUSE = "resets every connection"


class Partition:
    """Stand in front of the server that `port` names at this moment. DELAY takes `delay_seconds` a piece, TRICKLE a 20th of it a byte."""

    def __init__(self, port: Callable[[], int], delay_seconds: float = 0.05) -> None:
        """Listen nowhere yet."""
        self.port = 0
        self._server_port = port
        self._delay_seconds = delay_seconds
        self._weather = Weather.FAIR
        self._fair = asyncio.Event()
        self._fair.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Partition"]:
        """Listen; in the end cut everything."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._listener.close()
            self.cut()
            self._fair.set()
            await asyncio.gather(*self._relays)

    def set(self, weather: Weather) -> None:
        """Change the weather. REFUSE cuts what stands."""
        self._weather = weather
        if weather is Weather.BLACK_HOLE:
            self._fair.clear()
        else:
            self._fair.set()
        if weather is Weather.REFUSE:
            self.cut()

    def cut(self) -> None:
        """Reset every connection that stands."""
        for writer in list(self._writers):
            _reset(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._weather is not Weather.REFUSE:
                await self._fair.wait()
                await self._join(reader, writer)
        except OSError:
            pass  # Nobody listens behind us: the client sees that as it would without us.
        finally:
            self._writers.discard(writer)
            _reset(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._server_port())
        self._writers.add(upstream_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream_writer, writer, is_answer=False))
                group.create_task(self._pump(upstream_reader, writer, upstream_writer, is_answer=True))
        finally:
            self._writers.discard(upstream_writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                await self._fair.wait()
                if is_answer and self._weather is Weather.DEAF:
                    continue
                await self._pass_on(piece, writer)
        # Where one half has ended the other has nobody to speak to.
        _reset(writer)
        _reset(other)

    async def _pass_on(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        match self._weather:
            case Weather.DELAY:
                await asyncio.sleep(self._delay_seconds)
            case Weather.TRICKLE:
                for at in range(len(piece)):
                    if writer.transport.is_closing():
                        return
                    writer.write(piece[at : at + 1])
                    await asyncio.sleep(self._delay_seconds / 20)
                return
            case _:
                pass
        if writer.transport.is_closing():
            return
        writer.write(piece)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        connection = writer.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    writer.transport.abort()
