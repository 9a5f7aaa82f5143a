"""Metrics: the series that the outside relies on, what moves them, and that no label is ever a client's to choose."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy import __version__
from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.gateway.metrics import Metrics, RouteMetrics
from proxy.gateway.timed_store import TimedStore
from proxy.store.memory import MemoryStore
from proxy.store.port import StoreKey

from .legacy import Legacy, answering
from .serving import SHORT, route, serving

# Name and labels, as the contract has them (architecture.md).
CONTRACT = {
    "noclobber_requests_total": {"route", "method", "code"},
    "noclobber_request_duration_seconds_bucket": {"route", "le"},
    "noclobber_upstream_duration_seconds_bucket": {"route", "le"},
    "noclobber_overhead_seconds_bucket": {"route", "le"},
    "noclobber_preconditions_total": {"route", "verdict"},
    "noclobber_conflicts_total": {"route", "kind"},
    "noclobber_unknown_outcomes_total": {"route"},
    "noclobber_unprotected_writes_total": {"route"},
    "noclobber_out_of_band_changes_total": {"route"},
    "noclobber_lease_wait_seconds_bucket": {"route", "le"},
    "noclobber_store_duration_seconds_bucket": {"operation", "le"},
    "noclobber_in_flight_requests": set(),
    "noclobber_ready": set(),
    "noclobber_build_info": {"version", "python", "loop"},
}


async def test_the_series_of_the_contract_are_there(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await door.ask(b"PUT", b"/doc", b'If-Match: "a"', body=b"x")
        page = (await door.ask_admin(b"/metrics")).body.decode()
    found = {sample.name: sample.labels.keys() for family in text_string_to_metric_families(page) for sample in family.samples}
    assert {name: found[name] for name in CONTRACT} == CONTRACT
    assert f'version="{__version__}"' in page
    assert 'loop="uvloop"' in page


async def test_the_counts_of_a_working_day(legacy: Legacy) -> None:
    async with serving(legacy.port, route(name="docs", missing="require"), **SHORT) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 428
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")).status == 204
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"y")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-None-Match: *", body=b"y")).status == 412
        assert (await door.ask(b"PUT", b"/none", b'If-Match: "a"', body=b"y")).status == 412
        assert (await door.ask(b"PATCH", b"/none", b'If-Match: "a"', body=b"y")).status == 404
        legacy.respond = answering(500, b"", "PUT")
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"y")).status == 500
        for kind in ("missing", "stale", "exists"):
            assert await door.sample("noclobber_conflicts_total", route="docs", kind=kind) == 1, kind
        assert await door.sample("noclobber_conflicts_total", route="docs", kind="gone") == 1
        verdicts = {"proceed": 2, "failed": 3, "not_modified": 1, "required": 1, "not_applicable": 1}
        for verdict, count in verdicts.items():
            assert await door.sample("noclobber_preconditions_total", route="docs", verdict=verdict) == count, verdict
        assert await door.sample("noclobber_unknown_outcomes_total", route="docs") == 1
        assert await door.sample("noclobber_unprotected_writes_total", route="docs") == 0
        assert await door.sample("noclobber_requests_total", route="docs") == 9
        assert await door.sample("noclobber_requests_total", route="docs", method="PUT", code="412") == 3
        assert await door.sample("noclobber_request_duration_seconds_count", route="docs") == 9
        # The 428 took no look at the backend, nor a lease.
        assert await door.sample("noclobber_upstream_duration_seconds_count", route="docs") == 8
        assert await door.sample("noclobber_overhead_seconds_count", route="docs") == 9
        assert 3 <= await door.sample("noclobber_lease_wait_seconds_count", route="docs") <= 5


async def test_the_time_of_the_backend_and_of_the_body_is_not_overhead(legacy: Legacy) -> None:
    import asyncio

    from .legacy import delaying

    legacy.respond = delaying(0.3, "PUT")
    async with serving(legacy.port) as door:
        client = await door.connect()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(0.3)
        client.send(b"hi")
        assert (await client.answer(b"PUT")).status == 204
        assert await door.sample("noclobber_upstream_duration_seconds_sum") >= 0.3
        assert await door.sample("noclobber_request_duration_seconds_sum") >= 0.6
        assert await door.sample("noclobber_overhead_seconds_sum") < 0.2


async def test_no_label_is_a_clients_to_choose(legacy: Legacy) -> None:
    async with serving(legacy.port, route("/docs/{id}", name="docs")) as door:
        for method in (b"MOVE", b"LOCK", b"PROPFIND"):
            await door.ask(method, b"/docs/secret-path?token=secret-query", b'If-Match: "secret-tag"', b"X: secret-field")
        await door.ask(b"GET", b"/secret-route")
        page = (await door.ask_admin(b"/metrics")).body.decode()
    assert "secret" not in page
    assert set(re.findall(r'noclobber_requests_total\{.*method="(\w+)"', page)) == {"other", "GET"}
    assert set(re.findall(r'noclobber_requests_total\{.*route="(\w+)"', page)) == {"docs", "unrouted"}


async def test_children_are_looked_up_once() -> None:
    metrics = RouteMetrics(Metrics(), "r")
    for method in ("PUT", "X-1", "X-2", "X-3"):
        metrics.count_request(method, 200)
        metrics.count_request(method, 200)
    assert len(metrics._requests) == 1


# ---- the store -----------------------------------------------------------------------------------------------------------------------


class Failing(MemoryStore):
    """A store that fails with what it is given."""

    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self.error = error

    async def load(self, key: StoreKey) -> Snapshot:
        raise self.error

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        raise self.error

    async def settle(self, name: str, proposal: bytes) -> bytes:
        raise self.error


@pytest.mark.parametrize(("error", "kind"), [(StoreUnavailable("away"), "unavailable"), (StoreRefused("no"), "refused")])
async def test_failures_of_the_store_are_counted_and_passed_on(error: StoreError, kind: str) -> None:
    metrics = Metrics()
    store = TimedStore(Failing(error), metrics)
    key, record = StoreKey("k"), Record(State.OK, "l", "e")
    for operation in (store.load(key), store.swap(key, ABSENT, "l", record, 1.0), store.settle("salt", b"")):
        with pytest.raises(type(error)):
            await operation
    for name in ("load", "swap", "settle"):
        assert metrics.registry.value("noclobber_store_errors_total", name, kind) == 1
        assert metrics.registry.value("noclobber_store_duration_seconds", name) == 1


async def test_a_measured_store_is_the_store() -> None:
    inner = MemoryStore()
    store = TimedStore(inner, Metrics())
    key = StoreKey("k")
    snapshot = await store.load(key)
    assert isinstance(await store.swap(key, ABSENT, snapshot.lineage, Record(State.OK, snapshot.lineage, "e"), 0.0), Swapped)
    assert await store.settle("salt", b"a") == await inner.settle("salt", b"b") == b"a"
    await store.close()
    with pytest.raises(StoreRefused):
        await inner.load(key)
