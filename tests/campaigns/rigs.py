"""The stores of the campaign of store faults, each with what can befall it."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from tests.campaigns.cluster import Cluster
from tests.campaigns.partition import Partition, Weather
from tests.campaigns.rig import BLIP_SECONDS, OUTAGE_SECONDS, POLL_SECONDS, SAFE, Renewed, Rig, ask, until
from tests.server_groups import SERVICE, SentinelGroup
from tests.servers import RedisServer, redis_binary, valkey_binary


class Single(Rig):
    """One server behind a relay."""

    def __init__(self, binary: Path, directory: Path) -> None:
        """Start nothing yet."""
        self._binary = binary
        self._home = directory / "server"
        self._server = RedisServer(binary, self._home)
        self._relay = Partition(lambda: self._server.port)
        self.faults = {
            "kill, restart with its log": self._restart,
            "kill, restart empty": self._restart_empty,
            "FLUSHALL": self._flush,
            "SCRIPT FLUSH": lambda: self._command("SCRIPT", "FLUSH"),
            "hang": self._hang,
            "black hole": lambda: self._storm(Weather.BLACK_HOLE, OUTAGE_SECONDS),
            "answers lost": lambda: self._storm(Weather.DEAF, BLIP_SECONDS),
            "connections reset": self._cut,
            "connections refused": lambda: self._storm(Weather.REFUSE, OUTAGE_SECONDS),
            "delay": lambda: self._storm(Weather.DELAY, OUTAGE_SECONDS),
            "trickle": lambda: self._storm(Weather.TRICKLE, OUTAGE_SECONDS),
        }

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator["Single"]:
        """Have it stand."""
        await asyncio.to_thread(self._server.start)
        try:
            async with self._relay.listening():
                self.url = f"redis://127.0.0.1:{self._relay.port}"
                yield self
        finally:
            self._server.kill()

    async def _restart(self) -> Renewed:
        self._server.kill()
        await asyncio.sleep(BLIP_SECONDS)
        since = time.monotonic()
        await asyncio.to_thread(self._server.start)
        return Renewed(since, since)

    async def _restart_empty(self) -> Renewed:
        self._server.kill()
        await asyncio.to_thread(shutil.rmtree, self._home)
        since = time.monotonic()
        await asyncio.to_thread(self._server.start)
        return Renewed(since, since)

    async def _flush(self) -> Renewed:
        since = time.monotonic()
        await self._command("FLUSHALL")
        return Renewed(since, time.monotonic())

    async def _command(self, *words: str) -> None:
        reply = await asyncio.to_thread(self._server.command, *words)
        assert reply == "+OK\r\n", reply

    async def _hang(self) -> None:
        self._server.pause()
        await asyncio.sleep(OUTAGE_SECONDS)
        self._server.resume()

    async def _storm(self, weather: Weather, seconds: float) -> None:
        self._relay.set(weather)
        await asyncio.sleep(seconds)
        self._relay.set(Weather.FAIR)

    async def _cut(self) -> None:
        self._relay.cut()


class Pair(Rig):
    """A primary and its replica behind one address, which somebody moves by hand."""

    def __init__(self, binary: Path, directory: Path) -> None:
        """Start nothing yet."""
        self._servers = [RedisServer(binary, directory / f"server-{n}", *SAFE) for n in range(2)]
        self._relay = Partition(lambda: self._servers[0].port)
        self.faults = {"primary killed, replica promoted": self._promote, "primary isolated, replica promoted": self._isolate}

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator["Pair"]:
        """Have it stand, the first being the primary of the second."""
        for server in self._servers:
            await asyncio.to_thread(server.start)
        try:
            await self._follow()
            async with self._relay.listening():
                self.url = f"redis://127.0.0.1:{self._relay.port}"
                yield self
        finally:
            for server in self._servers:
                server.kill()

    async def _promote(self) -> Renewed:
        """The old primary comes back as the replica of the new one."""
        self._servers[0].kill()
        since = await self._switch()
        await asyncio.to_thread(self._servers[1].start)
        await self._follow()
        return Renewed(since, since)

    async def _isolate(self) -> Renewed:
        """The old primary lives on, and nobody can reach it any more."""
        self._relay.set(Weather.BLACK_HOLE)
        since = await self._switch()
        self._relay.cut()
        self._relay.set(Weather.FAIR)
        await self._follow()
        return Renewed(since, since)

    async def _switch(self) -> float:
        since = time.monotonic()
        await asyncio.to_thread(self._servers[1].command, "REPLICAOF", "NO", "ONE")
        self._servers.reverse()
        return since

    async def _follow(self) -> None:
        """Make the second a replica of the first, and wait until it is."""
        primary, replica = self._servers
        await asyncio.to_thread(replica.command, "REPLICAOF", "127.0.0.1", str(primary.port))
        await until(lambda: "master_link_status:up" in ask(replica, "INFO", "replication"))


class Sentinels(Rig):
    """A primary and a replica that three sentinels watch."""

    def __init__(self, binary: Path, directory: Path) -> None:
        """Start nothing yet."""
        self._group = SentinelGroup(binary, directory, SAFE)
        self.faults = {"primary killed": self._kill, "primary hangs": self._hang}

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator["Sentinels"]:
        """Have it stand."""
        try:
            await asyncio.to_thread(self._group.start)
            self.url = self._group.url
            yield self
        finally:
            self._group.kill()

    async def _kill(self) -> Renewed:
        primary = await self._pick()
        primary.kill()
        since = await self._await_election(primary)
        await asyncio.to_thread(primary.start)
        await until(self._is_healed)
        return Renewed(since, since)

    async def _hang(self) -> Renewed:
        """It wakes when another has taken its place, and does not know that yet."""
        primary = await self._pick()
        primary.pause()
        since = await self._await_election(primary)
        primary.resume()
        await until(self._is_healed)
        return Renewed(since, since)

    async def _pick(self) -> RedisServer:
        """The primary. On a full machine the sentinels may just have elected another without being asked to."""
        await until(self._is_healed)
        (primary,) = self._primaries()
        return primary

    def _primaries(self) -> list[RedisServer]:
        """Who takes himself for the primary."""
        return [server for server in self._group.servers if "role:master" in ask(server, "INFO", "replication")]

    async def _await_election(self, old: RedisServer) -> float:
        """Wait until another is primary; return a moment before it became that."""
        while True:
            moment = time.monotonic()
            (other,) = (server for server in self._group.servers if server is not old)
            if "role:master" in await asyncio.to_thread(ask, other, "INFO", "replication"):
                return moment - POLL_SECONDS
            await asyncio.sleep(POLL_SECONDS)

    def _is_healed(self) -> bool:
        """Whether all sentinels know the only primary, and the other follows it: then the next failover can succeed."""
        known = {int(sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE).split()[-1]) for sentinel in self._group.sentinels}
        flags = self._group.sentinels[0].command("SENTINEL", "REPLICAS", SERVICE)
        follows = any("master_link_status:up" in ask(server, "INFO", "replication") for server in self._group.servers)
        return follows and "s_down" not in flags and [primary.port for primary in self._primaries()] == list(known)


RIGS: Mapping[str, Callable[[Path], contextlib.AbstractAsyncContextManager[Rig]]] = {
    "valkey": lambda directory: Single(valkey_binary(), directory).standing(),
    "redis-server": lambda directory: Single(redis_binary(), directory).standing(),
    "pair": lambda directory: Pair(valkey_binary(), directory).standing(),
    "sentinel": lambda directory: Sentinels(valkey_binary(), directory).standing(),
    "cluster": lambda directory: Cluster(valkey_binary(), directory).standing(),
}
