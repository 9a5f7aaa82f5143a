"""Several leases for one write: all or none, in one order for everybody, and every record in doubt where the write is. In virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest

from proxy.core.event import Busy, Done, Fenced, InFlight, Kind, Replayed, Why
from proxy.core.fields import RequestFields, read_request_fields
from proxy.core.precondition import NO_CONDITIONS
from proxy.core.record import NOT_KNOWN, Record, State, Version
from proxy.core.resource import ResourceKey, key_digest
from proxy.core.roles import request_roles
from proxy.core.target import Target, parse_target
from proxy.errors import StoreError, StoreUnavailable
from proxy.gateway.exchange import Exchange
from proxy.gateway.lease import Lease, Leases, LeaseTimes
from proxy.gateway.rules import Rules
from proxy.gateway.several import Keys, Several, begin_all, keys_of
from proxy.gateway.tasks import Tasks
from proxy.store.port import StoreKey
from tests.simulation.loop import VirtualLoop
from tests.simulation.store import Register, RegisterStore

A, B, C = StoreKey("a"), StoreKey("b"), StoreKey("c")
TIMES = LeaseTimes(lease_seconds=3.0, margin_seconds=0.5, grace_seconds=10.0, lease_wait_seconds=1.0, write_timeout_seconds=30.0)
WAIT_SECONDS = 1.0


class Failing(RegisterStore):
    """A store that does not answer swaps of the keys in `dead`."""

    def __init__(self, register: Register) -> None:
        super().__init__(register)
        self.dead: set[StoreKey] = set()

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float):  # type: ignore[no-untyped-def]
        if key in self.dead:
            raise StoreUnavailable("no reply")
        return await super().swap(key, expected_stamp, lineage, record, lease_seconds)


class Place:
    """A store, and two processes on it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.register = Register(loop.time, Random(1))
        self.store = Failing(self.register)
        self.one, self.two = (Leases(self.store, TIMES, Tasks(), 4, loop.time) for _ in range(2))

    async def begin(self, keys: Sequence[StoreKey] = (A, B, C), own: StoreKey = B, replay_key: str = "", leases: Leases | None = None):  # type: ignore[no-untyped-def]
        """Ask for the leases of keys."""
        return await begin_all(leases or self.one, Keys(own, keys), self.loop.time() + WAIT_SECONDS, "PUT", replay_key)

    async def hold(self, keys: Sequence[StoreKey] = (A, B, C), own: StoreKey = B) -> Several:
        """Have the leases of keys."""
        held = await self.begin(keys, own)
        assert isinstance(held, Several)
        return held

    async def doubt(self, *keys: StoreKey) -> None:
        """Leave each of keys behind as a write does whose outcome nobody knows."""
        for key in keys:
            lease = await self.two.begin(key, self.loop.time() + 1.0, "PUT", counts=True)
            assert isinstance(lease, Lease)
            await lease.finish(Kind.MARK)

    def record(self, key: StoreKey) -> Record:
        """What stands under key."""
        record = self.register.load(key).record
        assert record is not None
        return record

    def states(self, *keys: StoreKey) -> list[State]:
        """The states of keys."""
        return [self.record(key).state for key in keys]

    def revisions(self, *keys: StoreKey) -> list[int]:
        """The numbers of keys."""
        return [self.record(key).revision for key in keys]


def lived(story: Callable[[Place], Awaitable[None]]) -> None:
    """Run story in a loop of its own."""
    loop = VirtualLoop()

    async def live() -> None:
        async with asyncio.timeout(200.0):
            await story(Place(loop))

    try:
        loop.run_until_complete(live())
    finally:
        loop.close()


def test_a_commit_counts_every_key_on() -> None:
    async def story(place: Place) -> None:
        held = await place.hold()
        assert place.states(A, B, C) == [State.PENDING] * 3
        assert isinstance(await held.finish(Kind.COMMIT, Version("v")), Done)
        assert (place.states(A, B, C), place.revisions(A, B, C)) == ([State.OK] * 3, [1, 1, 1])
        # Nobody has looked at the others: no version of theirs is known.
        assert [place.record(key).version for key in (A, B, C)] == [NOT_KNOWN, "v", NOT_KNOWN]
        assert place.record(A).is_lasting
        assert place.record(C).is_lasting

    lived(story)


