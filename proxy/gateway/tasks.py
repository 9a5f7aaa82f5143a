"""Tasks that outlive the request that started them.

The only home of `create_task`: from the grant on, a write belongs to the app and not to the connection, so a client that leaves cannot
stop the bookkeeping.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Own running tasks until they are done, and let the end of the process wait for them."""

    def __init__(self) -> None:
        # Kept, because asking for the running loop costs a system call each time. So a Tasks is made where a loop runs.
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run work to its end, whoever waits for it."""
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, seconds: float) -> int:
        """Wait up to seconds for all to end; return how many have not."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        return len(self._running)

    async def cancel(self) -> None:
        """Cancel what still runs, and wait until it has let go."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def is_stopped() -> bool:
    """Whether the task that asks is to end itself, and not only what it has waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
