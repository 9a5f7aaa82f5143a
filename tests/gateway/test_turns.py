"""Turns: the queue of one process at one key, and what becomes of it when somebody leaves."""

import asyncio
import time

import pytest

from proxy.gateway.lease import Leases, LeaseTimes
from proxy.gateway.tasks import Tasks
from proxy.store.memory import MemoryStore
from proxy.store.port import StoreKey

KEY = StoreKey("k")


@pytest.fixture
async def leases() -> Leases:
    return Leases(MemoryStore(), LeaseTimes(5.0, 1.0, 0.0, 2.0, 30.0), Tasks(), 2)


def waiter(leases: Leases, seconds: float = 5.0) -> "asyncio.Task[bool]":
    return asyncio.get_running_loop().create_task(leases.turns.take(KEY, leases.clock() + seconds))


async def test_a_turn_is_passed_on_in_order(leases: Leases) -> None:
    assert await leases.turns.take(KEY, 0.0)
    one, two = waiter(leases), waiter(leases)
    await asyncio.sleep(0)
    assert not await leases.turns.take(KEY, leases.clock() + 5)
    leases.turns.end(KEY)
    assert await one
    assert not two.done()
    leases.turns.end(KEY)
    assert await two
    leases.turns.end(KEY)
    assert await leases.turns.take(KEY, 0.0)


async def test_who_waits_no_longer_is_left_out(leases: Leases) -> None:
    assert await leases.turns.take(KEY, 0.0)
    assert not await waiter(leases, 0.01)
    two = waiter(leases)
    await asyncio.sleep(0)
    leases.turns.end(KEY)
    assert await two


async def test_who_is_cancelled_is_left_out(leases: Leases) -> None:
    assert await leases.turns.take(KEY, 0.0)
    one, two = waiter(leases), waiter(leases)
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    leases.turns.end(KEY)
    assert await two


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on(leases: Leases) -> None:
    """Else the key would be nobody's and everybody's: all who come later would wait in vain."""
    assert await leases.turns.take(KEY, 0.0)
    one, two = waiter(leases), waiter(leases)
    await asyncio.sleep(0)
    leases.turns.end(KEY)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert await asyncio.wait_for(two, 1)
    leases.turns.end(KEY)
    assert await leases.turns.take(KEY, 0.0)


async def test_who_is_cancelled_just_before_its_turn_is_passed_over(leases: Leases) -> None:
    """Its place is given up, but it has not been able to take it out of the queue yet."""
    assert await leases.turns.take(KEY, 0.0)
    one, two = waiter(leases), waiter(leases)
    await asyncio.sleep(0)
    one.cancel()
    leases.turns.end(KEY)
    with pytest.raises(asyncio.CancelledError):
        await one
    assert await asyncio.wait_for(two, 1)


async def test_whose_time_is_up_just_before_its_turn_is_told_so(leases: Leases) -> None:
    assert await leases.turns.take(KEY, 0.0)
    one, two = waiter(leases, 0.01), waiter(leases)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.02, leases.turns.end, KEY)
    # Both timers are due when the loop looks next, so nothing comes between them.
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is to be held
    assert not await one
    assert await asyncio.wait_for(two, 1)


async def test_keys_do_not_wait_for_each_other(leases: Leases) -> None:
    assert await leases.turns.take(KEY, 0.0)
    assert await leases.turns.take(StoreKey("other"), 0.0)


async def test_tasks_are_drained_and_cancelled() -> None:
    tasks = Tasks()
    goes_on = asyncio.Event()
    done = tasks.start(goes_on.wait())
    tasks.start(asyncio.sleep(60))
    assert len(tasks) == 2
    goes_on.set()
    assert await tasks.drain(0.05) == 1
    assert done.result() is True
    await tasks.cancel()
    assert len(tasks) == 0
    assert await tasks.drain(0.0) == 0
