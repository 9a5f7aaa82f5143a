"""Short ways to say what the tests of the client say often."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from proxy.origin.http import Address, HttpOrigin, OriginOptions
from proxy.origin.port import OriginAnswer, OriginRequest, StreamedBody

from .scripted import Script, ScriptedBackend

HOST = b"Host: legacy.example\r\n"

WRITES = (b"PUT", b"PATCH", b"DELETE", b"POST")


def get(target: bytes = b"/thing") -> OriginRequest:
    return OriginRequest(b"GET", target, HOST)


def write(method: bytes = b"PUT", body: bytes | StreamedBody | None = b"new") -> OriginRequest:
    return OriginRequest(method, b"/thing", HOST, body)


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


def streamed(given: Iterable[bytes], size_bytes: int | None = None) -> StreamedBody:
    return StreamedBody(size_bytes, pieces(*given))


async def whole(answer: OriginAnswer) -> bytes:
    """Read a body to its end."""
    body = b""
    while piece := await answer.read():
        body += piece
    return body


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the network or the other side brings about: how long that takes is the machine's business."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def always() -> bool:
    return True


def gate_of(*verdicts: bool) -> tuple[Callable[[], bool], list[bool]]:
    """Return a gate that says these in turn, and the list of what it has said."""
    said: list[bool] = []

    def gate() -> bool:
        said.append(verdicts[len(said)])
        return said[-1]

    return gate, said


@asynccontextmanager
async def talking(*scripts: Script, options: OriginOptions | None = None) -> AsyncIterator[tuple[ScriptedBackend, HttpOrigin]]:
    """Start a backend and a client of it; afterwards no place of the pool may be taken."""
    async with ScriptedBackend(*scripts) as backend:
        origin = HttpOrigin(Address("127.0.0.1", backend.port), options or OriginOptions())
        try:
            yield backend, origin
        finally:
            await origin.close()
        assert origin.pool.places == 0
        assert origin.pool.idle == 0
        assert origin.pool.waiting == 0
