"""A Redis Cluster for the campaign of store faults."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from proxy.core.resource import key_digest, resource_key
from proxy.store.redis_cluster import slot_of
from proxy.store.redis_script import CLUSTER_TAGS, tag_of
from tests.campaigns.rig import BLIP_SECONDS, SAFE, Renewed, Rig, ask, until
from tests.server_groups import ClusterGroup
from tests.servers import RedisServer


class Cluster(Rig):
    """Three primaries, each with a replica. A fault befalls the node that has the resources of one tag."""

    def __init__(self, binary: Path, directory: Path) -> None:
        """Start nothing yet."""
        self._group = ClusterGroup(binary, directory, primaries=3, replicas=1, arguments=SAFE)
        self.faults = {"primary killed": self._kill, "replica takes over": self._take_over, "slot moved": self._move}

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator["Cluster"]:
        """Have it stand."""
        try:
            await asyncio.to_thread(self._group.start)
            self.url = self._group.url
            yield self
        finally:
            self._group.kill()

    async def _kill(self) -> Renewed:
        node, slots = await self._pick()
        since = time.monotonic()
        node.kill()
        await until(lambda: self._has_moved(slots, node))
        await asyncio.to_thread(node.start)
        await until(self._is_whole)
        return Renewed(since, time.monotonic(), lambda resource: _slot(resource) in slots)

    async def _take_over(self) -> Renewed:
        node, slots = await self._pick()
        name = self._group.id_of(node)
        table = await asyncio.to_thread(self._table)
        heirs = {line.split()[1].partition("@")[0].rpartition(":")[2] for line in table if name in line.split()[3]}
        heir = next(other for other in self._group.nodes if str(other.port) in heirs)
        since = time.monotonic()
        await asyncio.to_thread(heir.command, "CLUSTER", "FAILOVER")
        await until(lambda: self._has_moved(slots, node))
        await until(self._is_whole)
        return Renewed(since, time.monotonic(), lambda resource: _slot(resource) in slots)

    async def _move(self) -> Renewed:
        """One slot goes to another primary, key by key, while it is asked for."""
        source, _ = await self._pick()
        slot = _slot("/notes/0")
        target = next(node for node in self._group.nodes for _, port, _ in self._owners() if port == node.port != source.port)
        since = time.monotonic()
        await asyncio.to_thread(self._migrate, str(slot), source, target)
        await until(self._is_whole)
        return Renewed(since, time.monotonic(), lambda resource: _slot(resource) == slot)

    def _migrate(self, slot: str, source: RedisServer, target: RedisServer) -> None:
        ids = self._group.id_of(source), self._group.id_of(target)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        while keys := [word for word in source.command("CLUSTER", "GETKEYSINSLOT", slot, "3").split() if word[0] not in "*$"]:
            time.sleep(BLIP_SECONDS)
            for key in keys:
                source.command("MIGRATE", "127.0.0.1", str(target.port), key, "0", "1000")
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])

    async def _pick(self) -> tuple[RedisServer, frozenset[int]]:
        """The node that owns the first resource's slot, and all of its slots."""
        slot = _slot("/notes/0")
        for name, address, slots in await asyncio.to_thread(self._owners):
            if slot in slots:
                node = next(node for node in self._group.nodes if node.port == address)
                assert name == self._group.id_of(node)
                return node, slots
        raise AssertionError(f"nobody serves {slot}")

    def _table(self) -> list[str]:
        """What a node that runs believes of all nodes."""
        tables = (ask(node, "CLUSTER", "NODES").split("\r\n")[1:2] for node in self._group.nodes)
        return next(table[0].splitlines() for table in tables if table)

    def _owners(self) -> list[tuple[str, int, frozenset[int]]]:
        """Name, port and slots of each primary."""
        owners = []
        for line in self._table():
            words = line.split()
            if len(words) > 8 and "master" in words[2] and "fail" not in words[2]:
                bounds = [word.split("-") for word in words[8:] if "[" not in word]
                slots = frozenset(slot for first, *last in bounds for slot in range(int(first), int((last or [first])[0]) + 1))
                owners.append((words[0], int(words[1].partition("@")[0].rpartition(":")[2]), slots))
        return owners

    def _has_moved(self, slots: frozenset[int], node: RedisServer) -> bool:
        """Whether another than node owns all of slots."""
        return any(owned >= slots and port != node.port for _, port, owned in self._owners())

    def _is_whole(self) -> bool:
        infos = [(ask(node, "INFO", "replication"), ask(node, "CLUSTER", "INFO")) for node in self._group.nodes]
        links = [info for info, _ in infos if "role:slave" in info]
        return len(links) == 3 and all("master_link_status:up" in link for link in links) and all("state:ok" in text for _, text in infos)


def _slot(resource: str) -> int:
    return slot_of(tag_of(key_digest(resource_key(resource.encode())), CLUSTER_TAGS))
