"""The parent: it starts the workers, does what signals say, and ends when they have ended."""

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Config
from ..gateway.binding import BACKLOG
from ..gateway.tasks import Tasks
from .cores import workers_of
from .fleet import Fleet
from .generation import StartFailed
from .messages import Drain, Hurry, SayFarewell
from .notify import Notifier
from .reload import Reloaded, Source, watch
from .sockets import Sockets
from .succession import Succession
from .worker import Worker

if TYPE_CHECKING:
    from .admin import Admin
    from .figures import Figures

_logger = logging.getLogger("noclobber")

STOP_IDLE_SECONDS = 1.0
"""How long connections may stay at the end on which nothing is asked: who asks just then is answered."""
TICK_SECONDS = 1.0
HUNG_SECONDS = 30.0
"""A worker that does not report for so long is killed: its leases end by themselves, and others can go on."""
ADMIN_HEAD_SECONDS = 15.0
ADMIN_END_SECONDS = 1.0
"""How long operators who listen may hold up the end. Never 0, which aiohttp takes for no limit."""


def supervise(config: Config, source: Source, watches: bool) -> int:
    """Run workers until SIGTERM or SIGINT, drain them, and return the exit status. `watches`: reload whenever the file changes."""
    logging.basicConfig(level=config.log.level.name, format="%(asctime)s %(levelname)s noclobber: %(message)s", stream=sys.stderr)
    return asyncio.run(_supervise(config, source, watches))


async def _supervise(config: Config, source: Source, watches: bool) -> int:
    try:
        async with AsyncExitStack() as stack:
            directory = Path(tempfile.mkdtemp(prefix="noclobber-", dir=os.environ.get("RUNTIME_DIRECTORY")))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            parent = Parent(config, source, directory, stack)
            await parent.run(source.path if watches else None)
    except (OSError, StartFailed) as error:
        _logger.error("cannot start: %s", error)
        return 1
    return 0


class Parent:
    """One run of noclobber."""

    def __init__(self, config: Config, source: Source, directory: Path, stack: AsyncExitStack) -> None:
        """Take the sockets. OSError where somebody else has them."""
        self._stack = stack
        self._fleet = Fleet()
        self._figures: Figures | None = None
        self._tasks, self._reloads = Tasks(), Tasks()
        stack.push_async_callback(self._tasks.cancel)
        self._notifier = Notifier()
        self._signalled, self._hurried = asyncio.Event(), asyncio.Event()
        server = config.server
        self._sockets = Sockets(server.listen_address, server.socket_mode, workers_of(config))
        stack.callback(self._sockets.close)
        self._operators = Sockets(server.admin_address, server.socket_mode, 1)
        stack.callback(self._operators.close)
        self._succession = Succession(config, source, self._fleet, self._sockets, directory, self._keep)

    async def run(self, watched: Path | None) -> None:
        """Serve until a signal comes, and end. OSError, StartFailed: it cannot be begun. `watched` is a file whose changes are a reload."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._note_signal)
        generation = self._succession.generation(self._succession.config)
        self._stack.push_async_callback(generation.kill)
        await generation.spawn()
        starting = self._tasks.start(generation.begin())
        # While the workers import what they need.
        from .admin import Admin
        from .figures import Figures

        self._figures = Figures(self._fleet, self._succession)
        await asyncio.wait({starting, self._tasks.start(self._signalled.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return
        await starting
        self._fleet.succeed(generation)
        await self._open_admin(Admin(self._fleet, self._figures, self._succession, self.reload))
        self._sockets.listen()
        generation.share_out()
        self._tasks.start(self._watch_over())
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.start(self.reload("SIGHUP")))
        if watched is not None:
            self._tasks.start(watch(watched, partial(self.reload, "a change of the file")))
        _logger.info("%s", self._status)
        self._notifier.ready(self._status)
        await self._signalled.wait()
        await self._end()

    async def reload(self, who: str) -> Reloaded:
        """Put the configuration in use that there is now, if it is good. `who` asks for it."""
        _logger.info("reloading, asked for by %s", who)
        self._notifier.reloading()
        came = await self._reloads.start(self._succession.reload())
        self._notifier.ready(self._status if came.is_good else f"not reloaded, see the log; {self._status}")
        return came

    @property
    def _status(self) -> str:
        return f"serving {self._succession.config.upstream.url} on {self._sockets.at}, admin on {self._operators.at}"

    def _keep(self, worker: Worker) -> None:
        if self._figures is not None:
            self._figures.keep(worker)

    def _note_signal(self) -> None:
        if self._signalled.is_set() and self._fleet.current is not None:
            _logger.warning("stopping at once")
            self._hurried.set()
            for generation in (self._fleet.current, *self._fleet.former):
                generation.tell(Hurry())
        self._signalled.set()

    async def _open_admin(self, admin: "Admin") -> None:
        from aiohttp import web

        server = web.Server(admin, keepalive_timeout=ADMIN_HEAD_SECONDS, access_log=None)
        loop = asyncio.get_running_loop()
        for lane in self._operators.lanes:
            begin = loop.create_unix_server if lane.slot is None else loop.create_server
            listener = await begin(server, sock=lane.socket, backlog=BACKLOG)
            self._stack.callback(listener.close)
        self._stack.push_async_callback(server.shutdown, ADMIN_END_SECONDS)

    async def _watch_over(self) -> None:
        """See that no worker hangs, and tell systemd that we do not."""
        while True:
            await asyncio.sleep(min(TICK_SECONDS, self._notifier.watchdog_seconds or TICK_SECONDS))
            self._fleet.look()
            for worker in self._fleet.serving:
                if time.monotonic() - worker.heard > HUNG_SECONDS:
                    _logger.error("worker %d (pid %d) has not reported for %.0f s: killing it", worker.slot, worker.pid, HUNG_SECONDS)
                    worker.kill()
            if self._notifier.watchdog_seconds is not None:
                self._notifier.alive()

    async def _end(self) -> None:
        """Drain all workers."""
        self._fleet.is_stopping = True
        await self._fleet.ask_all()
        _logger.info("draining: %d requests in flight", self._fleet.in_flight)
        self._notifier.stopping("draining")
        await self._reloads.cancel()
        generation, server = self._fleet.current, self._succession.config.server
        assert generation is not None
        generation.tell(SayFarewell())
        with suppress(TimeoutError):
            async with asyncio.timeout(server.drain_delay_seconds):
                await self._hurried.wait()
        # The workers alone hold them now, and take what waits there before they close them.
        self._sockets.close()
        await generation.end(Hurry() if self._hurried.is_set() else Drain(STOP_IDLE_SECONDS), server.drain_seconds)
        await self._succession.end()
