"""The adapters against each other: one sequence of operations has the same outcomes on all of them."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped, Version
from proxy.store.memory import MemoryStore
from proxy.store.port import Store, StoreKey
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.servers import RedisServer
from tests.store.contract import fresh_key, without_times

KEYS = 3
NAMES = 2
MADE_UP = -1
NONE = -2


@dataclass(frozen=True)
class Load:
    """Read a key."""

    key: int


@dataclass(frozen=True)
class Swap:
    """Swap a key. `stamp` says which: the so many-th last one that the key had, MADE_UP or NONE."""

    key: int
    stamp: int
    is_lineage_right: bool
    revision: int
    text: str


@dataclass(frozen=True)
class Settle:
    """Settle a name."""

    name: int
    proposal: bytes


Operation = Load | Swap | Settle
KEY = st.integers(0, KEYS - 1)
# Mostly right, or nothing would ever be written.
STAMP = st.sampled_from([0, 0, 0, 0, 1, 2, MADE_UP, NONE])
OPERATION = (
    st.builds(Load, KEY)
    | st.builds(
        Swap, KEY, STAMP, st.sampled_from([True] * 5 + [False]), st.integers(0, 2**53), st.text(st.characters(codec="latin-1"), max_size=9)
    )
    | st.builds(Settle, st.integers(0, NAMES - 1), st.binary(max_size=9))
)


class Player:
    """Plays operations on one store, and tells outcomes without what must differ: times, lineages, and stamps but for their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = fresh_key()
        self._stamps: list[list[str]] = [[ABSENT] for _ in range(KEYS)]

    async def play(self, operation: Operation) -> object:
        match operation:
            case Load(key):
                return self._told(key, await self._store.load(self._key(key)))
            case Settle(name, proposal):
                return await self._store.settle(f"{self._prefix}{name}", proposal)
            case Swap(key):
                stamps = self._stamps[key]
                stamp = "0" * 32 if operation.stamp == MADE_UP else ABSENT if operation.stamp == NONE else stamps[-1 - operation.stamp :][0]
                lineage = (await self._store.load(self._key(key))).lineage if operation.is_lineage_right else "0" * 32
                record = Record(State.PENDING, "l1", "e1", operation.revision, Version(operation.text), owner=operation.text)
                outcome = await self._store.swap(self._key(key), stamp, lineage, record, 5.0)
                if isinstance(outcome, Snapshot):
                    return self._told(key, outcome)
                stamps.append(outcome.stamp)
                return Swapped

    def _told(self, key: int, snapshot: Snapshot) -> object:
        return self._stamps[key].index(snapshot.stamp), without_times(snapshot.record), snapshot.lineage_age >= 0

    def _key(self, key: int) -> StoreKey:
        return StoreKey(f"{self._prefix}{key}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATION, max_size=30))
async def test_all_stores_agree(operations: list[Operation], valkey: RedisServer, tmp_path: Path) -> None:
    stores: list[Store] = [MemoryStore(), await SqliteStore.open(tmp_path / "noclobber.db"), await RedisStore.open(valkey.url, 5.0)]
    players = [Player(store) for store in stores]
    try:
        for operation in operations:
            by_memory, *by_others = [await player.play(operation) for player in players]
            assert by_others == [by_memory, by_memory]
    finally:
        for store in stores:
            await store.close()


@pytest.mark.parametrize("operations", [[Swap(0, 0, True, 1, "a"), Swap(0, 1, True, 2, "b"), Swap(0, 0, True, 3, "c"), Load(0)]])
async def test_the_player_swaps_what_it_means_to(operations: list[Operation]) -> None:
    player = Player(MemoryStore())
    written = Record(State.PENDING, "l1", "e1", 1, Version("a"), owner="a")
    after = written._replace(revision=3, version=Version("c"), owner="c")
    assert [await player.play(operation) for operation in operations] == [Swapped, (1, written, True), Swapped, (2, after, True)]


async def test_all_keys_have_one_lineage_but_on_a_cluster(valkey: RedisServer, tmp_path: Path) -> None:
    stores: list[Store] = [MemoryStore(), await SqliteStore.open(tmp_path / "noclobber.db"), await RedisStore.open(valkey.url, 5.0)]
    for store in stores:
        snapshots = [await store.load(fresh_key()) for _ in range(20)]
        assert len({snapshot.lineage for snapshot in snapshots}) == 1
        began = [snapshot.now - snapshot.lineage_age for snapshot in snapshots]
        assert began == [pytest.approx(began[0], abs=0.002)] * 20
        await store.close()
