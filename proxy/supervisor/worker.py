"""One worker, as its parent sees it: a process, what it has reported, and what it is told."""

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

from .messages import LENGTH_BYTES, Command, Event, Failed, Granted, Report, Serving, Task, Tell, framed, read_event
from .sockets import Lane

END_SECONDS = 5.0
"""How long a process may take to be gone once it has hung up."""
POLL_SECONDS = 0.01
HIDDEN = ("NOCLOBBER__", "NOTIFY_SOCKET", "WATCHDOG_")
"""What of the environment is not the worker's: it is given its configuration, and only the parent speaks to systemd."""
# The package of the parent, wherever it has that from, and nothing else of the directory that this was started in.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); import proxy; del sys.path[0]; "
    "from proxy.supervisor.child import main; sys.exit(main(sys.argv[2:]))"
)


class State(Enum):
    """What a worker does; the label of a metric."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    GONE = "gone"


class Worker:
    """A process that serves in one slot. `lanes` are the numbers of those that it accepts from; `why` is why it could not start."""

    def __init__(self, slot: int, admin: Path, ended: "Callable[[Worker], None]", granted: Callable[[Granted], None]) -> None:
        """Start a process. Its admin listener will be at the Unix socket `admin`. OSError: none can be started.

        `ended` is told when it is gone, `granted` what it has heard of origins.
        """
        self.slot = slot
        self.admin = admin
        self.started = time.time()
        self.state = State.STARTING
        self.report: Report | None = None
        self.heard = time.monotonic()
        self.lanes: frozenset[int] = frozenset()
        self.why = ""
        self._ended = ended
        self._granted = granted
        self._news = asyncio.Condition()
        self._reports = 0
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        with theirs:
            root = Path(__file__).parents[2]
            arguments = [sys.executable, "-P", "-c", PROGRAM, str(root), str(slot), str(theirs.fileno()), str(os.getpid()), str(admin)]
            environ = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
            # A group of its own: what a terminal sends to all, as Ctrl-C, is for the parent.
            self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()], env=environ, process_group=0)

    async def set_to(self, task: Task) -> None:
        """Tell it what to do."""
        await asyncio.to_thread(self._write, pickle.dumps(task))

    def _write(self, task: bytes) -> None:
        assert self._process.stdin is not None
        # Who cannot read it ends, and is seen to.
        with suppress(OSError), self._process.stdin as stdin:
            stdin.write(task)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def tell(self, command: Command, lanes: Sequence[Lane] = ()) -> None:
        """Say something to the worker, with the sockets of lanes. One that is gone hears nothing; one that does not listen is killed."""
        frame = framed(command)
        try:
            if socket.send_fds(self._line, [frame], [lane.socket.fileno() for lane in lanes]) < len(frame):
                self.kill()
        except BlockingIOError:
            self.kill()
        except OSError:
            pass

    async def hear(self) -> None:
        """Take in what the worker says until it has ended."""
        reader, writer = await asyncio.open_connection(sock=self._line.dup())
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
                    await self._take(read_event(await reader.readexactly(length)))
        finally:
            writer.close()
        await self._reap()

    async def _take(self, event: Event) -> None:
        async with self._news:
            match event:
                case Serving():
                    self.state = State.SERVING
                case Granted():
                    self._granted(event)
                case Failed(why):
                    self.why = why
                case Report():
                    self.report, self.heard, self._reports = event, time.monotonic(), self._reports + 1
            self._news.notify_all()

    async def _reap(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
            await asyncio.sleep(POLL_SECONDS)
        self._line.close()
        self.admin.unlink(missing_ok=True)
        async with self._news:
            self.state = State.GONE
            self._ended(self)
            self._news.notify_all()

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def is_serving(self) -> bool:
        """Wait until it serves, or has ended; say which."""
        async with self._news:
            await self._news.wait_for(lambda: self.state is not State.STARTING)
        return self.state is not State.GONE

    async def is_gone(self) -> None:
        """Wait until it has ended."""
        async with self._news:
            await self._news.wait_for(lambda: self.state is State.GONE)

    async def report_anew(self, seconds: float) -> bool:
        """Have it report; False where it does not within seconds."""
        before = self._reports
        self.tell(Tell())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._reports > before or self.state is State.GONE)
        return self._reports > before

    @property
    def has_left_nothing(self) -> bool:
        """Whether it has ended in order, with no write left of which nobody knows the outcome."""
        return self._process.returncode == 0 and self.report is not None and not self.report.in_doubt

    @property
    def end(self) -> str:
        """How it has ended."""
        status = self._process.returncode
        if self.why:
            return self.why
        if status is not None and status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"
