"""A deadline that is moved for every request, over a timer that is not."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Call `on_expiry` once `at` has passed; math.inf means never.

    Setting a timer of the loop costs more than a request may, so a later deadline leaves the timer alone: it fires early and is set again.
    """

    __slots__ = ("_loop", "_on_expiry", "_timer", "_timer_at", "at", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expiry: Callable[[], None]) -> None:
        self._loop = loop
        self._on_expiry = on_expiry
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self.at = math.inf
        self.seconds = 0.0

    def expect(self, seconds: float) -> None:
        """Expire in seconds, unless this is called again or `at` is put off before."""
        self.seconds = seconds
        self.at = at = self._loop.time() + seconds
        if at < self._timer_at:
            self._set(at)

    def close(self) -> None:
        """Let go of the timer, for good."""
        self.at = math.inf
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._loop.time() >= self.at:
            self._on_expiry()
        elif self.at != math.inf:
            self._set(self.at)
