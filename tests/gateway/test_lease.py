"""Leases as clients meet them: waiting, renewing, running out, and two gateways on one store."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.core.record import ABSENT, Record, State, Version, epoch_of
from proxy.core.resource import key_digest, resource_key
from proxy.store.port import StoreKey
from proxy.store.sqlite import SqliteStore
from tests.servers import RedisServer, valkey_binary

from .client import Answer
from .legacy import Legacy, delaying
from .serving import SHORT, Door, serving, until

DOC = StoreKey(key_digest(resource_key(b"/doc")))


class Held:
    """A `respond` that holds back writes with the body b"held" until it is told to let them go."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def respond(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if body == b"held":
            self.arrived.set()
            await self.goes_on.wait()
        return None


@pytest.fixture
async def held(legacy: Legacy) -> Held:
    held = Held()
    legacy.respond = held.respond
    return held


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


def put(door: Door, body: bytes, *lines: bytes) -> "asyncio.Task[Answer]":
    """Send a PUT, and go on."""
    return asyncio.get_running_loop().create_task(door.ask(b"PUT", b"/doc", *lines, body=body))


# ---- within one process --------------------------------------------------------------------------------------------------------------


async def test_first_come_first_served(legacy: Legacy, held: Held) -> None:
    async with serving(legacy.port) as door:
        writers = [put(door, b"held")]
        await held.arrived.wait()
        for number in range(8):
            writers.append(put(door, b"%d" % number))
            await asyncio.sleep(0.01)
        held.goes_on.set()
        assert [answer.status for answer in await asyncio.gather(*writers)] == [204] * 9
        bodies = [asked.body for asked in legacy.asked if asked.method == "PUT"]
        assert bodies == [b"held", *(b"%d" % number for number in range(8))]


async def test_one_writer_at_a_time_and_other_resources_do_not_wait(legacy: Legacy, held: Held) -> None:
    async with serving(legacy.port) as door:
        first = put(door, b"held")
        await held.arrived.wait()
        second = put(door, b"second")
        assert (await door.ask(b"PUT", b"/other", body=b"x")).status == 201
        assert (await door.ask(b"GET", b"/doc")).status == 200
        assert not second.done()
        assert [asked.body for asked in legacy.asked if asked.target == "/doc"] == [b"held", b""]
        held.goes_on.set()
        assert (await first).status == (await second).status == 204


async def test_who_waits_too_long_is_told_to_come_again(legacy: Legacy, held: Held) -> None:
    async with serving(legacy.port, protocol__lease_wait_seconds=0.2) as door:
        first = put(door, b"held")
        await held.arrived.wait()
        started = time.monotonic()
        got = await put(door, b"second")
        assert 0.15 < time.monotonic() - started < 5
        assert (got.status, got.kind, got.one(b"Retry-After")) == (503, "busy", b"1")
        held.goes_on.set()
        assert (await first).status == 204
        assert (await put(door, b"third")).status == 204
        assert b"second" not in [asked.body for asked in legacy.asked]


async def test_the_queue_has_an_end(legacy: Legacy, held: Held) -> None:
    async with serving(legacy.port, limits__max_waiters_per_key=2) as door:
        writers = [put(door, b"held")]
        await held.arrived.wait()
        writers += [put(door, b"one"), put(door, b"two")]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        got = await put(door, b"three")
        assert (got.status, got.kind) == (503, "busy")
        assert time.monotonic() - started < 1.5
        held.goes_on.set()
        assert {answer.status for answer in await asyncio.gather(*writers)} == {204}


