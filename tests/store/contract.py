"""What every store must do. A test module per adapter subclasses StoreContract and says how a store is opened; none may skip a test."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from proxy.core.record import ABSENT, NO_COMMIT, Commit, Record, Snapshot, State, Swapped, Version
from proxy.errors import StoreRefused
from proxy.store.port import Store, StoreKey, Streams

OpenStore = Callable[[], Awaitable[Store]]
"""Opens one more store on the data set of the test; the fixture closes it."""

LATIN_1 = "".join(map(chr, range(256)))
CLOCK_SLACK_SECONDS = 0.002
"""Redis keeps milliseconds."""

RECORDS = {
    "settled, nothing known": Record(State.OK, "l1", "e1"),
    "pending": Record(State.PENDING, "l1", "e1", 41, Version("abc"), 7, "owner", 0.0, None, "PUT /a"),
    "unknown since": Record(State.UNKNOWN, "l1", "e1", unknown_since=1_763_800_000.123),
    "unknown since the clock's beginning": Record(State.UNKNOWN, "l1", "e1", unknown_since=0.0),
    "committed": Record(State.OK, "l1", "e1", 2, Version("v"), 3, last=Commit("o", 3, "key", '204|"v"')),
    "a version of every latin-1 character": Record(State.OK, "l1", "e1", version=Version(LATIN_1), operation=LATIN_1),
    "a result of every latin-1 character": Record(State.OK, "l1", "e1", last=Commit(LATIN_1, 1, LATIN_1, LATIN_1)),
    "text beyond latin-1": Record(State.OK, "l1", "e1", operation="PUT /\u20ac/\U0001f600"),
    "long values": Record(State.OK, "l1", "e1", version=Version("v" * 10_000), last=Commit("o", 1, "k" * 1_000, "r" * 200_000)),
    "counted, and to last": Record(State.OK, "l1", "e1", 1_795_000_000_000, is_lasting=True),
    "big numbers": Record(State.OK, "l1", "e1", revision=2**62, fence=2**62, last=Commit("o", 2**62, "", "")),
}

WRONG_STAMPS = {
    "no record expected, one stands": (True, lambda current: ABSENT),
    "a stamp that never was": (True, lambda current: "0" * len(current)),
    "the stamp and more": (True, lambda current: current + "0"),
    "the start of the stamp": (True, lambda current: current[:-1]),
    "a record expected, none stands": (False, lambda current: "0" * 32),
}


def fresh_key() -> StoreKey:
    """Make a key that no other test uses: some servers are shared."""
    return StoreKey(os.urandom(16).hex())


def without_times(record: Record | None) -> Record | None:
    """Take out what the store sets itself."""
    return record and record._replace(lease_end=0.0)


async def put(store: Store, key: StoreKey, record: Record, lease_seconds: float = 0.0) -> Swapped:
    """Write record over whatever stands under key."""
    standing = await store.load(key)
    outcome = await store.swap(key, standing.stamp, standing.lineage, record, lease_seconds)
    assert isinstance(outcome, Swapped)
    return outcome


async def streams_of(open_store: OpenStore) -> Streams:
    """Open one more store, as what keeps streams."""
    store = await open_store()
    assert isinstance(store, Streams)
    return store


class StoreContract:
    """The tests of the port. A subclass defines the fixture open_store."""

    @pytest.fixture
    async def open_store(self) -> OpenStore:
        """Open stores on one data set; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> Store:
        """One store."""
        return await open_store()

    async def test_nothing_stands_under_a_fresh_key(self, store: Store) -> None:
        snapshot = await store.load(fresh_key())
        assert (snapshot.record, snapshot.stamp) == (None, ABSENT)
        assert len(snapshot.lineage) >= 32
        assert snapshot.lineage_age >= 0

    async def test_a_load_leaves_nothing_behind(self, store: Store) -> None:
        key = fresh_key()
        await store.load(key)
        assert (await store.load(key)).stamp == ABSENT

    async def test_swap_on_absent_then_on_its_stamp(self, store: Store) -> None:
        key = fresh_key()
        lineage = (await store.load(key)).lineage
        first = await store.swap(key, ABSENT, lineage, Record(State.PENDING, lineage, "e", 1), 5.0)
        assert isinstance(first, Swapped)
        standing = await store.load(key)
        assert standing.stamp == first.stamp
        assert without_times(standing.record) == Record(State.PENDING, lineage, "e", 1)
        second = await store.swap(key, first.stamp, lineage, Record(State.OK, lineage, "e", 2), 0.0)
        assert isinstance(second, Swapped)
        assert second.stamp not in (first.stamp, ABSENT)
        assert without_times((await store.load(key)).record) == Record(State.OK, lineage, "e", 2)

    @pytest.mark.parametrize(("has_record", "wrong"), WRONG_STAMPS.values(), ids=WRONG_STAMPS)
    async def test_wrong_stamp_changes_nothing(self, store: Store, has_record: bool, wrong: Callable[[str], str]) -> None:
        key = fresh_key()
        if has_record:
            await put(store, key, Record(State.OK, "l1", "e1", 1))
        before = await store.load(key)
        outcome = await store.swap(key, wrong(before.stamp), before.lineage, Record(State.PENDING, "l1", "e1", 2), 5.0)
        assert isinstance(outcome, Snapshot)
        assert (outcome.record, outcome.stamp, outcome.lineage) == (before.record, before.stamp, before.lineage)
        after = await store.load(key)
        assert (after.record, after.stamp) == (before.record, before.stamp)

    async def test_an_old_stamp_is_wrong(self, store: Store) -> None:
        key = fresh_key()
        old = await put(store, key, Record(State.OK, "l1", "e1", 1))
        new = await put(store, key, Record(State.OK, "l1", "e1", 2))
        lineage = (await store.load(key)).lineage
        outcome = await store.swap(key, old.stamp, lineage, Record(State.OK, "l1", "e1", 3), 0.0)
        assert isinstance(outcome, Snapshot)
        assert outcome.stamp == new.stamp
        assert outcome.record is not None
        assert outcome.record.revision == 2

    @pytest.mark.parametrize("has_record", [False, True], ids=["absent", "present"])
    @pytest.mark.parametrize("lineage", ["", "0" * 32, "0" * 40])
    async def test_wrong_lineage_changes_nothing(self, store: Store, has_record: bool, lineage: str) -> None:
        key = fresh_key()
        if has_record:
            await put(store, key, Record(State.OK, "l1", "e1", 1))
        before = await store.load(key)
        outcome = await store.swap(key, before.stamp, lineage, Record(State.PENDING, "l1", "e1", 2), 5.0)
        assert isinstance(outcome, Snapshot)
        assert (outcome.record, outcome.stamp, outcome.lineage) == (before.record, before.stamp, before.lineage)
        assert (await store.load(key)).stamp == before.stamp

    @pytest.mark.parametrize("lease_seconds", [5.0, 0.0, 0.25, 30.0])
    async def test_the_store_sets_the_end_of_the_lease(self, store: Store, lease_seconds: float) -> None:
        key = fresh_key()
        swapped = await put(store, key, Record(State.PENDING, "l1", "e1", owner="o", lease_end=12345.0), lease_seconds)
        record = (await store.load(key)).record
        assert record is not None
        assert record.lease_end == pytest.approx(swapped.now + lease_seconds, abs=CLOCK_SLACK_SECONDS)

    async def test_a_lease_runs_out_by_the_clock_of_the_store(self, store: Store) -> None:
        key = fresh_key()
        await put(store, key, Record(State.PENDING, "l1", "e1", owner="o"), 0.1)
        at_once = await store.load(key)
        await asyncio.sleep(0.12)
        later = await store.load(key)
        assert at_once.record is not None
        assert later.record == at_once.record
        assert at_once.now < at_once.record.lease_end <= later.now

    async def test_the_clock_only_grows_and_counts_seconds(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        key = fresh_key()
        times = [(await store.load(key)).now for _ in range(20) for store in (one, other)]
        assert times == sorted(times)
        await asyncio.sleep(0.2)
        assert 0.19 <= (await one.load(key)).now - times[-1] < 5

    async def test_the_lineage_of_a_key_is_one_and_ages(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        key = fresh_key()
        first = await one.load(key)
        second = await other.load(key)
        assert first.lineage == second.lineage
        await asyncio.sleep(0.05)
        third = await one.load(key)
        assert third.lineage == first.lineage
        # `now` less the age is the moment that the lineage began: always the same one.
        assert third.now - third.lineage_age == pytest.approx(first.now - first.lineage_age, abs=CLOCK_SLACK_SECONDS)

    async def test_a_lineage_has_one_floor_and_numbers_that_scripts_can_hold(self, open_store: OpenStore) -> None:
        one, other, key = await open_store(), await open_store(), fresh_key()
        floors = {(await store.load(key)).floor for store in (one, other)}
        refused = await one.swap(key, "0" * 32, (await one.load(key)).lineage, Record(State.OK, "l1", "e1"), 0.0)
        assert isinstance(refused, Snapshot)
        assert floors == {refused.floor}
        assert 0 <= refused.floor < 2**52

    @pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
    async def test_every_field_survives(self, open_store: OpenStore, record: Record) -> None:
        key = fresh_key()
        await put(await open_store(), key, record)
        standing = (await (await open_store()).load(key)).record
        assert without_times(standing) == record
        assert type(standing) is Record
        assert type(standing.last) is type(NO_COMMIT)

    async def test_one_of_fifty_wins(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(3)]
        key = fresh_key()
        for _ in range(5):
            before = await stores[0].load(key)
            swaps = (
                stores[i % 3].swap(key, before.stamp, before.lineage, Record(State.OK, "l1", "e1", i, owner=f"o{i}"), 0.0)
                for i in range(50)
            )
            outcomes = await asyncio.gather(*swaps)
            ((winner, swapped),) = [(i, outcome) for i, outcome in enumerate(outcomes) if isinstance(outcome, Swapped)]
            standing = await stores[1].load(key)
            assert standing.stamp == swapped.stamp
            assert standing.record is not None
            assert standing.record.owner == f"o{winner}"
            # The losers are told who won, or, where they were judged before, what had stood.
            assert {o.stamp for o in outcomes if isinstance(o, Snapshot)} <= {before.stamp, swapped.stamp}

    async def test_two_stores_see_each_other(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        key = fresh_key()
        first = await put(one, key, Record(State.OK, "l1", "e1", 1))
        assert (await other.load(key)).stamp == first.stamp
        second = await put(other, key, Record(State.OK, "l1", "e1", 2))
        lineage = (await one.load(key)).lineage
        assert isinstance(await one.swap(key, first.stamp, lineage, Record(State.OK, "l1", "e1", 3), 0.0), Snapshot)
        assert isinstance(await one.swap(key, second.stamp, lineage, Record(State.OK, "l1", "e1", 3), 0.0), Swapped)

    async def test_a_store_opened_later_sees_what_an_earlier_one_left(self, open_store: OpenStore) -> None:
        earlier = await open_store()
        keeps_the_memory_of_one_process_alive = await open_store()
        key = fresh_key()
        swapped = await put(earlier, key, Record(State.OK, "l1", "e1", 1))
        await earlier.close()
        assert (await (await open_store()).load(key)).stamp == swapped.stamp
        assert (await keeps_the_memory_of_one_process_alive.load(key)).stamp == swapped.stamp

    async def test_keys_do_not_interfere(self, store: Store) -> None:
        keys = [StoreKey(f"{prefix}{suffix}") for prefix in (fresh_key(), fresh_key()) for suffix in ("", "a", "A", "-", "_", "ab")]
        stamps = {key: (await put(store, key, Record(State.OK, "l1", "e1", number))).stamp for number, key in enumerate(keys)}
        await put(store, keys[0], Record(State.UNKNOWN, "l1", "e1", 99))
        for number, key in enumerate(keys[1:], 1):
            standing = await store.load(key)
            assert standing.stamp == stamps[key]
            assert without_times(standing.record) == Record(State.OK, "l1", "e1", number)

    async def test_stamps_never_repeat(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(2)]
        stamps: list[str] = []

        async def write(store: Store) -> None:
            key = fresh_key()
            standing = await store.load(key)
            stamp = standing.stamp
            for _ in range(100):
                outcome = await store.swap(key, stamp, standing.lineage, Record(State.OK, "l1", "e1"), 0.0)
                assert isinstance(outcome, Swapped)
                stamp = outcome.stamp
                stamps.append(stamp)

        await asyncio.gather(*(write(stores[i % 2]) for i in range(100)))
        assert len(set(stamps)) == 10_000
        assert min(map(len, stamps)) >= 22

    @pytest.mark.parametrize("turns", range(8))
    async def test_a_cancelled_caller_leaves_a_whole_record_and_a_store_that_works(self, store: Store, turns: int) -> None:
        loop = asyncio.get_running_loop()
        key = fresh_key()
        before = await store.load(key)
        written = Record(State.PENDING, before.lineage, "e1", 1, owner="cancelled")
        leaving = [loop.create_task(store.swap(key, ABSENT, before.lineage, written, 5.0)) for _ in range(4)]
        staying = [loop.create_task(store.load(fresh_key())) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        for task in staying:
            assert (await task).record is None
        standing = await store.load(key)
        assert without_times(standing.record) in (None, written)
        assert (standing.record is None) == (standing.stamp == ABSENT)
        outcome = await store.swap(key, standing.stamp, standing.lineage, Record(State.OK, "l1", "e1", 2), 0.0)
        assert isinstance(outcome, Swapped)
        assert (await store.load(key)).stamp == outcome.stamp

    async def test_twenty_callers_settle_on_one_value(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(2)]
        name = fresh_key()
        proposals = [bytes([number, 0, 255, 13, 10]) for number in range(20)]
        kept = await asyncio.gather(*(stores[number % 2].settle(name, proposal) for number, proposal in enumerate(proposals)))
        assert len(set(kept)) == 1
        assert kept[0] in proposals
        await stores[0].close()
        assert await (await open_store()).settle(name, b"too late") == kept[0]

    async def test_settled_names_do_not_interfere(self, store: Store) -> None:
        key = fresh_key()
        assert await store.settle(key, b"") == b""
        assert await store.settle(f"{key}2", b"two") == b"two"
        assert (await store.load(key)).record is None

    async def test_a_closed_store_refuses(self, store: Store) -> None:
        lineage = (await store.load(fresh_key())).lineage
        await store.close()
        await store.close()
        with pytest.raises(StoreRefused, match="closed"):
            await store.load(fresh_key())
        with pytest.raises(StoreRefused, match="closed"):
            await store.swap(fresh_key(), ABSENT, lineage, Record(State.OK, lineage, "e1"), 0.0)
        with pytest.raises(StoreRefused, match="closed"):
            await store.settle(fresh_key(), b"")


class StreamContract(StoreContract):
    """And what those must do that keep streams as well."""

    async def test_a_stream_keeps_the_newest_in_order(self, open_store: OpenStore) -> None:
        one, other = await streams_of(open_store), await streams_of(open_store)
        name = fresh_key()
        assert await one.tail(name, "", 10) == []
        contents = [bytes([number, 0, 255, 13, 10]) for number in range(12)]
        for number, content in enumerate(contents):
            await (one, other)[number % 2].append(name, content, 5)
        kept = await other.tail(name, "", 10)
        assert [entry.content for entry in kept] == contents[-5:]
        assert len({entry.id for entry in kept}) == 5

    async def test_a_stream_is_read_on_from_where_one_was(self, open_store: OpenStore) -> None:
        store = await streams_of(open_store)
        name = fresh_key()
        for number in range(15):
            await store.append(name, b"%d" % number, 100)
        seen: list[bytes] = []
        after = ""
        while page := await store.tail(name, after, 4):
            assert len(page) <= 4
            seen += [entry.content for entry in page]
            after = page[-1].id
        assert seen == [b"%d" % number for number in range(15)]
        await store.append(name, b"later", 1)
        assert [entry.content for entry in await store.tail(name, after, 4)] == [b"later"]
        # Where one was has been forgotten since: reading goes on all the same.
        assert [entry.content for entry in await store.tail(name, "", 4)] == [b"later"]

    async def test_a_stream_is_read_back_from_its_end(self, open_store: OpenStore) -> None:
        store = await streams_of(open_store)
        name = fresh_key()
        assert await store.latest(name, "", 4) == []
        for number in range(10):
            await store.append(name, b"%d" % number, 100)
        seen: list[bytes] = []
        before = ""
        while page := await store.latest(name, before, 4):
            assert len(page) <= 4
            seen += [entry.content for entry in page]
            before = page[-1].id
        assert seen == [b"%d" % number for number in reversed(range(10))]
        # Both ways an entry has the same name.
        assert [*reversed(await store.latest(name, "", 100))] == await store.tail(name, "", 100)

    async def test_streams_do_not_interfere(self, open_store: OpenStore) -> None:
        store = await streams_of(open_store)
        one, other = fresh_key(), fresh_key()
        await store.append(one, b"1", 1)
        await store.append(other, b"2", 1)
        assert [entry.content for entry in await store.tail(one, "", 9)] == [b"1"]
        assert [entry.content for entry in await store.tail(other, "", 9)] == [b"2"]

    async def test_a_closed_store_refuses_streams(self, open_store: OpenStore) -> None:
        store = await open_store()
        assert isinstance(store, Streams)
        await store.close()
        with pytest.raises(StoreRefused, match="closed"):
            await store.append("closed", b"1", 1)
        with pytest.raises(StoreRefused, match="closed"):
            await store.tail("closed", "", 1)
        with pytest.raises(StoreRefused, match="closed"):
            await store.latest("closed", "", 1)
