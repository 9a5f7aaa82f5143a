"""TLS to the backend: verified, kept alive, and reset like any other."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, cast

import pytest

from proxy.errors import Delivery, OriginBroken, OriginTimeout, OriginUnreachable
from proxy.origin.http import Address, HttpOrigin, OriginOptions

from .asking import always, get, talking, whole, write
from .certificate import client_context, server_context
from .scripted import ok, request_end

UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"


class Backend(asyncio.Protocol):
    """Answer every request with the same, `closes`: and close then."""

    requests = 0
    answer = ok()
    closes = False
    transports: ClassVar[list[asyncio.Transport]] = []

    def __init__(self) -> None:
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports fulfil asyncio.Transport without being one.
        self.transport = cast(asyncio.Transport, transport)
        self.transports.append(self.transport)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        while (end := request_end(self.heard, 0)) is not None:
            self.heard = self.heard[end:]
            type(self).requests += 1
            self.transport.write(self.answer)
            if self.closes:
                self.transport.close()


@asynccontextmanager
async def secured(
    folder: Path, tls: ssl.SSLContext, said: bytes, closes: bool = False, options: OriginOptions | None = None
) -> AsyncIterator[tuple[type[Backend], HttpOrigin]]:
    class Fresh(Backend):
        requests = 0
        transports: ClassVar[list[asyncio.Transport]] = []

    Fresh.answer, Fresh.closes = said, closes
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Fresh, "127.0.0.1", 0, ssl=server_context(folder))
    origin = HttpOrigin(Address("localhost", server.sockets[0].getsockname()[1], tls), options)
    try:
        yield Fresh, origin
    finally:
        await origin.close()
        server.close()
        for transport in Fresh.transports:
            transport.abort()
        await asyncio.sleep(0.02)
    assert origin.pool.places == 0


async def test_requests_on_one_connection(tmp_path: Path) -> None:
    async with secured(tmp_path, client_context(), ok()) as (backend, origin):
        for _ in range(3):
            assert await whole(await origin.fetch(get())) == b"hello"
            assert await whole(await (await origin.reserve()).send(write(b"PUT", b"x" * 500_000), always)) == b"hello"
        assert backend.requests == 6
        assert origin.pool.places == 1


async def test_a_large_answer_waits_for_its_reader(tmp_path: Path) -> None:
    body = b"x" * 5_000_000
    async with secured(tmp_path, client_context(), ok(body)) as (_, origin):
        answer = await origin.fetch(get())
        await asyncio.sleep(0.1)
        assert await whole(answer) == body
        assert origin.pool.idle == 1


async def test_a_body_until_the_end(tmp_path: Path) -> None:
    async with secured(tmp_path, client_context(), UNTIL_CLOSE, closes=True) as (_, origin):
        assert await whole(await origin.fetch(get())) == b"hello"
        assert origin.pool.places == 0


async def test_a_cut_body(tmp_path: Path) -> None:
    async with secured(tmp_path, client_context(), ok()[:-1], closes=True) as (backend, origin):
        answer = await origin.send(write())
        with pytest.raises(OriginBroken):
            await whole(answer)
        assert backend.requests == 1


async def test_no_answer(tmp_path: Path) -> None:
    async with secured(tmp_path, client_context(), b"", options=OriginOptions(first_byte_seconds=0.1)) as (backend, origin):
        with pytest.raises(OriginTimeout):
            await origin.send(write())
        assert backend.requests == 1


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async with secured(tmp_path, ssl.create_default_context(), ok()) as (backend, origin):
        with pytest.raises(OriginUnreachable) as caught:
            await origin.send(write())
        assert caught.value.delivery is Delivery.NOT_SENT
        assert backend.requests == 0


async def test_a_backend_that_does_not_speak_tls() -> None:
    async with talking([]) as (backend, _):
        origin = HttpOrigin(Address("localhost", backend.port, client_context()), OriginOptions(connect_seconds=0.2))
        with pytest.raises(OriginUnreachable):
            await origin.send(write())
        assert origin.pool.places == 0


async def test_close_does_not_wait_for_a_backend_that_does_not_say_good_bye(tmp_path: Path) -> None:
    async with secured(tmp_path, client_context(), ok()) as (backend, origin):
        await whole(await origin.fetch(get()))
        # It reads no more, so it never sees that we want to part.
        backend.transports[0].pause_reading()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await origin.close()
        assert 0.5 < loop.time() - began < 5
        assert not origin.pool._present
