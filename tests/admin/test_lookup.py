"""Looking a resource up: named as the data plane names it, told as the store has it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.core.record import Record, State
from proxy.core.resource import key_digest, resource_key
from proxy.store.port import StoreKey
from proxy.store.sqlite import SqliteStore
from tests.gateway.legacy import Legacy, waiting_for
from tests.gateway.serving import SHORT, Door, route, serving, until

from .asking import BEARER, TOKEN, ask, problem, read

ANN, BOB = b"Authorization: Bearer ann", b"Authorization: Bearer bob"


async def look(door: Door, url: str = "/doc", *lines: bytes, method: str = "GET") -> dict[str, Any]:
    document: dict[str, Any] = await read(door, f"/resource?url={url}&method={method}", *lines)
    return document


async def test_what_was_never_written_has_no_record(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        found = await look(door)
    assert (found["state"], found["route"], found["strategy"], found["dialect"]) == ("absent", "default", "auto", "standard")
    assert (found["changed_at"], found["lease_until_at"], found["quarantine_until_at"], found["history"]) == (None, None, None, [])
    assert found["key"] == key_digest(resource_key(b"/doc"))
    assert len(found["lineage"]) > 8


async def test_what_was_written_is_settled_and_tells_who_and_when(legacy: Legacy) -> None:
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        tag = await door.tag()
        assert (await door.ask(b"PUT", b"/doc", ANN, b"If-Match: " + tag, body=b"new")).status == 204
        assert (await door.ask(b"PUT", b"/doc", BOB, b"If-Match: " + tag, body=b"late")).status == 412
        tag = await door.tag()

        async def is_logged() -> bool:
            return bool((await look(door))["history"])

        await until(is_logged)
        plain, full = await look(door), await look(door, "/doc", BEARER)
    assert plain["state"] == full["state"] == "settled"
    age = datetime.now(UTC) - datetime.fromisoformat(plain["changed_at"])
    assert 0 <= age.total_seconds() < 60
    (event,) = plain["history"]
    assert (event["kind"], event["winner"], event["key"]) == ("stale", plain["last_writer"], plain["key"])
    # A tag is what a write is made with.
    assert (plain["with_token"], plain["tag"], plain["version"]) == (False, None, None)
    assert (full["with_token"], full["tag"], f'"{full["version"]}"') == (True, tag.decode(), tag.decode())


@pytest.mark.parametrize("keys", [{}, {"first_version": 7}, {"dialect": "scim"}])
async def test_a_counted_tag_is_told_as_a_client_is_told_it(legacy: Legacy, keys: dict[str, Any]) -> None:
    async with serving(legacy.port, route(strategy="revision", **keys), server__admin_token=TOKEN) as door:
        for _ in range(3):
            assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 204
            assert (await look(door, "/doc", BEARER))["tag"] == (await door.tag()).decode()


async def test_a_write_under_way_holds_a_lease_with_an_end(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    async with serving(legacy.port) as door:
        writer = await door.connect()
        writer.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ann\r\nContent-Length: 1\r\n\r\nx")

        async def is_under_way() -> bool:
            return bool((await look(door))["state"] == "pending")

        await until(is_under_way)
        found = await look(door)
        goes_on.set()
        await writer.answer(b"PUT")
        after = await look(door)
    left = datetime.fromisoformat(found["lease_until_at"]) - datetime.now(UTC)
    assert -5 < left.total_seconds() <= 5
    assert (found["operation"], found["changed_at"]) == ("PUT", None)
    assert found["holder"] == after["last_writer"] is not None
    assert after["state"] == "settled"


async def test_an_unknown_outcome_is_told_with_the_end_of_its_quarantine(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    async with serving(legacy.port, **SHORT) as door:
        legacy.respond = waiting_for(goes_on, "PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 504
        found = await look(door)
        goes_on.set()
    assert (found["state"], found["lease_until_at"], found["operation"]) == ("unknown", None, "PUT")
    quarantine = datetime.fromisoformat(found["quarantine_until_at"]) - datetime.fromisoformat(found["changed_at"])
    assert quarantine.total_seconds() == pytest.approx(SHORT["protocol__apply_delay_seconds"], abs=0.01)


async def test_what_another_process_left_is_told(legacy: Legacy, tmp_path: Path) -> None:
    """A lease that ran out, a history that was lost: made with the store's own swap."""
    path, key = tmp_path / "store.db", StoreKey(key_digest(resource_key(b"/doc")))
    store = await SqliteStore.open(path)
    standing = await store.load(key)
    abandoned = Record(State.PENDING, standing.lineage, "epoch", owner="somebody", operation="PUT")
    await store.swap(key, standing.stamp, standing.lineage, abandoned, 0.0)
    async with serving(legacy.port, store=f"sqlite:///{path}") as door:
        found = await look(door)
        assert (found["state"], found["operation"], found["lease_until_at"], found["holder"]) == ("abandoned", "PUT", None, None)
        assert found["quarantine_until_at"] is not None
        standing = await store.load(key)
        await store.swap(key, standing.stamp, standing.lineage, abandoned._replace(lineage="an older one"), 0.0)
        assert (await look(door))["state"] == "lost-history"
        standing = await store.load(key)
        settling = abandoned._replace(state=State.UNKNOWN, unknown_since=standing.now)
        await store.swap(key, standing.stamp, standing.lineage, settling, 60.0)
        found = await look(door)
        assert (found["state"], found["lease_until_at"] > found["quarantine_until_at"]) == ("quarantine", True)
    await store.close()


