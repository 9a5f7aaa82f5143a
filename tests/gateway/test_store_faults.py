"""A store that fails in the middle of a write: what was settled, what is told, and that nothing is sent on a doubtful lease."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped, epoch_of
from proxy.core.resource import key_digest, resource_key
from proxy.errors import StoreRefused, StoreUnavailable
from proxy.store.memory import MemoryStore
from proxy.store.port import StoreKey

from .legacy import Legacy, delaying
from .serving import SHORT, Door, serving

DOC = StoreKey(key_digest(resource_key(b"/doc")))


class Faulty(MemoryStore):
    """A store whose next swaps fail as `faults` has them, in order: "away" (not executed), "lost" (executed), "refused", or not ("").

    "silent": executed, and the load after it fails as well.

    `is_away`: loads fail too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.is_away = self.is_silent = False
        self.failed: list[str] = []

    async def load(self, key: StoreKey) -> Snapshot:
        silent, self.is_silent = self.is_silent, False
        if self.is_away or silent:
            raise StoreUnavailable("away")
        return await super().load(key)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        fault = self.faults.pop(0) if self.faults else ""
        self.failed += [fault] if fault else []
        if fault == "refused":
            raise StoreRefused("read only")
        if fault == "away":
            raise StoreUnavailable("away")
        answer = await super().swap(key, expected_stamp, lineage, record, lease_seconds)
        self.is_silent = fault == "silent"
        if fault in ("lost", "silent"):
            raise StoreUnavailable("the reply was lost")
        return answer


@pytest.fixture
async def faulty(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Door, Faulty]]:
    """noclobber on a store that can be made to fail."""
    store = Faulty()
    monkeypatch.setattr("proxy.stores.MemoryStore", lambda: store)
    async with serving(legacy.port, **{**SHORT, "protocol__write_timeout_seconds": 5}) as door:
        yield door, store


# What becomes of a write whose swaps fail so: begin and commit come in this order.
SETTLED = {
    "the reply to BEGIN is lost": ["lost"],
    "BEGIN does not arrive": ["away"],
    "BEGIN does not arrive, then its reply is lost": ["away", "lost"],
    "the reply to COMMIT is lost": ["", "lost"],
    "COMMIT does not arrive": ["", "away"],
    "both replies are lost": ["lost", "lost"],
}


@pytest.mark.parametrize("is_hot", [True, False], ids=["hot", "cold"])
@pytest.mark.parametrize("faults", SETTLED.values(), ids=SETTLED)
async def test_a_lost_reply_is_settled_by_a_load(legacy: Legacy, faulty: tuple[Door, Faulty], faults: list[str], is_hot: bool) -> None:
    """Protocol §4: our stamp stands, or it does not. One write on the wire, one commit, and the next one goes through at once."""
    door, store = faulty
    if is_hot:
        await door.ask(b"PUT", b"/doc", body=b"before")
    sent = legacy.methods().count("PUT")
    store.faults = list(faults)
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"new")
    assert (got.status, got.etag) == (204, await door.tag())
    assert store.failed == [fault for fault in faults if fault]
    assert legacy.methods().count("PUT") == sent + 1
    record = (await store.load(DOC)).record
    assert record is not None
    assert (record.state, record.owner, f'"{record.version}"'.encode()) == (State.OK, "", got.etag)


async def test_a_begin_that_is_refused_sends_nothing(legacy: Legacy, faulty: tuple[Door, Faulty]) -> None:
    door, store = faulty
    store.faults = ["refused"]
    got = await door.ask(b"PUT", b"/doc", body=b"new")
    assert (got.status, got.kind) == (503, "store-away")
    assert legacy.asked == []


@pytest.mark.parametrize("fault", ["refused", "away"])
async def test_a_success_that_cannot_be_recorded_is_told_without_a_tag(legacy: Legacy, faulty: tuple[Door, Faulty], fault: str) -> None:
    """W7. The pending marker stays: the next writer finds an abandoned lease, waits, and looks."""
    door, store = faulty
    legacy.respond = delaying(0.1, "PUT")
    store.faults = ["", fault]
    writer = asyncio.get_running_loop().create_task(door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"new"))
    await asyncio.sleep(0.05)
    store.is_away = True
    got = await writer
    assert (got.status, got.lines(b"Cache-Control")) == (204, [b"no-store"])
    assert b"etag" not in got.names
    store.is_away = False
    record = (await store.load(DOC)).record
    assert record is not None
    assert record.state is State.PENDING
    legacy.respond = None
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")).status == 204


