import asyncio
from collections.abc import Awaitable, Callable

from proxy.gateway.alarm import Alarm

from ..simulation.loop import VirtualLoop

Story = Callable[[VirtualLoop, Alarm[str]], Awaitable[None]]


def rung(story: Story, *, sets_again: str = "") -> list[tuple[float, str]]:
    """When each sleeper was called, in an alarm of three seconds. Who is named by `sets_again` is set once more when it is called."""
    loop = VirtualLoop()
    calls: list[tuple[float, str]] = []

    def ring(sleeper: str) -> None:
        calls.append((round(loop.time(), 3), sleeper))
        if sleeper == sets_again and len(calls) < 3:
            alarm.set(sleeper)

    async def live() -> None:
        await story(loop, alarm)
        await asyncio.sleep(10.0)

    alarm = Alarm(loop, 3.0, ring)
    try:
        loop.run_until_complete(live())
    finally:
        loop.close()
    return calls


def test_each_is_called_in_its_time() -> None:
    async def story(loop: VirtualLoop, alarm: Alarm[str]) -> None:
        alarm.set("a")
        await asyncio.sleep(1.0)
        alarm.set("b")
        alarm.set("c")

    assert rung(story) == [(3.0, "a"), (4.0, "b"), (4.0, "c")]


def test_who_is_dropped_is_not_called() -> None:
    async def story(loop: VirtualLoop, alarm: Alarm[str]) -> None:
        for sleeper in "abc":
            alarm.set(sleeper)
        alarm.drop("b")
        alarm.drop("nobody")

    assert rung(story) == [(3.0, "a"), (3.0, "c")]


def test_it_rings_on_after_all_were_dropped() -> None:
    async def story(loop: VirtualLoop, alarm: Alarm[str]) -> None:
        alarm.set("a")
        alarm.drop("a")
        await asyncio.sleep(5.0)
        alarm.set("b")

    assert rung(story) == [(8.0, "b")]


def test_who_is_set_again_is_called_later_and_once() -> None:
    async def story(loop: VirtualLoop, alarm: Alarm[str]) -> None:
        alarm.set("a")
        alarm.set("b")
        await asyncio.sleep(1.0)
        alarm.set("a")

    assert rung(story) == [(3.0, "b"), (4.0, "a")]


def test_a_call_may_set_again() -> None:
    async def story(loop: VirtualLoop, alarm: Alarm[str]) -> None:
        alarm.set("a")

    assert rung(story, sets_again="a") == [(3.0, "a"), (6.0, "a"), (9.0, "a")]


def test_a_call_may_drop_another_that_is_due_or_set_it_anew() -> None:
    loop = VirtualLoop()
    calls: list[tuple[float, str]] = []
    defects: list[object] = []
    loop.set_exception_handler(lambda _, context: defects.append(context))

    def ring(sleeper: str) -> None:
        calls.append((round(loop.time(), 3), sleeper))
        if sleeper == "a":
            alarm.drop("b")
            alarm.set("c")

    alarm = Alarm(loop, 1.0, ring)
    for sleeper in "abc":
        alarm.set(sleeper)
    loop.run_until_complete(asyncio.sleep(3.0))
    loop.close()
    assert calls == [(1.0, "a"), (2.0, "c")]
    assert not defects
