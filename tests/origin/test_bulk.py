"""Much data in little memory: neither direction may run ahead of the slower side."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from proxy.origin.connection import MAX_HELD_BYTES
from proxy.origin.http import Address, HttpOrigin
from proxy.origin.port import StreamedBody

from .asking import get, talking, write
from .scripted import Hear, Say, Script, Wait, ok

SIZE_BYTES = 50_000_000
PIECE = b"x" * 100_000
MAX_GROWTH_KIB = 20_000


STATM = Path("/proc/self/statm")


def resident_kib() -> int:
    """The memory that this process holds now; 0 where the system does not tell, and the bounds on pieces must do."""
    return int(STATM.read_text().split()[1]) * 4 if STATM.exists() else 0


async def test_50_mb_down() -> None:
    script: Script = [
        Hear(),
        Say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE_BYTES),
        *[Say(PIECE)] * (SIZE_BYTES // len(PIECE)),
    ]
    async with talking(script) as (_, origin):
        before, got, most, grown = resident_kib(), 0, 0, 0
        answer = await origin.fetch(get())
        # Nobody reads for a while: the backend has to wait.
        await asyncio.sleep(0.1)
        while piece := await answer.read():
            got += len(piece)
            most = max(most, len(piece))
            grown = max(grown, resident_kib() - before)
            await asyncio.sleep(0)
        assert got == SIZE_BYTES
        assert most <= MAX_HELD_BYTES * 2
        assert grown < MAX_GROWTH_KIB
        assert origin.pool.idle == 1


class Sink(asyncio.Protocol):
    """Count what comes, answer once it was all."""

    def __init__(self) -> None:
        self.heard_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports fulfil asyncio.Transport without being one.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard_bytes += len(data)
        if self.heard_bytes > SIZE_BYTES:
            self.transport.write(ok())


async def test_50_mb_up() -> None:
    before, grown = resident_kib(), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal grown
        for _ in range(SIZE_BYTES // len(PIECE)):
            grown = max(grown, resident_kib() - before)
            yield PIECE

    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    origin = HttpOrigin(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
    try:
        answer = await origin.send(write(b"PUT", StreamedBody(SIZE_BYTES, body())))
        assert answer.status == 200
        assert await answer.read() == b"hello"
        assert grown < MAX_GROWTH_KIB
        assert origin.pool.idle == 1
    finally:
        await origin.close()
        server.close()
        await asyncio.sleep(0.01)


async def test_a_backend_that_reads_nothing_stops_the_source() -> None:
    given = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += len(PIECE)
            yield PIECE

    async with talking([Wait(100)]) as (_, origin):
        task = asyncio.get_running_loop().create_task(origin.send(write(b"PUT", StreamedBody(None, body()))))
        await asyncio.sleep(0.2)
        soon = given
        await asyncio.sleep(0.1)
        assert given == soon < 30_000_000
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