async def leave_in_doubt(store: Faulty) -> None:
    """Make the record of /doc one of which nobody knows what became of a write."""
    snapshot = await store.load(DOC)
    doubtful = Record(State.UNKNOWN, snapshot.lineage, epoch_of(snapshot.lineage))
    await store.swap(DOC, ABSENT, snapshot.lineage, doubtful, 0.0)


@pytest.mark.parametrize("fault", ["lost", "away"])
async def test_a_doubt_is_settled_once(legacy: Legacy, faulty: tuple[Door, Faulty], fault: str) -> None:
    """A CONFIRM whose reply was lost must not come again: the record is pending by then."""
    door, store = faulty
    await leave_in_doubt(store)
    store.faults = ["", fault]
    got = await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"new")
    assert (got.status, got.etag, store.failed) == (204, await door.tag(), [fault])


@pytest.mark.parametrize("line", [b"If-Match: *", b"X: y"], ids=["conditional", "unconditional"])
async def test_a_doubt_that_cannot_be_settled_sends_nothing(legacy: Legacy, faulty: tuple[Door, Faulty], line: bytes) -> None:
    """CONFIRM comes before the first byte: without it, a crash would leave a doubt that nobody knows of."""
    door, store = faulty
    await leave_in_doubt(store)
    store.faults = ["", "refused", "refused"]
    got = await door.ask(b"PUT", b"/doc", line, body=b"new")
    assert (got.status, got.kind) == (503, "store-away")
    assert "PUT" not in legacy.methods()
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")).status == 204


async def test_a_doubt_of_which_nobody_knows_whether_it_was_settled_stays(legacy: Legacy, faulty: tuple[Door, Faulty]) -> None:
    """CONFIRM was executed, and nothing was heard of it. Found by the simulation: to settle it once more is not allowed."""
    door, store = faulty
    await leave_in_doubt(store)
    store.faults = ["", "silent"]
    got = await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"new")
    assert (got.status, got.kind, store.failed) == (503, "store-away", ["silent"])
    assert "PUT" not in legacy.methods()
    record = (await store.load(DOC)).record
    assert record is not None
    assert (record.state, record.owner) == (State.UNKNOWN, "")
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")).status == 204


async def test_a_renewal_that_fails_is_tried_again(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the first lease would have lasted."""
    store = Faulty()
    monkeypatch.setattr("proxy.stores.MemoryStore", lambda: store)
    legacy.respond = delaying(2.2, "PUT")
    async with serving(legacy.port, **{**SHORT, "protocol__lease_seconds": 2, "protocol__write_timeout_seconds": 9}) as door:
        store.faults = ["", "refused"]
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        assert (got.status, store.failed) == (204, ["refused"])
        assert got.etag == await door.tag()


async def test_a_lease_that_cannot_be_renewed_ends_the_write(legacy: Legacy, faulty: tuple[Door, Faulty]) -> None:
    """Long before its write timeout: no byte of it may leave once another could hold the lease."""
    door, store = faulty
    legacy.respond = delaying(3, "PUT")
    store.faults = ["", *["refused"] * 9]
    got = await door.ask(b"PUT", b"/doc", body=b"new")
    assert (got.status, got.one(b"Noclobber-Outcome")) == (504, b"unknown")


async def test_a_fenced_renewal_ends_the_write(legacy: Legacy, faulty: tuple[Door, Faulty]) -> None:
    door, store = faulty
    legacy.respond = delaying(3, "PUT")
    writer = asyncio.get_running_loop().create_task(door.ask(b"PUT", b"/doc", body=b"new"))
    await asyncio.sleep(0.1)
    snapshot = await store.load(DOC)
    assert snapshot.record is not None
    await store.swap(DOC, snapshot.stamp, snapshot.lineage, snapshot.record._replace(owner="another", fence=99), 60.0)
    got = await writer
    assert (got.status, got.one(b"Noclobber-Outcome")) == (504, b"unknown")
    record = (await store.load(DOC)).record
    assert record is not None
    assert record.owner == "another"
