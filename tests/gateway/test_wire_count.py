"""One write asked is at most one write on the wire, wherever the backend drops the connection; counted where it is heard.

aiohttp's own client sends PUT and DELETE again when a connection drops, which is two writes for one. On both loops: what a dropped
connection looks like is the transport's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.origin.scripted import (
    Close,
    Conversation,
    HalfClose,
    Hear,
    HearBytes,
    Reset,
    Say,
    Script,
    ScriptedBackend,
    Step,
    ok,
    request_end,
)

from .serving import Door, route, serving

WRITES = [b"PUT", b"PATCH", b"DELETE", b"POST"]
GET_FIRST: list[Step] = [Hear(), Say(ok(b"old"))]
"""Makes the connection one that has been used; the GET is the first request on it."""

GET_BYTES = len(
    b"GET /doc HTTP/1.1\r\nHost: api.example\r\nAccept-Encoding: identity\r\nVia: 1.1 noclobber\r\n"
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: api.example\r\n"
    b"X-Request-ID: 0123456789abcdef-1\r\n\r\n"
)

SERVES: list[Step] = [Hear(), Say(ok(b"new"))] * 8


@dataclass(frozen=True)
class Drop:
    """What the backend does where it would serve the write, and which statuses tell the truth about it."""

    script: Sequence[Step]
    statuses: frozenset[int]
    is_cut: bool = False


def drop(*script: Step, statuses: Sequence[int] = (504,), is_cut: bool = False) -> Drop:
    return Drop(script, frozenset(statuses), is_cut)


HALF_OF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"
HALF_OF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
DROPS = {
    "within the head, closed": drop(HearBytes(5), Close()),
    "within the head, reset": drop(HearBytes(5), Reset()),
    "within the head, half-closed": drop(HearBytes(5), HalfClose()),
    "after the request, closed": drop(Hear(), Close()),
    "after the request, reset": drop(Hear(), Reset()),
    "after the request, half-closed": drop(Hear(), HalfClose()),
    "half of the answer's head, closed": drop(Hear(), Say(HALF_OF_A_HEAD), Close()),
    "half of the answer's head, reset": drop(Hear(), Say(HALF_OF_A_HEAD), Reset()),
    "half of the answer's body, closed": drop(Hear(), Say(HALF_OF_A_BODY), Close(), statuses=(200,), is_cut=True),
    "half of the answer's body, half-closed": drop(Hear(), Say(HALF_OF_A_BODY), HalfClose(), statuses=(200,), is_cut=True),
    "after the answer": drop(Hear(), Say(ok(b"new")), Close(), statuses=(200,)),
    "408, closed": drop(
        Hear(), Say(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), Close(), statuses=(408,)
    ),
    "503, closed": drop(Hear(), Say(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"), Close(), statuses=(503,)),
}


def writes_of(conversation: Conversation) -> int:
    """How many requests other than GETs began on a connection; a single byte is one."""
    count = position = 0
    heard = conversation.heard
    while position < len(heard):
        count += heard[position : position + 4] != b"GET "
        end = request_end(heard, position)
        if end is None:
            break
        position = end
    return count


def writes(backend: ScriptedBackend) -> int:
    """How many writes were on the wire, over all connections."""
    return sum(writes_of(conversation) for conversation in backend.conversations)


def script(connection: str, what: Sequence[Step]) -> Script:
    """What is played on the connection of the write. Bytes are counted from the beginning of a connection."""
    if connection == "fresh":
        return what
    return [*GET_FIRST, *(HearBytes(step.count + GET_BYTES) if isinstance(step, HearBytes) else step for step in what)]


async def warm_up(door: Door, backend: ScriptedBackend, connection: str) -> None:
    if connection == "reused":
        assert (await door.ask(b"GET", b"/doc")).status == 200
        assert len(backend.heard) == GET_BYTES


@pytest.mark.parametrize("connection", ["fresh", "reused"])
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("dropped", DROPS.values(), ids=DROPS)
async def test_one_write_is_one_request(dropped: Drop, method: bytes, connection: str) -> None:
    async with ScriptedBackend(script(connection, dropped.script), SERVES) as backend, serving(backend.port) as door:
        await warm_up(door, backend, connection)
        got = await door.ask(method, b"/doc", body=None if method == b"DELETE" else b"new")
        # Whatever would be sent again would come within this.
        await asyncio.sleep(0.02)
        assert got.status in dropped.statuses
        assert got.is_cut == dropped.is_cut
        assert (got.one(b"Noclobber-Outcome") == b"unknown") == (got.status != 200)
        assert writes(backend) == 1


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("ending", [Close(), Reset(), HalfClose()], ids=["closed", "reset", "half-closed"])
async def test_a_used_connection_that_ended_before_the_write_is_not_used(method: bytes, ending: Step) -> None:
    """So that a write is not made unknown for nothing: the end is noticed, and the write goes out on another connection, once."""
    async with ScriptedBackend(script("reused", [ending]), SERVES) as backend, serving(backend.port) as door:
        await warm_up(door, backend, "reused")
        await asyncio.sleep(0.01)
        got = await door.ask(method, b"/doc", body=None if method == b"DELETE" else b"new")
        assert (got.status, writes(backend)) == (200, 1)
        assert writes_of(backend.conversations[0]) == 0


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("ending", [Close(), Reset()], ids=["closed", "reset"])
async def test_a_new_connection_that_ends_at_once(method: bytes, ending: Step) -> None:
    """Nobody can say who is first here. What is said must be true all the same: 503 only of what was not sent."""
    async with ScriptedBackend([ending], SERVES) as backend, serving(backend.port) as door:
        got = await door.ask(method, b"/doc", body=None if method == b"DELETE" else b"new")
        await asyncio.sleep(0.02)
        assert {200: 1, 503: 0}.get(got.status, writes(backend)) == writes(backend) <= 1
        assert got.status in (200, 503, 504)


@pytest.mark.parametrize("connection", ["fresh", "reused"])
@pytest.mark.parametrize("ending", [Close(), Reset()], ids=["closed", "reset"])
@pytest.mark.parametrize("heard", [100, 100_000])
async def test_a_large_body_is_sent_once(heard: int, ending: Step, connection: str) -> None:
    """Spooled to disk, and sent in pieces: the backend leaves in the middle."""
    leaves = script(connection, [HearBytes(heard), ending])
    async with ScriptedBackend(leaves, SERVES) as backend, serving(backend.port, limits__spool_memory_bytes=10_000) as door:
        await warm_up(door, backend, connection)
        got = await door.ask(b"PUT", b"/doc", body=bytes(3_000_000))
        await asyncio.sleep(0.02)
        assert (got.status, got.one(b"Noclobber-Outcome"), writes(backend)) == (504, b"unknown", 1)


@pytest.mark.parametrize("method", WRITES)
async def test_an_unguarded_write_is_sent_once_as_well(method: bytes) -> None:
    async with ScriptedBackend([Hear(), Close()], SERVES) as backend, serving(backend.port, route(guarded=False)) as door:
        assert (await door.ask(method, b"/doc", body=None if method == b"DELETE" else b"new")).status == 502
        assert writes(backend) == 1


async def test_the_write_after_an_unknown_one_is_one_more() -> None:
    async with (
        ScriptedBackend([Hear(), Close()], SERVES) as backend,
        serving(backend.port, protocol__apply_delay_seconds=0.1) as door,
    ):
        assert (await door.ask(b"PUT", b"/doc", body=b"one")).status == 504
        assert (await door.ask(b"PUT", b"/doc", body=b"two")).status == 200
        assert writes(backend) == 2
