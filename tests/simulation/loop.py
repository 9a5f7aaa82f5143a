"""A loop whose time is a number: where nothing is ready it does not wait, it is the moment of the next timer.

Nothing here asks a real clock, a socket or a thread, so the same seed runs the same callbacks in the same order. Every callback belongs to
whoever the context says; those of a process that stands still are kept, in their order, until it goes on, as a stopped process's are.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class Stuck(Exception):
    """Nothing is ready, no timer runs, and something is still waited for."""


class Halting:
    """A simulated process as the loop sees it. While `stands_still` none of its callbacks runs."""

    def __init__(self) -> None:
        self.stands_still = False
        self.kept: list[asyncio.Handle] = []


OWNER: ContextVar[Halting | None] = ContextVar("owner", default=None)
"""Whose callbacks are made here. None: the world's own, which never stands still."""

WORLD = Context()
"""The context of what no process can stop: bytes on a wire, the backend, the store."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop in virtual time, in seconds from zero."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        # Timers so close together fire together; the real clock's nanosecond would be lost in the rounding of large times.
        self._clock_resolution = 1e-6
        # BaseEventLoop waits by this, and by nothing else.
        self._selector = self

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Wait for nothing: it is `timeout` seconds later. Raises Stuck where that is None."""
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self._now += timeout
        return []

    def _process_events(self, event_list: list[object]) -> None:
        """There are no events."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody is to be woken."""

    def call_soon(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None) -> asyncio.Handle:
        """As in any loop."""
        owner = OWNER.get() if context is None else context.get(OWNER)
        if owner is None:
            return super().call_soon(callback, *args, context=context)
        itself: list[asyncio.Handle] = []
        handle = super().call_soon(self._run_unless_still, owner, itself, callback, args, context=context)
        itself.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in any loop."""
        owner = OWNER.get() if context is None else context.get(OWNER)
        if owner is None:
            return super().call_at(when, callback, *args, context=context)
        itself: list[asyncio.Handle] = []
        handle = super().call_at(when, self._run_unless_still, owner, itself, callback, args, context=context)
        itself.append(handle)
        return handle

    def go_on(self, owner: Halting) -> None:
        """Let owner run again, beginning with what came up while it stood still."""
        owner.stands_still = False
        kept, owner.kept = owner.kept, []
        for handle in kept:
            if not handle.cancelled():
                self._ready.append(handle)  # type: ignore[attr-defined]

    @staticmethod
    def _run_unless_still(owner: Halting, itself: list[asyncio.Handle], callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if owner.stands_still:
            owner.kept.append(itself[0])
        else:
            callback(*args)
