"""Leases where the store's replies are lost or overtake each other: each of these was found by the simulation. In virtual time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from proxy.core.event import Done, GraceRunning, Kind, Why
from proxy.core.record import NOT_KNOWN, Record, Snapshot, State, Swapped
from proxy.core.write import CONFIRMS
from proxy.errors import StoreUnavailable
from proxy.gateway.lease import Lease, Leases, LeaseTimes
from proxy.gateway.tasks import Tasks
from proxy.store.port import StoreKey
from tests.simulation.loop import VirtualLoop
from tests.simulation.store import Register, RegisterStore

KEY = StoreKey("key")
TIMES = LeaseTimes(lease_seconds=3.0, margin_seconds=0.5, grace_seconds=10.0, lease_wait_seconds=1.0, write_timeout_seconds=30.0)

Before = Callable[[Record], Awaitable[None]]


class Watched(RegisterStore):
    """A store that calls `before` with what a swap would put down, and `after` once it stands."""

    def __init__(self, register: Register) -> None:
        super().__init__(register)
        self.before: Before | None = None
        self.after: Before | None = None
        self.swaps = 0

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        self.swaps += 1
        if self.before is not None:
            await self.before(record)
        answer = await super().swap(key, expected_stamp, lineage, record, lease_seconds)
        if self.after is not None:
            await self.after(record)
        return answer


class Place:
    """A store and the leases on it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.register = Register(loop.time, Random(1))
        self.store = Watched(self.register)
        self.tasks = Tasks()
        self.leases = Leases(self.store, TIMES, self.tasks, 4, loop.time)

    async def begin(self) -> Lease:
        """Take the lease."""
        lease = await self.leases.begin(KEY, self.loop.time() + 1.0, "PUT")
        assert isinstance(lease, Lease)
        return lease

    def lease_end(self) -> float:
        """When the store believes the lease to end."""
        record = self.register.load(KEY).record
        assert record is not None
        return record.lease_end


def lived(story: Callable[[Place], Awaitable[None]]) -> None:
    """Run story in a loop of its own."""
    loop = VirtualLoop()

    async def live() -> None:
        await story(Place(loop))

    try:
        loop.run_until_complete(asyncio.wait_for(live(), 1000.0))
    finally:
        loop.close()


async def lose(_: Record) -> None:
    raise StoreUnavailable("lost")


@pytest.mark.parametrize("is_executed", [False, True], ids=["the command is lost", "the reply is lost"])
def test_a_lost_renewal_moves_no_deadline(is_executed: bool) -> None:
    """What it would have written stands already, from the renewal before: that proves nothing."""

    async def story(place: Place) -> None:
        lease = await place.begin()
        await asyncio.sleep(1.5)
        first = place.lease_end()
        assert first == pytest.approx(1.0 + TIMES.lease_seconds)
        if is_executed:
            place.store.after = lose
        else:
            place.store.before = lose
        while lease.is_running():
            await asyncio.sleep(0.05)
            assert lease.deadline <= place.lease_end() - TIMES.margin_seconds
        assert place.loop.time() == pytest.approx(first - TIMES.margin_seconds, abs=0.1)
        assert place.store.swaps > 3

    lived(story)


def test_a_grace_that_was_seen_once_comes_to_its_end() -> None:
    """A snapshot taken during the grace, of a record that was settled before it, is as young for ever."""

    async def story(place: Place) -> None:
        lease = await place.begin()
        await lease.finish(Kind.COMMIT)
        place.register.begin_anew()
        for _ in range(3):
            grace = await place.leases.begin(KEY, place.loop.time() + 1.0, "PUT")
            assert isinstance(grace, GraceRunning)
            assert grace.seconds == pytest.approx(TIMES.grace_seconds - place.loop.time())
            await asyncio.sleep(1.0)
        await asyncio.sleep(TIMES.grace_seconds)
        lease = await place.begin()
        assert lease.why is Why.LINEAGE

    lived(story)


def test_a_turn_that_is_given_up_as_it_comes() -> None:
    """Both in one pass of the loop: who waited has been cancelled already when the turn looks for the next one."""

    async def story(place: Place) -> None:
        leases, tasks = place.leases, place.tasks
        assert await leases.turns.take(KEY, 9.0)
        waiting = tasks.start(leases.turns.take(KEY, 1.0))
        await asyncio.sleep(0.5)
        place.loop.call_at(1.0, leases.turns.end, KEY)
        assert await waiting is False
        assert await leases.turns.take(KEY, 9.0)

    lived(story)


def test_a_renewal_is_over_before_a_doubt_is_settled() -> None:
    """Its reply may come after CONFIRM's: then the lease would take an unknown record for what stands, and could never commit."""

    async def story(place: Place) -> None:
        first = await place.begin()
        await first.finish(Kind.MARK)
        lease = await place.begin()

        async def be_slow(record: Record) -> None:
            if record.state is State.UNKNOWN:
                await asyncio.sleep(0.3)

        place.store.after = be_slow
        await asyncio.sleep(1.1)
        assert isinstance(await lease.confirm(Kind.PROCEED, NOT_KNOWN), Done)
        await asyncio.sleep(0.5)
        assert isinstance(await lease.finish(Kind.COMMIT), Done)

    lived(story)


@pytest.mark.parametrize("kind", [Kind.PROCEED, Kind.SETTLE, Kind.COMMIT, Kind.ABORT, Kind.MARK])
def test_a_swap_that_is_executed_after_it_was_looked_for(kind: Kind) -> None:
    """No reply, and nothing to be seen of it; it comes to pass just before it is sent again, which therefore finds it done."""

    async def story(place: Place) -> None:
        if kind in CONFIRMS:
            first = await place.begin()
            await first.finish(Kind.MARK)
        lease = await place.begin()
        stamp = lease.snapshot.stamp
        slow: list[Record] = []

        async def be_late(record: Record) -> None:
            slow.append(record)
            if len(slow) == 1:
                raise StoreUnavailable("no reply")
            assert isinstance(place.register.swap(KEY, stamp, place.register.lineage, slow[0], TIMES.lease_seconds), Swapped)
            place.store.before = None

        place.store.before = be_late
        answer = await (lease.confirm(kind, NOT_KNOWN) if kind in CONFIRMS else lease.finish(kind))
        assert isinstance(answer, Done)
        assert len(slow) == 2
        if kind is Kind.PROCEED:
            assert isinstance(await lease.finish(Kind.COMMIT), Done)

    lived(story)


def test_a_confirmed_lease_is_renewed() -> None:
    async def story(place: Place) -> None:
        first = await place.begin()
        await first.finish(Kind.MARK)
        lease = await place.begin()
        await lease.confirm(Kind.PROCEED, NOT_KNOWN)
        await asyncio.sleep(4 * TIMES.lease_seconds)
        assert lease.is_running()
        assert isinstance(await lease.finish(Kind.COMMIT), Done)

    lived(story)


def test_a_store_that_loses_every_swap_is_away() -> None:
    """Though its loads come through: a writer is not to try for ever."""

    async def story(place: Place) -> None:
        place.store.before = lose
        with pytest.raises(StoreUnavailable):
            await place.leases.begin(KEY, 1.0, "PUT")
        assert place.store.swaps == 3

    started = time.monotonic()
    lived(story)
    assert time.monotonic() - started < 30
