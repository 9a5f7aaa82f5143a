"""Metrics: the series that the outside relies on, what moves them, and that no label is ever a client's to choose."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy import __version__
from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.gateway.metrics import Metrics, RouteMetrics
from proxy.gateway.rules import Mode
from proxy.gateway.served import MOST_NOTED
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


def serve(routed: RouteMetrics, method: str, seconds: float = 0.2, verdict: str = "", undone: str = "") -> None:
    """Count a request, of which 10 ms went into waiting for its body and 20 into noclobber."""
    routed.served.note((method, 200, verdict, undone, seconds, seconds - 0.03, 0.01), 0.0)


async def test_children_are_looked_up_once() -> None:
    metrics = Metrics()
    routed = RouteMetrics(metrics, "r")
    for method in ("PUT", "X-1", "X-2", "X-3"):
        serve(routed, method)
        serve(routed, method)
        metrics.registry.samples()
    assert len(routed.served._requests) == 1


@pytest.mark.parametrize("requests", [1, MOST_NOTED - 1, MOST_NOTED, MOST_NOTED + 1, 3 * MOST_NOTED])
async def test_what_is_counted_by_the_dozen_is_complete_whenever_it_is_read(requests: int) -> None:
    metrics = Metrics()
    routed, read = RouteMetrics(metrics, "r"), metrics.registry.value
    for number in range(1, requests + 1):
        serve(routed, "GET" if number % 3 else "PUT", verdict="proceed", undone="weak" if number == 1 else "")
    puts = requests // 3
    assert read("noclobber_requests_total", "r", "PUT", "200") == puts
    assert read("noclobber_requests_total", "r", "GET", "200") == requests - puts
    assert read("noclobber_preconditions_total", "r", "proceed") == requests
    assert read("noclobber_tags_undone_total", "r", "weak") == 1
    for name in ("request_duration", "upstream_duration", "overhead"):
        assert read(f"noclobber_{name}_seconds", "r") == requests, name
    assert routed.served.duration.sum_seconds == pytest.approx(0.2 * requests)
    assert routed.served.upstream.sum_seconds == pytest.approx(0.17 * requests)
    assert routed.served.overhead.sum_seconds == pytest.approx(0.02 * requests)
    # A second look counts nothing twice, and later requests come on top.
    serve(routed, "GET")
    assert read("noclobber_requests_total", "r", "GET", "200") == requests - puts + 1


async def test_a_route_of_the_next_configuration_counts_on() -> None:
    metrics = Metrics()
    before, after = RouteMetrics(metrics, "r"), RouteMetrics(metrics, "r", Mode.OBSERVE)
    for routed in (after, before, after):
        serve(routed, "GET")
    assert metrics.registry.value("noclobber_requests_total", "r", "GET", "200") == 3
    assert len(metrics.registry._waiting) == 1


async def test_no_more_durations_wait_than_requests() -> None:
    routed = RouteMetrics(Metrics(), "r")
    for _ in range(3 * MOST_NOTED):
        routed.lease_wait.observe(0.1)
        routed.losing_read_age.observe(10.0)
        serve(routed, "PUT")
    for histogram in (routed.served.duration, routed.served.upstream, routed.served.overhead, routed.lease_wait, routed.losing_read_age):
        assert histogram._noted == []
        assert histogram.total() == 3 * MOST_NOTED


async def test_an_answer_without_the_backend_has_no_time_of_it() -> None:
    metrics = Metrics()
    RouteMetrics(metrics, "r").served.note(("GET", 304, "", "", 0.001, 0.0, 0.0), 0.0)
    assert metrics.registry.value("noclobber_request_duration_seconds", "r") == 1
    assert metrics.registry.value("noclobber_upstream_duration_seconds", "r") == 0


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
