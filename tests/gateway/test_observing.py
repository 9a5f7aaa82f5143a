"""Observe mode: nothing is refused or held up, and what enforcing would have done is counted as the backend's log says it was."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.gateway.conflicts import STREAM
from proxy.store.sqlite import SqliteStore
from tests.servers import RedisServer

from .client import Answer
from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until

ANN, BOB = b"Authorization: Bearer ann", b"Authorization: Bearer bob"
WATCHED = route(mode="observe")
WOULD = b"Noclobber-Would"


async def put(door: Door, *lines: bytes, target: bytes = b"/doc", body: bytes = b"new", method: bytes = b"PUT") -> Answer:
    return await door.ask(method, target, *lines, body=body)


async def observed(door: Door) -> dict[str, float]:
    """What has been counted so far, by kind."""
    kinds = ("stale", "missing", "exists", "gone", "refused", "malformed", "unprotected", "blind-overwrite", "unleased", "replayed")
    counts = {kind: await door.sample("noclobber_observed_total", kind=kind) for kind in kinds}
    return {kind: count for kind, count in counts.items() if count}


async def test_a_stale_write_goes_through_and_is_told_of(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        tag = await door.tag()
        first = await put(door, b"If-Match: " + tag, body=b"1")
        assert (first.status, first.one(WOULD)) == (204, None)
        second = await put(door, b"If-Match: " + tag, body=b"2")
        assert (second.status, second.one(WOULD)) == (204, b"412")
        assert second.etag == await door.tag() != first.etag
        assert legacy.documents["/doc"] == b"2"
        assert await observed(door) == {"stale": 1}
        # Nothing was refused, so nothing was saved.
        assert await door.sample("noclobber_conflicts_total") == 0
        assert await door.sample("noclobber_unprotected_writes_total") == 0


CASES: dict[str, tuple[str, list[bytes], bytes, bytes, str]] = {
    "missing": ("missing", [], b"/doc", b"428", "required"),
    "exists": ("exists", [b"If-None-Match: *"], b"/doc", b"412", "allowed"),
    "gone": ("gone", [b'If-Match: "x"'], b"/none", b"412", "allowed"),
    "malformed condition": ("malformed", [b"If-Match: x"], b"/doc", b"400", "allowed"),
    "malformed condition, required": ("malformed", [b"If-Match: x"], b"/doc", b"400", "required"),
    "a part": ("malformed", [b'If-Match: "x"', b"Content-Range: bytes 0-2/9"], b"/doc", b"400", "allowed"),
    "two keys": ("malformed", [b"Idempotency-Key: 1", b"Idempotency-Key: 2"], b"/doc", b"400", "allowed"),
    "an override of the method": ("malformed", [b"X-HTTP-Method-Override: PATCH"], b"/doc", b"400", "allowed"),
}


@pytest.mark.parametrize(("kind", "lines", "target", "would", "missing"), CASES.values(), ids=CASES)
async def test_whatever_enforcing_refuses_goes_through(
    legacy: Legacy, kind: str, lines: list[bytes], target: bytes, would: bytes, missing: str
) -> None:
    keys = {"missing": "require"} if missing == "required" else {}
    async with serving(legacy.port, route(**keys)) as door:
        assert (await put(door, *lines, target=target)).status == int(would)
        assert "PUT" not in legacy.methods()
    async with serving(legacy.port, route(mode="observe", **keys)) as door:
        got = await put(door, *lines, target=target)
        assert got.status in (201, 204)
        assert got.one(WOULD) == would or kind == "malformed"
        assert legacy.documents[target.decode()] == b"new"
        assert (await observed(door))[kind] == 1


async def test_the_backends_own_refusal_is_its_answer_to_the_write(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        got = await door.ask(b"DELETE", b"/none", b'If-Match: "x"')
        assert (got.status, got.one(WOULD)) == (404, b"404")
        assert legacy.methods().count("DELETE") == 1
        legacy.respond = answering(500, only="GET")
        got = await put(door, b'If-Match: "x"')
        assert (got.status, got.one(WOULD)) == (204, b"503")
        assert await observed(door) == {"refused": 2}


async def test_reads_are_not_refused_either(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        tag = await door.tag()
        got = await door.ask(b"GET", b"/doc", b'If-Match: "x"')
        assert (got.status, got.body, got.one(WOULD)) == (200, legacy.documents["/doc"], b"412")
        got = await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)
        assert (got.status, got.one(WOULD)) == (304, None)


async def test_only_routes_that_say_so_are_observed(legacy: Legacy) -> None:
    routes = route("/watched/{path*}", "watched", mode="observe"), route("/{path*}", "guarded")
    async with serving(legacy.port, *routes) as door:
        assert (await put(door, b'If-Match: "x"', target=b"/watched/a")).status == 201
        assert (await put(door, b'If-Match: "x"')).status == 412
    async with serving(legacy.port, server__mode="observe") as door:
        assert (await put(door, b'If-Match: "x"')).status == 204


async def test_an_overwrite_by_one_who_has_not_seen_it_is_counted(legacy: Legacy) -> None:
    """The lost update as it is today: no client sends any condition."""
    async with serving(legacy.port, WATCHED) as door:
        for who in (ANN, BOB):
            assert (await door.ask(b"GET", b"/doc", who)).status == 200
        assert (await put(door, ANN, body=b"hers")).status == 204
        assert (await put(door, ANN, body=b"hers again")).status == 204
        assert await observed(door) == {"unprotected": 2}
        assert (await put(door, BOB, body=b"his")).status == 204
        assert await observed(door) == {"unprotected": 3, "blind-overwrite": 1}
        # He knows what he has written, and she reads before she writes on.
        assert (await put(door, BOB, body=b"his again")).status == 204
        assert (await door.ask(b"GET", b"/doc", ANN)).status == 200
        assert (await put(door, ANN, body=b"hers")).status == 204
        assert await observed(door) == {"unprotected": 5, "blind-overwrite": 1}


async def test_who_has_seen_what_stands_costs_no_look(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        assert (await put(door, ANN, body=b"1")).status == 204
        legacy.asked.clear()
        assert (await put(door, ANN, body=b"2")).status == 204
        # The one GET is for the tag of what was written.
        assert legacy.methods() == ["PUT", "GET"]


async def test_who_has_seen_what_came_from_elsewhere_is_not_blind(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        assert (await put(door, ANN)).status == 204
        legacy.documents["/doc"] = b"from elsewhere"
        assert (await door.ask(b"GET", b"/doc", BOB)).status == 200
        assert (await put(door, BOB)).status == 204
        assert "blind-overwrite" not in await observed(door)


async def test_the_counts_are_those_of_the_backends_log(legacy: Legacy) -> None:
    """Fifty writes at random moments by ten clients, each of what it has read last: the backend's log says who overwrote what unseen."""
    applied: list[tuple[str, str]] = []
    states = ["initial"]

    async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT":
            await asyncio.sleep(0.001)
            applied.append((states[-1], request.headers["X-Based-On"]))
            states.append(body.decode())
        return None

    legacy.documents["/doc"] = b"initial"
    legacy.respond = respond

    async def save(door: Door, number: int, *, conditional: bool) -> None:
        who = b"Authorization: Bearer c%d" % number
        for turn in range(5):
            read = await door.ask(b"GET", b"/doc", who)
            await asyncio.sleep((number * 7 + turn * 3) % 5 / 500)
            lines = [b"If-Match: " + read.etag] if conditional else []
            got = await put(door, who, *lines, b"X-Based-On: " + read.body, body=b"%d.%d" % (number, turn))
            assert got.status == 204

    for conditional, kind in ((True, "stale"), (False, "blind-overwrite")):
        applied.clear()
        # A long turn for each: what would go without a lease could be misjudged.
        async with serving(legacy.port, WATCHED) as door:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("proxy.gateway.observing.OBSERVED_WAIT_SECONDS", 60.0)
                await asyncio.gather(*(save(door, number, conditional=conditional) for number in range(10)))
            counts = await observed(door)
        unseen = sum(stood != based for stood, based in applied)
        assert len(applied) == 50
        assert unseen > 0
        assert counts.get("unleased", 0) == 0
        assert counts[kind] == unseen


