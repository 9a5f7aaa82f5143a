"""One request on the wire for one that was asked, wherever the connection breaks. The backend counts, over all connections."""

import asyncio

import pytest

from proxy.errors import Delivery, OriginBroken, OriginError, OriginTimeout
from proxy.origin.http import HttpOrigin, OriginOptions
from proxy.origin.port import OriginAnswer, OriginRequest

from .asking import WRITES, always, get, streamed, talking, until, whole, write
from .scripted import Close, HalfClose, Hear, HearBytes, Reset, Say, Script, Wait, ok, serve

HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Len"
HALF_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
HALF_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

DROPS: dict[str, Script] = {
    "before the request, FIN": [HalfClose()],
    "before the request, closed": [Close()],
    "during the request, FIN": [HearBytes(10), HalfClose()],
    "during the request, closed": [HearBytes(10), Close()],
    "during the request, RST": [HearBytes(10), Reset()],
    "after the request, FIN": [Hear(), HalfClose()],
    "after the request, closed": [Hear(), Close()],
    "after the request, RST": [Hear(), Reset()],
    "after a hint, closed": [Hear(), Say(b"HTTP/1.1 103 H\r\n\r\n"), Close()],
    "after one byte of the answer, closed": [Hear(), Say(b"H"), Close()],
    "after half a head, closed": [Hear(), Say(HALF_HEAD), Close()],
    "after half a head, RST": [Hear(), Say(HALF_HEAD), Reset()],
    "after half a body, FIN": [Hear(), Say(HALF_BODY), HalfClose()],
    "after half a body, closed": [Hear(), Say(HALF_BODY), Close()],
    "after half a body, RST": [Hear(), Say(HALF_BODY), Wait(0.01), Reset()],
    "after half the chunks, closed": [Hear(), Say(HALF_CHUNKS), Close()],
    "garbage instead of an answer": [Hear(), Say(b"garbage\r\n\r\n")],
}
"""Where the connection breaks. None of these ends in a whole answer."""


def request_of(method: bytes) -> OriginRequest:
    return write(method, None if method == b"DELETE" else b"new")


async def reserve_and_send(origin: HttpOrigin, request: OriginRequest) -> OriginAnswer:
    return await (await origin.reserve()).send(request, always)


async def just_send(origin: HttpOrigin, request: OriginRequest) -> OriginAnswer:
    return await origin.send(request)


