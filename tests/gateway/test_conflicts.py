"""The conflict log: one event for each, with what is needed to find out who lost what to whom, and with nothing that opens anything."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from proxy.core.etag import EntityTag
from proxy.core.fields import RequestFields
from proxy.core.precondition import NO_CONDITIONS
from proxy.core.record import Snapshot
from proxy.core.resource import ResourceKey
from proxy.core.target import Target, parse_target
from proxy.errors import StoreUnavailable
from proxy.gateway import conflicts
from proxy.gateway.conflicts import STREAM, ConflictLog, Kept
from proxy.gateway.events import AccessLog
from proxy.gateway.exchange import Exchange
from proxy.gateway.incident import IncidentKind
from proxy.gateway.lease import Leases, LeaseTimes
from proxy.gateway.representation import Representations
from proxy.gateway.rules import Rules
from proxy.gateway.spool import SpoolLimits
from proxy.gateway.tasks import Tasks
from proxy.origin.port import Origin
from proxy.store.memory import MemoryStore
from proxy.store.port import StoreKey
from proxy.store.sqlite import SqliteStore
from tests.servers import RedisServer

from .legacy import Legacy, answering
from .serving import SHORT, Door, route, serving, until

ANN, BOB = b"Authorization: Bearer ann-secret", b"Authorization: Bearer bob-secret"
KEYS = {
    "kind",
    "time",
    "event",
    "mode",
    "route",
    "method",
    "status",
    "key",
    "principal",
    "clientTag",
    "currentTag",
    "readAgeSeconds",
    "lastWriter",
    "requestId",
}
Read = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads what is in the stream of the store, as soon as there are `least` events."""

    async def read(least: int) -> list[dict[str, Any]]:
        store = await SqliteStore.open(tmp_path / "store.db")
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            found[:] = [json.loads(entry.content) for entry in await store.tail(STREAM, "", 1000)]
            return len(found) >= least

        try:
            await until(is_there)
        finally:
            await store.close()
        return found

    return read


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def put(door: Door, *lines: bytes, target: bytes = b"/doc", body: bytes = b"new") -> int:
    return (await door.ask(b"PUT", target, *lines, body=body)).status


