"""The store of the simulation keeps the contract of all stores; and what only it does: lose its last swaps, or all, under a new lineage."""

import time
from random import Random

import pytest

from proxy.core.record import ABSENT, Record, State, Swapped
from proxy.store.port import StoreKey
from tests.store.contract import OpenStore, StoreContract

from .store import Register, RegisterStore

KEY = StoreKey("key")


class TestRegisterStore(StoreContract):
    @pytest.fixture
    async def open_store(self) -> OpenStore:
        register = Register(time.monotonic, Random(1))

        async def open_one() -> RegisterStore:
            return RegisterStore(register)

        return open_one


def filled(*fences: int) -> Register:
    """A register in which one record was put down with each fence in turn."""
    register = Register(lambda: 100.0, Random(1))
    stamp = ABSENT
    for fence in fences:
        swapped = register.swap(KEY, stamp, register.lineage, Record(State.OK, register.lineage, "e", fence=fence), 0.0)
        assert isinstance(swapped, Swapped)
        stamp = swapped.stamp
    return register


@pytest.mark.parametrize(("lost", "left"), [(0, 3), (1, 2), (3, None), (9, None)])
def test_a_replica_lacks_the_last_swaps(lost: int, left: int | None) -> None:
    register = filled(1, 2, 3)
    lineage = register.lineage
    register.begin_anew(lost)
    snapshot = register.load(KEY)
    assert (snapshot.record and snapshot.record.fence) == left
    assert snapshot.lineage != lineage
    assert snapshot.lineage_age == 0.0


def test_an_old_primary_goes_on_by_itself() -> None:
    register = filled(1)
    old = register.copy()
    register.begin_anew()
    standing = old.load(KEY)
    assert isinstance(old.swap(KEY, standing.stamp, standing.lineage, Record(State.OK, standing.lineage, "e", fence=9), 0.0), Swapped)
    record = register.load(KEY).record
    assert record is not None
    assert record.fence == 1


def test_an_emptied_store_knows_nothing() -> None:
    register = filled(1)
    register.settle("salt", b"old")
    register.empty()
    assert register.load(KEY).record is None
    assert register.settle("salt", b"new") == b"new"
