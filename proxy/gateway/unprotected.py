"""What a write has in place of a lease: where the store is away and its route lets it through all the same (protocol §10), or observes."""

from collections.abc import Callable

from ..core.event import Answer, Done, Kind
from ..core.record import NOT_KNOWN, Snapshot, Version
from .lease import Lease
from .points import Faults
from .several import Several

_DONE = Done(0, "")


class NoLease:
    """Stands where a Lease does, and promises nothing: no other process is kept away, and nothing is put down."""

    version = NOT_KNOWN
    why = None
    age_seconds = 0.0
    faults = None

    def __init__(self, clock: Callable[[], float], write_timeout_seconds: float) -> None:
        self._clock = clock
        self._deadline = clock() + write_timeout_seconds

    def is_running(self) -> bool:
        """Whether the write may still be sent: the write timeout holds here too."""
        return self._clock() < self._deadline

    @property
    def left_seconds(self) -> float:
        """How much of the write timeout is left."""
        return self._deadline - self._clock()

    def watch(self, on_move: Callable[[], None] | None) -> None:
        """Do nothing: the deadline never moves."""

    def limit_write(self) -> None:
        """Do nothing: the limit has been set."""

    async def stop_renewing(self) -> None:
        """Do nothing: nothing is renewed."""

    async def confirm(self, kind: Kind, version: Version) -> Answer:
        """Never needed: where no record is known, none is in doubt."""
        return _DONE

    async def finish(self, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> Answer:
        """Put nothing down: there is nowhere to put it."""
        return _DONE


class ObservedLease:
    """A lease that never stops a write: one may take as long as the write timeout, whatever becomes of the lease in the store."""

    why = None
    age_seconds = 0.0

    def __init__(self, lease: Lease | Several, clock: Callable[[], float], write_timeout_seconds: float) -> None:
        """`lease` is settled: nothing is in doubt under it."""
        self._lease = lease
        self._clock = clock
        self._write_timeout_seconds = write_timeout_seconds
        self._deadline = clock() + write_timeout_seconds

    @property
    def snapshot(self) -> Snapshot:
        """What stands in the store."""
        return self._lease.snapshot

    @property
    def version(self) -> Version:
        """The version that the last commit left."""
        return self._lease.version

    @property
    def faults(self) -> Faults | None:
        """What a test does at the fault points."""
        return self._lease.faults

    def is_running(self) -> bool:
        """Whether the write timeout has not come."""
        return self._clock() < self._deadline

    @property
    def left_seconds(self) -> float:
        """How much of the write timeout is left."""
        return self._deadline - self._clock()

    def watch(self, on_move: Callable[[], None] | None) -> None:
        """Do nothing: the deadline never moves."""

    def limit_write(self) -> None:
        """Stop renewing one write timeout from now, and have the write end then."""
        self._lease.limit_write()
        self._deadline = self._clock() + self._write_timeout_seconds

    async def stop_renewing(self) -> None:
        """End the renewals."""
        await self._lease.stop_renewing()

    async def confirm(self, kind: Kind, version: Version) -> Answer:
        """Never needed: nothing is in doubt."""
        return await self._lease.confirm(kind, version)

    async def finish(self, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> Answer:
        """Report what became of the write, and let the lease go."""
        return await self._lease.finish(kind, version, replay_key, result)
