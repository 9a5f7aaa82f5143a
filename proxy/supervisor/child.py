"""The worker's end: a process of its own that serves, does what its parent says, and ends with it."""

import asyncio
import ctypes
import logging
import os
import pickle
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from ..app import run, running
from ..errors import NoclobberError
from ..gateway.gateway import Gateway
from ..gateway.tasks import Tasks
from ..telemetry.samples import dumped
from .messages import (
    LEFT,
    Accept,
    Command,
    Drain,
    Event,
    Failed,
    Granted,
    Hurry,
    OpenGate,
    Release,
    Report,
    SayFarewell,
    Serving,
    Task,
    Tell,
    framed,
    take_commands,
)

_logger = logging.getLogger("noclobber")

REPORT_SECONDS = 1.0
"""What a worker has counted may be lost for so long when it is killed."""
ALONE_IDLE_SECONDS = 1.0
"""How long unused connections may stay where no parent says so."""
MAX_SOCKETS = 64
READ_BYTES = 65_536
DOUBTS = "noclobber_in_doubt_records"
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


class Parent:
    """The way to the parent. It ends when the parent does."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        # Reading and writing each watch a descriptor of their own.
        self._writing = line.dup()
        self._lock = asyncio.Lock()
        self._received = bytearray()
        self._sockets: deque[socket.socket] = deque()

    async def say(self, event: Event) -> None:
        """Tell the parent, if it is there."""
        async with self._lock:
            with suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(self._writing, framed(event))

    async def obey(self, do: Callable[[Command], Awaitable[None]]) -> None:
        """Have every command done, one after the other, until the parent is gone."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._line, ready.set)
        try:
            while True:
                await ready.wait()
                ready.clear()
                try:
                    data, descriptors, _, _ = socket.recv_fds(self._line, READ_BYTES, MAX_SOCKETS)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                self._sockets.extend(socket.socket(fileno=descriptor) for descriptor in descriptors)
                self._received += data
                for command in take_commands(self._received):
                    await do(command)
        finally:
            loop.remove_reader(self._line)

    def take_socket(self) -> socket.socket:
        """The next socket that came along."""
        return self._sockets.popleft()


class Worker:
    """Serve as the parent says."""

    def __init__(self, gateway: Gateway, parent: Parent) -> None:
        self._gateway = gateway
        self._parent = parent
        self.is_over = asyncio.Event()

    async def do(self, command: Command) -> None:
        """Do what the parent says."""
        gateway = self._gateway
        match command:
            case Accept(lanes):
                for lane in lanes:
                    await gateway.lanes.accept(lane, self._parent.take_socket())
            case Release(lanes):
                await gateway.lanes.release(lanes)
            case Tell():
                await self.report()
            case SayFarewell():
                gateway.say_farewell()
            case Drain(idle_seconds):
                self.drain(idle_seconds)
            case Granted(route, origin, lines):
                gateway.handler.grants.learn(route, origin, lines)
            case OpenGate():
                gateway.open_gate()
            case Hurry():
                gateway.patience.work_seconds = gateway.patience.idle_seconds = 0.0
                self.is_over.set()
            case _:
                assert_never(command)

    def drain(self, idle_seconds: float) -> None:
        """Begin the end."""
        self._gateway.patience.idle_seconds = idle_seconds
        self.is_over.set()

    async def report(self) -> None:
        """Tell the parent how it goes."""
        gateway = self._gateway
        samples = gateway.metrics.registry.samples()
        in_doubt = len(samples[DOUBTS]) and samples[DOUBTS][()]
        assert isinstance(in_doubt, int | float)
        reasons, in_flight, connections = gateway.readiness.reasons(), gateway.handler.in_flight, gateway.clients.open
        await self._parent.say(Report(reasons, in_flight, connections, int(in_doubt), dumped(samples)))

    async def report_on(self) -> None:
        """Report, again and again."""
        while True:
            await self.report()
            await asyncio.sleep(REPORT_SECONDS)


async def _serve(task: Task, line: socket.socket, admin: Path) -> int:
    parent, tasks = Parent(line), Tasks()

    def say_later(event: Event) -> None:
        tasks.start(parent.say(event))

    try:
        async with running(task.config, private_admin=admin) as gateway:
            if task.holds_writes:
                gateway.handler.gate = asyncio.Event()
            worker = Worker(gateway, parent)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain, ALONE_IDLE_SECONDS)
            gateway.handler.grants.tell = lambda route, origin, lines: say_later(Granted(route, origin, tuple(lines)))
            await parent.say(Serving())
            # Without a parent it goes to its end as well.
            tasks.start(parent.obey(worker.do)).add_done_callback(lambda _: worker.is_over.set())
            tasks.start(worker.report_on())
            await worker.is_over.wait()
        await worker.report()
        return LEFT if gateway.left else 0
    except (NoclobberError, OSError) as error:
        await parent.say(Failed(str(error)))
        return 1
    finally:
        await tasks.cancel()


def main(arguments: list[str]) -> int:
    """Serve as the slot of `arguments` until the parent is gone. They are: slot, descriptor of the way to the parent, its pid, socket."""
    slot, descriptor, parent_pid, admin = int(arguments[0]), int(arguments[1]), int(arguments[2]), Path(arguments[3])
    _end_with_parent(slot, parent_pid)
    # Written by the very same version, for us alone.
    task: Task = pickle.load(sys.stdin.buffer)
    return run(task.config, _serve(task, socket.socket(fileno=descriptor), admin), f"noclobber[{slot}]")


def _end_with_parent(slot: int, parent_pid: int) -> None:
    """Have the kernel stop us when the parent ends, also before our loop is there to notice. On Linux alone that can be had."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_NAME, f"noclobber {slot}".encode())
    if os.getppid() != parent_pid:
        sys.exit(1)