@pytest.mark.parametrize(("kind", "state"), [(Kind.ABORT, State.OK), (Kind.MARK, State.UNKNOWN)])
def test_what_becomes_of_one_becomes_of_all(kind: Kind, state: State) -> None:
    async def story(place: Place) -> None:
        await (await place.hold()).finish(kind)
        assert (place.states(A, B, C), place.revisions(A, B, C)) == ([state] * 3, [0, 0, 0])

    lived(story)


def test_a_crash_leaves_every_key_unknown() -> None:
    async def story(place: Place) -> None:
        held = await place.hold()
        await held.stop_renewing()
        await asyncio.sleep(TIMES.lease_seconds + 0.1)
        for key in (A, B, C):
            found = await place.two.begin(key, place.loop.time(), "PUT")
            assert isinstance(found, Lease)
            assert found.why is Why.ABANDONED
            await found.finish(Kind.MARK)
        assert place.revisions(A, B, C) == [0, 0, 0]

    lived(story)


def test_who_does_not_get_one_gives_back_what_it_has() -> None:
    async def story(place: Place) -> None:
        other = await place.two.begin(C, place.loop.time(), "PUT")
        assert isinstance(other, Lease)
        assert isinstance(await place.begin(), Busy)
        assert (place.states(A, B), place.record(A).owner, place.record(B).owner) == ([State.OK] * 2, "", "")
        await other.finish(Kind.ABORT)
        await place.hold()

    lived(story)


def test_a_doubt_that_is_given_back_stays_one() -> None:
    async def story(place: Place) -> None:
        await place.doubt(A)
        other = await place.two.begin(C, place.loop.time(), "PUT")
        assert isinstance(other, Lease)
        assert isinstance(await place.begin(), Busy)
        assert place.states(A, B) == [State.UNKNOWN, State.OK]

    lived(story)


def test_a_store_that_fails_at_one_leaves_none_held() -> None:
    async def story(place: Place) -> None:
        place.store.dead = {C}
        with pytest.raises(StoreError):
            await place.begin()
        assert (place.states(A, B), place.record(A).owner, place.record(B).owner) == ([State.OK] * 2, "", "")

    lived(story)


def test_the_youngest_doubt_is_waited_out_and_every_doubtful_number_is_burned() -> None:
    async def story(place: Place) -> None:
        await place.doubt(A)
        await asyncio.sleep(3.0)
        await place.doubt(C)
        await asyncio.sleep(1.0)
        held = await place.hold()
        assert held.why is Why.UNKNOWN
        assert held.age_seconds == pytest.approx(1.0, abs=0.1)
        assert isinstance(await held.confirm(Kind.PROCEED, Version("seen")), Done)
        assert (place.states(A, B, C), place.revisions(A, B, C)) == ([State.PENDING] * 3, [1, 0, 1])
        await held.finish(Kind.COMMIT)
        assert place.revisions(A, B, C) == [2, 1, 2]

    lived(story)


def test_to_settle_lets_go_of_all() -> None:
    async def story(place: Place) -> None:
        await place.doubt(A)
        held = await place.hold()
        assert isinstance(await held.confirm(Kind.SETTLE, NOT_KNOWN), Done)
        assert (place.states(A, B, C), place.revisions(A, B, C)) == ([State.OK] * 3, [1, 0, 0])
        assert [place.record(key).owner for key in (A, B, C)] == ["", "", ""]

    lived(story)


def test_who_is_fenced_at_one_while_it_settles_lets_go_of_the_others() -> None:
    async def story(place: Place) -> None:
        await place.doubt(A, B)
        held = await place.hold()
        fenced = next(lease for lease in held._all if lease.key == A)
        await fenced.stop_renewing()
        await asyncio.sleep(TIMES.lease_seconds + 0.1)
        assert isinstance(await place.two.begin(A, place.loop.time(), "PUT"), Lease)
        assert isinstance(await held.confirm(Kind.PROCEED, NOT_KNOWN), Fenced)
        assert place.states(A, B, C) == [State.UNKNOWN, State.OK, State.OK]
        assert place.revisions(A, B, C) == [0, 1, 0]

    lived(story)


def test_the_gate_is_shut_as_soon_as_one_lease_has_run_out() -> None:
    async def story(place: Place) -> None:
        held = await place.hold()
        await held._others[0].stop_renewing()
        assert held.is_running()
        await asyncio.sleep(TIMES.lease_seconds)
        assert held._first.is_running()
        assert not held.is_running()
        assert held.left_seconds < 0

    lived(story)


