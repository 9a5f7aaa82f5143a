"""One timer for many who wait equally long, and of whom hardly any waits to the end."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Alarm(Generic[T]):
    """Call `ring` with whom has been set for `seconds`, and was not dropped before. A timer of the loop for each would cost much more."""

    __slots__ = ("_due", "_loop", "_ring", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, ring: Callable[[T], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._ring = ring
        # In the order in which they were set, so the first is due first.
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, sleeper: T) -> None:
        """Call it in `seconds`; from now on, where it was set already."""
        self._due.pop(sleeper, None)
        self._due[sleeper] = due = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._tick)

    def drop(self, sleeper: T) -> None:
        """Let it be. Harmless where it is not set."""
        self._due.pop(sleeper, None)

    def _tick(self) -> None:
        self._timer, now = None, self._loop.time()
        for sleeper, due in list(self._due.items()):
            if due > now:
                break
            # Whoever was called before may have dropped it, or set it anew.
            if self._due.get(sleeper) == due:
                del self._due[sleeper]
                self._ring(sleeper)
        if self._due and self._timer is None:
            self._timer = self._loop.call_at(next(iter(self._due.values())), self._tick)
