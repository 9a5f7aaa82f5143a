"""What a write has in place of a lease while the store is away and its route lets it through all the same (protocol §10)."""

from collections.abc import Callable

from ..core.event import Answer, Done, Kind
from ..core.record import NOT_KNOWN, Version

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
