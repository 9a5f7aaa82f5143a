"""The pool: its limit, its queue, its order, and what it keeps."""

import asyncio
import gc
import socket

import pytest

from proxy.errors import Delivery, OriginBroken, OriginUnreachable
from proxy.origin.http import Address, HttpOrigin, OriginOptions
from proxy.origin.port import OriginAnswer

from .asking import always, get, talking, until, whole, write
from .scripted import Close, Hear, Reset, Say, Wait, WaitFor, ok, serve


async def test_64_requests_over_8_connections() -> None:
    async with talking(serve(ok(), 100), options=OriginOptions(max_connections=8)) as (backend, origin):
        peak = 0

        async def ask() -> bytes:
            nonlocal peak
            answer = await origin.fetch(get())
            peak = max(peak, origin.pool.places)
            return await whole(answer)

        assert await asyncio.gather(*[ask() for _ in range(64)]) == [b"hello"] * 64
        assert peak == 8
        assert len(backend.conversations) == 8
        assert backend.requests == 64
        assert origin.pool.idle == 8


async def test_the_newest_idle_connection_is_used_first() -> None:
    async with talking(serve(ok(), 9)) as (backend, origin):
        first, second = await origin.reserve(), await origin.reserve()
        first.release()
        second.release()
        for _ in range(3):
            await whole(await origin.fetch(get()))
        assert [conversation.requests for conversation in backend.conversations] == [0, 3]


async def test_a_connection_is_free_before_its_answer_is_read() -> None:
    async with talking(serve(ok(), 9)) as (backend, origin):
        answers = [await origin.fetch(get()) for _ in range(3)]
        assert [await whole(answer) for answer in answers] == [b"hello"] * 3
        assert len(backend.conversations) == 1


async def test_an_idle_connection_keeps_no_answer_alive() -> None:
    async with talking(serve(ok(), 9)) as (_, origin):
        answer = await origin.fetch(get())
        (connection,) = origin.pool._idle
        gc.collect()
        assert connection not in gc.get_referrers(answer)
        assert connection._parser not in gc.get_referrers(answer)


async def test_who_waits_is_served_in_order() -> None:
    order: list[int] = []
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (backend, origin):
        reserved = await origin.reserve()

        async def ask(number: int) -> None:
            await whole(await origin.fetch(get(b"/%d" % number)))
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(ask(number))
            await asyncio.sleep(0.01)
            assert origin.pool.waiting == 5
            reserved.release()
        assert order == [0, 1, 2, 3, 4]
        assert backend.heard.index(b"/0") < backend.heard.index(b"/4")


@pytest.mark.parametrize("max_waiting", [0, 2])
async def test_a_full_queue_refuses(max_waiting: int) -> None:
    options = OriginOptions(max_connections=1, max_waiting=max_waiting)
    async with talking(serve(ok(), 9), options=options) as (backend, origin):
        reserved = await origin.reserve()
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(origin.fetch(get())) for _ in range(max_waiting)]
            await asyncio.sleep(0.01)
            with pytest.raises(OriginUnreachable) as caught:
                await origin.reserve()
            assert caught.value.delivery is Delivery.NOT_SENT
            reserved.release()
        assert [await whole(task.result()) for task in waiting] == [b"hello"] * max_waiting
        assert backend.requests == max_waiting


async def test_nobody_waits_for_longer_than_is_allowed() -> None:
    options = OriginOptions(max_connections=1, wait_seconds=0.1)
    async with talking(serve(ok(), 9), options=options) as (_, origin):
        reserved = await origin.reserve()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(OriginUnreachable):
            await origin.fetch(get())
        assert 0.08 < loop.time() - began < 1
        assert origin.pool.waiting == 0
        reserved.release()
        assert origin.pool.idle == 1


async def test_a_place_that_becomes_free_goes_to_the_queue() -> None:
    """The connection that is waited for breaks: who waits gets its place, and makes a connection of its own."""
    for end in (Close(), Reset()):
        options = OriginOptions(max_connections=1)
        async with talking([Hear(), Wait(0.05), end], serve(ok(), 9), options=options) as (backend, origin):
            async with asyncio.TaskGroup() as group:
                broken = group.create_task(asyncio.wait_for(_outcome(origin), 5))
                await until(lambda: backend.requests)
                waiting = [group.create_task(origin.fetch(get())) for _ in range(3)]
            assert isinstance(broken.result(), OriginBroken)
            assert [await whole(task.result()) for task in waiting] == [b"hello"] * 3
            assert len(backend.conversations) == 2


async def _outcome(origin: HttpOrigin) -> OriginAnswer | OriginBroken:
    try:
        return await origin.send(write())
    except OriginBroken as exc:
        return exc


