"""A store that measures another one: how long each operation takes, how many fail, and how many a request asked for."""

from collections.abc import Awaitable, Sequence
from time import perf_counter
from typing import TypeVar

from ..core.record import Record, Snapshot, Swapped
from ..errors import StoreError, StoreRefused
from ..store.port import Entry, StoreKey, StreamingStore
from ..telemetry.catalogue import OPERATIONS
from .metrics import Metrics
from .trips import current

T = TypeVar("T")


class TimedStore:
    """Pass everything on, and take its time."""

    def __init__(self, store: StreamingStore, metrics: Metrics) -> None:
        self._store = store
        registry = metrics.registry
        self._durations = {operation: registry.durations("noclobber_store_duration_seconds", operation) for operation in OPERATIONS}
        self._load, self._swap = self._durations["load"], self._durations["swap"]
        self._errors = {operation: registry.counts("noclobber_store_errors_total", operation) for operation in OPERATIONS}
        for operation, timed in self._durations.items():
            registry.read("noclobber_store_round_trips_total", operation, by=timed.total)

    async def load(self, key: StoreKey) -> Snapshot:
        if (trips := current.get()) is not None:
            trips.count += 1
        started = perf_counter()
        try:
            return await self._store.load(key)
        except StoreError as error:
            self._count("load", error)
            raise
        finally:
            self._load.observe(perf_counter() - started)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        if (trips := current.get()) is not None:
            trips.count += 1
        started = perf_counter()
        try:
            return await self._store.swap(key, expected_stamp, lineage, record, lease_seconds)
        except StoreError as error:
            self._count("swap", error)
            raise
        finally:
            self._swap.observe(perf_counter() - started)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        return await self._timed("settle", self._store.settle(name, proposal))

    async def append(self, stream: str, content: bytes, most: int) -> None:
        await self._timed("append", self._store.append(stream, content, most))

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        return await self._timed("tail", self._store.tail(stream, after, limit))

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        return await self._timed("latest", self._store.latest(stream, before, limit))

    async def _timed(self, operation: str, asked: Awaitable[T]) -> T:
        """What no write waits for: one more coroutine is no loss there."""
        started = perf_counter()
        try:
            return await asked
        except StoreError as error:
            self._count(operation, error)
            raise
        finally:
            self._durations[operation].observe(perf_counter() - started)

    async def close(self) -> None:
        await self._store.close()

    def _count(self, operation: str, error: StoreError) -> None:
        self._errors[operation]["refused" if isinstance(error, StoreRefused) else "unavailable"].inc()


def _is_a_store(store: TimedStore) -> StreamingStore:
    """Static guard: the class fulfils the port."""
    return store
