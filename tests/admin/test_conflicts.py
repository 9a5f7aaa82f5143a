"""The conflict log over the API: page by page, filtered, and as it comes."""

import asyncio
import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.store.sqlite import SqliteStore
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving, until
from tests.servers import RedisServer

from .asking import BEARER, TOKEN, Feed, ask, listening, problem, read

ANN, BOB = b"Authorization: Bearer ann", b"Authorization: Bearer bob"


async def lose(door: Door, target: bytes = b"/doc") -> None:
    """Have one write refused."""
    tag = await door.tag(target)
    assert (await door.ask(b"PUT", target, ANN, b"If-Match: " + tag, body=b"new %b" % tag)).status == 204
    assert (await door.ask(b"PUT", target, BOB, b"If-Match: " + tag, body=b"late")).status == 412


async def logged(door: Door, count: int) -> list[dict[str, object]]:
    """All events, once there are so many."""
    found: list[dict[str, object]] = []

    async def are_there() -> bool:
        found[:] = (await read(door, "/conflicts?limit=500"))["events"]
        return len(found) >= count

    await until(are_there)
    return found


@pytest.fixture(params=["memory", "sqlite", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind."""
    if request.param == "valkey":
        server: RedisServer = request.getfixturevalue("server")
        server.start()
        return server.url
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"


SHORT: dict[str, Any] = {
    "protocol__lease_seconds": 0.3,
    "protocol__margin_seconds": 0.1,
    "protocol__apply_delay_seconds": 0.1,
    "protocol__write_timeout_seconds": 0.3,
}


async def test_who_lost_against_whom_is_told(legacy: Legacy, url: str) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door:
        await until(door.is_ready)
        await lose(door)
        (event,) = await logged(door, 1)
    assert (event["kind"], event["route"], event["method"], event["mode"]) == ("stale", "default", "PUT", "enforce")
    assert event["winner"] not in (None, event["principal"])
    assert isinstance(event["read_age_seconds"], float)
    assert str(event["at"]).endswith("Z")


async def test_events_are_read_back_by_the_page(legacy: Legacy, url: str) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door:
        await until(door.is_ready)
        for _ in range(5):
            await lose(door)
        whole = await logged(door, 5)
        seen: list[object] = []
        before: str | None = ""
        while before is not None:
            page = await read(door, f"/conflicts?limit=2&before={before}")
            assert len(page["events"]) <= 2
            seen += page["events"]
            before = page["next"]
    assert seen == whole
    times = [datetime.fromisoformat(str(event["at"])) for event in whole]
    assert times == sorted(times, reverse=True)


async def test_events_are_found_by_route_and_kind(legacy: Legacy) -> None:
    legacy.documents["/other"] = b"1"
    routes = route("/doc", "doc", missing="require"), route("/other", "other")
    async with serving(legacy.port, *routes) as door:
        await lose(door)
        await lose(door, b"/other")
        assert (await door.ask(b"PUT", b"/doc", body=b"blind")).status == 428
        await logged(door, 3)
        assert [event["kind"] for event in (await read(door, "/conflicts?route=doc"))["events"]] == ["missing", "stale"]
        assert [event["route"] for event in (await read(door, "/conflicts?kind=stale"))["events"]] == ["other", "doc"]
        assert (await read(door, "/conflicts?kind=stale&route=nowhere"))["events"] == []


async def test_the_reason_for_forcing_is_shown_with_the_token_alone(legacy: Legacy) -> None:
    forced = route("/doc", "doc", override_field="X-Force", override_principals=["*"])
    async with serving(legacy.port, forced, server__admin_token=TOKEN) as door:
        assert (await door.ask(b"PUT", b"/doc", b"X-Force: Ann asked me", body=b"1")).status == 204
        (event,) = await logged(door, 1)
        assert event["reason"] is None
        (event,) = (await read(door, "/conflicts", BEARER))["events"]
        assert event["reason"] == "Ann asked me"


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "before=x", "before=1-x", "before=" + "9" * 40, "limits=1"])
async def test_what_cannot_be_asked_is_said(legacy: Legacy, query: str) -> None:
    async with serving(legacy.port) as door:
        status, detail = problem(await ask(door, f"/api/v1/conflicts?{query}"))
    assert (status, query.partition("=")[0] in detail) == (400, True)


async def test_a_listener_is_told_of_what_comes(legacy: Legacy, url: str) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door, serving(legacy.port, store=url, **SHORT) as other:
        await until(door.is_ready)
        await until(other.is_ready)
        await lose(door)
        (old,) = await logged(door, 1)
        async with listening(door) as feed:
            await lose(other if url != "memory://" else door)
            name, event = await feed.event()
        assert name == event["id"] != old["id"]
        async with listening(door, b"Last-Event-ID: " + str(old["id"]).encode()) as feed:
            assert await feed.event() == (name, event)


@pytest.mark.parametrize("name", [b"99999999999", b"99999999999999-0"])
async def test_a_listener_of_a_store_that_is_gone_gets_all(legacy: Legacy, name: bytes) -> None:
    async with serving(legacy.port) as door:
        await lose(door)
        (event,) = await logged(door, 1)
        async with listening(door, b"Last-Event-ID: " + name) as feed:
            assert (await feed.event())[1] == event


async def test_an_id_that_is_none_is_taken_for_none(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await lose(door)
        await logged(door, 1)
        async with listening(door, b"Last-Event-ID: me") as feed:
            await lose(door)
            found = (await feed.event())[0]
        assert found == (await read(door, "/conflicts?limit=1"))["events"][0]["id"]


async def test_a_listener_is_kept_alive(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.admin.events.KEEP_ALIVE_SECONDS", 0.1)
    async with serving(legacy.port) as door, listening(door) as feed:
        assert b": keep-alive" in [await feed.line() for _ in range(4)]


async def test_listening_ends_with_the_draining(legacy: Legacy) -> None:
    async with serving(legacy.port) as door, listening(door) as feed:
        door.gateway.readiness.is_draining = True
        with pytest.raises(EOFError):
            await feed.event()


async def test_there_are_so_many_listeners_and_no_more(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.admin.api.MAX_LISTENERS", 1)
    # Nothing is written that could fail: that it has left is to be seen without.
    monkeypatch.setattr("proxy.admin.events.KEEP_ALIVE_SECONDS", 1000.0)
    async with serving(legacy.port) as door:
        async with listening(door):
            refused = await ask(door, "/api/v1/conflicts/stream")
            assert problem(refused)[0] == 503
            assert refused.one(b"Retry-After") is not None

        async def is_room() -> bool:
            return (await ask(door, "/api/v1/conflicts/stream", method=b"HEAD")).status == 200

        async with asyncio.timeout(30):
            await until(is_room)


async def told(feed: Feed) -> int:
    """How many events come until the end, however it comes."""
    found = 0
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            await feed.event()
            found += 1
    return found


async def test_a_listener_that_takes_nothing_is_dropped(legacy: Legacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read ahead of it either: what it does not take stays in the store."""
    monkeypatch.setattr("proxy.admin.api.SLOW_SECONDS", 0.2)
    monkeypatch.setattr("proxy.admin.api.MAX_LISTENERS", 1)
    streams = await SqliteStore.open(tmp_path / "store.db")
    async with serving(legacy.port, store=f"sqlite:///{tmp_path}/store.db") as door, listening(door) as feed:
        event = json.dumps({"time": 1.0, "event": "stale", "route": "r" * 60_000, "method": "PUT", "key": "k"}).encode()
        for _ in range(200):
            await streams.append("conflicts", event, 1000)

        async def is_dropped() -> bool:
            return (await ask(door, "/api/v1/conflicts/stream", method=b"HEAD")).status == 200

        await until(is_dropped)
        assert await told(feed) < 200
    await streams.close()


async def test_an_event_that_is_damaged_is_left_out(legacy: Legacy, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    streams = await SqliteStore.open(tmp_path / "store.db")
    async with serving(legacy.port, store=f"sqlite:///{tmp_path}/store.db") as door:
        await lose(door)
        await logged(door, 1)
        await streams.append("conflicts", b"{", 10)
        assert len((await read(door, "/conflicts"))["events"]) == 1
    await streams.close()
    assert "cannot be read" in caplog.text


async def test_a_store_that_is_away_is_a_503(legacy: Legacy) -> None:
    async with serving(legacy.port, store="redis://127.0.0.1:1", store__timeout_seconds=0.1) as door:
        for path in ("/conflicts", "/conflicts/stream", "/resource?url=/doc"):
            assert problem(await ask(door, f"/api/v1{path}"))[0] == 503
