"""The Redis of deploy/kubernetes/overlays/redis-ha: its scripts start three servers with sentinels, and the loss of one is outlived."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port, redis_binary

from .stage import QUICK, journeys, least_rights, saves_once
from .tools import DEPLOY, say

FOLDER = DEPLOY / "kubernetes" / "overlays" / "redis-ha"
PODS = 3
PATIENCE_SECONDS = 120.0


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The Secrets that secrets.sh makes, as folders."""
    assert say([FOLDER / "secrets.sh", tmp_path / "secrets"]) == (0, "")
    return tmp_path / "secrets"


def test_secrets_are_made_once_and_with_the_rights_that_are_documented(secrets: Path) -> None:
    made = {file: file.read_text() for file in secrets.rglob("*") if file.is_file()}
    assert {file.relative_to(secrets).as_posix() for file in made} == {
        "noclobber/store-url",
        "noclobber/admin-token",
        "redis/redis-acl",
        "redis/replica-password",
        "redis/sentinel-password",
    }
    assert say([FOLDER / "secrets.sh", secrets]) == (0, "")
    assert {file: file.read_text() for file in made} == made
    assert least_rights() in made[secrets / "redis" / "redis-acl"]


class Servers:
    """The pods of the StatefulSet, as processes on this machine: each a server and a sentinel."""

    def __init__(self, directory: Path, secrets: Path) -> None:
        self._directory, self._secrets = directory, secrets
        self.ports = [free_port() for _ in range(PODS)]
        self.sentinel_ports = [free_port() for _ in range(PODS)]
        self.stack = ExitStack()
        self.servers = [self._start("server", number, port) for number, port in enumerate(self.ports)]
        self._sentinels = [self._start("sentinel", number, port) for number, port in enumerate(self.sentinel_ports)]

    def _start(self, kind: str, number: int, port: int) -> Child:
        state = self._directory / f"{kind}-{number}"
        state.mkdir()
        child = self.stack.enter_context(
            Child(["sh", str(FOLDER / "redis.sh"), kind], state / "log", self._environment(state, port) | {"DOWN_MILLISECONDS": "1000"})
        )
        child.wait_for_port(port)
        return child

    def _environment(self, state: Path, port: int) -> dict[str, str]:
        # redis-cli and timeout stand in for those of the image.
        path = os.pathsep.join((str(redis_binary().parent), os.environ["PATH"]))
        return {
            "PATH": path,
            "SELF": f"127.0.0.1:{port}",
            "SERVERS": " ".join(f"127.0.0.1:{each}" for each in self.ports),
            "SENTINELS": " ".join(f"127.0.0.1:{each}" for each in self.sentinel_ports),
            "STATE": str(state),
            "SECRETS": str(self._secrets / "redis"),
        }

    def primaries(self) -> set[str]:
        """Whom the sentinels that answer call the primary."""
        asked = (self._ask(port) for port in self.sentinel_ports)
        return {answer for answer in asked if answer}

    def _ask(self, port: int) -> str:
        command = ["redis-cli", "-p", str(port), "sentinel", "get-master-addr-by-name", "noclobber"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip().replace("\n", ":")

    def restart(self, number: int) -> None:
        """Start a server anew, as Kubernetes does, with the data that it has."""
        state = self._directory / f"server-{number}"
        child = Child(["sh", str(FOLDER / "redis.sh"), "server"], state / "log", self._environment(state, self.ports[number]))
        self.servers[number] = self.stack.enter_context(child)


@contextmanager
def pods(directory: Path, secrets: Path) -> Iterator[Servers]:
    servers = Servers(directory, secrets)
    with servers.stack:
        yield servers


@pytest.mark.timeout(500)
def test_the_loss_of_the_primary_is_outlived(tmp_path: Path, secrets: Path) -> None:
    url = (secrets / "noclobber" / "store-url").read_text().strip()
    with pods(tmp_path, secrets) as redis, journeys(tmp_path) as backend:
        for number, port in enumerate(redis.sentinel_ports):
            url = url.replace(f"redis-{number}.redis:26379", f"127.0.0.1:{port}")
        settings = {**QUICK, "PROTOCOL__MAX_REPLICA_LAG_SECONDS": "1"}
        with Noclobber(backend, url, tmp_path / "noclobber.log", settings=settings) as noclobber:
            noclobber.wait_until_ready()
            assert saves_once(noclobber.port) == [200, 412]
            assert "WARNING" not in noclobber.log.read_text()
            first = redis.primaries()
            assert first == {f"127.0.0.1:{redis.ports[0]}"}
            os.kill(redis.servers[0].pid, signal.SIGKILL)
            wait_until(lambda: not redis.primaries() & first, "a failover")
            # 503 until then: certainly not applied.
            wait_until(lambda: saves_once(noclobber.port) == [200, 412], "writes")
            # It comes back, and follows its successor.
            redis.restart(0)
            wait_until(lambda: "replicaof" in (tmp_path / "server-0" / "redis.conf").read_text(), "the old primary to follow")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.2)