async def test_a_connection_that_dies_on_its_way_to_who_waits_is_not_used() -> None:
    options = OriginOptions(max_connections=1)
    async with talking(serve(ok(), 9), options=options) as (backend, origin):
        reserved = await origin.reserve()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(origin.fetch(get()))
            await asyncio.sleep(0.01)
            reserved.release()
            # Handed over in this turn, taken in the next one.
            (connection,) = origin.pool._placed
            connection.close()
        assert await whole(waiting.result()) == b"hello"
        assert [conversation.requests for conversation in backend.conversations] == [0, 1]


async def test_the_pool_hands_out_no_closed_connection() -> None:
    """Asked directly: above it, a retry and a second look would hide one."""
    async with talking(serve(ok(), 9), options=OriginOptions(max_connections=1)) as (_, origin):
        reserved = await origin.reserve()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(origin.pool.acquire())
            await until(lambda: origin.pool.waiting)
            reserved.release()
            (connection,) = origin.pool._placed
            connection.close()
        assert not waiting.result().is_closed
        origin.pool.give_back(waiting.result())


async def test_a_retry_at_the_limit_takes_the_place_of_an_idle_connection() -> None:
    """The place of the broken one went to the queue; fresh means fresh."""
    options = OriginOptions(max_connections=2)
    async with talking([*serve(ok()), Hear(), Wait(0.03), Close()], serve(ok(), 9), options=options) as (backend, origin):
        first, second = await origin.reserve(), await origin.reserve()
        await whole(await second.send(get(), always))
        first_answer = await first.send(get(), always)
        await whole(first_answer)
        # The newest idle one is number 0, which will not answer; meanwhile two others queue.
        async with asyncio.TaskGroup() as group:
            retried = group.create_task(origin.fetch(get(b"/retried")))
            await asyncio.sleep(0)
            reserved = await origin.reserve()
            queued = group.create_task(origin.fetch(get(b"/queued")))
            await asyncio.sleep(0.1)
            reserved.release()
        assert await whole(retried.result()) == b"hello"
        assert await whole(queued.result()) == b"hello"
        assert backend.heard.count(b"/retried") == 2
        assert origin.pool.places <= 2


async def test_a_retry_evicts_an_idle_connection_where_no_place_is_left() -> None:
    options = OriginOptions(max_connections=2)
    async with talking(serve(ok(), 9), options=options) as (backend, origin):
        first, second = await origin.reserve(), await origin.reserve()
        first.release()
        second.release()
        fresh = await origin.pool.acquire_fresh()
        assert not fresh.was_used
        assert origin.pool.places == 2
        assert origin.pool.idle == 1
        origin.pool.give_back(fresh)
        await until(lambda: len(backend.conversations) == 3 and backend.conversations[0].end)
        assert [conversation.end for conversation in backend.conversations] == ["fin", None, None]


async def test_a_retry_waits_where_all_are_busy_and_takes_over_the_place() -> None:
    options = OriginOptions(max_connections=1)
    async with talking(serve(ok(), 9), options=options) as (backend, origin):
        reserved = await origin.reserve()
        async with asyncio.TaskGroup() as group:
            fresh = group.create_task(origin.pool.acquire_fresh())
            await asyncio.sleep(0.01)
            reserved.release()
        assert not fresh.result().was_used
        assert origin.pool.places == 1
        assert len(backend.conversations) == 2
        origin.pool.give_back(fresh.result())


async def test_a_retry_whose_place_died_on_the_way_takes_another() -> None:
    options = OriginOptions(max_connections=1)
    async with talking(serve(ok(), 9), options=options) as (_, origin):
        reserved = await origin.reserve()
        async with asyncio.TaskGroup() as group:
            fresh = group.create_task(origin.pool.acquire_fresh())
            await asyncio.sleep(0.01)
            reserved.release()
            (connection,) = origin.pool._placed
            connection.close()
        assert origin.pool.places == 1
        origin.pool.give_back(fresh.result())


# ---- idle connections --------------------------------------------------------------------------------------------------------------


async def test_idle_connections_are_closed_in_time() -> None:
    options = OriginOptions(pool_idle_seconds=0.8)
    async with talking(serve(ok(), 9), options=options) as (backend, origin):
        first, second = await origin.reserve(), await origin.reserve()
        first.release()
        await asyncio.sleep(0.4)
        second.release()
        await asyncio.sleep(0.6)
        assert origin.pool.idle == 1
        await asyncio.sleep(0.6)
        assert origin.pool.idle == origin.pool.places == 0
        await backend.settle()
        assert [conversation.end for conversation in backend.conversations] == ["fin", "fin"]


