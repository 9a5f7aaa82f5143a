"""A retry under an Idempotency-Key is told what the write was told; nobody else is (protocol §8)."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from proxy.gateway.replay import MAX_KEPT_BYTES

from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, serving, until

KEY = b'Idempotency-Key: "a-1"'


async def put(door: Door, tag: bytes, *lines: bytes, body: bytes = b"new") -> tuple[int, bytes | None, bytes | None]:
    """Write, and say what came back: the status, the tag, and the outcome that noclobber adds."""
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, *lines, body=body)
    return got.status, got.one(b"ETag"), got.one(b"Noclobber-Outcome")


async def test_a_retry_gets_the_same_status_and_tag_and_nothing_is_written(legacy: Legacy, door: Door) -> None:
    tag = await door.tag()
    first = await put(door, tag, KEY)
    assert first == (204, await door.tag(), None)
    assert await put(door, tag, KEY) == (204, first[1], b"replayed")
    assert legacy.methods().count("PUT") == 1
    assert await door.sample("noclobber_own_writes_recognised_total", route="default") == 1


async def test_without_a_key_the_retry_is_stale(legacy: Legacy, door: Door) -> None:
    tag = await door.tag()
    assert (await put(door, tag))[0] == 204
    assert (await put(door, tag))[0] == 412
    assert legacy.methods().count("PUT") == 1


async def test_two_clients_that_send_the_same_bytes_never_both_succeed(legacy: Legacy, door: Door) -> None:
    """5 -> 6 and 5 -> 6 are two changes. The keys differ, or who sends them does."""
    tag = await door.tag()
    assert (await put(door, tag, KEY, b"Authorization: ana"))[0] == 204
    for lines in ([KEY, b"Authorization: ben"], [KEY], [b'Idempotency-Key: "b-1"', b"Authorization: ana"], [b"Authorization: ana"]):
        assert (await put(door, tag, *lines))[0] == 412, lines
    assert legacy.methods().count("PUT") == 1


@pytest.mark.parametrize("field", [b"Authorization", b"Cookie", b"X-API-Key"])
async def test_the_key_is_bound_to_who_sends_it(legacy: Legacy, door: Door, field: bytes) -> None:
    tag = await door.tag()
    assert (await put(door, tag, KEY, field + b": ana"))[0] == 204
    assert (await put(door, tag, KEY, field + b": ben"))[0] == 412
    assert (await put(door, tag, KEY, field + b": ana")) == (204, await door.tag(), b"replayed")
    assert legacy.methods().count("PUT") == 1


async def test_the_key_is_bound_to_method_and_target(legacy: Legacy, door: Door) -> None:
    tag = await door.tag()
    await put(door, tag, KEY)
    assert (await door.ask(b"PATCH", b"/doc", b"If-Match: " + tag, KEY, body=b"new")).status == 412
    assert (await door.ask(b"PUT", b"/doc?x=1", b"If-Match: " + tag, KEY, body=b"new")).status == 412
    assert (await door.ask(b"PUT", b"/other", b"If-None-Match: *", KEY, body=b"new")).status == 201


async def test_a_key_with_another_body_is_refused(legacy: Legacy, door: Door) -> None:
    tag = await door.tag()
    await put(door, tag, KEY)
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), KEY, body=b"other")
    assert (got.status, got.kind) == (422, "key-reused")
    assert legacy.documents["/doc"] == b"new"


async def test_after_somebody_elses_write_the_retry_is_judged_like_any_other(legacy: Legacy, door: Door) -> None:
    tag = await door.tag()
    await put(door, tag, KEY)
    assert (await put(door, await door.tag(), body=b"somebody else's"))[0] == 204
    assert (await put(door, tag, KEY))[0] == 412
    assert legacy.documents["/doc"] == b"somebody else's"


@pytest.mark.parametrize("lines", [[b"Idempotency-Key:"], [KEY, KEY], [KEY, b"idempotency-key: b"]])
async def test_a_key_that_is_none_is_never_taken_for_absent(legacy: Legacy, door: Door, lines: list[bytes]) -> None:
    assert (await put(door, b"*", *lines))[0] == 400
    assert legacy.asked == []


async def test_a_duplicate_of_what_is_in_flight_gets_409(legacy: Legacy, door: Door) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    tag = await door.tag()
    writer = asyncio.get_running_loop().create_task(put(door, tag, KEY))
    await until(lambda: "PUT" in legacy.methods())
    for body in (b"new", b"other"):
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, KEY, body=body)
        assert (got.status, got.kind, got.one(b"Retry-After")) == (409, "in-flight", b"1")
    goes_on.set()
    assert (await writer)[0] == 204
    assert await put(door, tag, KEY) == (204, await door.tag(), b"replayed")
    assert legacy.methods().count("PUT") == 1


async def test_two_processes_recognise_each_others_writes(legacy: Legacy, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    async with serving(legacy.port, store=store) as one, serving(legacy.port, store=store) as other:
        goes_on = asyncio.Event()
        legacy.respond = waiting_for(goes_on, "PUT")
        tag = await one.tag()
        writer = asyncio.get_running_loop().create_task(put(one, tag, KEY))
        await until(lambda: "PUT" in legacy.methods())
        got = await other.ask(b"PUT", b"/doc", b"If-Match: " + tag, KEY, body=b"new")
        assert (got.status, got.kind) == (409, "in-flight")
        goes_on.set()
        status, new, _ = await writer
        assert status == 204
        assert await put(other, tag, KEY) == (204, new, b"replayed")
        assert (await put(other, tag, KEY, body=b"other"))[0] == 422
    assert legacy.methods().count("PUT") == 1


async def test_what_the_answer_said_is_said_again(legacy: Legacy, door: Door) -> None:
    lines = {"Location": "/doc/1", "Content-Type": "application/json", "Set-Cookie": "secret=1", "Access-Control-Allow-Origin": "*"}
    legacy.respond = answering(201, b'{"id": 1}', "POST", **{name.replace("-", "_"): value for name, value in lines.items()})
    first = await door.ask(b"POST", b"/doc", KEY, body=b"x")
    again = await door.ask(b"POST", b"/doc", KEY, body=b"x")
    assert (first.status, first.body, first.one(b"Set-Cookie")) == (201, b'{"id": 1}', b"secret=1")
    assert (again.status, again.reason, again.body, again.one(b"Noclobber-Outcome")) == (201, b"Created", b'{"id": 1}', b"replayed")
    for name in (b"Location", b"Content-Type", b"Access-Control-Allow-Origin"):
        assert again.one(name) == first.one(name) is not None
    assert b"set-cookie" not in again.names
    assert legacy.methods().count("POST") == 1


@pytest.mark.parametrize(("size", "kept"), [(MAX_KEPT_BYTES, MAX_KEPT_BYTES), (MAX_KEPT_BYTES + 1, 0)])
async def test_a_long_body_is_not_kept(legacy: Legacy, door: Door, size: int, kept: int) -> None:
    legacy.respond = answering(200, bytes(size), "PATCH")
    assert len((await door.ask(b"PATCH", b"/doc", KEY, body=b"x")).body) == size
    again = await door.ask(b"PATCH", b"/doc", KEY, body=b"x")
    assert (again.status, again.body, again.one(b"Noclobber-Outcome")) == (200, bytes(kept), b"replayed")


async def test_a_refused_write_is_not_replayed(legacy: Legacy, door: Door) -> None:
    legacy.respond = answering(422, b"no", "PUT")
    tag = await door.tag()
    assert (await put(door, tag, KEY))[0] == 422
    legacy.respond = None
    assert await put(door, tag, KEY) == (204, await door.tag(), None)


async def test_a_spooled_body_is_part_of_the_key(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__spool_memory_bytes=1000) as door:
        tag = await door.tag()
        body = b"x" * 50_000
        assert (await put(door, tag, KEY, body=body))[0] == 204
        assert (await put(door, tag, KEY, body=body))[2] == b"replayed"
        assert (await put(door, tag, KEY, body=body[:-1] + b"y"))[0] == 422
    assert legacy.methods().count("PUT") == 1


async def test_a_write_of_unknown_outcome_is_not_replayed(legacy: Legacy) -> None:
    """Nobody knows what became of it: the retry waits out the doubt, looks, and is judged on what stands."""

    async def apply_and_fail(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method != "PUT":
            return None
        legacy.documents[request.path] = body
        return web.Response(status=500)

    async with serving(legacy.port, **SHORT) as door:
        tag = await door.tag()
        legacy.respond = apply_and_fail
        assert await put(door, tag, KEY) == (500, None, b"unknown")
        legacy.respond = None
        assert (await put(door, tag, KEY))[0] == 412
        assert legacy.methods().count("PUT") == 1


async def test_the_backend_gets_the_key_as_well(legacy: Legacy, door: Door) -> None:
    await put(door, await door.tag(), KEY)
    assert legacy.last("PUT").fields["idempotency-key"] == '"a-1"'
    assert "idempotency-key" not in legacy.last("GET").fields
