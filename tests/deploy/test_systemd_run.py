"""What the unit starts, as systemd would: it says when it serves, that it lives, that it stops, and no system call of its is refused."""

import os
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.peers import installed
from tests.e2e.processes import Child
from tests.servers import free_port

from .stage import QUICK, journeys, saves_once
from .test_systemd import FOLDER, settings
from .tools import say

PATIENCE_SECONDS = 100.0
WATCHDOG_SECONDS = 2


class Manager:
    """The end of systemd's socket, and what has been said to it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.2)

    def wait_for(self, line: str, child: Child) -> None:
        """Hear until this is said, in a datagram that has not been heard before."""
        self.heard.clear()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while line not in self.heard:
            assert time.monotonic() < deadline, f"{line} was not said, but {self.heard}; {child.log.read_text()}"
            try:
                self.heard += self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                continue

    def close(self) -> None:
        self._socket.close()


def command(config: Path) -> list[str]:
    """ExecStart, with our own noclobber in the place of the one that is installed, and this configuration."""
    program, *words = shlex.split(settings("ExecStart")[0])
    assert program == "/usr/local/bin/noclobber"
    return [sys.executable, "-m", "proxy", *(str(config) if word == "/etc/noclobber/config.toml" else word for word in words)]


def environment(directory: Path, manager: Manager, backend: int) -> Mapping[str, str]:
    """What systemd sets, and what the unit does; and the ports of this machine that are free."""
    own = dict(assignment.split("=", 1) for assignment in settings("Environment"))
    assert settings("RuntimeDirectory") == ["noclobber"]
    (directory / "run").mkdir()
    return {
        **own,
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000),
        "RUNTIME_DIRECTORY": str(directory / "run"),
        "NOCLOBBER__UPSTREAM__URL": f"http://127.0.0.1:{backend}",
        "NOCLOBBER__SERVER__LISTEN": f"127.0.0.1:{free_port()}",
        "NOCLOBBER__SERVER__ADMIN": f"127.0.0.1:{free_port()}",
        "NOCLOBBER__SERVER__WORKERS": "1",
        **{f"NOCLOBBER__{key}": value for key, value in QUICK.items()},
    }


@contextmanager
def service(directory: Path, *before: str) -> Iterator[tuple[Child, Manager, int]]:
    """The service as the unit starts it, after the words `before`; with its manager, and its port."""
    config = directory / "config.toml"
    text = (FOLDER / "config.toml").read_text(encoding="utf-8")
    config.write_text(text.replace("/var/lib/noclobber", str(directory)))
    manager = Manager(directory)
    with journeys(directory) as backend:
        given = environment(directory, manager, backend)
        with Child([*before, *command(config)], directory / "log", given) as child:
            yield child, manager, int(given["NOCLOBBER__SERVER__LISTEN"].rpartition(":")[2])
    manager.close()


@pytest.mark.timeout(300)
def test_systemd_is_told_how_it_does(tmp_path: Path) -> None:
    with service(tmp_path) as (child, manager, port):
        manager.wait_for("READY=1", child)
        wait_for_writes(port)
        manager.wait_for("WATCHDOG=1", child)
        assert any((tmp_path / "run").iterdir()), "the workers' sockets belong there"
        assert settings("ExecReload")[1] == "/bin/kill -HUP $MAINPID"
        os.kill(child.pid, signal.SIGHUP)
        manager.wait_for("RELOADING=1", child)
        manager.wait_for("READY=1", child)
        assert saves_once(port) == [200, 412]
        os.kill(child.pid, signal.SIGTERM)
        manager.wait_for("STOPPING=1", child)
        assert child.stop() == 0


def wait_for_writes(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while saves_once(port) != [200, 412]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_the_system_calls_that_it_makes_are_among_those_that_the_unit_allows(tmp_path: Path) -> None:
    """Those of the parent and its worker, from the start to the end, with a write refused between."""
    trace = tmp_path / "trace"
    with service(tmp_path, installed("strace"), "-f", "-q", "-o", str(trace), "-e", "signal=none") as (child, manager, port):
        manager.wait_for("READY=1", child)
        wait_for_writes(port)
        # What is traced, not who traces it.
        os.kill(int(trace.read_text().split(maxsplit=1)[0]), signal.SIGTERM)
        manager.wait_for("STOPPING=1", child)
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))
    assert {"execve", "clone3", "epoll_wait", "bind"} & made
    # SQLite gives its files to the owner of the database, where it is root; the unit's user is not.
    assert made - allowed() - {"fchown"} == set()


def allowed() -> set[str]:
    """The system calls of SystemCallFilter: those of the first line, without those of the second."""
    permitted, refused = settings("SystemCallFilter")
    assert refused.startswith("~")
    return names(permitted.split()) - names(refused[1:].split())


def names(groups: list[str]) -> set[str]:
    """What is in these groups, and in the groups that are in them."""
    said = say([installed("systemd-analyze"), "--no-pager", "syscall-filter", *groups])[1]
    listed = {line.strip() for line in said.splitlines() if line.startswith("    ") and not line.strip().startswith("#")}
    inner = sorted(name for name in listed if name.startswith("@"))
    return {name for name in listed if not name.startswith("@")} | (names(inner) if inner else set())


def test_what_is_refused_is_not_allowed() -> None:
    assert {"setrlimit", "mount", "ptrace", "reboot"} & allowed() == set()
    assert {"read", "prlimit64", "epoll_wait", "connect"} <= allowed()
