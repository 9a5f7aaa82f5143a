"""What the status and the routes say is what has happened."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

from tests.gateway.legacy import Legacy, waiting_for
from tests.gateway.serving import Door, route, serving, until

from .asking import read


async def provoke(door: Door) -> None:
    """One read, one write, one that is stale, and one that names nothing."""
    tag = await door.tag()
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"new")).status == 204
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"late")).status == 412
    assert (await door.ask(b"PUT", b"/doc", body=b"blind")).status == 204


async def test_the_status_tells_what_was_counted(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await provoke(door)
        status = await read(door, "/status")
    totals = status["totals"]
    assert (totals["requests"], totals["reads"], totals["writes"], totals["errors"]) == (4, 1, 3, 0)
    assert (totals["conflicts"], totals["prevented"], totals["unprotected"], totals["forced"]) == ({"stale": 1}, 1, 1, 1)
    assert (status["ready"], status["reasons"], status["mode"], status["in_flight"]) == (True, [], "enforce", 0)
    assert 0 <= status["latency"]["overhead_p50_seconds"] <= status["latency"]["overhead_p99_seconds"]
    assert status["latency"]["overhead"][-1] == {"le_seconds": None, "count": 4}


async def test_the_status_tells_of_process_store_and_backend(legacy: Legacy) -> None:
    async with serving(legacy.port, store="memory://") as door:
        await provoke(door)
        status = await read(door, "/status")
    (worker,) = status["workers"]
    assert (worker["pid"], worker["state"], worker["restarts"]) == (os.getpid(), "serving", 0)
    assert datetime.now(UTC) - datetime.fromisoformat(status["started_at"]) < timedelta(minutes=1)
    store = status["store"]
    assert (store["kind"], store["url"], store["up"], store["grace_remaining_seconds"]) == ("memory", "memory://", True, 0)
    assert store["operations"] > 3
    assert 0 < store["latency"]["p50_seconds"] <= store["latency"]["p99_seconds"]
    (upstream,) = status["upstreams"]
    url = f"http://127.0.0.1:{legacy.port}"
    assert (upstream["name"], upstream["servers"], upstream["waiting"]) == ("default", [{"url": url, "up": True}], 0)
    assert upstream["idle"] >= 1


async def test_a_store_that_is_away_is_told(legacy: Legacy) -> None:
    async with serving(legacy.port, store="redis://:secret@127.0.0.1:1", store__timeout_seconds=0.1) as door:
        status = await read(door, "/status")
    assert (status["ready"], status["store"]["up"], status["store"]["url"]) == (False, False, "redis://:***@127.0.0.1:1")
    assert "store" in status["reasons"][0]


async def test_the_routes_are_told_in_their_order_with_what_each_has_seen(legacy: Legacy) -> None:
    routes = route("/doc", "doc", missing="require", strategy="content"), route("/x/{rest*}", "rest", mode="observe")
    async with serving(legacy.port, *routes) as door:
        tag = await door.tag()
        assert (await door.ask(b"PUT", b"/doc", body=b"blind")).status == 428
        assert (await door.ask(b"GET", b"/elsewhere")).status == 404
        first, second, unrouted = await read(door, "/routes")
    assert tag
    assert (first["name"], first["strategy"], first["missing"], first["guarded"]) == ("doc", "content", "require", True)
    assert first["match"] == {"path": "/doc", "methods": [], "host": ""}
    assert (first["totals"]["requests"], first["totals"]["conflicts"]) == (2, {"missing": 1})
    assert (second["name"], second["mode"], second["totals"]["requests"]) == ("rest", "observe", 0)
    assert (unrouted["name"], unrouted["guarded"], unrouted["totals"]["requests"]) == ("unrouted", False, 1)


async def test_who_waits_for_a_lease_is_counted(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    async with serving(legacy.port) as door:
        legacy.respond = waiting_for(goes_on, "PUT")
        writers = [await door.connect() for _ in range(3)]
        for writer in writers:
            writer.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")

        async def two_wait() -> bool:
            return bool((await read(door, "/status"))["lease_queue"] == 2)

        await until(two_wait)
        status = await read(door, "/status")
        assert (status["in_flight"], status["workers"][0]["in_flight"], status["workers"][0]["connections"]) == (3, 3, 3)
        assert status["upstreams"][0]["busy"] == 1
        goes_on.set()
        for writer in writers:
            await writer.answer(b"PUT")
        assert (await read(door, "/status"))["lease_queue"] == 0
