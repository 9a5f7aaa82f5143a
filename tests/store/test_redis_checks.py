"""What is said of a server when it is first met: warnings in the log, once each, and refusals of what cannot be a store."""

import contextlib
import logging
from collections.abc import Callable

import pytest

from proxy.errors import StoreRefused, StoreUnavailable
from proxy.store.redis import RedisStore
from proxy.store.redis_checks import Deployment, facts_of, warnings
from tests.server_groups import ClusterGroup, wait_until
from tests.servers import CannedServer, RedisServer, redis_binary
from tests.store.conftest import OpenAt
from tests.store.contract import fresh_key, put
from tests.store.test_redis import ABSENT_REPLY, RECORD

EVICTION, SPLIT_BRAIN, MEMORY_ONLY = "maxmemory-policy is", "split brain", "appendonly is no"
SAFE = {"role": "master", "connected_slaves": "0", "maxmemory": "0", "maxmemory_policy": "noeviction", "aof_enabled": "1"}
EVICTING = {"maxmemory": "100", "maxmemory_policy": "allkeys-lru"}
WITH_REPLICA = {"connected_slaves": "1"}
MINIMUM = {"min_slaves_good_slaves": "0"}

FACTS = {
    "safe": (Deployment.ONE, {}, []),
    "nothing is told": (Deployment.ONE, None, []),
    "a policy without a limit": (Deployment.ONE, {"maxmemory_policy": "allkeys-lru"}, []),
    "a limit without eviction": (Deployment.ONE, {"maxmemory": "100"}, []),
    "a limit and a policy": (Deployment.ONE, EVICTING, [EVICTION]),
    "a replica": (Deployment.ONE, WITH_REPLICA, [SPLIT_BRAIN]),
    "a replica and a minimum": (Deployment.ONE, WITH_REPLICA | MINIMUM, []),
    "Sentinel": (Deployment.SENTINEL, {}, [SPLIT_BRAIN]),
    "Sentinel and a minimum": (Deployment.SENTINEL, MINIMUM, []),
    "a Cluster without replicas": (Deployment.CLUSTER, {}, []),
    "a Cluster with replicas": (Deployment.CLUSTER, WITH_REPLICA, [SPLIT_BRAIN]),
    "memory only": (Deployment.ONE, {"aof_enabled": "0"}, [MEMORY_ONLY]),
    "everything": (Deployment.ONE, EVICTING | WITH_REPLICA | {"aof_enabled": "0"}, [EVICTION, SPLIT_BRAIN, MEMORY_ONLY]),
}


@pytest.mark.parametrize(("deployment", "facts", "expected"), FACTS.values(), ids=FACTS)
def test_warnings(deployment: Deployment, facts: dict[str, str] | None, expected: list[str]) -> None:
    found = warnings({} if facts is None else SAFE | facts, deployment)
    assert len(found) == len(expected)
    assert all(text in line for text, line in zip(expected, found, strict=True))


def test_only_text_has_facts() -> None:
    assert facts_of(b"# Server\r\nredis_version:7.0.1\r\nexecutable:/a:b\r\n") == {"redis_version": "7.0.1", "executable": "/a:b"}
    assert facts_of(StoreUnavailable("x")) == facts_of(None) == facts_of([b"a:b"]) == {}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def reconnected(server: RedisServer, store: RedisStore) -> None:
    """Cut the connection, and use the store: once in vain perhaps, if it has not heard of that yet."""
    server.command("CLIENT", "KILL", "TYPE", "normal")
    with contextlib.suppress(StoreUnavailable):
        await store.load(fresh_key())
    await store.load(fresh_key())


async def test_a_real_server_is_warned_of_once(
    servers: Callable[..., RedisServer], opened: OpenAt, caplog: pytest.LogCaptureFixture
) -> None:
    server = servers("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no")
    servers("--replicaof", "127.0.0.1", str(server.port))
    wait_until(lambda: "connected_slaves:1" in server.command("INFO", "replication"), "the replica")
    store = await opened(server.url)
    assert told(caplog) == []
    await store.load(fresh_key())
    lines = told(caplog)
    assert [text in line for text, line in zip([EVICTION, SPLIT_BRAIN, MEMORY_ONLY], lines, strict=True)] == [True] * 3
    assert all(f"store 127.0.0.1:{server.port}: " in line for line in lines)
    # Another connection, and the same to say: nothing is said.
    await reconnected(server, store)
    assert told(caplog) == lines
    # One more danger is said alone.
    server.command("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    await reconnected(server, store)
    (further,) = told(caplog)[3:]
    assert "volatile-ttl" in further


async def test_a_safe_server_is_not_warned_of(
    servers: Callable[..., RedisServer], opened: OpenAt, caplog: pytest.LogCaptureFixture
) -> None:
    server = servers("--min-replicas-to-write", "1", "--min-replicas-max-lag", "5", "--maxmemory", "100mb")
    servers("--replicaof", "127.0.0.1", str(server.port))
    wait_until(lambda: "min_slaves_good_slaves:1" in server.command("INFO", "replication"), "the replica")
    await put(await opened(server.url), fresh_key(), RECORD)
    assert told(caplog) == []


async def test_too_few_replicas_stop_writes_on_every_make(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers()
    store = await opened(server.url)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    standing = await store.load(key)
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreRefused, match=r"NOREPLICAS|Not enough good replicas"):
        await store.swap(key, swapped.stamp, standing.lineage, RECORD, 0.0)
    assert (await store.load(key)).stamp == swapped.stamp
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    server.command("FLUSHALL")
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreRefused, match=r"NOREPLICAS|Not enough good replicas"):
        await store.load(key)


REFUSED = {
    "too old": (b"redis_version:6.0.16\r\nrole:master\r\n", r"Redis 6\.0\.16, and 6\.2 is the oldest"),
    "much too old": (b"redis_version:5.0.14\r\n", r"Redis 5\.0\.14"),
    "a replica": (b"redis_version:7.0.0\r\nrole:slave\r\n", "READONLY the server is a read only replica"),
    "a node of a Cluster": (b"redis_version:7.0.0\r\ncluster_enabled:1\r\n", r"redis\+cluster://"),
}


@pytest.mark.parametrize(("info", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_a_store_is_refused_before_anything_is_asked(opened: OpenAt, info: bytes, reason: str) -> None:
    async with CannedServer(ABSENT_REPLY, info=info) as server:
        store = await opened(server.url)
        for _ in range(2):
            with pytest.raises(StoreRefused, match=reason):
                await store.load(fresh_key())
        assert server.commands == []


@pytest.mark.parametrize("info", [b"", b"redis_version:6.2.0\r\n", b"redis_version:10.0.1\r\n", b"redis_version:unstable\r\n"])
async def test_what_is_not_told_is_let_pass(opened: OpenAt, info: bytes) -> None:
    async with CannedServer(ABSENT_REPLY, info=info) as server:
        assert (await (await opened(server.url)).load(fresh_key())).record is None


async def test_no_cluster_where_one_is_named(valkey: RedisServer, opened: OpenAt) -> None:
    with pytest.raises(StoreRefused, match="no node of a Cluster"):
        await (await opened(f"redis+cluster://127.0.0.1:{valkey.port}")).load(fresh_key())


async def test_a_real_node_where_one_server_is_named(opened: OpenAt, tmp_path_factory: pytest.TempPathFactory) -> None:
    group = ClusterGroup(redis_binary(), tmp_path_factory.mktemp("node"), primaries=1).start()
    try:
        with pytest.raises(StoreRefused, match=r"redis\+cluster"):
            await (await opened(group.nodes[0].url)).load(fresh_key())
    finally:
        group.kill()
