"""Unix sockets on both sides: who may connect, what is left behind, and that a socket in use is nobody's to take."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from proxy.app import running
from tests.gateway.client import Answer, Client, request
from tests.gateway.legacy import Legacy
from tests.gateway.serving import configured, serving


async def ask(path: Path, data: bytes = request(b"GET", b"/doc"), method: bytes = b"GET") -> Answer:
    async with Client(*await asyncio.open_unix_connection(path)) as client:
        client.send(data)
        return await client.answer(method)


async def test_clients_are_served_over_a_socket(legacy: Legacy, tmp_path: Path) -> None:
    path, admin = tmp_path / "n.sock", tmp_path / "admin.sock"
    before = os.umask(0o077)
    try:
        settings = {"server__listen": f"unix:{path}", "server__admin": f"unix:{admin}"}
        async with running(configured(legacy.port, **settings)) as gateway:
            assert (gateway.listen, gateway.admin) == (f"unix:{path}", f"unix:{admin}")
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            got = await ask(path)
            assert (got.status, got.body) == (200, b'{"count": 1}')
            wrote = await ask(path, request(b"PUT", b"/doc", b"If-Match: " + got.etag, body=b"new"), b"PUT")
            assert wrote.status == 204
            assert (await ask(admin, request(b"GET", b"/healthz"))).status == 200
    finally:
        assert os.umask(before) == 0o077
    assert not path.exists()
    assert legacy.documents["/doc"] == b"new"


@pytest.mark.parametrize(("mode", "bits"), [("600", 0o600), ("0666", 0o666)])
async def test_the_mode_is_the_operators(legacy: Legacy, tmp_path: Path, mode: str, bits: int) -> None:
    path = tmp_path / "n.sock"
    async with running(configured(legacy.port, server__listen=f"unix:{path}", server__socket_mode=mode)):
        assert stat.S_IMODE(path.stat().st_mode) == bits


async def test_what_a_dead_process_left_is_taken(legacy: Legacy, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    async with running(configured(legacy.port, server__listen=f"unix:{path}")):
        assert (await ask(path)).status == 200


async def test_what_somebody_listens_at_is_not(legacy: Legacy, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    config = configured(legacy.port, server__listen=f"unix:{path}")
    async with running(config):
        with pytest.raises(OSError, match="somebody listens"):
            async with running(config):
                pass
        assert (await ask(path)).status == 200


async def test_what_is_no_socket_is_not_touched(legacy: Legacy, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        async with running(configured(legacy.port, server__listen=f"unix:{path}")):
            pass
    assert path.read_text() == "precious"


async def test_the_socket_of_a_successor_is_left_alone(legacy: Legacy, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    with socket.socket(socket.AF_UNIX) as successor:
        async with running(configured(legacy.port, server__listen=f"unix:{path}")):
            path.rename(tmp_path / "old.sock")
            successor.bind(str(path))
        assert path.exists()


@asynccontextmanager
async def at_socket(path: Path) -> AsyncIterator[Legacy]:
    """The legacy backend, at a Unix socket as well."""
    async with Legacy() as backend:
        await web.UnixSite(backend._runner, str(path)).start()
        yield backend


async def test_a_backend_at_a_socket_gets_what_another_would(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with at_socket(path) as backend, serving(f"http+unix://{path}") as door:
        backend.documents["/doc"] = b"old"
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert backend.asked[-1].fields["host"] == "api.example"
        large = bytes(1_000_000)
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=large)).status == 204
        assert backend.documents["/doc"] == large
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"late")).status == 412


async def test_a_backend_that_is_not_there(tmp_path: Path) -> None:
    async with serving(f"http+unix://{tmp_path}/none.sock") as door:
        assert (await door.ask(b"GET", b"/doc")).status == 502
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 503
