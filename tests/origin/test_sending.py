"""How a request leaves: its bytes, its gate, and what an early answer does to it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import Delivery, OriginBroken, OriginTimeout, OriginUnreachable
from proxy.origin.http import OriginOptions
from proxy.origin.port import OriginRequest, StreamedBody

from .asking import always, gate_of, get, streamed, talking, until, whole, write
from .scripted import Close, Hear, HearBytes, Reset, Say, Script, Wait, WaitFor, ok, serve

HEAD = b"PUT /thing HTTP/1.1\r\nHost: legacy.example\r\n"

TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"

ON_THE_WIRE = {
    "9112 6.3 no body, no length": (None, HEAD + b"\r\n"),
    "9110 8.6 an empty body": (b"", HEAD + b"Content-Length: 0\r\n\r\n"),
    "9112 6.2 a body": (b"new\xff\0", HEAD + b"Content-Length: 5\r\n\r\nnew\xff\0"),
    "9112 7.1 unknown size": (
        [b"ab", b"", b"c" * 17],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n",
    ),
    "9112 7.1 unknown size, nothing": ([], HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("is_gated", [True, False])
@pytest.mark.parametrize("name", ON_THE_WIRE)
async def test_bytes_on_the_wire(name: str, is_gated: bool) -> None:
    body, expected = ON_THE_WIRE[name]
    async with talking(serve(ok())) as (backend, origin):
        request = write(b"PUT", streamed(body) if isinstance(body, list) else body)
        answer = await ((await origin.reserve()).send(request, always) if is_gated else origin.send(request))
        assert await whole(answer) == b"hello"
        assert backend.heard == expected
        assert origin.pool.idle == 1


@pytest.mark.parametrize("is_gated", [True, False])
async def test_a_stream_of_known_size_is_not_chunked(is_gated: bool) -> None:
    async with talking(serve(ok())) as (backend, origin):
        request = write(b"PUT", streamed([b"ab", b"", b"cde"], 5))
        await whole(await ((await origin.reserve()).send(request, always) if is_gated else origin.send(request)))
        assert backend.heard == HEAD + b"Content-Length: 5\r\n\r\nabcde"


async def test_lines_and_target_are_sent_untouched() -> None:
    lines = b'Host: a\r\nIf-Match: "\xe9\xff", "b"\r\nx-ODD:  two  \r\nx-odd:\r\n'
    async with talking(serve(ok())) as (backend, origin):
        await whole(await origin.fetch(OriginRequest(b"GET", b"//x/%2e./?", lines)))
        assert backend.heard == b"GET //x/%2e./? HTTP/1.1\r\n" + lines + b"\r\n"


async def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 1200
    async with talking(serve(ok())) as (backend, origin):
        await whole(await (await origin.reserve()).send(write(b"PUT", body), always))
        assert backend.heard == HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


# ---- the gate ----------------------------------------------------------------------------------------------------------------------


GATED = {
    "small": (b"new", 1),
    "none": (None, 1),
    "large": (b"x" * 200_000, 2),
    "one piece": ([b"abc"], 1),
    "two pieces": ([b"abc", b"def"], 2),
    "many pieces": ([b"abc"] * 9, 2),
    "no piece": ([], 1),
}


@pytest.mark.parametrize("name", GATED)
async def test_the_gate_is_asked_before_the_first_byte_and_before_the_last_piece(name: str) -> None:
    body, times = GATED[name]
    async with talking(serve(ok())) as (backend, origin):
        gate, said = gate_of(*[True] * times)
        await whole(await (await origin.reserve()).send(write(b"PUT", streamed(body) if isinstance(body, list) else body), gate))
        assert len(said) == times
        assert backend.requests == 1


@pytest.mark.parametrize("name", GATED)
async def test_behind_a_closed_gate_no_byte_is_sent(name: str) -> None:
    """And the connection stays good."""
    body, _ = GATED[name]
    async with talking(serve(ok(), 2)) as (backend, origin):
        with pytest.raises(OriginUnreachable) as caught:
            await (await origin.reserve()).send(write(b"PUT", streamed(body) if isinstance(body, list) else body), lambda: False)
        assert caught.value.delivery is Delivery.NOT_SENT
        assert origin.pool.idle == 1
        await whole(await origin.fetch(get()))
        assert len(backend.conversations) == 1
        assert backend.requests == 1


@pytest.mark.parametrize("name", ["large", "two pieces", "many pieces"])
async def test_a_gate_that_closes_keeps_the_last_piece_back(name: str) -> None:
    body, _ = GATED[name]
    async with talking([Hear()], serve(ok(), 9)) as (backend, origin):
        gate, said = gate_of(True, False)
        with pytest.raises(OriginTimeout) as caught:
            await (await origin.reserve()).send(write(b"PUT", streamed(body) if isinstance(body, list) else body), gate)
        assert caught.value.delivery is Delivery.MAYBE_SENT
        assert said == [True, False]
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert len(backend.conversations) == 1
        assert not backend.heard.endswith((b"def\r\n0\r\n\r\n", b"0\r\n\r\n"))
        assert len(backend.heard) < 200_000


async def test_a_reserved_connection_is_good_for_one_request() -> None:
    async with talking(serve(ok())) as (_, origin):
        reserved = await origin.reserve()
        await whole(await reserved.send(write(), always))
        with pytest.raises(RuntimeError):
            await reserved.send(write(), always)
        reserved.release()
        assert origin.pool.idle == 1


# ---- bodies that fail --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "size_bytes"), [([b"abc", b"de"], 6), ([b"abc", b"de"], 4), ([b"abc"], 2), ([], 1)])
@pytest.mark.parametrize("is_gated", [True, False])
async def test_a_body_of_another_size_than_announced_is_not_finished(given: list[bytes], size_bytes: int, is_gated: bool) -> None:
    """Or its rest would be read as another request."""
    async with talking([Hear()], serve(ok(), 9)) as (backend, origin):
        request = write(b"PUT", streamed(given, size_bytes))
        with pytest.raises(OriginBroken, match="announced") as caught:
            await ((await origin.reserve()).send(request, always) if is_gated else origin.send(request))
        if caught.value.delivery is Delivery.NOT_SENT:
            assert origin.pool.idle == 1
            assert backend.heard == b""
        else:
            await backend.settle()
            assert backend.conversations[0].end == "reset"
            assert len(backend.heard.partition(b"\r\n\r\n")[2]) <= size_bytes
            assert origin.pool.places == 0


class ClientLeft(Exception):
    pass


async def leaving(*given: bytes, error: type[BaseException] = ClientLeft) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece
    raise error


@pytest.mark.parametrize("error", [ClientLeft, TimeoutError])
async def test_what_the_source_of_a_body_raises_comes_through(error: type[BaseException]) -> None:
    async with talking([Hear()], serve(ok(), 9)) as (backend, origin):
        with pytest.raises(error):
            await origin.send(write(b"POST", StreamedBody(None, leaving(b"abc", error=error))))
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert b"0\r\n\r\n" not in backend.heard


async def test_a_source_that_fails_before_its_first_piece_sends_nothing() -> None:
    async with talking(serve(ok())) as (backend, origin):
        with pytest.raises(ClientLeft):
            await origin.send(write(b"POST", StreamedBody(None, leaving())))
        assert origin.pool.idle == 1
        assert backend.heard == b""


@pytest.mark.parametrize("has_been_seen", [True, False])
async def test_a_source_that_outlasts_its_connection_sends_nothing(has_been_seen: bool) -> None:
    """Its first piece must not go out on a connection that has ended; nor can it be had again for another one."""

    async def slow() -> AsyncIterator[bytes]:
        await until(lambda: backend.conversations)
        backend.conversations[0].sock.shutdown(2)
        if has_been_seen:
            await until(lambda: not origin.pool.places)
        yield b"abc"

    async with talking(serve(ok(), 9)) as (backend, origin):
        with pytest.raises(OriginUnreachable) as caught:
            await origin.send(write(b"PUT", StreamedBody(None, slow())))
        assert caught.value.delivery is Delivery.NOT_SENT
        assert backend.requests == 0
        assert origin.pool.places == 0


# ---- early answers -----------------------------------------------------------------------------------------------------------------


async def endless(pause: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """A body that either never ends, or waits for ever after its first piece."""
    while True:
        yield b"x" * 65536
        if pause is not None:
            await pause.wait()


EARLY: dict[str, Script] = {
    "answers, closes": [HearBytes(100), Say(TOO_LARGE), Close()],
    "answers, resets later": [HearBytes(100), Say(TOO_LARGE), Wait(0.05), Reset()],
    "answers, stays, reads no more": [HearBytes(100), Say(TOO_LARGE), Wait(100)],
    "answers, reads on": [HearBytes(100), Say(TOO_LARGE)],
    "answers in two parts": [HearBytes(100), Say(TOO_LARGE[:-1]), Wait(0.05), Say(TOO_LARGE[-1:])],
}


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("way", EARLY)
async def test_an_early_answer_stops_the_sending(way: str, waits: bool) -> None:
    """Whether the client waits for the backend to take more, or for more of the body."""
    async with talking(EARLY[way], serve(ok(), 9)) as (backend, origin):
        answer = await origin.send(write(b"PUT", StreamedBody(None, endless(asyncio.Event() if waits else None))))
        assert answer.status == 413
        assert await whole(answer) == b"no"
        assert origin.pool.places == 0
        assert len(backend.conversations) == 1


@pytest.mark.parametrize("waits", [True, False])
async def test_after_an_early_answer_the_connection_is_never_used_again(waits: bool) -> None:
    """Even where the backend would keep it: it still waits for the rest of a body, and would take the next request for that."""
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
    async with talking([HearBytes(100), Say(early)], serve(ok(), 9)) as (backend, origin):
        answer = await origin.send(write(b"PUT", StreamedBody(None, endless(asyncio.Event() if waits else None))))
        assert await whole(answer) == b"no"
        assert origin.pool.places == 0
        await backend.settle()
        assert backend.conversations[0].end == "reset"
        assert await whole(await origin.fetch(get())) == b"hello"
        assert [conversation.requests for conversation in backend.conversations] == [1, 1]


async def test_a_source_that_is_deaf_to_its_cancelling_sends_no_more_either() -> None:
    given = 0

    async def deaf() -> AsyncIterator[bytes]:
        nonlocal given
        while given < 500:
            given += 1
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                given += 100
            yield b"abc"

    async with talking([HearBytes(100), Say(TOO_LARGE[:-1]), Wait(0.1), Say(TOO_LARGE[-1:])]) as (_, origin):
        answer = await origin.send(write(b"PUT", StreamedBody(None, deaf())))
        assert answer.status == 413
        assert 100 < given < 200
        assert await whole(answer) == b"no"


async def test_an_early_answer_to_a_large_body_in_one_piece() -> None:
    """The backend closes with our bytes unread, so its kernel resets: the answer that came before must not be lost over it."""
    async with talking([HearBytes(100), Say(TOO_LARGE), Close()], serve(ok(), 9)) as (backend, origin):
        answer = await (await origin.reserve()).send(write(b"PUT", b"x" * 30_000_000), always)
        assert answer.status == 413
        assert await whole(answer) == b"no"
        assert len(backend.conversations) == 1


async def test_an_answer_behind_a_reset_is_read_from_the_socket() -> None:
    """The loop sees the reset by its own write first, and would drop what lies in the socket."""
    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100
        await go.wait()
        sock = backend.conversations[0].sock
        sock.setblocking(True)
        sock.send(TOO_LARGE)
        # Unread bytes in a closed socket make the kernel send RST.
        sock.close()
        for _ in range(50):
            yield b"y" * 100

    async with talking([HearBytes(10), WaitFor(go), WaitFor(asyncio.Event())], serve(ok(), 9)) as (backend, origin):
        asyncio.get_running_loop().call_later(0.05, go.set)
        answer = await origin.send(write(b"PUT", StreamedBody(None, body())))
        assert answer.status == 413
        assert await whole(answer) == b"no"


async def test_a_backend_that_closes_without_an_answer_stops_the_sending() -> None:
    for waits in (True, False):
        async with talking([HearBytes(100), Reset()], serve(ok(), 9)) as (backend, origin):
            with pytest.raises(OriginBroken) as caught:
                await origin.send(write(b"PUT", StreamedBody(None, endless(asyncio.Event() if waits else None))))
            assert caught.value.delivery is Delivery.MAYBE_SENT
            assert len(backend.conversations) == 1


async def test_a_hint_does_not_stop_the_sending() -> None:
    hints: list[int] = []
    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        await go.wait()
        yield b"def"

    script: Script = [HearBytes(60), Say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"), Hear(), Say(ok())]
    async with talking(script, options=OriginOptions(first_byte_seconds=0.2)) as (backend, origin):
        asyncio.get_running_loop().call_later(0.4, go.set)
        answer = await origin.send(write(b"PUT", StreamedBody(None, body())), lambda status, fields: hints.append(status))
        assert await whole(answer) == b"hello"
        assert hints == [102]
        assert b"def" in backend.heard
        assert origin.pool.idle == 1