async def test_who_was_made_stale_while_it_waited_is_refused_without_a_swap(legacy: Legacy, held: Held) -> None:
    # So long a lease that a slow machine does not renew it meanwhile.
    async with serving(legacy.port, protocol__lease_seconds=30) as door:
        tag = await door.tag()
        first = put(door, b"held", b"If-Match: " + tag)
        await held.arrived.wait()
        losers = [put(door, b"lost %d" % number, b"If-Match: " + tag) for number in range(4)]
        await asyncio.sleep(0.05)
        before = await door.sample("noclobber_store_duration_seconds_count", operation="swap")
        held.goes_on.set()
        new = (await first).etag
        assert [(loser.status, loser.etag) for loser in await asyncio.gather(*losers)] == [(412, new)] * 4
        # The commit, and nothing else.
        assert await door.sample("noclobber_store_duration_seconds_count", operation="swap") == before + 1


async def test_of_many_at_once_one_wins(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        for turn in range(5):
            tag = await door.tag()
            # No two bodies are alike: content tags know no history, and a write that changes nothing makes nobody stale.
            answers = await asyncio.gather(*(put(door, b"%d/%d" % (turn, number), b"If-Match: " + tag) for number in range(10)))
            assert Counter(answer.status for answer in answers) == {204: 1, 412: 9}


# ---- time ----------------------------------------------------------------------------------------------------------------------------


async def test_a_slow_write_keeps_its_lease(legacy: Legacy) -> None:
    """2.5 leases long."""
    legacy.respond = delaying(2.5, "PUT")
    async with serving(legacy.port, **{**SHORT, "protocol__write_timeout_seconds": 10, "protocol__lease_wait_seconds": 5}) as door:
        tag = await door.tag()
        slow = put(door, b"slow", b"If-Match: " + tag)
        await asyncio.sleep(0.5)
        second = put(door, b"late", b"If-Match: " + tag)
        first = await slow
        assert (first.status, first.etag) == (204, await door.tag())
        assert (await second).status == 412
        assert await door.sample("noclobber_unknown_outcomes_total") == 0


async def test_a_slow_look_keeps_its_lease(legacy: Legacy) -> None:
    """The time of the verifying GET is the writer's, not the write's: the lease is renewed all the while."""
    async with serving(legacy.port, **SHORT) as door:
        tag = await door.tag()
        legacy.respond = delaying(1.5, "GET")
        assert (await put(door, b"new", b"If-Match: " + tag)).status == 204


# ---- two gateways on one store -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "valkey"])
async def pair(request: pytest.FixtureRequest, legacy: Legacy, url: str, tmp_path: Path) -> AsyncIterator[tuple[Door, Door]]:
    """Two gateways in front of one backend, once their grace is over."""
    server = None
    if request.param == "valkey":
        server = RedisServer(valkey_binary(), tmp_path / "valkey").start()
        url = server.url
    times = {**SHORT, "protocol__apply_delay_seconds": 0.1, "protocol__write_timeout_seconds": 5}
    async with serving(legacy.port, store=url, **times) as one, serving(legacy.port, store=url, **times) as other:
        await until(one.is_ready)
        await until(other.is_ready)
        yield one, other
    if server is not None:
        server.kill()


async def test_two_gateways_are_one(legacy: Legacy, held: Held, pair: tuple[Door, Door]) -> None:
    one, other = pair
    # The same tags,
    tag = await one.tag()
    assert tag == await other.tag()
    # one at a time,
    first = put(one, b"held", b"If-Match: " + tag)
    await held.arrived.wait()
    second = put(other, b"lost update", b"If-Match: " + tag)
    await asyncio.sleep(0.1)
    assert not second.done()
    held.goes_on.set()
    new = (await first).etag
    assert ((await second).status, (await second).etag) == (412, new)
    # and one winner of many.
    for turn in range(3):
        tag = await one.tag()
        writers = [put(door, b"%d/%d/%d" % (turn, number, at), b"If-Match: " + tag) for number in range(5) for at, door in enumerate(pair)]
        answers = await asyncio.gather(*writers)
        assert Counter(answer.status for answer in answers) == {204: 1, 412: 9}


async def test_a_lease_that_another_process_holds_for_too_long(legacy: Legacy, held: Held, url: str) -> None:
    times: dict[str, Any] = {"protocol__lease_wait_seconds": 0.2}
    async with serving(legacy.port, store=url, **times) as one, serving(legacy.port, store=url, **times) as other:
        first = put(one, b"held")
        await held.arrived.wait()
        got = await put(other, b"second")
        assert (got.status, got.kind) == (503, "busy")
        held.goes_on.set()
        assert (await first).status == 204


# ---- what another left in the store --------------------------------------------------------------------------------------------------


async def leave(url: str, state: State, lease_seconds: float, owner: str = "", fence: int = 7) -> None:
    """Write a record of /doc as another process might have left it, over whatever stands there."""
    store = await SqliteStore.open(Path(url.removeprefix("sqlite:///")))
    snapshot = await store.load(DOC)
    record = Record(state, snapshot.lineage, epoch_of(snapshot.lineage), 3, Version(""), fence, owner)
    await store.swap(DOC, snapshot.stamp or ABSENT, snapshot.lineage, record, lease_seconds)
    await store.close()


async def standing(url: str) -> tuple[State, str]:
    """State and owner of the record of /doc."""
    store = await SqliteStore.open(Path(url.removeprefix("sqlite:///")))
    record = (await store.load(DOC)).record
    await store.close()
    assert record is not None
    return record.state, record.owner


LEFT = {
    "a lease that runs, then an abandoned one": (State.PENDING, 0.3, 0.3 + 0.3),
    "an abandoned lease": (State.PENDING, 0.0, 0.3),
    "an unknown outcome": (State.UNKNOWN, 0.0, 0.3),
    "nothing in flight": (State.OK, 0.0, 0.0),
}


@pytest.mark.parametrize(("state", "lease_seconds", "expected"), LEFT.values(), ids=LEFT)
async def test_expired_is_never_free_and_unknown_is_never_clean(
    legacy: Legacy, url: str, state: State, lease_seconds: float, expected: float
) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door:
        tag = await door.tag()
        started = time.monotonic()
        await leave(url, state, lease_seconds, "another" if state is State.PENDING else "")
        assert (await put(door, b"x", b"If-Match: " + tag)).status == 204
        assert expected <= time.monotonic() - started < expected + 5


@pytest.mark.parametrize("line", [b'If-Match: "stale"', b"If-None-Match: *"])
async def test_a_writer_that_is_refused_settles_the_doubt_that_it_waited_for(legacy: Legacy, url: str, line: bytes) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door:
        await leave(url, State.UNKNOWN, 0.0)
        assert (await put(door, b"x", line)).status == 412
        assert await standing(url) == (State.OK, "")


async def test_a_writer_that_may_not_look_leaves_the_doubt_to_the_next(legacy: Legacy, url: str) -> None:
    async def forbid(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        return web.Response(status=403) if "Cookie" in request.headers else None

    legacy.respond = forbid
    async with serving(legacy.port, store=url, **{**SHORT, "protocol__apply_delay_seconds": 0.6}) as door:
        await leave(url, State.UNKNOWN, 0.0)
        assert (await put(door, b"x", b'If-Match: "a"', b"Cookie: a=b")).status == 403
        assert await standing(url) == (State.UNKNOWN, "")


async def test_a_fenced_success_is_told_without_a_tag(legacy: Legacy, held: Held, url: str) -> None:
    """W7: it was applied, but what stands now is not ours to name; and nobody may keep it."""
    async with serving(legacy.port, store=url) as door:
        first = put(door, b"held", b"If-Match: " + await door.tag())
        await held.arrived.wait()
        await leave(url, State.UNKNOWN, 0.0, fence=99)
        held.goes_on.set()
        got = await first
        assert (got.status, got.lines(b"Cache-Control")) == (204, [b"no-store"])
        assert not got.names & {b"etag", b"noclobber-outcome"}
