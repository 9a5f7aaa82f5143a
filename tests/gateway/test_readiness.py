"""Readiness: when writes are granted, and what still works while the store is away or its history has just begun (protocol §1, §10)."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from proxy.core.record import Snapshot
from proxy.errors import StoreRefused, StoreUnavailable
from proxy.gateway.readiness import Readiness
from proxy.gateway.representation import Representations
from proxy.gateway.spool import SpoolLimits
from proxy.origin.http import Address, HttpOrigin
from proxy.store.memory import MemoryStore
from proxy.store.port import StoreKey
from tests.server_groups import ClusterGroup
from tests.servers import RedisServer, free_port, redis_binary

from .legacy import Legacy
from .serving import SHORT, serving, until

GRACE_SECONDS = 2.5
"""Of SHORT: lease, margin and apply delay, and one."""


async def test_an_empty_redis_grants_nothing_before_the_grace_is_over(legacy: Legacy, server: RedisServer) -> None:
    """It cannot be told from one that was flushed. Reads are tagged all the same."""
    async with serving(legacy.port, store=server.start().url, **SHORT) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        for body, lines in ((b"x", [b"If-Match: " + tag]), (b"y", [])):
            got = await door.ask(b"PUT", b"/doc", *lines, body=body)
            assert (got.status, got.kind) == (503, "grace")
            assert int(got.one(b"Retry-After") or b"0") in (1, 2, 3)
        unready = await door.ask_admin(b"/readyz")
        assert unready.status == 503
        assert unready.body.startswith(b'{"ready":false,"reasons":["grace: ')
        assert await door.sample("noclobber_ready") == 0
        started = time.monotonic()
        await until(door.is_ready)
        assert time.monotonic() - started < GRACE_SECONDS + 1.5
        assert await door.sample("noclobber_ready") == 1
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")).status == 204
        assert "PUT" in legacy.methods()


async def test_a_store_that_goes_away_takes_writes_with_it_and_leaves_reads(legacy: Legacy, server: RedisServer) -> None:
    async with serving(legacy.port, store=server.start().url, store__timeout_seconds=0.3, **SHORT) as door:
        await until(door.is_ready)
        tag = (await door.ask(b"GET", b"/doc")).etag
        server.kill()
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")
        assert (got.status, got.kind, got.one(b"Retry-After")) == (503, "store-away", b"1")
        assert (await door.ask(b"GET", b"/doc")).etag == tag
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        await until(lambda: not door.gateway.readiness.is_ready())
        assert b"the store does not answer" in (await door.ask_admin(b"/readyz")).body
        assert await door.sample("noclobber_store_errors_total") > 0
        assert "PUT" not in legacy.methods()
        server.start()
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 503
        await until(door.is_ready)
        assert (await door.ask(b"GET", b"/doc")).etag == tag
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")).status == 204


async def test_a_store_that_was_never_there(legacy: Legacy, server: RedisServer) -> None:
    """Nothing is tagged before there is a salt: another one would be made by the next process."""
    port = free_port()
    async with serving(legacy.port, store=f"redis://127.0.0.1:{port}", store__timeout_seconds=0.3, **SHORT) as door:
        got = await door.ask(b"GET", b"/doc")
        assert (got.status, got.body) == (200, b'{"count": 1}')
        assert b"etag" not in got.names
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).kind == "store-away"
        assert (await door.ask_admin(b"/readyz")).status == 503
        server.port = port
        server.start()

        async def is_tagged() -> bool:
            return b"etag" in (await door.ask(b"GET", b"/doc")).names

        await until(is_tagged)


async def test_a_cluster_grants_every_resource_once_it_is_ready(legacy: Legacy, tmp_path: Path) -> None:
    """Each of its hash tags has a grace of its own, and none may begin only when a resource is first written."""
    group = ClusterGroup(redis_binary(), tmp_path / "cluster", primaries=1)
    try:
        async with serving(legacy.port, store=group.start().url, **SHORT) as door:
            assert (await door.ask(b"PUT", b"/doc", body=b"x")).kind == "grace"
            await until(door.is_ready)
            # The tags were touched within moments of each other.
            await asyncio.sleep(0.3)
            for number in range(20):
                assert (await door.ask(b"PUT", b"/doc/%d" % number, body=b"x")).status != 503
    finally:
        group.kill()


async def test_a_fresh_file_has_no_grace(legacy: Legacy, tmp_path: Path) -> None:
    """Nobody held a lease in it. And the salt outlives the process."""
    tags = []
    for _ in range(2):
        async with serving(legacy.port, store=f"sqlite:///{tmp_path}/store.db") as door:
            assert (await door.ask_admin(b"/readyz")).status == 200
            assert (await door.ask(b"PUT", b"/doc", body=b"new")).status == 204
            tags.append((await door.ask(b"GET", b"/doc")).etag)
    assert tags[0] == tags[1]


# ---- the watcher itself --------------------------------------------------------------------------------------------------------------


class Moody(MemoryStore):
    """A store that can be away, begin a new history, and be young."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.refusal: str | None = None
        self.age = 1e9
        self.name = "first"

    async def load(self, key: StoreKey) -> Snapshot:
        if self.is_away:
            raise StoreUnavailable("gone fishing")
        if self.refusal is not None:
            raise StoreRefused(self.refusal)
        return (await super().load(key))._replace(lineage=self.name, lineage_age=self.age)

    def forget(self) -> None:
        self.name = "second"
        self._settled.clear()


