"""A generation: the workers that serve one configuration, one in each slot. One that ends before its time is replaced."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..config import Config
from ..gateway.tasks import Tasks
from .cores import part_of, workers_of
from .messages import Accept, Command, OpenGate, Release, Task
from .origins import Origins
from .sockets import Lane
from .worker import State, Worker

_logger = logging.getLogger("noclobber")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""What comes before a new start. It doubles each time, for as long as no worker of the slot has lasted LASTING_SECONDS."""
LASTING_SECONDS = 30.0
SPARE_SECONDS = 10.0
"""What a worker is given beyond what its end may take."""


class Slot:
    """The place of one worker. `failures` counts those in a row that did not last, `restarts` all."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.failures = 0
        self.restarts = 0
        self.trouble = ""

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start."""
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**self.failures)


class StartFailed(Exception):
    """A worker could not be started; the text says why."""


class Generation:
    """Start the workers, share the lanes out among them, replace those that end, and drain them all in the end."""

    def __init__(
        self, number: int, config: Config, lanes: list[Lane], directory: Path, origins: Origins, ended: Callable[[Worker], None]
    ) -> None:
        """`directory` is for the sockets of the workers' admin listeners. `ended` is told of each that has."""
        self.config = config
        self.slots = [Slot(slot) for slot in range(workers_of(config))]
        self.is_draining = False
        self._number = number
        self._lanes = lanes
        self._directory = directory
        self._origins = origins
        self._ended = ended
        self._tasks = Tasks()
        self._spawned = 0
        self._holds_writes = False

    @property
    def workers(self) -> Iterator[Worker]:
        """Those that have not ended."""
        return (slot.worker for slot in self.slots if slot.worker is not None and slot.worker.state is not State.GONE)

    @property
    def restarts(self) -> int:
        """How many workers have ended before their time."""
        return sum(slot.restarts for slot in self.slots)

    @property
    def serving(self) -> list[Worker]:
        """Those that serve."""
        return [worker for worker in self.workers if worker.state is State.SERVING]

    async def spawn(self, *, holds_writes: bool = False) -> None:
        """Start a process for each slot. Raise StartFailed where that cannot be; then none is left."""
        self._holds_writes = holds_writes
        try:
            for slot in self.slots:
                await self._spawn(slot)
        except OSError as error:
            await self.kill()
            raise StartFailed(str(error)) from error

    async def begin(self) -> None:
        """Wait until all serve. Raise StartFailed where one does not; then none is left."""
        started = [(worker, await worker.is_serving()) for worker in list(self.workers)]
        failed = [worker for worker, is_serving in started if not is_serving]
        if failed:
            await self.kill()
            raise StartFailed(failed[0].end)
        for slot in self.slots:
            self._tasks.start(self._watch(slot))

    async def _spawn(self, slot: Slot) -> Worker:
        self._spawned += 1
        admin = self._directory / f"{self._number}-{slot.number}-{self._spawned}"
        worker = slot.worker = Worker(slot.number, admin, self._ended, lambda granted: self._origins.hear(granted, self.serving))
        self._tasks.start(worker.hear())
        await worker.set_to(Task(part_of(self.config), self._holds_writes))
        return worker

    async def _watch(self, slot: Slot) -> None:
        """Replace the worker of a slot whenever it ends, until all are to end."""
        while True:
            worker = slot.worker
            assert worker is not None
            await worker.is_gone()
            if self.is_draining:
                return
            self._note(slot, f"worker {slot.number} (pid {worker.pid}) {worker.end}", time.time() - worker.started)
            self.share_out()
            await self._replace(slot)

    async def _replace(self, slot: Slot) -> None:
        """Start another worker, as soon as that can be."""
        while True:
            await asyncio.sleep(slot.pause_seconds)
            if self.is_draining:
                return
            try:
                worker = await self._spawn(slot)
            except OSError as error:
                self._note(slot, f"worker {slot.number} cannot be started: {error}", 0.0)
                continue
            if await worker.is_serving():
                self.share_out()
            return

    def _note(self, slot: Slot, trouble: str, lasted_seconds: float) -> None:
        """Count the end of a worker, and say it."""
        slot.failures = 0 if lasted_seconds > LASTING_SECONDS else slot.failures + 1
        slot.restarts += 1
        slot.trouble = trouble
        _logger.error("%s; a new one starts in %.1f s", trouble, slot.pause_seconds)

    def share_out(self) -> None:
        """See to it that each lane is accepted from: by the worker of its slot, or by another while that one is away."""
        serving = self.serving
        if not serving or self.is_draining:
            return
        of_slot = {worker.slot: worker for worker in serving}
        wanted: dict[int, set[int]] = {worker.slot: set() for worker in serving}
        for lane in self._lanes:
            if lane.slot is None:
                takers = list(wanted)
            else:
                slot = lane.slot % len(self.slots)
                takers = [slot if slot in of_slot else serving[lane.number % len(serving)].slot]
            for taker in takers:
                wanted[taker].add(lane.number)
        # First given, then taken: no lane is without anybody.
        for worker in serving:
            if not worker.lanes:
                self._origins.introduce(worker)
            new = [lane for lane in self._lanes if lane.number in wanted[worker.slot] - worker.lanes]
            if new:
                worker.tell(Accept(tuple(lane.number for lane in new)), new)
        for worker in serving:
            old = tuple(sorted(worker.lanes - wanted[worker.slot]))
            if old:
                worker.tell(Release(old))
            worker.lanes = frozenset(wanted[worker.slot])

    def open_gate(self) -> None:
        """Let all write that were held back."""
        self._holds_writes = False
        self.tell(OpenGate())

    def tell(self, command: Command) -> None:
        """Tell all."""
        for worker in list(self.workers):
            worker.tell(command)

    async def end(self, command: Command, seconds: float) -> bool:
        """Have all end by a command, and wait until they have; those that take longer than seconds, and some more, are killed.

        Return whether they have left nothing behind.
        """
        self.is_draining = True
        workers = list(self.workers)
        for worker in workers:
            if worker.state is State.SERVING:
                worker.state = State.DRAINING
                worker.tell(command)
            else:
                worker.kill()
        try:
            async with asyncio.timeout(seconds + SPARE_SECONDS):
                await self._gone()
        except TimeoutError:
            _logger.error("killing %d workers that do not end", len(list(self.workers)))
            await self.kill()
        await self._tasks.cancel()
        return len(workers) == len(self.slots) and all(worker.has_left_nothing for worker in workers)

    async def kill(self) -> None:
        """End all, whatever they do."""
        self.is_draining = True
        for worker in list(self.workers):
            worker.kill()
        await self._gone()

    async def _gone(self) -> None:
        for worker in list(self.workers):
            await worker.is_gone()
