"""Several servers that are one store: a primary with a replica and its sentinels, and a Cluster, put together by commands alone."""

import subprocess
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

from tests.servers import RedisServer, free_port

GROUP_SECONDS = 20.0
SERVICE = "noclobber-test"
SLOTS = 16_384
BUS_OFFSET = 10_000
"""Redis 6.2 has no setting for the port of the Cluster's bus: it is this much higher than the clients'."""


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Poll until holds does; a server that changes its role resets whoever asks, and is asked again. AssertionError after GROUP_SECONDS."""
    deadline = time.monotonic() + GROUP_SECONDS
    while not _answers(holds):
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.02)


def _answers(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except OSError:
        return False


class SentinelServer(RedisServer):
    """One sentinel that watches primary. `lines` are further lines of its configuration, which must be a file: it writes there."""

    def __init__(self, binary: Path, directory: Path, primary: RedisServer, *lines: str) -> None:
        super().__init__(binary, directory)
        self._primary = primary
        self._lines = lines

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / "sentinel.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {self._directory}",
            f"logfile {self._directory}/log",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 3000",
            *self._lines,
        ]
        path.write_text("\n".join(lines))
        return subprocess.Popen([self._binary, path, "--sentinel"], stdout=subprocess.DEVNULL)


class SentinelGroup:
    """A primary, a replica and three sentinels. `arguments` are settings of both servers, `lines` of the sentinels."""

    def __init__(self, binary: Path, directory: Path, arguments: Sequence[str] = (), lines: Sequence[str] = ()) -> None:
        """Start nothing yet."""
        self.primary = RedisServer(binary, directory / "primary", *arguments)
        self._binary = binary
        self._directory = directory
        self._arguments = arguments
        self._lines = lines
        self.servers = [self.primary]
        self.sentinels: list[RedisServer] = []

    @property
    def url(self) -> str:
        """The URL of the service."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    @property
    def replica(self) -> RedisServer:
        """The server that was started as a replica."""
        return self.servers[1]

    def start(self) -> Self:
        """Start all, and wait until a failover would succeed."""
        self.primary.start()
        replicating = "--replicaof", "127.0.0.1", str(self.primary.port)
        self.servers.append(RedisServer(self._binary, self._directory / "replica", *replicating, *self._arguments).start())
        wait_until(lambda: "master_link_status:up" in self.replica.command("INFO", "replication"), "the replica's link")
        for number in range(3):
            sentinel = SentinelServer(self._binary, self._directory / f"sentinel{number}", self.primary, *self._lines)
            self.sentinels.append(sentinel.start())
        wait_until(lambda: all(map(self._knows_all, self.sentinels)), "the sentinels to find each other")
        return self

    def kill(self) -> None:
        """Stop all."""
        for server in chain(self.sentinels, self.servers):
            server.kill()

    @staticmethod
    def _knows_all(sentinel: RedisServer) -> bool:
        words = sentinel.command("SENTINEL", "MASTER", SERVICE).split()
        fields = dict(zip(words[1:], words[3:], strict=False))
        return fields.get("num-slaves") == "1" and fields.get("num-other-sentinels") == "2"


def free_port_with_bus() -> int:
    """Find a free port that leaves room for the bus's."""
    while (port := free_port()) + BUS_OFFSET >= 65_536:
        pass
    return port


class ClusterNode(RedisServer):
    """One node, whose bus has a port as well."""

    def _free_port(self) -> int:
        return free_port_with_bus()


class ClusterGroup:
    """A Cluster of `primaries` nodes with `replicas` more for each. `arguments` are settings of all."""

    def __init__(self, binary: Path, directory: Path, primaries: int = 3, replicas: int = 0, arguments: Sequence[str] = ()) -> None:
        """Start nothing yet."""
        settings = "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000", *arguments
        self._primaries = primaries
        self.nodes = [ClusterNode(binary, directory / f"node{number}", *settings) for number in range(primaries * (1 + replicas))]

    @property
    def url(self) -> str:
        """The URL of the Cluster, by two of its nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def start(self) -> Self:
        """Start the nodes, deal out the slots, and wait until all nodes agree."""
        for epoch, node in enumerate(self.nodes, 1):
            node.start()
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
        for number, node in enumerate(self.nodes[: self._primaries]):
            bounds = SLOTS * number // self._primaries, SLOTS * (number + 1) // self._primaries
            node.command("CLUSTER", "ADDSLOTS", *map(str, range(*bounds)))
        for node in self.nodes[1:]:
            node.command("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[0].port))
        known = f"cluster_known_nodes:{len(self.nodes)}\r"
        wait_until(lambda: all(known in node.command("CLUSTER", "INFO") for node in self.nodes), "the nodes to meet")
        for number, node in enumerate(self.nodes[self._primaries :]):
            primary = self.id_of(self.nodes[number % self._primaries])
            wait_until(lambda node=node, primary=primary: "OK" in node.command("CLUSTER", "REPLICATE", primary), "a replica")  # type: ignore[misc]
        wait_until(lambda: all(map(self._is_whole, self.nodes)), "the Cluster to be whole")
        return self

    def kill(self) -> None:
        """Stop all."""
        for node in self.nodes:
            node.kill()

    @staticmethod
    def id_of(node: RedisServer) -> str:
        """The name that node has in the Cluster."""
        return node.command("CLUSTER", "MYID").split()[1]

    def owner(self, slot: int) -> RedisServer:
        """The node that serves slot, by what the first node that runs believes."""
        for node in self.nodes[: self._primaries]:
            bounds = [word.split("-") for line in self._table(node) if "myself" in line for word in line.split()[8:] if "[" not in word]
            if any(int(first) <= slot <= int((rest or [first])[0]) for first, *rest in bounds):
                return node
        raise AssertionError(f"nobody serves {slot}")

    @staticmethod
    def _table(node: RedisServer) -> list[str]:
        return node.command("CLUSTER", "NODES").splitlines()[1:]

    def _is_whole(self, node: RedisServer) -> bool:
        is_up = "master_link_status:down" not in node.command("INFO", "replication")
        slaves = sum(" slave " in line or ",slave " in line for line in self._table(node))
        return is_up and "cluster_state:ok" in node.command("CLUSTER", "INFO") and slaves == len(self.nodes) - self._primaries
