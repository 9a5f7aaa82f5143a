"""The memory adapter, and what only it can be asked: its clock is in the test's hand."""

import math

import pytest

from proxy.core.record import ABSENT, Record, State, Swapped
from proxy.store.memory import MemoryStore
from tests.store.contract import OpenStore, StreamContract, fresh_key


class TestMemoryStore(StreamContract):
    @pytest.fixture
    async def open_store(self) -> OpenStore:
        first = MemoryStore()

        async def open_one() -> MemoryStore:
            return first.share()

        return open_one


async def test_it_has_no_grace_and_a_lineage_of_its_own() -> None:
    one, other = await MemoryStore().load(fresh_key()), await MemoryStore().load(fresh_key())
    assert one.lineage_age == other.lineage_age == math.inf
    assert one.lineage != other.lineage


async def test_its_clock_is_the_one_it_is_given() -> None:
    now = 100.0
    store = MemoryStore(lambda: now)
    key = fresh_key()
    lineage = (await store.load(key)).lineage
    outcome = await store.swap(key, ABSENT, lineage, Record(State.PENDING, lineage, "e1"), 5.0)
    assert isinstance(outcome, Swapped)
    assert outcome.now == 100.0
    now = 101.5
    standing = await store.load(key)
    assert standing.now == 101.5
    assert standing.record is not None
    assert standing.record.lease_end == 105.0
    assert store.round_trips == 3
