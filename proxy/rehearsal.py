"""Rehearsal: a backend that is only read, and a store that only remembers for itself, so that a request can be decided and not done."""

from collections.abc import Callable
from uuid import uuid4

from .core.record import Record, Snapshot, Swapped
from .errors import OriginUnreachable
from .origin.port import Interim, OriginAnswer, OriginRequest, ReservedConnection, Switched, Upstream
from .store.port import Store, StoreKey


class ReadOnlyBackend:
    """A backend that is sent reads; of everything else it is noted what would have been sent, and that it could not be."""

    def __init__(self, backend: Upstream, unsent: list[OriginRequest]) -> None:
        self._backend = backend
        self._unsent = unsent

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send a read."""
        return await self._backend.fetch(request, interim)

    async def reserve(self) -> ReservedConnection:
        """Take what stands in for a connection."""
        return _NoConnection(self)

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Note a request. Raises OriginUnreachable."""
        self._unsent.append(request)
        raise OriginUnreachable("this is a rehearsal")

    async def switch(self, request: OriginRequest, idle_seconds: float, interim: Interim | None = None) -> Switched:
        """Note a request. Raises OriginUnreachable."""
        self._unsent.append(request)
        raise OriginUnreachable("this is a rehearsal")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._backend.close()

    def pin(self) -> "ReadOnlyBackend":
        """Keep to one server."""
        return ReadOnlyBackend(self._backend.pin(), self._unsent)


class _NoConnection:
    """A connection on which nothing is written."""

    def __init__(self, backend: ReadOnlyBackend) -> None:
        self._backend = backend

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        """Note a request. Raises OriginUnreachable."""
        return await self._backend.send(request, interim)

    def release(self) -> None:
        """Nothing was taken."""


class ScratchStore:
    """A store that reads from another, and keeps what is swapped to itself."""

    def __init__(self, store: Store, least_age_seconds: float = 0.0) -> None:
        """`least_age_seconds`: no younger is the history of what stands said to be."""
        self._store = store
        self._least_age_seconds = least_age_seconds
        self._records: dict[StoreKey, tuple[Record, str]] = {}

    async def load(self, key: StoreKey) -> Snapshot:
        """What stands under key, here or there."""
        snapshot = await self._store.load(key)
        snapshot = snapshot._replace(lineage_age=max(snapshot.lineage_age, self._least_age_seconds))
        if key not in self._records:
            return snapshot
        record, stamp = self._records[key]
        return snapshot._replace(record=record, stamp=stamp)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Keep record here, as the other store would there."""
        standing = await self.load(key)
        if (standing.stamp, standing.lineage) != (expected_stamp, lineage):
            return standing
        stamp = uuid4().hex
        self._records[key] = record._replace(lease_end=standing.now + lease_seconds), stamp
        return Swapped(stamp, standing.now)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """What all who share the other store have settled on."""
        return await self._store.settle(name, proposal)

    async def close(self) -> None:
        """Let go of the other store."""
        await self._store.close()


_: tuple[type[Upstream], type[Store]] = (ReadOnlyBackend, ScratchStore)