@pytest.fixture
def representations() -> Representations:
    return Representations(HttpOrigin(Address("127.0.0.1", 1)), SpoolLimits(10, 10), 10)


async def test_reasons(representations: Representations) -> None:
    store = Moody()
    readiness = Readiness(store, representations, 10.0)
    assert readiness.reasons() == ("the store has not been reached yet",)
    await readiness.look()
    assert readiness.is_ready()
    store.is_away = True
    await readiness.look()
    assert readiness.reasons() == ("the store does not answer: gone fishing",)
    store.is_away, store.age = False, 4.0
    await readiness.look()
    assert readiness.reasons() == ("grace: 6.0 s left",)
    assert readiness.status.grace_seconds == 6.0
    store.age = 10.0
    await readiness.look()
    assert readiness.is_ready()
    readiness.is_draining = True
    assert readiness.reasons() == ("draining",)


async def test_the_salt_is_the_stores_and_is_put_back_where_it_was_lost(representations: Representations) -> None:
    store = Moody()
    await store.settle("salt", b"of all processes")
    readiness = Readiness(store, representations, 0.0)
    await readiness.look()
    assert representations.salt == b"of all processes"
    store.forget()
    await readiness.look()
    assert representations.salt == b"of all processes"
    assert await store.settle("salt", b"another") == b"of all processes"


async def test_who_comes_first_after_a_loss_settles_the_salt_for_all(representations: Representations) -> None:
    store = Moody()
    readiness = Readiness(store, representations, 0.0)
    await readiness.look()
    store.forget()
    await store.settle("salt", b"of the first to come")
    await readiness.look()
    assert representations.salt == b"of the first to come"


async def test_each_trouble_is_logged_once(representations: Representations, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "noclobber")
    store = Moody()
    readiness = Readiness(store, representations, 0.0)
    for store.is_away, store.refusal in ((True, None), (False, "the store refused: NOLINEAGE x"), (False, None), (True, None)):
        for _ in range(3):
            await readiness.look()
    away = "no write is granted: the store does not answer: gone fishing"
    told = [away, "no write is granted: the store refused: NOLINEAGE x", "the store answers again", away]
    assert [record.getMessage() for record in caplog.records] == told
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "INFO", "ERROR"]


async def test_a_server_that_hides_its_history_is_told_of(legacy: Legacy, server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """As some managed ones do: without INFO in scripts nothing tells that records were lost."""
    server.start().command("ACL", "SETUSER", "default", "-info")
    async with serving(legacy.port, store=server.url, **SHORT) as door:
        got = await door.ask_admin(b"/readyz")
        assert got.status == 503
        assert b"NOLINEAGE the server does not let scripts read its replication id" in got.body
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 503
        assert "PUT" not in legacy.methods()
    assert [record.levelname for record in caplog.records if "NOLINEAGE" in record.getMessage()] == ["ERROR"]