async def test_a_connection_that_is_too_old_is_not_used_even_before_it_is_swept() -> None:
    async with talking(serve(ok(), 9), options=OriginOptions(pool_idle_seconds=0.05)) as (backend, origin):
        await whole(await origin.fetch(get()))
        assert origin.pool._sweeper is not None
        origin.pool._sweeper.cancel()
        await asyncio.sleep(0.07)
        await whole(await origin.fetch(get()))
        assert [conversation.requests for conversation in backend.conversations] == [1, 1]


@pytest.mark.parametrize("end", [Close(), Reset(), Say(b"junk")])
async def test_a_connection_that_ends_or_speaks_while_idle_leaves_the_pool(end: Close | Reset | Say) -> None:
    go = asyncio.Event()
    async with talking([*serve(ok()), WaitFor(go), end], serve(ok(b"other"))) as (_, origin):
        await whole(await origin.fetch(get()))
        assert origin.pool.idle == 1
        go.set()
        await until(lambda: not origin.pool.places)
        assert origin.pool.idle == origin.pool.places == 0
        assert await whole(await origin.fetch(get())) == b"other"


@pytest.mark.parametrize("end", [Close(), Reset(), Say(b"junk")])
async def test_a_reserved_connection_that_ends_is_not_given_back(end: Close | Reset | Say) -> None:
    async with talking([end]) as (_, origin):
        reserved = await origin.reserve()
        await until(lambda: not origin.pool.places)
        reserved.release()
        assert origin.pool.idle == origin.pool.places == 0


# ---- connecting --------------------------------------------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    origin = HttpOrigin(Address("127.0.0.1", port))
    for ask in (origin.fetch(get()), origin.send(write()), origin.reserve()):
        with pytest.raises(OriginUnreachable) as caught:
            await ask
        assert caught.value.delivery is Delivery.NOT_SENT
    assert origin.pool.places == 0
    await origin.close()


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example", ""])
async def test_a_name_that_leads_nowhere(host: str) -> None:
    origin = HttpOrigin(Address(host, 9))
    with pytest.raises(OriginUnreachable):
        await origin.fetch(get())
    assert origin.pool.places == 0


async def test_connecting_takes_too_long() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        # The queue of the listener is full: the kernel drops our SYN.
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        origin = HttpOrigin(Address("127.0.0.1", listener.getsockname()[1]), OriginOptions(connect_seconds=0.1))
        with pytest.raises(OriginUnreachable, match=r"0\.1 s"):
            await origin.fetch(get())
        assert origin.pool.places == 0
        for filler in fillers:
            filler.close()


async def test_who_waits_when_connecting_fails_gets_the_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    origin = HttpOrigin(Address("127.0.0.1", port), OriginOptions(max_connections=1))
    outcomes = await asyncio.gather(*[origin.fetch(get()) for _ in range(5)], return_exceptions=True)
    assert all(isinstance(outcome, OriginUnreachable) for outcome in outcomes)
    assert origin.pool.places == origin.pool.waiting == 0


# ---- the end -----------------------------------------------------------------------------------------------------------------------


async def test_close_resets_busy_connections_and_closes_idle_ones() -> None:
    options = OriginOptions(max_connections=2)
    async with talking(serve(ok(), 1), [Hear()], options=options) as (backend, origin):
        first, second = await origin.reserve(), await origin.reserve()
        first.release()
        busy = asyncio.gather(second.send(write(), always), return_exceptions=True)
        await until(lambda: backend.requests)
        taken = await origin.reserve()
        waiting = asyncio.gather(origin.fetch(get()), return_exceptions=True)
        await asyncio.sleep(0.01)
        taken.release()
        await origin.close()
        (broken,), (refused,) = await busy, await waiting
        assert isinstance(broken, OriginBroken)
        assert broken.delivery is Delivery.MAYBE_SENT
        assert isinstance(refused, OriginBroken | OriginUnreachable)
        await backend.settle()
        assert backend.conversations[1].end == "reset"
        with pytest.raises(OriginUnreachable):
            await origin.fetch(get())


async def test_close_refuses_who_waits_and_who_connects() -> None:
    async with talking([Hear()], options=OriginOptions(max_connections=1)) as (_, origin):
        reserved = await origin.reserve()
        waiting = asyncio.gather(origin.fetch(get()), return_exceptions=True)
        await asyncio.sleep(0.01)
        await origin.close()
        assert [type(outcome) for outcome in await waiting] == [OriginUnreachable]
        reserved.release()
        assert origin.pool.places == 0
    async with talking([Hear()]) as (_, origin):
        connecting = asyncio.gather(origin.fetch(get()), return_exceptions=True)
        await asyncio.sleep(0)
        await origin.close()
        assert [type(outcome) for outcome in await connecting] == [OriginUnreachable]


async def test_a_connection_that_comes_home_after_close_is_closed() -> None:
    async with talking(serve(ok())) as (_, origin):
        reserved = await origin.reserve()
        origin.pool._is_closed = True
        reserved.release()
        assert origin.pool.places == 0
