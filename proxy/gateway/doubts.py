"""Doubts: which records this process has left pending or unknown, and that still are as far as it knows.

Nothing of the protocol rests on it: it is for operators, bounded, and lost with the process. Another process may settle a record; so they
are looked at again from time to time.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple

from ..core.record import Snapshot, State
from ..errors import StoreError
from ..store.port import Store, StoreKey

MAX_DOUBTS = 4096
LOOK_SECONDS = 5.0
LOOKS = 64
"""How many records are looked at each time."""


class About(NamedTuple):
    """The write that has left a record in doubt: its route, its path without the query, and what is known of what became of it."""

    route: str
    path: bytes
    outcome: str


class Doubts:
    """Remember keys. `since` holds the wall-clock time at which each was left in doubt, oldest first, and `about` by which write."""

    def __init__(self) -> None:
        self.since: dict[StoreKey, float] = {}
        self.about: dict[StoreKey, About] = {}

    def __len__(self) -> int:
        return len(self.since)

    def note(self, key: StoreKey) -> None:
        """Note that the record of key was left pending or unknown."""
        if key not in self.since:
            self.since[key] = time.time()
            if len(self.since) > MAX_DOUBTS:
                self.settle(next(iter(self.since)))

    def describe(self, keys: Iterable[StoreKey], about: About) -> None:
        """Say which write it was that has left those of keys in doubt that are."""
        self.about.update((key, about) for key in keys if key in self.since)

    def settle(self, key: StoreKey) -> None:
        """Note that the record of key says what stands."""
        self.since.pop(key, None)
        self.about.pop(key, None)

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
