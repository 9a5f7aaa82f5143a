"""Where the crash campaign has its noclobbers from: a process that has imported everything once, and forks one whenever it is asked.

So a process that was killed is back within some hundredths of a second, at a tenth of what a start costs otherwise. As a program it reads
commands from standard input and says on standard output what becomes of its children, a line of JSON each. When its input ends it kills
them all and leaves. Only it signals them: it knows which pids still are its own.
"""

import asyncio
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READ_BYTES = 65_536


class Nursery:
    """The campaign's end of it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._news: dict[int, asyncio.Queue[str]] = {}

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.campaigns.nursery", stdin=pipe, stdout=pipe)
        self._listening = asyncio.get_running_loop().create_task(self._listen())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._listening is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Start a child with arguments for `faulty`, and its settings on top of the environment; what it says goes to the end of log."""
        async with self._lock:
            self._say({"arguments": list(arguments), "environment": dict(environment), "log": str(log)})
            return await self._started.get()

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a child; nothing happens if it is gone."""
        self._say({"pid": pid, "signal": number})

    async def hear(self, pid: int) -> str:
        """Wait for what becomes of a child next: "stopped", "killed N" (by a signal) or "exited N"."""
        return await self._news[pid].get()

    def _say(self, command: Mapping[str, object]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            pid = int(said["pid"])
            if said["what"] == "started":
                self._news[pid] = asyncio.Queue()
                self._started.put_nowait(pid)
            else:
                self._news[pid].put_nowait(said["what"])


class _Mother:
    """The other end: forks, and watches over the children. One thread, so that a fork is safe."""

    def __init__(self) -> None:
        self._children: set[int] = set()
        self._heard = b""
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def run(self) -> None:
        """Serve until the input ends."""
        try:
            while True:
                ready, _, _ = select.select([0, self._wake], [], [])
                if self._wake in ready:
                    os.read(self._wake, READ_BYTES)
                self._watch()
                if 0 in ready:
                    piece = os.read(0, READ_BYTES)
                    if not piece:
                        return
                    *lines, self._heard = (self._heard + piece).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))
        finally:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _obey(self, command: dict[str, Any]) -> None:
        if "signal" in command:
            if command["pid"] in self._children:
                os.kill(command["pid"], command["signal"])
            return
        pid = os.fork()
        if not pid:
            _be_child(command["arguments"], command["environment"], command["log"])
        self._children.add(pid)
        self._tell(pid, "started")

    def _watch(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if not pid:
                return
            if os.WIFSTOPPED(status):
                self._tell(pid, "stopped")
                continue
            self._children.remove(pid)
            self._tell(pid, f"killed {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exited {os.WEXITSTATUS(status)}")

    def _tell(self, pid: int, what: str) -> None:
        os.write(1, json.dumps({"pid": pid, "what": what}).encode() + b"\n")


def _be_child(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Become a noclobber; never comes back."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ.update(environment)
        from tests.campaigns.faulty import main

        status = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    # What a child would import otherwise, one after the other.
    import aiohttp.web_protocol
    import uvloop

    import proxy.store.redis
    import proxy.store.sqlite
    import tests.campaigns.faulty

    assert all((aiohttp.web_protocol, uvloop, proxy.store.redis, proxy.store.sqlite, tests.campaigns.faulty))
    gc.collect()
    gc.freeze()
    _Mother().run()
