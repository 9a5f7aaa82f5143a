"""The app: what is put together from a configuration, and how it ends."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.app import _loop_factory, running
from proxy.core.record import State
from proxy.core.resource import key_digest, resource_key
from proxy.errors import StoreRefused
from proxy.store.port import StoreKey
from proxy.store.sqlite import SqliteStore
from tests.gateway.client import Client, request
from tests.gateway.legacy import Legacy, waiting_for
from tests.gateway.serving import configured, route, serving, until
from tests.origin.scripted import Close, Hear, HearBytes, ScriptedBackend
from tests.servers import free_port

ROOT = Path(__file__).parent.parent


@pytest.fixture
async def legacy() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        backend.documents["/doc"] = b"old"
        yield backend


# ---- the beginning -------------------------------------------------------------------------------------------------------------------


async def test_it_listens_where_it_says_and_no_longer_than_it_runs(legacy: Legacy) -> None:
    async with running(configured(legacy.port)) as gateway:
        assert gateway.listen != gateway.admin
        for address in (gateway.listen, gateway.admin):
            assert address.startswith("127.0.0.1:")
            (await Client.connect(address)).leave()
    for address in (gateway.listen, gateway.admin):
        with pytest.raises(OSError, match="Connect"):
            await Client.connect(address)


async def test_an_ipv6_address_is_told_in_brackets(legacy: Legacy) -> None:
    async with running(configured(legacy.port, server__listen="[::1]:0")) as gateway:
        host, _, port = gateway.listen.rpartition(":")
        assert (host, int(port) > 0) == ("[::1]", True)


async def test_a_port_that_is_taken_leaves_nothing_behind(legacy: Legacy, tmp_path: Path) -> None:
    before = len(asyncio.all_tasks())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="address"):
            async with running(configured(legacy.port, server__listen=listen, store=f"sqlite:///{tmp_path}/store.db")):
                pytest.fail("it started")
    assert len(asyncio.all_tasks()) == before


async def test_a_store_that_cannot_be_used(legacy: Legacy, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused):
        async with running(configured(legacy.port, store=f"sqlite:///{tmp_path}/no/such/directory/store.db")):
            pytest.fail("it started")


async def test_memory_is_warned_of(legacy: Legacy, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with running(configured(legacy.port)):
            pass
    assert "memory://: nothing is shared" in caplog.text


async def test_a_backend_behind_tls_is_spoken_to_in_tls() -> None:
    async with ScriptedBackend([HearBytes(3), Close()]) as backend, serving(f"https://127.0.0.1:{backend.port}") as door:
        assert (await door.ask(b"GET", b"/doc")).status == 502
        # A handshake record of TLS.
        assert backend.heard.startswith(b"\x16\x03")


async def test_each_route_has_its_own_rules(legacy: Legacy) -> None:
    legacy.documents |= {"/strict/1": b"a", "/lax/1": b"a", "/off/1": b"a"}
    routes = [route("/strict/{id}", "strict", missing="require"), route("/off/{rest*}", "off", guarded=False), route("/{rest*}", "lax")]
    async with serving(legacy.port, *routes) as door:
        statuses = {path: (await door.ask(b"PUT", path, body=b"b")).status for path in (b"/strict/1", b"/lax/1", b"/off/1", b"/strict/1/2")}
        assert statuses == {b"/strict/1": 428, b"/lax/1": 204, b"/off/1": 204, b"/strict/1/2": 201}
        for name in ("strict", "lax", "off"):
            assert await door.sample("noclobber_requests_total", route=name) >= 1


def test_without_uvloop_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _loop_factory() is not None
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert _loop_factory() is None


# ---- the end -------------------------------------------------------------------------------------------------------------------------


async def test_what_is_in_flight_is_finished_and_nobody_comes_in(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    context = running(configured(legacy.port))
    gateway = await context.__aenter__()
    async with await Client.connect(gateway.listen) as client, await Client.connect(gateway.listen) as idle:
        assert (await idle.ask(b"GET", b"/doc")).status == 200
        client.send(request(b"PUT", b"/doc", body=b"new"))
        await until(lambda: "PUT" in legacy.methods())
        leaving = asyncio.get_running_loop().create_task(context.__aexit__(None, None, None))
        await until(lambda: gateway.readiness.reasons() == ("draining",))
        async with await Client.connect(gateway.admin) as admin:
            assert (await admin.ask(b"GET", b"/readyz")).status == 503
        with pytest.raises(OSError, match="Connect"):
            await Client.connect(gateway.listen)
        last = await idle.ask(b"GET", b"/doc")
        assert (last.status, last.one(b"Connection")) == (200, b"close")
        goes_on.set()
        got = await client.answer(b"PUT")
        # A connection that stays open would have its next request cut.
        assert (got.status, got.one(b"Connection")) == (204, b"close")
        await leaving
    assert legacy.documents["/doc"] == b"new"


async def test_a_write_that_waits_at_the_end_of_the_drain_is_certainly_not_applied() -> None:
    """The first holds the lease, so the second has not been sent; both are told what is known of them."""
    async with ScriptedBackend([Hear()]) as backend:
        async with running(configured(backend.port, server__drain_seconds=0.1)) as gateway:
            clients = [await Client.connect(gateway.listen) for _ in range(2)]
            for client in clients:
                client.send(request(b"PUT", b"/doc", body=b"new"))
                await until(lambda: backend.requests == 1)
            await until(lambda: gateway.handler.in_flight == 2)
        first, second = [await client.answer(b"PUT") for client in clients]
        for client in clients:
            client.leave()
        assert (first.status, first.kind) == (504, "outcome-unknown")
        assert (second.status, second.kind, second.one(b"Retry-After")) == (503, "draining", b"1")
        assert backend.requests == 1


async def test_a_write_that_outlasts_the_drain_is_reset_and_becomes_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Cancelled between "sent" and "recorded": the record says so, and the next process waits before it writes."""
    path = tmp_path / "store.db"
    async with ScriptedBackend([Hear()]) as backend:
        async with running(configured(backend.port, store=f"sqlite:///{path}", server__drain_seconds=0.1)) as gateway:
            client = await Client.connect(gateway.listen)
            client.send(request(b"PUT", b"/doc", body=b"new"))
            await until(lambda: backend.requests == 1)
        got = await client.answer(b"PUT")
        assert (got.status, got.one(b"Noclobber-Outcome"), got.one(b"Connection")) == (504, b"unknown", b"close")
        client.leave()
        await backend.settle()
        assert (backend.requests, backend.conversations[0].end) == (1, "reset")
    assert "stopping with 1 requests and 1 writes in flight" in caplog.text
    store = await SqliteStore.open(path)
    record = (await store.load(StoreKey(key_digest(resource_key(b"/doc"))))).record
    await store.close()
    assert record is not None
    assert (record.state, record.owner) == (State.UNKNOWN, "")


# ---- as a process --------------------------------------------------------------------------------------------------------------------


def started(path: Path, listen: str) -> "subprocess.Popen[str]":
    """Start noclobber in front of nothing."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NOCLOBBER__")}
    backend = f"http://127.0.0.1:{free_port()}"
    arguments = ["--upstream", backend, "--listen", listen, "--admin", "127.0.0.1:0", "--store", "memory://"]
    return subprocess.Popen(
        [sys.executable, "-m", "proxy", "run", *arguments],
        cwd=path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: int) -> None:
    process = started(tmp_path, "127.0.0.1:0")
    assert process.stderr is not None
    try:
        said = ""
        while "serving http://" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(number)
        assert process.wait(20) == 0
        assert "draining: 0 requests in flight" in process.stderr.read()
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_a_start_that_fails_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = started(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "cannot start: " in said
    assert "Traceback" not in said
