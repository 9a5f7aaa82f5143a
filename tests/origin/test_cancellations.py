"""Cancelled at each await: no place of the pool is lost, no byte of a write leaves any more, nobody else's request is hurt."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from proxy.errors import OriginBroken
from proxy.origin.answer import Answer
from proxy.origin.http import HttpOrigin, OriginOptions
from proxy.origin.port import OriginAnswer, StreamedBody

from .asking import always, get, streamed, talking, until, whole, write
from .scripted import Hear, HearBytes, Say, Wait, WaitFor, ok, serve

BUSY = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"


async def cancelled(work: Coroutine[Any, Any, object], when: Callable[[], object]) -> None:
    """Cancel work as soon as it has come that far, and see that it ends as cancelled."""
    task = asyncio.get_running_loop().create_task(work)
    await until(when)
    # A few turns more, so that it waits for what comes next.
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def pausing() -> AsyncIterator[bytes]:
    yield b"abc"
    yield b"def"
    await asyncio.Event().wait()


async def flood() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536


Way = Callable[[HttpOrigin], Coroutine[Any, Any, OriginAnswer]]

WAITING_FOR_THE_ANSWER: dict[str, Way] = {
    "fetch": lambda origin: origin.fetch(get()),
    "send": lambda origin: origin.send(write()),
    "send in pieces": lambda origin: origin.send(write(b"PUT", streamed([b"abc", b"def"]))),
    "waiting for the source": lambda origin: origin.send(write(b"PUT", StreamedBody(None, pausing()))),
    "waiting for the backend": lambda origin: origin.send(write(b"PUT", StreamedBody(None, flood()))),
}


@pytest.mark.parametrize("way", WAITING_FOR_THE_ANSWER)
async def test_an_exchange_that_is_cancelled_is_reset(way: str) -> None:
    async with talking([HearBytes(40), Wait(0.1)], serve(ok(), 9)) as (backend, origin):
        await cancelled(WAITING_FOR_THE_ANSWER[way](origin), lambda: len(backend.heard) >= 40)
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert backend.requests == 1
        assert await whole(await origin.fetch(get())) == b"hello"


async def test_a_guarded_write_that_is_cancelled_is_reset() -> None:
    async with talking([Hear()], serve(ok(), 9)) as (backend, origin):
        reserved = await origin.reserve()
        await cancelled(reserved.send(write(), always), lambda: backend.requests)
        reserved.release()
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"


async def test_cancelled_before_the_first_piece_the_connection_goes_home() -> None:
    async def never() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with talking(serve(ok(), 9)) as (backend, origin):
        await cancelled(origin.send(write(b"PUT", StreamedBody(None, never()))), lambda: origin.pool._placed)
        assert origin.pool.idle == 1
        await whole(await origin.fetch(get()))
        assert backend.requests == 1


async def test_a_read_of_the_body_that_is_cancelled_abandons_the_answer() -> None:
    async with talking([Hear(), Say(BUSY)], serve(ok(), 9)) as (backend, origin):
        answer = await origin.fetch(get())
        assert await answer.read() == b"hello"
        await cancelled(answer.read(), lambda: True)
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        with pytest.raises(OriginBroken):
            await answer.read()


async def test_who_waits_for_a_connection_and_is_cancelled_leaves_the_queue() -> None:
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (_, origin):
        reserved = await origin.reserve()
        await cancelled(origin.fetch(get()), lambda: origin.pool.waiting)
        await cancelled(origin.reserve(), lambda: origin.pool.waiting)
        await cancelled(origin.pool.acquire_fresh(), lambda: origin.pool.waiting)
        assert origin.pool.waiting == 0
        assert origin.pool.places == 1
        reserved.release()
        assert await whole(await origin.fetch(get())) == b"hello"


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("what", ["connection", "place"])
async def test_who_is_cancelled_with_a_connection_in_hand_passes_it_on(what: str, others: int) -> None:
    """It was handed over in this turn of the loop; the one it was handed to is cancelled in the same."""
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (_, origin):
        reserved = await origin.reserve()
        loop = asyncio.get_running_loop()
        first = loop.create_task(origin.fetch(get()))
        rest = [loop.create_task(origin.fetch(get())) for _ in range(others)]
        await asyncio.sleep(0.01)
        if what == "place":
            (connection,) = origin.pool._placed
            connection.close()
        else:
            reserved.release()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        for task in rest:
            answer = await task
            assert isinstance(answer, Answer)
            await whole(answer)
        assert origin.pool.waiting == 0
        assert origin.pool.places == origin.pool.idle == (0 if what == "place" and not others else 1)


async def test_cancelled_in_the_turn_in_which_the_wait_ended() -> None:
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (_, origin):
        reserved = await origin.reserve()
        task = asyncio.get_running_loop().create_task(origin.fetch(get()))
        await asyncio.sleep(0.01)
        origin.pool._refuse(origin.pool._queue[0])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert origin.pool.waiting == 0
        reserved.release()
        assert origin.pool.idle == 1


async def test_cancelled_while_connecting() -> None:
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (_, origin):
        for turns in range(8):
            task = asyncio.get_running_loop().create_task(origin.fetch(get()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(outcome, Answer):
                outcome.abandon()
            assert origin.pool.places == origin.pool.idle
        assert await whole(await origin.fetch(get())) == b"hello"


@pytest.mark.parametrize("answer", [ok(), BUSY])
async def test_cancelled_in_the_turn_in_which_the_answer_came(answer: bytes) -> None:
    """Either side first: the answer is there and nobody takes it, or nobody is there to take the answer."""
    async with talking([Hear(), Wait(100)], serve(ok(b"mine"), 9)) as (backend, origin):
        task = asyncio.get_running_loop().create_task(origin.fetch(get()))
        await until(lambda: backend.requests)
        (connection,) = origin.pool._placed
        connection.data_received(answer)
        assert origin.pool.idle == (answer == ok())
        task.cancel()
        if origin.pool.idle:
            # The connection is home: another request is on it before the cancelled one has run.
            other = asyncio.get_running_loop().create_task(origin.fetch(get()))
        with pytest.raises(asyncio.CancelledError):
            await task
        if answer == ok():
            await asyncio.sleep(0.01)
            assert not connection.is_closed
            connection.data_received(ok(b"other"))
            got = await other
            assert isinstance(got, Answer)
            assert await whole(got) == b"other"
        else:
            assert connection.is_closed
            assert origin.pool.places == 0
    async with talking([Hear(), Wait(100)], serve(ok(b"mine"), 9)) as (backend, origin):
        task = asyncio.get_running_loop().create_task(origin.fetch(get()))
        await until(lambda: backend.requests)
        (connection,) = origin.pool._placed
        task.cancel()
        connection.data_received(answer)
        assert connection.is_closed
        with pytest.raises(asyncio.CancelledError):
            await task
        assert origin.pool.places == 0


async def test_abandoned_answers() -> None:
    async with talking([Hear(), Say(BUSY)], serve(ok(), 9)) as (backend, origin):
        answer = await origin.fetch(get())
        answer.abandon()
        answer.abandon()
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert await answer.read() == b"hello"
        with pytest.raises(OriginBroken):
            await answer.read()
        # After the end it is harmless: the connection may be another's by now.
        answer = await origin.fetch(get())
        other = await origin.fetch(get())
        answer.abandon()
        assert await whole(answer) == await whole(other) == b"hello"
        assert origin.pool.idle == 1


async def test_an_answer_has_one_reader() -> None:
    go = asyncio.Event()
    async with talking([Hear(), Say(BUSY), WaitFor(go), Say(b"world")]) as (_, origin):
        answer = await origin.fetch(get())
        await answer.read()
        first = asyncio.get_running_loop().create_task(answer.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await answer.read()
        go.set()
        assert await first == b"world"
        assert await answer.read() == b""
