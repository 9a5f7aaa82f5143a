"""What a backend's answer to a write means, on real sockets: one row of the table after the other (protocol §5, W5)."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from proxy.core.outcome import NOT_APPLIED_STATUSES
from tests.origin.scripted import Close, Hear, HearBytes, Reset, Say, Script, ScriptedBackend, Wait, ok, serve
from tests.servers import free_port

from .legacy import Legacy, answering
from .serving import SHORT, Door, serving, until

QUARANTINE_SECONDS = 0.3
"""Of SHORT: where a doubt is waited out."""

SETTLED: dict[str, Any] = {**SHORT, "protocol__apply_delay_seconds": 90}
"""Where there must be no doubt: a write that waited for one would take far longer than AT_ONCE_SECONDS."""

AT_ONCE_SECONDS = 20.0


async def seconds_of_next_write(door: Door) -> float:
    """How long it takes until the next conditional write on the current tag has succeeded."""
    started = time.monotonic()
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")
    assert got.status in (200, 204), got
    return time.monotonic() - started


# ---- answers -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(NOT_APPLIED_STATUSES))
async def test_a_refusal_means_not_applied_and_the_record_is_settled(legacy: Legacy, status: int) -> None:
    async with serving(legacy.port, **SETTLED) as door:
        legacy.respond = answering(status, b"the backend's words", "PUT", X_From="backend", ETag='"theirs"')
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"x")
        assert (got.status, got.body, got.one(b"X-From"), got.etag) == (status, b"the backend's words", b"backend", b'"theirs"')
        assert b"noclobber-outcome" not in got.names
        legacy.respond = None
        assert await seconds_of_next_write(door) < AT_ONCE_SECONDS
        assert await door.sample("noclobber_unknown_outcomes_total") == 0


UNKNOWN = [300, 301, 302, 304, 307, 402, 408, 409, 410, 412, 417, 423, 425, 451, 500, 501, 502, 503, 504, 507, 599]


@pytest.mark.parametrize("status", UNKNOWN)
async def test_any_other_answer_proves_nothing(legacy: Legacy, status: int) -> None:
    """The backend's own answer is passed on, marked, and the next write waits until the doubt is over."""
    async with serving(legacy.port, **SHORT) as door:
        legacy.respond = answering(status, b"" if status == 304 else b"words", "PUT", X_From="backend")
        before = time.monotonic()
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"x")
        assert (got.status, got.one(b"X-From"), got.one(b"Noclobber-Outcome")) == (status, b"backend", b"unknown")
        assert await door.sample("noclobber_unknown_outcomes_total") == 1
        legacy.respond = None
        await seconds_of_next_write(door)
        assert QUARANTINE_SECONDS <= time.monotonic() - before < QUARANTINE_SECONDS + 5


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 207, 299])
async def test_every_success_means_applied(legacy: Legacy, status: int) -> None:
    async def apply(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method != "PUT" or status == 204:
            return None
        legacy.documents[request.path] = body
        return web.Response(status=status)

    legacy.respond = apply
    async with serving(legacy.port, **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"new")
        assert (got.status, got.etag) == (status, await door.tag())
        assert b"noclobber-outcome" not in got.names


# ---- failures ------------------------------------------------------------------------------------------------------------------------


async def test_a_refused_connection_means_not_applied() -> None:
    port = free_port()
    async with serving(port, **SETTLED) as door:
        started = time.monotonic()
        for _ in range(2):
            got = await door.ask(b"PUT", b"/doc", body=b"x")
            assert (got.status, got.kind, got.one(b"Retry-After")) == (503, "not-sent", b"1")
            assert b"noclobber-outcome" not in got.names
        assert time.monotonic() - started < AT_ONCE_SECONDS
        assert await door.sample("noclobber_unknown_outcomes_total") == 0


async def test_a_backend_that_is_away_at_the_verifying_get_means_not_applied() -> None:
    async with serving(free_port(), **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", b'If-Match: "a"', body=b"x")
    assert (got.status, got.kind) == (503, "not-sent")


AFTER_THE_FIRST_BYTE: dict[str, Script] = {
    "closed within the request": [HearBytes(20), Close()],
    "closed after the request": [Hear(), Close()],
    "reset": [Hear(), Reset()],
    "half a head": [Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Le"), Close()],
    "no HTTP": [Hear(), Say(b"nonsense\r\n\r\n"), Close()],
    "two lengths": [Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")],
    "an interim answer only": [Hear(), Say(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Close()],
}


@pytest.mark.parametrize("script", AFTER_THE_FIRST_BYTE.values(), ids=AFTER_THE_FIRST_BYTE)
async def test_whatever_fails_after_the_first_byte_is_unknown(script: Script) -> None:
    then: Script = [Hear(), Say(ok(b"new"))] * 5
    async with ScriptedBackend(script, then) as backend, serving(backend.port, **SHORT) as door:
        started = time.monotonic()
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        assert (got.status, got.kind, got.one(b"Noclobber-Outcome")) == (504, "outcome-unknown", b"unknown")
        assert backend.requests == 1
        assert await door.sample("noclobber_unknown_outcomes_total") == 1
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"next")).status == 200
        assert time.monotonic() - started >= QUARANTINE_SECONDS


async def test_a_write_that_takes_too_long_is_reset(legacy: Legacy) -> None:
    """Not a byte of it may leave after it was given up, and the backend is told that nobody waits."""
    async with ScriptedBackend([Hear()], serve(ok(b"new"), 5)) as backend, serving(backend.port, **SHORT) as door:
        started = time.monotonic()
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        # The lease's end less the margin comes before the write timeout only without renewals.
        assert 0.7 < time.monotonic() - started < 3
        assert (got.status, got.kind, got.one(b"Noclobber-Outcome")) == (504, "outcome-unknown", b"unknown")
        await asyncio.sleep(0.05)
        assert backend.conversations[0].end == "reset"


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("end", [Close(), Reset(), Wait(9)], ids=["closed", "reset", "stuck"])
async def test_a_success_that_is_cut_was_applied_and_is_cut_for_the_client(end: Close | Reset | Wait, framing: bytes) -> None:
    """The version is unknown then: no tag goes with it. Nothing is in doubt."""
    half = b"half" if framing.startswith(b"Content") else b"4\r\nhalf\r\n"
    script: Script = [Hear(), Say(b"HTTP/1.1 200 OK\r\nETag: x\r\n" + framing + b"\r\n\r\n" + half), Wait(0.02), end]
    async with ScriptedBackend(script, serve(ok(b"new"), 5)) as backend, serving(backend.port, **SETTLED) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        assert (got.status, got.is_cut) == (200, True)
        assert not got.names & {b"etag", b"noclobber-outcome"}
        assert backend.requests == 1
        started = time.monotonic()
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"next")).status == 200
        assert time.monotonic() - started < AT_ONCE_SECONDS


async def test_a_refusal_that_is_cut_proves_nothing() -> None:
    script: Script = [Hear(), Say(b"HTTP/1.1 400 Bad\r\nContent-Length: 10\r\n\r\nhalf"), Close()]
    async with ScriptedBackend(script, serve(ok(b"new"), 5)) as backend, serving(backend.port, **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        assert (got.status, got.is_cut, got.one(b"Noclobber-Outcome")) == (400, True, b"unknown")


@pytest.mark.parametrize("size", [3, 50_000, 900_000])
async def test_answers_to_writes_come_whole(legacy: Legacy, size: int) -> None:
    legacy.respond = answering(200, bytes(size), "PUT")
    async with serving(legacy.port, limits__spool_memory_bytes=10_000) as door:
        client = await door.connect()
        for _ in range(2):
            got = await client.ask(b"PUT", b"/doc", body=b"x")
            assert (got.status, got.body, got.is_cut) == (200, bytes(size), False)


@pytest.mark.parametrize("size", [3, 50_000, 900_000])
async def test_bodies_of_writes_come_whole(legacy: Legacy, size: int) -> None:
    content = bytes(range(250)) * (size // 250 + 1)
    async with serving(legacy.port, limits__spool_memory_bytes=10_000, limits__max_body_bytes=1_000_000) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=content)
        assert (got.status, got.etag) == (204, await door.tag())
    assert legacy.documents["/doc"] == content
    assert legacy.last("PUT").fields["content-length"] == str(len(content))


# ---- the client leaves ---------------------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_does_not_stop_the_write(legacy: Legacy) -> None:
    """From taking a turn on the write is the app's: it is committed, and the next one on the new tag goes through at once."""
    arrived, goes_on = asyncio.Event(), asyncio.Event()

    async def hold(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method == "PUT":
            arrived.set()
            await goes_on.wait()
        return None

    legacy.respond = hold
    async with serving(legacy.port, protocol__apply_delay_seconds=90) as door:
        client = await door.connect()
        tag = await door.tag()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: " + tag + b"\r\nContent-Length: 3\r\n\r\nnew")
        await asyncio.wait_for(arrived.wait(), 5)
        client.leave()
        await asyncio.sleep(0.05)
        goes_on.set()
        await until(lambda: legacy.documents["/doc"] == b"new" and legacy.methods()[-1] == "GET")
        assert await seconds_of_next_write(door) < AT_ONCE_SECONDS
        assert legacy.methods().count("PUT") == 2
        assert await door.sample("noclobber_unknown_outcomes_total") == 0


async def test_a_client_that_leaves_while_it_waits_for_its_turn_is_served_all_the_same(legacy: Legacy) -> None:
    arrived, goes_on = asyncio.Event(), asyncio.Event()

    async def hold(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if body == b"one":
            arrived.set()
            await goes_on.wait()
        return None

    legacy.respond = hold
    async with serving(legacy.port, protocol__apply_delay_seconds=90) as door:
        one, two = await door.connect(), await door.connect()
        one.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none")
        await asyncio.wait_for(arrived.wait(), 5)
        two.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo")
        await asyncio.sleep(0.05)
        two.leave()
        goes_on.set()
        assert (await one.answer(b"PUT")).status == 204
        await until(lambda: legacy.documents["/doc"] == b"two")
        assert await seconds_of_next_write(door) < AT_ONCE_SECONDS
