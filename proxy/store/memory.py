"""The store of one process: a dict. For tests and a first try.

It promises nothing across a restart, so it has no grace: whoever held a lease in it is gone with it. Nothing is ever removed.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Self

from ..core.record import ABSENT, Record, Snapshot, Swapped
from ..errors import StoreRefused
from .codec import fresh_stamp
from .port import Entry, StoreKey, StreamingStore


class MemoryStore:
    """Keep records in this process. `round_trips` counts the operations."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty, under a lineage of its own. `clock` returns seconds and never goes back."""
        self.round_trips = 0
        self._clock = clock
        self._lineage = fresh_stamp()
        self._records: dict[StoreKey, tuple[Record, str]] = {}
        self._settled: dict[str, bytes] = {}
        self._streams: dict[str, deque[Entry]] = {}
        self._closed = False

    def share(self) -> Self:
        """Return another store on the same records: what a second worker would hold."""
        other = type(self)(self._clock)
        other._lineage = self._lineage
        other._records = self._records
        other._settled = self._settled
        other._streams = self._streams
        return other

    async def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key."""
        self._count()
        return self._snapshot(key)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record there if stamp and lineage still are these; else say what stands."""
        self._count()
        standing = self._records.get(key)
        stamp = ABSENT if standing is None else standing[1]
        if stamp != expected_stamp or lineage != self._lineage:
            return self._snapshot(key)
        now = self._clock()
        fresh = fresh_stamp()
        self._records[key] = record._replace(lease_end=now + lease_seconds), fresh
        return Swapped(fresh, now)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name unless something is kept there; return what is."""
        self._count()
        return self._settled.setdefault(name, proposal)

    async def append(self, stream: str, content: bytes, most: int) -> None:
        """Put an entry at the end of stream; forget the oldest."""
        self._count()
        entries = self._streams.setdefault(stream, deque())
        entries.append(Entry(str(int(entries[-1].id) + 1 if entries else 1), content))
        while len(entries) > most:
            entries.popleft()

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        """Read what came after an entry."""
        self._count()
        newer = (entry for entry in self._streams.get(stream, ()) if not after or int(entry.id) > int(after))
        return list(islice(newer, limit))

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        """Read what came before an entry, newest first."""
        self._count()
        older = (entry for entry in reversed(self._streams.get(stream, ())) if not before or int(entry.id) < int(before))
        return list(islice(older, limit))

    async def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def _count(self) -> None:
        if self._closed:
            raise StoreRefused("the store is closed")
        self.round_trips += 1

    def _snapshot(self, key: StoreKey) -> Snapshot:
        record, stamp = self._records.get(key, (None, ABSENT))
        return Snapshot(record, stamp, self._clock(), self._lineage, math.inf)


_: type[StreamingStore] = MemoryStore
