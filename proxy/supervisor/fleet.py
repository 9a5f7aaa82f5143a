"""The fleet: all workers of all generations together, and how they do."""

import asyncio
import time

from .generation import Generation
from .worker import State, Worker

REPORT_SECONDS = 2.0
"""How long a worker may take to say how it does."""


class Fleet:
    """The workers of the generation in use, and of those that are being drained."""

    def __init__(self) -> None:
        self.current: Generation | None = None
        self.former: list[Generation] = []
        self.is_stopping = False
        self._past_restarts = 0
        self._served = time.monotonic()

    @property
    def workers(self) -> list[Worker]:
        """All that have not ended."""
        generations = [*self.former, *([self.current] if self.current is not None else [])]
        return [worker for generation in generations for worker in generation.workers]

    @property
    def serving(self) -> list[Worker]:
        """Those that take new connections."""
        return [] if self.current is None else self.current.serving

    async def ask_all(self) -> list[Worker]:
        """Have every worker report anew. Return those that do not."""
        workers = [worker for worker in self.workers if worker.state is not State.STARTING]
        answers = await asyncio.gather(*(worker.report_anew(REPORT_SECONDS) for worker in workers))
        return [worker for worker, has_answered in zip(workers, answers, strict=True) if not has_answered]

    def reasons(self, silent: list[Worker]) -> list[str]:
        """Why writes are not granted; empty when they are. `silent` are the workers that do not report."""
        if self.is_stopping:
            return ["draining"]
        serving = self.serving
        if not serving:
            return ["no worker serves", *self.troubles()]
        found = {f"worker {worker.slot} does not answer": None for worker in silent if worker in serving}
        # How many seconds are left differs a little from worker to worker.
        kinds = {reason.partition(":")[0]: reason for worker in serving if worker.report for reason in worker.report.reasons}
        return [*found, *kinds.values()]

    def troubles(self) -> list[str]:
        """What has become of workers that have no successor yet."""
        if self.current is None:
            return []
        return [
            slot.trouble for slot in self.current.slots if slot.trouble and (slot.worker is None or slot.worker.state is not State.SERVING)
        ]

    @property
    def without_seconds(self) -> float:
        """How long no worker has served, as far as `look` has seen."""
        return 0.0 if self.serving else time.monotonic() - self._served

    def look(self) -> None:
        """See who serves."""
        if self.serving:
            self._served = time.monotonic()

    def count(self, state: State) -> int:
        """How many workers do that."""
        return sum(worker.state is state for worker in self.workers)

    @property
    def restarts(self) -> int:
        """How many workers have ended before their time."""
        return self._past_restarts + (0 if self.current is None else self.current.restarts)

    def succeed(self, generation: Generation) -> None:
        """Take another generation for the one in use."""
        if self.current is not None:
            self._past_restarts += self.current.restarts
            self.former.append(self.current)
        self.current = generation

    def forget(self, generation: Generation) -> None:
        """Let a former generation go that has ended."""
        self.former.remove(generation)

    @property
    def in_flight(self) -> int:
        """How many requests are being served, as far as is known."""
        return sum(worker.report.in_flight for worker in self.workers if worker.report is not None)