def test_what_another_cannot_be_told_is_in_doubt_there_and_a_success_here() -> None:
    async def story(place: Place) -> None:
        held = await place.hold()
        place.store.dead = {C}
        assert isinstance(await held.finish(Kind.COMMIT), Done)
        assert place.states(A, B, C) == [State.OK, State.OK, State.PENDING]
        place.store.dead = set()
        await asyncio.sleep(TIMES.lease_seconds + 0.1)
        found = await place.two.begin(C, place.loop.time(), "PUT")
        assert isinstance(found, Lease)
        assert found.why is Why.ABANDONED

    lived(story)


def test_what_the_own_record_cannot_be_told_is_no_success() -> None:
    async def story(place: Place) -> None:
        held = await place.hold()
        place.store.dead = {B}
        with pytest.raises(StoreUnavailable):
            await held.finish(Kind.COMMIT)

    lived(story)


def test_a_retry_is_recognised_by_the_record_of_its_own_resource() -> None:
    async def story(place: Place) -> None:
        held = await place.begin(replay_key="who:what")
        assert isinstance(held, Several)
        assert isinstance(await place.begin(replay_key="who:what", leases=place.two), Busy | InFlight)
        await held.finish(Kind.COMMIT, replay_key="who:what", result="told")
        assert await place.begin(replay_key="who:what") == Replayed("told")
        assert [place.record(key).owner for key in (A, B, C)] == ["", "", ""]

    lived(story)


async def _cross(place: Place, order: Callable[[Sequence[StoreKey]], Sequence[StoreKey]]) -> list[bool]:
    """Two processes want the same two keys, each naming another as its own; whether each got them."""
    got: list[bool] = []

    async def want(leases: Leases, keys: Sequence[StoreKey]) -> None:
        held = await begin_all(leases, Keys(keys[0], order(keys)), place.loop.time() + WAIT_SECONDS, "PUT")
        got.append(isinstance(held, Several))
        if isinstance(held, Several):
            await asyncio.sleep(0.1)
            await held.finish(Kind.COMMIT)

    await asyncio.gather(want(place.one, (A, B)), want(place.two, (B, A)))
    return got


def test_two_who_want_the_same_do_not_wait_for_each_other() -> None:
    async def story(place: Place) -> None:
        assert await _cross(place, sorted) == [True, True]

    lived(story)


def test_without_one_order_they_would() -> None:
    """What the test above is worth: each has what the other one waits for, and both go away with nothing."""

    async def story(place: Place) -> None:
        place.store.swap = _slowly(place.store.swap)  # type: ignore[method-assign,assignment]
        assert await _cross(place, lambda keys: keys) == [False, False]

    lived(story)


def _slowly(swap: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def slow(*arguments: object) -> object:
        await asyncio.sleep(0.01)
        return await swap(*arguments)

    return slow


def test_a_turn_that_does_not_come_costs_no_other() -> None:
    async def story(place: Place) -> None:
        assert await place.one.turns.take(B, 0.0)
        assert not await place.one.turns.take_all((A, B), place.loop.time() + 0.1)
        place.one.turns.end_all((B,))
        assert await place.one.turns.take_all((A, B), place.loop.time() + 0.1)

    lived(story)


def test_who_leaves_while_it_waits_for_a_turn_holds_none() -> None:
    async def story(place: Place) -> None:
        assert await place.one.turns.take(B, 0.0)
        waiting = place.loop.create_task(place.one.turns.take_all((A, B), place.loop.time() + 5.0))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert await place.one.turns.take(A, place.loop.time() + 0.01)

    lived(story)


def test_everybody_takes_keys_in_one_order() -> None:
    target = parse_target(b"/a", b"h")
    fields = read_request_fields([], request_roles(b""))
    assert isinstance(target, Target)
    assert isinstance(fields, RequestFields)
    names = [ResourceKey(b"group:%d" % number) for number in range(20)]
    for own in names[:3]:
        exchange = Exchange(b"PUT", target, own, Rules("r"), fields, NO_CONDITIONS, b"", NoBody())
        assert keys_of(exchange) == Keys(exchange.store_key, (exchange.store_key,))
        exchange.other_keys = tuple(names)
        assert keys_of(exchange) == Keys(exchange.store_key, sorted(StoreKey(key_digest(name)) for name in names))


class NoBody:
    """The body of a request that has none."""

    size_bytes = 0

    async def read(self) -> bytes:
        return b""

    async def ask_for(self) -> None:
        return None
