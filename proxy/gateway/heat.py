"""Heat: which resources are written, waited for and fought over most, lately. For operators; bounded, and lost with the process.

Only writes are noted. What happened counts half as much after each HALF_LIFE_SECONDS. Of resources that are hardly ever written most are
forgotten: whenever twice as many as are kept are known, the colder half goes.
"""

import time
from collections.abc import Callable
from heapq import nlargest

from ..store.port import StoreKey

KEPT = 512
HALF_LIFE_SECONDS = 600.0
# Far below where 2 to this power is no float any more.
_MAX_HALF_LIVES = 200.0


class Spot:
    """One resource. `heat` is in the units of `Heat`: see there. `path` is that of the last write, without its query; cut."""

    __slots__ = ("conflicts", "heat", "key", "last_at", "path", "route", "waits", "writes")

    def __init__(self, key: StoreKey) -> None:
        self.key = key
        self.route = ""
        self.path = b""
        self.heat = 0.0
        self.writes = self.conflicts = self.waits = 0
        self.last_at = 0.0


class Heat:
    """Count what happens to resources. Each event adds a `unit` of heat, and a unit grows with time: so nothing has to cool."""

    def __init__(self, clock: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        self._clock = clock
        self._kept = kept
        self._began = clock()
        self._spots: dict[StoreKey, Spot] = {}

    def unit(self) -> float:
        """How much heat one event adds at this moment."""
        half_lives = (self._clock() - self._began) / HALF_LIFE_SECONDS
        if half_lives > _MAX_HALF_LIVES:
            self._cool(half_lives)
            return 1.0
        return float(2.0**half_lives)

    def write(self, key: StoreKey, route: str, path: bytes, conflicts: int) -> None:
        """Note a write, and the conflicts that it met."""
        spot = self._spot(key)
        spot.route, spot.path = route, path
        spot.writes += 1
        spot.conflicts += conflicts
        spot.last_at = self._clock()
        spot.heat += self.unit() * (1 + conflicts)

    def wait(self, key: StoreKey) -> None:
        """Note that a write waits for another one. It is noted itself when it is over."""
        spot = self._spot(key)
        spot.waits += 1
        spot.heat += self.unit()

    def hottest(self, most: int) -> list[Spot]:
        """The hottest ones, hottest first."""
        return nlargest(most, (spot for spot in self._spots.values() if spot.writes), key=lambda spot: spot.heat)

    def _spot(self, key: StoreKey) -> Spot:
        spot = self._spots.get(key)
        if spot is None:
            if len(self._spots) >= 2 * self._kept:
                hottest = nlargest(self._kept, self._spots.values(), key=lambda each: each.heat)
                self._spots = {each.key: each for each in hottest}
            spot = self._spots[key] = Spot(key)
        return spot

    def _cool(self, half_lives: float) -> None:
        """Begin to count time anew, in units of now."""
        self._began = self._clock()
        for spot in self._spots.values():
            # Of far less than nothing 2 to this power is 0.
            spot.heat *= 2.0**-half_lives
