"""Time limits, and the timer that looks at them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import Delivery, OriginTimeout
from proxy.origin.deadline import Deadline
from proxy.origin.http import OriginOptions
from proxy.origin.port import StreamedBody

from .asking import always, get, talking, whole, write
from .scripted import Hear, HearBytes, Say, Script, Wait, ok, serve

SHORT = OriginOptions(first_byte_seconds=0.4, idle_seconds=0.4)
"""Steps of 0.1 s stay far from it even on a busy machine."""

SILENT: dict[str, Script] = {
    "no answer": [Hear()],
    "half a head, byte after byte": [Hear(), *[step for byte in b"HTTP/1.1 2" for step in (Say(bytes([byte])), Wait(0.1))]],
    "a hint, then nothing": [Hear(), Say(b"HTTP/1.1 103 H\r\n\r\n")],
}


@pytest.mark.parametrize("name", SILENT)
async def test_the_first_byte_takes_too_long(name: str) -> None:
    async with talking(SILENT[name], serve(ok()), options=SHORT) as (backend, origin):
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(OriginTimeout) as caught:
            await (await origin.reserve()).send(write(), always)
        assert caught.value.delivery is Delivery.MAYBE_SENT
        assert 0.38 < loop.time() - began < 3
        # Head bytes that trickle in do not put it off: the last of them would come after 1 s.
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert backend.requests == 1
        assert origin.pool.places == 0


async def test_an_interim_answer_begins_the_wait_again() -> None:
    hints: Script = [Wait(0.1), Say(b"HTTP/1.1 102 Processing\r\n\r\n")] * 8
    async with talking([Hear(), *hints, Say(ok())], options=SHORT) as (_, origin):
        assert await whole(await origin.fetch(get())) == b"hello"


async def test_a_body_that_stalls() -> None:
    slow: Script = [Wait(0.1), Say(b"x")] * 8
    async with talking([Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), *slow], options=SHORT) as (backend, origin):
        answer = await origin.fetch(get())
        assert [await answer.read() for _ in range(8)] == [b"x"] * 8
        with pytest.raises(OriginTimeout):
            await answer.read()
        await backend.settle()
        assert backend.conversations[0].end == "reset"


async def test_a_shorter_limit_moves_the_timer_forward() -> None:
    options = OriginOptions(first_byte_seconds=60, idle_seconds=0.1)
    async with talking([Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")], options=options) as (_, origin):
        answer = await origin.fetch(get())
        with pytest.raises(OriginTimeout):
            await asyncio.wait_for(answer.read(), 2)


async def test_a_reader_that_takes_its_time_is_no_stall() -> None:
    """Its backend has to wait, and that is not the backend's fault."""
    body = b"x" * 2_000_000
    async with talking(serve(ok(body)), options=SHORT) as (_, origin):
        answer = await origin.fetch(get())
        await asyncio.sleep(1)
        assert await whole(answer) == body


async def test_a_used_connection_survives_its_timer() -> None:
    async with talking(serve(ok(), 9), options=SHORT) as (backend, origin):
        for _ in range(8):
            await whole(await origin.fetch(get()))
            await asyncio.sleep(0.1)
        assert len(backend.conversations) == 1


async def flood(count: int = 1000) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 65536


async def test_a_backend_that_takes_no_more_of_the_body() -> None:
    async with talking([HearBytes(100), Wait(100)], options=SHORT) as (backend, origin):
        with pytest.raises(OriginTimeout) as caught:
            await asyncio.wait_for(origin.send(write(b"PUT", StreamedBody(None, flood()))), 5)
        assert caught.value.delivery is Delivery.MAYBE_SENT
        assert backend.requests == 1


async def test_a_backend_that_takes_the_body_slowly() -> None:
    """Sending may take long as long as it moves. What the kernel has taken counts as sent: only then the answer's clock starts."""
    steps: list[HearBytes | Wait] = []
    for taken in range(1, 21):
        steps += [HearBytes(taken * 1_000_000), Wait(0.08)]

    async def one_large_piece() -> AsyncIterator[bytes]:
        yield b"x" * 20_000_000

    script: Script = [*steps, Hear(), Say(ok())]
    async with talking(script, options=OriginOptions(first_byte_seconds=5, idle_seconds=0.5)) as (_, origin):
        assert await whole(await origin.send(write(b"PUT", StreamedBody(20_000_000, one_large_piece())))) == b"hello"


async def test_a_source_that_takes_its_time_is_no_stall() -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(2):
            # Enough that the backend has to be waited for first: that clock must stop again.
            yield b"x" * 8_000_000
            await asyncio.sleep(1.9)

    async with talking(serve(ok()), options=OriginOptions(first_byte_seconds=10, idle_seconds=1.5)) as (_, origin):
        assert await whole(await origin.send(write(b"PUT", StreamedBody(None, slow())))) == b"hello"


async def test_deadline_moves_without_touching_its_timer() -> None:
    fired: list[float] = []
    loop = asyncio.get_running_loop()
    deadline = Deadline(loop, lambda: fired.append(loop.time()))
    began = loop.time()
    deadline.expect(0.3)
    timer = deadline._timer
    for _ in range(4):
        await asyncio.sleep(0.01)
        deadline.expect(0.3)
        assert deadline._timer is timer
    await asyncio.sleep(0.8)
    assert len(fired) == 1
    # Later than the timer was first set to; uvloop's clock stands still within a turn.
    assert fired[0] - began > 0.31
    deadline.expect(10)
    deadline.expect(0.02)
    await asyncio.sleep(0.4)
    assert len(fired) == 2
    deadline.expect(0.02)
    deadline.close()
    await asyncio.sleep(0.2)
    assert len(fired) == 2
    Deadline(loop, fired.clear).close()
