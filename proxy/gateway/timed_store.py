"""A store that measures another one: how long each operation takes, how many fail, and how many a request asked for."""

from collections.abc import Awaitable, Sequence
from time import perf_counter
from typing import TypeVar

from ..core.record import Record, Snapshot, Swapped
from ..errors import StoreError
from ..store.port import Entry, StoreKey, StreamingStore
from ..telemetry.catalogue import OPERATIONS
from .metrics import Metrics
from .swaps import Swaps, kind_of
from .trips import count_trip

T = TypeVar("T")


class TimedStore:
    """Pass everything on, and take its time. `swaps` is for who takes that of swaps himself."""

    def __init__(self, store: StreamingStore, metrics: Metrics) -> None:
        self._store = store
        registry = metrics.registry
        self._durations = {operation: registry.durations("noclobber_store_duration_seconds", operation) for operation in OPERATIONS}
        self._errors = {operation: registry.counts("noclobber_store_errors_total", operation) for operation in OPERATIONS}
        for operation, timed in self._durations.items():
            registry.read("noclobber_store_round_trips_total", operation, by=timed.total)
        self.swaps = Swaps(store, registry)

    async def load(self, key: StoreKey) -> Snapshot:
        count_trip()
        return await self._timed("load", self._store.load(key))

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        count_trip()
        return await self._timed("swap", self._store.swap(key, expected_stamp, lineage, record, lease_seconds))

    async def settle(self, name: str, proposal: bytes) -> bytes:
        return await self._timed("settle", self._store.settle(name, proposal))

    async def append(self, stream: str, content: bytes, most: int) -> None:
        await self._timed("append", self._store.append(stream, content, most))

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        return await self._timed("tail", self._store.tail(stream, after, limit))

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        return await self._timed("latest", self._store.latest(stream, before, limit))

    async def _timed(self, operation: str, asked: Awaitable[T]) -> T:
        started = perf_counter()
        try:
            return await asked
        except StoreError as error:
            self._errors[operation][kind_of(error)].inc()
            raise
        finally:
            self._durations[operation].observe(perf_counter() - started)

    async def close(self) -> None:
        await self._store.close()


def _is_a_store(store: TimedStore) -> StreamingStore:
    """Static guard: the class fulfils the port."""
    return store
