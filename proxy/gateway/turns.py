"""Turns: the writers of one process come to a resource one after the other, so that only one at a time asks the store for its lease."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..store.port import StoreKey


class Turns:
    """Let one writer at a time come to each key. No more than `max_waiters` wait for one; times are those of `clock`."""

    def __init__(self, max_waiters: int, clock: Callable[[], float]) -> None:
        # Kept, because asking for it costs a system call each time.
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._max_waiters = max_waiters
        # Who waits for a key, by key. The one at work is not in the queue.
        self._waiting: dict[StoreKey, deque[asyncio.Future[None]]] = {}

    def is_crowded(self, key: StoreKey) -> bool:
        """Whether as many writers of this process wait for key as may."""
        waiting = self._waiting.get(key)
        return waiting is not None and len(waiting) >= self._max_waiters

    @property
    def waiting(self) -> int:
        """How many writers of this process wait, for whatever key."""
        return sum(map(len, self._waiting.values()))

    def is_taken(self, key: StoreKey) -> bool:
        """Whether a writer of this process is at key."""
        return key in self._waiting

    async def take(self, key: StoreKey, until: float) -> bool:
        """Wait, first come first served, until no other writer of this process is at key. False: too many wait, or until has come."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque()
            return True
        if len(waiting) >= self._max_waiters:
            return False
        place = self._loop.create_future()
        waiting.append(place)
        try:
            async with asyncio.timeout(until - self._clock()):
                await place
        except BaseException as left:
            if place.done() and not place.cancelled():
                # The turn came in the very moment in which this one left: pass it on.
                self.end(key)
            elif place in waiting:
                # It is not there where `end` came by between the cancelling of the place and this.
                waiting.remove(place)
            if isinstance(left, TimeoutError):
                return False
            raise
        return True

    def end(self, key: StoreKey) -> None:
        """Let the next writer of this process come to key."""
        waiting = self._waiting[key]
        while waiting:
            place = waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        del self._waiting[key]

    async def take_all(self, keys: Sequence[StoreKey], until: float) -> bool:
        """Wait for the turn at every key, in their order. False: it did not come, and none is held."""
        taken: list[StoreKey] = []
        try:
            for key in keys:
                if not await self.take(key, until):
                    self.end_all(taken)
                    return False
                taken.append(key)
        except BaseException:
            self.end_all(taken)
            raise
        return True

    def end_all(self, keys: Sequence[StoreKey]) -> None:
        """Let the next writers come to keys."""
        for key in keys:
            self.end(key)
