"""Trips: how often the store was asked for the sake of one request, whichever task asks."""

from contextvars import ContextVar


class Trips:
    """A number that grows."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


current: ContextVar[Trips | None] = ContextVar("trips", default=None)
"""Those of the request that this is done for; None: for none. A task takes over those of who started it."""


def count_trip() -> None:
    """Count one trip for the request that it is made for, if there is one."""
    if (trips := current.get()) is not None:
        trips.count += 1


def track() -> Trips:
    """Begin to count for a request. Reads that no store is asked for do without."""
    trips = Trips()
    current.set(trips)
    return trips