WAYS = {"reserve": reserve_and_send, "send": just_send}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("method", WRITES)
async def test_a_write_is_sent_once(method: bytes, drop: str, way: str) -> None:
    """On a fresh connection; the backend would answer well on any further one."""
    async with talking(DROPS[drop], serve(ok(), 9)) as (backend, origin):
        failure: OriginError | None = None
        try:
            await whole(await WAYS[way](origin, request_of(method)))
        except OriginError as exc:
            failure = exc
        # Where its end was seen before the first byte, another connection may be taken.
        assert failure is not None or drop.startswith("before")
        if failure is not None:
            assert failure.delivery is Delivery.MAYBE_SENT
            assert len(backend.conversations) == 1
            assert origin.pool.places == 0
        await asyncio.sleep(0.005)
        assert backend.requests == 1 or (backend.requests == 0 and drop.startswith("before"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("method", WRITES)
async def test_a_write_on_a_used_connection_is_sent_once(method: bytes, drop: str, way: str) -> None:
    """A connection that was closed while idle is another matter: nothing was sent on it, so another may be taken."""
    script = [*serve(ok()), *[HearBytes(70) if isinstance(step, HearBytes) else step for step in DROPS[drop]]]
    async with talking(script, serve(ok(), 9)) as (backend, origin):
        assert await whole(await origin.fetch(get())) == b"hello"
        warm = len(backend.heard)
        assert warm < 70
        if drop.startswith("before"):
            # The end is in the socket or not; the request goes out once in any case.
            await whole(await WAYS[way](origin, request_of(method)))
            await asyncio.sleep(0.01)
            assert len(backend.conversations) == 2
        else:
            with pytest.raises(OriginBroken) as caught:
                await whole(await WAYS[way](origin, request_of(method)))
            assert caught.value.delivery is Delivery.MAYBE_SENT
            assert len(backend.conversations) == 1
        assert backend.requests == 2


@pytest.mark.parametrize("way", WAYS)
async def test_an_end_that_the_loop_has_not_seen_yet_is_noticed_before_a_write(way: str) -> None:
    async with talking(serve(ok(), 9)) as (backend, origin):
        await whole(await origin.fetch(get()))
        backend.conversations[0].sock.shutdown(2)
        assert (await WAYS[way](origin, write())).status == 200
        assert [conversation.requests for conversation in backend.conversations] == [1, 1]


@pytest.mark.parametrize("way", WAYS)
async def test_junk_that_the_loop_has_not_seen_yet_is_noticed_before_a_write(way: str) -> None:
    """Or the junk would be taken for the answer."""
    async with talking(serve(ok(), 9)) as (backend, origin):
        await whole(await origin.fetch(get()))
        backend.conversations[0].sock.send(ok(b"poison"))
        assert await whole(await WAYS[way](origin, write())) == b"hello"
        assert [conversation.requests for conversation in backend.conversations] == [1, 1]


async def test_a_connection_that_ends_while_it_is_reserved_is_replaced() -> None:
    async with talking(serve(ok(), 9)) as (backend, origin):
        reserved = await origin.reserve()
        await until(lambda: backend.conversations)
        backend.conversations[0].sock.shutdown(2)
        assert (await reserved.send(write(), always)).status == 200
        assert [conversation.requests for conversation in backend.conversations] == [0, 1]


async def test_a_streamed_write_is_sent_once() -> None:
    for size_bytes in (None, 6):
        async with talking([Hear(), Close()], serve(ok(), 9)) as (backend, origin):
            with pytest.raises(OriginBroken):
                await origin.send(write(b"PUT", streamed([b"abc", b"def"], size_bytes)))
            assert backend.requests == 1
            assert len(backend.conversations) == 1


STALE_ENDS: dict[str, Script] = {
    "FIN": [Hear(), HalfClose()],
    "closed": [Hear(), Close()],
    "RST": [Hear(), Reset()],
    "half read": [HearBytes(60), Close()],
}


@pytest.mark.parametrize("end", STALE_ENDS)
async def test_a_read_is_sent_again_once_when_a_used_connection_ends(end: str) -> None:
    async with talking([*serve(ok()), *STALE_ENDS[end]], serve(ok(b"again"))) as (backend, origin):
        await whole(await origin.fetch(get()))
        assert await whole(await origin.fetch(get())) == b"again"
        assert [conversation.requests for conversation in backend.conversations] == [2, 1]


@pytest.mark.parametrize("end", STALE_ENDS)
async def test_a_read_is_never_sent_a_third_time(end: str) -> None:
    async with talking([*serve(ok()), *STALE_ENDS[end]], [Hear(), Close()], serve(ok(b"never"))) as (backend, origin):
        await whole(await origin.fetch(get()))
        with pytest.raises(OriginBroken):
            await origin.fetch(get())
        assert [conversation.requests for conversation in backend.conversations] == [2, 1]


@pytest.mark.parametrize("drop", [name for name in DROPS if name.startswith(("after a hint", "after one", "after half", "garbage"))])
async def test_a_read_is_not_sent_again_after_a_byte_of_the_answer(drop: str) -> None:
    async with talking([*serve(ok()), *DROPS[drop]], serve(ok(b"never"))) as (backend, origin):
        await whole(await origin.fetch(get()))
        with pytest.raises(OriginBroken):
            await whole(await origin.fetch(get()))
        assert [conversation.requests for conversation in backend.conversations] == [2]


@pytest.mark.parametrize("end", STALE_ENDS)
async def test_a_read_on_a_fresh_connection_is_not_sent_again(end: str) -> None:
    async with talking(STALE_ENDS[end] if end != "half read" else [HearBytes(10), Close()], serve(ok(b"never"))) as (backend, origin):
        with pytest.raises(OriginBroken):
            await origin.fetch(get())
        assert backend.requests == 1
        assert len(backend.conversations) == 1


async def test_a_read_with_a_streamed_body_is_not_sent_again() -> None:
    async with talking([*serve(ok()), Hear(), Close()], serve(ok(b"never"))) as (backend, origin):
        await whole(await origin.fetch(get()))
        with pytest.raises(OriginBroken):
            await origin.fetch(write(b"GET", streamed([b"abc"])))
        assert [conversation.requests for conversation in backend.conversations] == [2]


async def test_a_read_that_times_out_is_not_sent_again() -> None:
    options = OriginOptions(first_byte_seconds=0.1)
    async with talking([*serve(ok()), Hear()], serve(ok(b"never")), options=options) as (backend, origin):
        await whole(await origin.fetch(get()))
        with pytest.raises(OriginTimeout):
            await origin.fetch(get())
        assert [conversation.requests for conversation in backend.conversations] == [2]