async def test_who_lost_is_told_and_to_whom(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door:
        tag = await door.tag()
        assert await put(door, ANN, b"If-Match: " + tag) == 204
        asked = await door.ask(b"PUT", b"/doc", BOB, b"If-Match: " + tag, b"X-Request-ID: r-17", body=b"his")
        assert asked.status == 412
        assert await put(door, ANN, b"If-Match: " + tag) == 412
        his, hers = await read(2)
    assert set(his) == KEYS
    assert (his["kind"], his["event"], his["mode"], his["route"], his["method"]) == ("conflict", "stale", "enforce", "default", "PUT")
    assert (his["requestId"], his["status"]) == ("r-17", 412)
    # Ann has lost to herself the second time: she is the last writer in both, and who is refused in the one.
    assert his["lastWriter"] == hers["lastWriter"] == hers["principal"] != his["principal"]
    assert len(his["principal"]) == 16
    assert his["clientTag"] == hers["clientTag"] != his["currentTag"] == hers["currentTag"]
    assert 0 <= his["readAgeSeconds"] < 60


async def test_nothing_in_it_opens_anything(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door:
        tag = await door.tag()
        assert await put(door, ANN, b"Cookie: id=crumbs", b"If-Match: " + tag, target=b"/doc?token=hidden") == 204
        now = await door.tag()
        assert await put(door, ANN, b"Cookie: id=crumbs", b"If-Match: " + tag, target=b"/doc?token=hidden", body=b"contents") == 412
        text = json.dumps(await read(1))
    for secret in ("ann-secret", "crumbs", "hidden", "contents", "/doc", tag.decode().strip('"'), now.decode().strip('"')):
        assert secret not in text


async def test_the_last_writer_may_have_come_through_another_process(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door, serving(legacy.port, store=url) as other:
        tag = await door.tag()
        assert await put(other, ANN, b"If-Match: " + tag) == 204
        assert await put(door, BOB, b"If-Match: " + tag) == 412
        assert await put(other, ANN, b"If-Match: " + tag) == 412
        first, second = await read(2)
    assert first["lastWriter"] == second["principal"]
    # The other process has never given that tag out.
    assert first["readAgeSeconds"] is not None
    assert second["readAgeSeconds"] is None


async def test_who_wrote_elsewhere_meanwhile_is_asked_of_the_store(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door, serving(legacy.port, store=url) as other:
        first = await door.tag()
        assert await put(door, BOB, b"If-Match: " + first, body=b"1") == 204
        assert await put(other, ANN, b"If-Match: " + await door.tag(), body=b"2") == 204
        # What this process remembers is his own write, so the look before the lease finds a state of somebody else's.
        assert await put(door, BOB, b"If-Match: " + first) == 412
        assert await put(other, ANN, b"If-Match: " + first) == 412
        his, hers = await read(2)
    assert his["lastWriter"] == hers["principal"] != his["principal"]


async def test_a_change_from_elsewhere_has_no_writer(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door:
        tag = await door.tag()
        assert await put(door, ANN, b"If-Match: " + tag) == 204
        tag = await door.tag()
        legacy.documents["/doc"] = b"from elsewhere"
        assert await put(door, BOB, b"If-Match: " + tag) == 412
        # The first look finds the tag right, the one under the lease finds that nobody here has left what stands.
        found = await read(2)
    assert [event["event"] for event in found] == ["out-of-band", "stale"]
    assert [event["lastWriter"] for event in found] == [None, None]


CASES: dict[str, tuple[Sequence[bytes], bytes, int, str]] = {
    "missing": ((), b"/doc", 428, "missing"),
    "exists": ((b"If-None-Match: *",), b"/doc", 412, "exists"),
    "gone": ((b'If-Match: "x"',), b"/none", 412, "gone"),
    "stale": ((b'If-Match: "x"',), b"/doc", 412, "stale"),
}


@pytest.mark.parametrize(("lines", "target", "status", "event"), CASES.values(), ids=CASES)
async def test_each_kind_of_conflict(
    legacy: Legacy, url: str, read: Read, lines: Sequence[bytes], target: bytes, status: int, event: str
) -> None:
    async with serving(legacy.port, route(missing="require"), store=url) as door:
        assert await put(door, *lines, target=target) == status
        (found,) = await read(1)
    assert (found["event"], found["principal"], found["lastWriter"]) == (event, None, None)


async def test_an_unknown_outcome_is_told(legacy: Legacy, url: str, read: Read) -> None:
    legacy.respond = answering(500, only="PUT")
    async with serving(legacy.port, store=url, **SHORT) as door:
        assert await put(door, ANN) == 500
        (found,) = await read(1)
    assert (found["event"], found["clientTag"], found["currentTag"]) == ("unknown-outcome", None, None)


async def test_a_client_that_leaves_is_told_of_all_the_same(legacy: Legacy, url: str, read: Read) -> None:
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method == "GET" and not asked.is_set():
            asked.set()
            await goes_on.wait()
        return None

    async with serving(legacy.port, store=url) as door:
        legacy.respond = respond
        client = await door.connect()
        client.send(b'PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: "x"\r\nContent-Length: 1\r\n\r\n1')
        await asked.wait()
        client.leave()
        goes_on.set()
        (found,) = await read(1)
    assert found["event"] == "stale"


async def test_writes_that_are_in_order_are_not_in_it(legacy: Legacy, url: str, read: Read) -> None:
    async with serving(legacy.port, store=url) as door:
        assert await put(door) == 204
        assert await put(door, b"If-Match: " + await door.tag()) == 204
        assert await put(door, b'If-Match: "x"') == 412
        assert len(await read(1)) == 1


async def test_a_store_that_is_away_costs_the_event_its_place_and_the_request_nothing(legacy: Legacy, server: RedisServer) -> None:
    server.start()
    async with serving(legacy.port, store=server.url, store__timeout_seconds=0.2, **SHORT) as door:
        await until(door.is_ready)
        server.kill()
        assert await put(door, b'If-Match: "x"') == 412

        async def is_lost() -> bool:
            return await door.sample("noclobber_conflict_events_lost_total") == 1

        await until(is_lost)


# ---- the log by itself ------------------------------------------------------------------------------------------------------------


LEASE_TIMES = LeaseTimes(5.0, 1.0, 0.0, 1.0, 5.0)


class NoBody:
    """The body of a request without one."""

    size_bytes = 0

    async def read(self) -> bytes:
        return b""

    async def ask_for(self) -> None:
        return None


def stale(number: int) -> Exchange:
    """A write that was refused. Its number is its request id."""
    target = parse_target(b"/doc", b"a")
    assert isinstance(target, Target)
    exchange = Exchange(b"PUT", target, ResourceKey(b"/doc"), Rules("r"), RequestFields(), NO_CONDITIONS, b"", NoBody())
    exchange.request_id = b"%d" % number
    exchange.note(IncidentKind.STALE, EntityTag(b"t"))
    return exchange


class Slow(MemoryStore):
    """A store whose loads wait for the test. `fails`: nothing can be put into a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.fails = False

    async def load(self, key: StoreKey) -> Snapshot:
        await self.goes_on.wait()
        return await super().load(key)

    async def append(self, stream: str, content: bytes, most: int) -> None:
        if self.fails:
            raise StoreUnavailable("away")
        await super().append(stream, content, most)


@dataclass
class Bench:
    """A conflict log by itself."""

    log: ConflictLog
    store: Slow
    out: io.BytesIO
    lost: list[float]
    tasks: Tasks

    def written(self) -> list[str]:
        """The request ids of the lines in the log, in order."""
        return [json.loads(line)["requestId"] for line in self.out.getvalue().splitlines()]

    async def kept(self) -> list[str]:
        """The request ids of the events in the stream, in order."""
        return [json.loads(entry.content)["requestId"] for entry in await self.store.tail(STREAM, "", 10_000)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    store, out, lost, tasks = Slow(), io.BytesIO(), list[float](), Tasks()
    representations = Representations(cast(Origin, None), SpoolLimits(1, 1, None), 1)
    representations.salt = b"salt"
    lines = AccessLog(out)
    log = ConflictLog(Kept(store, store, 10, lines), Leases(store, LEASE_TIMES, tasks, 1), representations, lost.append)
    tasks.start(log.run())
    yield Bench(log, store, out, lost, tasks)
    await tasks.cancel()
    lines.flush()


async def test_events_come_out_in_order_and_the_stream_is_capped(bench: Bench) -> None:
    bench.store.goes_on.set()
    for number in range(100):
        bench.log.record(stale(number), 412)
    await bench.log.close()
    await until(lambda: len(bench.written()) == 100)
    assert bench.written() == [str(number) for number in range(100)]
    assert await bench.kept() == [str(number) for number in range(90, 100)]
    assert bench.lost == []


async def test_what_the_store_has_no_time_for_is_in_the_log_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "MAX_WAITING", 5)
    for number in range(8):
        bench.log.record(stale(number), 412)
    await until(lambda: bench.written() == ["5", "6", "7"])
    assert bench.lost == [1, 1, 1]
    bench.store.goes_on.set()
    await until(lambda: len(bench.written()) == 8)
    assert await bench.kept() == ["0", "1", "2", "3", "4"]


async def test_closing_does_not_wait_for_a_store_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "CLOSE_SECONDS", 0.05)
    bench.log.record(stale(0), 412)
    await bench.log.close()
    await until(lambda: bench.written() == ["0"])
    assert bench.lost == [1]


async def test_a_store_that_takes_nothing_is_said_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.store.goes_on.set()
    bench.store.fails = True
    for number in range(3):
        bench.log.record(stale(number), 412)
        await bench.log.close()
    assert sum(bench.lost) == 3
    assert [record.message for record in caplog.records] == ["conflict events do not get into the store, and are in the log alone: away"]
    bench.store.fails = False
    bench.log.record(stale(3), 412)
    await bench.log.close()
    assert await bench.kept() == ["3"]
