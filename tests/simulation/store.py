"""The store of the simulation: one data set that all processes share, and a link to it that loses things.

The data set does what every store does (`tests/store/contract.py` is run on it). The link is the network and the server's moods: a command
may never arrive, arrive when its sender has long given up, or be executed without anybody hearing of it.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Self, TypeVar

from proxy.core.record import ABSENT, Record, Snapshot, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.store.port import Store, StoreKey

from .journal import Journal
from .loop import WORLD, VirtualLoop
from .scenario import Scenario

T = TypeVar("T")
TIMEOUT_SECONDS = 0.5
FLOOR_STEP = 1000
OLD_SECONDS = 1e6
"""How old the first data set is: older than any grace."""

OnSwap = Callable[[StoreKey, Record], None]


class Register:
    """Records, one clock and a lineage. `on_swap` is called with each record that was put down."""

    def __init__(self, clock: Callable[[], float], chance: Random, on_swap: OnSwap | None = None) -> None:
        self._clock = clock
        self._chance = chance
        self._on_swap = on_swap
        self._records: dict[StoreKey, tuple[Record, str]] = {}
        self._settled: dict[str, bytes] = {}
        # What each swap replaced, oldest first: a replica that lags lacks the last of them.
        self._undo: list[tuple[StoreKey, tuple[Record, str] | None]] = []
        self.lineage = self._fresh()
        self.born = clock() - OLD_SECONDS
        self.floor = 0

    def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key."""
        record, stamp = self._records.get(key, (None, ABSENT))
        now = self._clock()
        return Snapshot(record, stamp, now, self.lineage, now - self.born, self.floor)

    def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record there if stamp and lineage still are these; else say what stands."""
        standing = self._records.get(key)
        if (ABSENT if standing is None else standing[1]) != expected_stamp or lineage != self.lineage:
            return self.load(key)
        now, stamp = self._clock(), self._fresh()
        written = record._replace(lease_end=now + lease_seconds)
        self._undo.append((key, standing))
        self._records[key] = written, stamp
        if self._on_swap is not None:
            self._on_swap(key, written)
        return Swapped(stamp, now)

    def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name unless something is kept there; return what is."""
        return self._settled.setdefault(name, proposal)

    def copy(self) -> Self:
        """The old primary of a failover: it goes on by itself, and nobody watches what is put down there."""
        other = type(self)(self._clock, self._chance)
        other._records, other._settled = dict(self._records), dict(self._settled)
        other.lineage, other.born, other.floor = self.lineage, self.born, self.floor
        return other

    def restart(self) -> None:
        """Go on under a new lineage, with all that was swapped, and so with the floor that was."""
        floor = self.floor
        self.begin_anew()
        self.floor = floor

    def begin_anew(self, lost_swaps: int = 0) -> None:
        """Go on under a new lineage, without the last lost_swaps swaps."""
        for _ in range(min(lost_swaps, len(self._undo))):
            key, before = self._undo.pop()
            if before is None:
                del self._records[key]
            else:
                self._records[key] = before
        self.lineage, self.born = self._fresh(), self._clock()
        self.floor = max(int(self.born * 1000), self.floor + FLOOR_STEP)

    def empty(self) -> None:
        """Lose everything, and go on under a new lineage."""
        self._records.clear()
        self._settled.clear()
        self._undo.clear()
        # What is emptied has lost its floor too.
        self.floor = 0
        self.begin_anew()

    def _fresh(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"


class RegisterStore:
    """A register as a store of its own, with nothing in between."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._closed = False

    async def load(self, key: StoreKey) -> Snapshot:
        """As the port says."""
        self._refuse_if_closed()
        return self._register.load(key)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """As the port says."""
        self._refuse_if_closed()
        return self._register.swap(key, expected_stamp, lineage, record, lease_seconds)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """As the port says."""
        self._refuse_if_closed()
        return self._register.settle(name, proposal)

    async def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreRefused("the store is closed")


class StoreLink:
    """What one process sees of the register. `is_cut`: nothing arrives; `is_muted`: no swap does. `is_calm`: all goes well from now on."""

    def __init__(self, loop: VirtualLoop, register: Register, scenario: Scenario, chance: Random, journal: Journal, name: str) -> None:
        self._loop = loop
        self.register = register
        self._scenario = scenario
        self._chance = chance
        self._journal = journal
        self._name = name
        self.is_cut = self.is_muted = self.refuses = self.is_calm = self.is_closed = False

    async def load(self, key: StoreKey) -> Snapshot:
        """As the port says."""
        return await self._ask("load", lambda: self.register.load(key))

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """As the port says."""
        what = f"swap {record.state.value} fence={record.fence} owner={record.owner[:4]}"
        return await self._ask(what, lambda: self.register.swap(key, expected_stamp, lineage, record, lease_seconds))

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """As the port says."""
        return await self._ask("settle", lambda: self.register.settle(name, proposal))

    async def close(self) -> None:
        """Refuse everything from now on."""
        self.is_closed = True

    async def _ask(self, what: str, execute: Callable[[], T]) -> T:
        """Send a command on its way. What was sent is executed whatever becomes of the sender."""
        if self.is_closed:
            raise StoreUnavailable("the process is gone")
        reply: asyncio.Future[T] = self._loop.create_future()
        chance, scenario = self._chance, self._scenario
        delay = chance.uniform(0.0005, 0.004)
        if not self.is_calm:
            if chance.random() < scenario.late_rate:
                delay = chance.uniform(0.0, 4 * TIMEOUT_SECONDS)
            if chance.random() < scenario.lost_rate:
                self._journal.fault("store: command lost")
                delay = -1.0
        if delay >= 0 and not self.is_cut and not (self.is_muted and what.startswith("swap")):
            self._loop.call_later(delay, self._arrive, what, execute, reply, context=WORLD)
        timer = self._loop.call_later(TIMEOUT_SECONDS, _fail, reply, StoreUnavailable("no reply"), context=WORLD)
        try:
            return await reply
        finally:
            timer.cancel()

    def _arrive(self, what: str, execute: Callable[[], T], reply: "asyncio.Future[T]") -> None:
        if self.is_cut:
            return
        if self.refuses:
            self._journal.fault("store: refused")
            _fail(reply, StoreRefused("READONLY"))
            return
        result = execute()
        shown = "done" if isinstance(result, Swapped) else _shown(result)
        self._journal.note(self._name, f"{what}{' late' if reply.done() else ''}: {shown}")
        if not self.is_calm and self._chance.random() < self._scenario.lost_rate:
            self._journal.fault("store: reply lost")
            return
        self._loop.call_later(self._chance.uniform(0.0005, 0.004), _succeed, reply, result, context=WORLD)


def _shown(result: object) -> str:
    if not isinstance(result, Snapshot):
        return "kept"
    record = result.record
    age = f"lineage {result.lineage[:4]} of {result.lineage_age:.1f} s"
    return f"absent, {age}" if record is None else f"{record.state.value} fence={record.fence} owner={record.owner[:4]}, {age}"


def _succeed(reply: "asyncio.Future[T]", result: T) -> None:
    if not reply.done():
        reply.set_result(result)


def _fail(reply: "asyncio.Future[T]", error: StoreError) -> None:
    if not reply.done():
        reply.set_exception(error)


_: tuple[type[Store], type[Store]] = (RegisterStore, StoreLink)
