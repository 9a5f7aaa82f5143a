"""Doubts: which records this process has left pending or unknown, and that still are as far as it knows.

Nothing of the protocol rests on it: it is for operators, bounded, and lost with the process. Another process may settle a record; so they
are looked at again from time to time.
"""

import asyncio
import time

from ..core.record import Snapshot, State
from ..errors import StoreError
from ..store.port import Store, StoreKey

MAX_DOUBTS = 4096
LOOK_SECONDS = 5.0
LOOKS = 64
"""How many records are looked at each time."""


class Doubts:
    """Remember keys. `since` holds the wall-clock time at which each was left in doubt, oldest first."""

    def __init__(self) -> None:
        self.since: dict[StoreKey, float] = {}

    def __len__(self) -> int:
        return len(self.since)

    def note(self, key: StoreKey) -> None:
        """Note that the record of key was left pending or unknown."""
        if key not in self.since:
            self.since[key] = time.time()
            if len(self.since) > MAX_DOUBTS:
                del self.since[next(iter(self.since))]

    def settle(self, key: StoreKey) -> None:
        """Note that the record of key says what stands."""
        self.since.pop(key, None)

    async def watch(self, store: Store) -> None:
        """Look, for ever, whether another process has settled what was left."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look(store)

    async def look(self, store: Store) -> None:
        """Look at the oldest ones, once."""
        for key in list(self.since)[:LOOKS]:
            try:
                snapshot = await store.load(key)
            except StoreError:
                return
            if is_settled(snapshot):
                self.settle(key)
            elif key in self.since:
                # To the end of the line.
                self.since[key] = self.since.pop(key)


def is_settled(snapshot: Snapshot) -> bool:
    """Whether a record is neither pending nor unknown."""
    return snapshot.record is None or snapshot.record.state is State.OK
