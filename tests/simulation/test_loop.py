"""The loop in virtual time: it waits for nothing, and what belongs to a process stands still with it."""

import asyncio
import time
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

import pytest

from .loop import OWNER, WORLD, Halting, Stuck, VirtualLoop


def live(loop: VirtualLoop, story: Coroutine[Any, Any, None]) -> None:
    try:
        loop.run_until_complete(story)
    finally:
        loop.close()


def owned() -> tuple[Halting, Context]:
    owner, context = Halting(), Context()
    context.run(OWNER.set, owner)
    return owner, context


def test_a_year_takes_no_time() -> None:
    loop = VirtualLoop()
    started = time.monotonic()
    live(loop, asyncio.sleep(365 * 86_400.0))
    assert loop.time() == pytest.approx(365 * 86_400.0)
    assert time.monotonic() - started < 10


def test_timers_fire_in_order_and_on_time() -> None:
    loop = VirtualLoop()
    fired: list[tuple[float, str]] = []

    async def story() -> None:
        for when, name in ((2.0, "second"), (1.0, "first"), (3.0, "third")):
            loop.call_later(when, lambda name: fired.append((loop.time(), name)), name)
        await asyncio.sleep(5.0)

    live(loop, story())
    assert fired == [(1.0, "first"), (2.0, "second"), (3.0, "third")]


def test_what_waits_for_nothing_is_stuck() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        await loop.create_future()

    task = loop.create_task(story())
    with pytest.raises(Stuck):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_a_process_that_stands_still_goes_on_where_it_stopped() -> None:
    loop = VirtualLoop()
    owner, context = owned()
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(loop.time())
            await asyncio.sleep(1.0)

    async def story() -> None:
        task = loop.create_task(tick(), context=context)
        await asyncio.sleep(1.5)
        owner.stands_still = True
        await asyncio.sleep(10.0)
        assert ticks == [0.0, 1.0]
        loop.go_on(owner)
        await asyncio.sleep(1.2)
        assert ticks == [0.0, 1.0, 11.5, 12.5]
        task.cancel()

    live(loop, story())


def test_a_timer_that_ran_out_meanwhile_can_still_be_cancelled() -> None:
    """As in a process that was stopped: it looks at its timers one after the other."""
    loop = VirtualLoop()
    owner, context = owned()
    fired: list[str] = []

    async def story() -> None:
        second = loop.call_later(2.0, fired.append, "second", context=context)
        loop.call_later(1.0, second.cancel, context=context)
        loop.call_later(1.0, fired.append, "world", context=WORLD)
        owner.stands_still = True
        await asyncio.sleep(5.0)
        loop.go_on(owner)
        await asyncio.sleep(1.0)

    live(loop, story())
    assert fired == ["world"]