async def test_a_resource_is_named_as_the_data_plane_names_it(legacy: Legacy) -> None:
    legacy.documents |= {"/a/1": b"{}", "/b/1/view": b"{}"}
    routes = (
        route("/a/{id}", "a", group="thing", strategy="revision"),
        route("/b/{id}/view", "b", group="thing", strategy="revision"),
        route("/read/{id}", "reads", methods=["GET"]),
        route("/read/{id}", "writes", methods=["PUT"], strategy="content"),
        route("/free/{rest*}", "free", guarded=False),
    )
    async with serving(legacy.port, *routes) as door:
        assert (await door.ask(b"PUT", b"/a/1", body=b"x")).status == 204
        one, other = await look(door, "/a/1"), await look(door, "/b/1/view")
        assert (one["key"], one["state"]) == (other["key"], other["state"])
        assert [one["route"], other["route"]] == ["a", "b"]
        assert [(await look(door, "/read/1", method=method))["route"] for method in ("GET", "PUT")] == ["reads", "writes"]
        free = await look(door, "/free/x")
        assert (free["state"], free["key"], free["route"]) == ("unguarded", None, "free")


async def test_a_url_counts_where_routes_ask_for_hosts(legacy: Legacy) -> None:
    routes = route("/{path*}", "one", host="one.example"), route("/{path*}", "rest")
    async with serving(legacy.port, *routes) as door:
        assert (await look(door, "http://one.example/doc"))["route"] == "one"
        assert (await look(door, "http://two.example/doc"))["route"] == (await look(door))["route"] == "rest"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "'url' is missing"),
        ("url=doc", "neither a path"),
        ("url=/doc&method=get", "capitals"),
        ("url=/a/../doc", "noclobber answers such a request with 400"),
        ("url=/doc&urls=/doc", "'urls' is unknown"),
        ("url=http://[/doc", "cannot be read"),
    ],
)
async def test_what_cannot_be_looked_up_is_said(legacy: Legacy, query: str, says: str) -> None:
    async with serving(legacy.port) as door:
        status, detail = problem(await ask(door, f"/api/v1/resource?{query}"))
    assert (status, says in detail) == (400, True), detail


async def test_a_resource_that_its_body_names_is_not_at_a_url(legacy: Legacy) -> None:
    async with serving(legacy.port, route(key="{body:/id}", strategy="revision")) as door:
        status, detail = problem(await ask(door, "/api/v1/resource?url=/doc&method=PUT"))
    assert (status, "body" in detail) == (400, True)


async def test_nothing_is_asked_of_the_backend(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await look(door)
    assert legacy.asked == []