async def test_it_does_not_wait_for_another_write(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    async with serving(legacy.port, WATCHED, protocol__lease_wait_seconds=3600) as door:
        legacy.respond = waiting_for(goes_on, "PATCH")
        slow = asyncio.get_running_loop().create_task(put(door, method=b"PATCH"))
        await until(lambda: "PATCH" in legacy.methods())
        assert (await put(door)).status == 204
        assert not slow.done()
        goes_on.set()
        assert (await slow).status == 200
        assert (await observed(door))["unleased"] == 1


async def test_a_store_that_is_away_stops_nothing(legacy: Legacy, server: RedisServer) -> None:
    server.start().kill()
    async with serving(legacy.port, WATCHED, store=server.url, store__timeout_seconds=0.2, **SHORT) as door:
        # It has never been there: no tag can be made.
        assert (await put(door, b'If-Match: "x"')).status == 204
        server.start()
        await until(door.is_ready)
        tag = await door.tag()
        server.kill()
        assert (await put(door, b"If-Match: " + tag, body=b"newer")).status == 204
        got = await put(door, b"If-Match: " + tag)
        assert (got.status, got.one(WOULD)) == (204, b"412")
        assert (await observed(door))["unleased"] == 3


async def test_neither_a_grace_nor_a_doubt_holds_anything_up(legacy: Legacy, server: RedisServer) -> None:
    server.start()
    async with serving(legacy.port, WATCHED, store=server.url, protocol__apply_delay_seconds=3600) as door:
        assert not await door.is_ready()
        assert (await put(door)).status == 204
        assert (await observed(door))["unleased"] == 1
    async with serving(legacy.port, WATCHED, protocol__apply_delay_seconds=3600) as door:
        legacy.respond = answering(500, only="PUT")
        assert (await put(door)).status == 500
        legacy.respond = None
        assert (await put(door)).status == 204
        assert (await observed(door))["unleased"] == 1


async def test_a_doubt_that_is_old_is_settled(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED, **SHORT) as door:
        legacy.respond = answering(500, only="PUT")
        assert (await put(door)).status == 500
        legacy.respond = None
        await asyncio.sleep(0.4)
        tag = await door.tag()
        for would in (None, b"412"):
            assert (await put(door, b"If-Match: " + tag)).one(WOULD) == would
        assert "unleased" not in await observed(door)


async def test_a_retry_under_a_key_is_sent_as_without_us(legacy: Legacy) -> None:
    async with serving(legacy.port, WATCHED) as door:
        tag = await door.tag()
        for _ in range(2):
            got = await put(door, b"If-Match: " + tag, b"Idempotency-Key: 1")
            assert (got.status, got.one(WOULD)) == (204, None)
        assert legacy.methods().count("PUT") == 2
        assert await observed(door) == {"replayed": 1, "unleased": 1}


async def test_the_events_say_that_nothing_was_refused(legacy: Legacy, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with serving(legacy.port, WATCHED, store=url) as door:
        for who in (ANN, BOB):
            await door.ask(b"GET", b"/doc", who)
        assert (await put(door, ANN)).status == 204
        assert (await put(door, BOB, body=b"his")).status == 204
        assert (await put(door, b'If-Match: "x"')).status == 204
    store = await SqliteStore.open(tmp_path / "store.db")
    events: list[dict[str, Any]] = [json.loads(entry.content) for entry in await store.tail(STREAM, "", 9)]
    await store.close()
    assert [(event["event"], event["mode"]) for event in events] == [("blind-overwrite", "observe"), ("stale", "observe")]
    blind, stale = events
    assert stale["lastWriter"] == blind["principal"] != blind["lastWriter"] is not None


@pytest.mark.parametrize("keys", [{"strategy": "revision"}, {"strategy": "native"}, {"strategy": "json"}], ids=str)
async def test_it_observes_each_strategy(legacy: Legacy, keys: dict[str, str]) -> None:
    legacy.extra = {"ETag": '"v1"'} if keys["strategy"] == "native" else {}
    async with serving(legacy.port, route(mode="observe", **keys)) as door:
        await until(door.is_ready)
        tag = await door.tag()
        assert (await put(door, b"If-Match: " + tag, body=b'{"a": 1}')).one(WOULD) is None
        legacy.extra = {"ETag": '"v2"'} if legacy.extra else {}
        got = await put(door, b"If-Match: " + tag, body=b'{"a": 2}')
        assert (got.status, got.one(WOULD)) == (204, b"412")
        assert await observed(door) == {"stale": 1}
