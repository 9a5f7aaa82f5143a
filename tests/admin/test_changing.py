"""Changing a record by hand: what it does, when it is refused, and that nothing becomes unsafe by it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.core.record import Record, Snapshot, State, Version
from proxy.core.resource import key_digest, resource_key
from proxy.store.port import Store, StoreKey
from proxy.store.sqlite import SqliteStore
from tests.gateway.client import Answer
from tests.gateway.legacy import Legacy, answering, waiting_for
from tests.gateway.serving import SHORT, Door, route, serving, until
from tests.servers import RedisServer

from .asking import BEARER, TOKEN, ask, problem, read

KEY = StoreKey(key_digest(resource_key(b"/doc")))
JSON = b"Content-Type: application/json"
TRUSTING: dict[str, Any] = {"server__admin_token": TOKEN, **SHORT}


async def change(door: Door, what: str, url: str = "/doc", *lines: bytes, method: str = "GET") -> Answer:
    body = json.dumps({"url": url, "method": method}).encode()
    return await ask(door, f"/api/v1/resource/{what}", *(lines or (BEARER,)), JSON, method=b"POST", body=body)


async def changed(door: Door, what: str, url: str = "/doc") -> dict[str, Any]:
    answer = await change(door, what, url)
    assert answer.status == 200, answer.body
    document: dict[str, Any] = json.loads(answer.body)
    return document


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "store.db")
    yield store
    await store.close()


@pytest.fixture
def url(tmp_path: Path, store: SqliteStore) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def standing(store: Store) -> Record:
    record = (await store.load(KEY)).record
    assert record is not None
    return record


async def put_record(store: Store, made: Callable[[Snapshot], Record], lease_seconds: float = 0.0) -> None:
    """Leave a record as another process would."""
    snapshot = await store.load(KEY)
    await store.swap(KEY, snapshot.stamp, snapshot.lineage, made(snapshot), lease_seconds)


def pending(snapshot: Snapshot) -> Record:
    return Record(State.PENDING, snapshot.lineage, "epoch", revision=5, owner="somebody", fence=3, operation="PUT", replay_key="k:p")


# ---- forget ---------------------------------------------------------------------------------------------------------------------------


async def test_what_is_forgotten_is_verified_before_it_is_written_again(legacy: Legacy, url: str, store: SqliteStore) -> None:
    """A route that trusts the store grants without a look only what the store remembers."""
    trusting = route(strategy="content", writers="proxy-only", verify="trust-store")
    async with serving(legacy.port, trusting, store=url, **TRUSTING) as door:
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"one")).status == 204
        tag = await door.tag()
        legacy.documents["/doc"] = b"restored from a backup"
        found = await changed(door, "forget")
        assert (found["state"], found["version"], found["with_token"]) == ("settled", None, True)
        before = len(legacy.asked)
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 412
        assert [asked.method for asked in legacy.asked[before:]] == ["GET"]
    assert legacy.documents["/doc"] == b"restored from a backup"


async def test_a_retry_of_what_is_forgotten_is_still_recognised(legacy: Legacy, url: str) -> None:
    async with serving(legacy.port, store=url, **TRUSTING) as door:
        keyed = b"Idempotency-Key: k-1", b"Authorization: Bearer ann"
        assert (await door.ask(b"PUT", b"/doc", *keyed, body=b"one")).status == 204
        assert (await door.ask(b"PUT", b"/doc", *keyed, body=b"one")).status == 204
        await changed(door, "forget")
        assert (await door.ask(b"PUT", b"/doc", *keyed, body=b"one")).status == 204
    assert legacy.methods().count("PUT") == 1


@pytest.mark.parametrize("what", ["forget", "mark-unknown"])
async def test_no_number_comes_again(legacy: Legacy, url: str, what: str) -> None:
    counted = route(strategy="revision", first_version=1)
    seen: dict[bytes, bytes] = {}
    async with serving(legacy.port, counted, store=url, **TRUSTING) as door:
        for number in range(4):
            assert (await door.ask(b"PUT", b"/doc", body=b"state %d" % number)).status == 204
            answer = await door.ask(b"GET", b"/doc")
            assert seen.setdefault(answer.etag, answer.body) == answer.body
            legacy.documents["/doc"] = b"around %d" % number
            await changed(door, what)
            stale = await door.ask(b"PUT", b"/doc", b"If-Match: " + answer.etag, body=b"over it")
            assert stale.status == 412
            answer = await door.ask(b"GET", b"/doc")
            assert seen.setdefault(answer.etag, answer.body) == answer.body
    assert len(seen) == 8


@pytest.mark.parametrize("what", ["forget", "mark-unknown"])
async def test_a_record_that_counts_lasts(legacy: Legacy, url: str, store: SqliteStore, what: str) -> None:
    """That which is made by marking it unknown too."""
    async with serving(legacy.port, route(strategy="revision"), store=url, **TRUSTING) as door:
        if what == "forget":
            assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 204
        await changed(door, what)
        assert (await standing(store)).is_lasting


async def test_what_was_never_written_is_left_so(legacy: Legacy, url: str, store: SqliteStore) -> None:
    async with serving(legacy.port, store=url, **TRUSTING) as door:
        assert (await changed(door, "forget"))["state"] == "absent"
    assert (await store.load(KEY)).record is None


async def test_an_owner_that_comes_back_is_fenced_off(legacy: Legacy, url: str, store: SqliteStore) -> None:
    """Its lease ran out long ago; the record is no more its own to settle."""
    async with serving(legacy.port, store=url, **TRUSTING) as door:
        await put_record(store, pending)
        await asyncio.sleep(TRUSTING["protocol__apply_delay_seconds"])
        assert (await changed(door, "forget"))["state"] == "settled"
    after = await standing(store)
    assert after.fence > 3
    assert (after.owner, after.revision) == ("", 6)


async def test_that_a_tag_was_disproved_is_not_forgotten(legacy: Legacy, url: str, store: SqliteStore) -> None:
    """What is left is a mark without a version, and no tag names that: not the empty one either."""
    trusting = route(writers="proxy-only", verify="trust-store")
    async with serving(legacy.port, trusting, store=url, **TRUSTING) as door:
        await put_record(store, lambda snapshot: Record(State.OK, snapshot.lineage, "epoch", version=Version(" abc")))
        await changed(door, "forget")
        assert (await standing(store)).version == " "
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: ""', body=b"x")).status == 412


@pytest.mark.parametrize("kind", ["memory", "valkey"])
async def test_every_store_takes_a_change(legacy: Legacy, kind: str, request: pytest.FixtureRequest) -> None:
    server: RedisServer | None = request.getfixturevalue("server") if kind == "valkey" else None
    place = "memory://" if server is None else server.start().url
    async with serving(legacy.port, route(strategy="revision"), store=place, **TRUSTING) as door:
        await until(door.is_ready)
        assert (await door.ask(b"PUT", b"/doc", body=b"one")).status == 204
        tags = [await door.tag()]
        for what, state in (("forget", "settled"), ("mark-unknown", "unknown")):
            assert (await changed(door, what))["state"] == state
            assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"two")).status in (204, 412)
            tags.append(await door.tag())
    assert len(set(tags)) == 3


# ---- refused --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["forget", "mark-unknown"])
async def test_not_while_a_write_is_under_way(legacy: Legacy, url: str, what: str) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    async with serving(legacy.port, store=url, server__admin_token=TOKEN) as door:
        writer = await door.connect()
        writer.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")

        async def is_under_way() -> bool:
            return bool((await read(door, "/resource?url=/doc"))["state"] == "pending")

        await until(is_under_way)
        refused = await change(door, what)
        goes_on.set()
        assert (await writer.answer(b"PUT")).status == 204
    status, detail = problem(refused)
    assert (status, "lease" in detail) == (409, True)
    left = datetime.fromisoformat(json.loads(refused.body)["until_at"]) - datetime.now(UTC)
    assert -5 < left.total_seconds() <= 5


async def test_not_while_a_quarantine_runs(legacy: Legacy, url: str, store: SqliteStore) -> None:
    async with serving(legacy.port, store=url, **{**TRUSTING, "protocol__apply_delay_seconds": 60}) as door:
        legacy.respond = answering(500, only="PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 500
        before = await standing(store)
        refused = await change(door, "forget")
        assert problem(refused)[0] == 409
        left = datetime.fromisoformat(json.loads(refused.body)["until_at"]) - datetime.now(UTC)
        assert 30 < left.total_seconds() <= 60
        assert await standing(store) == before


async def test_not_during_the_grace(legacy: Legacy, server: RedisServer) -> None:
    server.start()
    async with serving(legacy.port, store=server.url, server__admin_token=TOKEN, protocol__apply_delay_seconds=600) as door:
        for what in ("forget", "mark-unknown"):
            assert problem(await change(door, what))[0] == 409


async def test_not_where_no_record_is_kept(legacy: Legacy) -> None:
    async with serving(legacy.port, route(guarded=False), **TRUSTING) as door:
        assert problem(await change(door, "forget"))[0] == 409


# ---- mark unknown ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_written", [True, False])
async def test_what_is_marked_unknown_is_waited_for_and_looked_at(legacy: Legacy, url: str, store: SqliteStore, is_written: bool) -> None:
    trusting = route(strategy="content", writers="proxy-only", verify="trust-store")
    async with serving(legacy.port, trusting, store=url, **TRUSTING) as door:
        if is_written:
            assert (await door.ask(b"PUT", b"/doc", body=b"one")).status == 204
        tag = await door.tag()
        found = await changed(door, "mark-unknown")
        assert (found["state"], found["quarantine_until_at"] is not None) == ("unknown", True)
        legacy.documents["/doc"] = b"around"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 412
        assert (await read(door, "/resource?url=/doc"))["state"] == "settled"
    assert legacy.documents["/doc"] == b"around"


async def test_the_retry_of_a_write_in_doubt_is_still_known_by_its_key(legacy: Legacy, url: str, store: SqliteStore) -> None:
    async with serving(legacy.port, store=url, **TRUSTING) as door:
        await put_record(store, pending)
        await changed(door, "mark-unknown")
    after = await standing(store)
    assert (after.state, after.replay_key, after.owner) == (State.UNKNOWN, "k:p", "")


# ---- who, and where it is told ----------------------------------------------------------------------------------------------------------


async def test_a_change_is_in_the_log_and_among_the_events(legacy: Legacy, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(legacy.port, **TRUSTING) as door:
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 204
        await changed(door, "forget")
        await changed(door, "mark-unknown")
        events: list[dict[str, Any]] = []

        async def are_told() -> bool:
            events[:] = (await read(door, "/conflicts", BEARER))["events"]
            return len(events) == 2

        await until(are_told)
    assert [event["kind"] for event in events] == ["marked-unknown", "forgotten"]
    assert {(event["key"], event["reason"]) for event in events} == {(KEY, "by 127.0.0.1")}
    assert "/doc of route default" in caplog.text
    assert "forgotten by 127.0.0.1" in caplog.text


TOKENS = {
    "none": ((), 401),
    "wrong": ((b"Authorization: Bearer fedcba9876543210",), 403),
    "longer": ((BEARER + b"0",), 403),
    "another scheme": ((b"Authorization: Basic " + TOKEN.encode(),), 401),
    "a page of another site": ((BEARER, b"Origin: https://evil.example"), 403),
    "a sandboxed page": ((BEARER, b"Origin: null"), 403),
    "another site, by the browser's word": ((BEARER, b"Sec-Fetch-Site: cross-site"), 403),
    "another port of this machine": ((BEARER, b"Origin: http://localhost:3000"), 403),
    "a name of somebody else's DNS": ((BEARER, b"Host: evil.example"), 403),
}


@pytest.mark.parametrize(("lines", "status"), TOKENS.values(), ids=TOKENS)
async def test_who_may_not_changes_nothing(legacy: Legacy, url: str, store: SqliteStore, lines: tuple[bytes, ...], status: int) -> None:
    async with serving(legacy.port, store=url, **TRUSTING) as door:
        refused = await change(door, "mark-unknown", "/doc", *(lines or (b"X-None: 1",)))
        assert problem(refused)[0] == status
        assert (refused.one(b"WWW-Authenticate") is not None) is (status == 401)
    assert (await store.load(KEY)).record is None


async def test_the_console_may(legacy: Legacy) -> None:
    async with serving(legacy.port, **TRUSTING) as door:
        own = BEARER, b"Origin: http://localhost:8081", b"Host: localhost:8081", b"Sec-Fetch-Site: same-origin"
        assert (await change(door, "mark-unknown", "/doc", *own)).status == 200


async def test_without_a_token_in_the_configuration_nobody_may(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        status, detail = problem(await change(door, "forget"))
    assert (status, "admin_token" in detail) == (403, True)


BODIES = {
    "nothing": (JSON, b"", 400),
    "no JSON": (JSON, b"{", 400),
    "another type": (JSON, b'{"url": 1}', 400),
    "no url": (JSON, b"{}", 400),
    "an unknown name": (JSON, b'{"url": "/doc", "force": true}', 400),
    "no JSON by its name": (b"Content-Type: text/plain", b'{"url": "/doc"}', 415),
    "too much": (JSON, b'{"url": "/%b"}' % (b"x" * 70_000), 413),
}


@pytest.mark.parametrize(("media_type", "body", "status"), BODIES.values(), ids=BODIES)
async def test_a_body_that_is_none_is_refused(legacy: Legacy, media_type: bytes, body: bytes, status: int) -> None:
    async with serving(legacy.port, **TRUSTING) as door:
        refused = await ask(door, "/api/v1/resource/forget", BEARER, media_type, method=b"POST", body=body)
    assert problem(refused)[0] == status


async def test_a_process_of_its_own_cannot_reload(legacy: Legacy) -> None:
    async with serving(legacy.port, **TRUSTING) as door:
        refused = await ask(door, "/api/v1/reload", BEARER, JSON, method=b"POST", body=b"{}")
    assert problem(refused)[0] == 501
