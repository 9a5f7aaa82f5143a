"""Documents of several workers made one: nothing is lost, nothing counted twice, and the order of the workers is of no consequence."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from proxy.admin import merging
from proxy.admin.documents import (
    Bucket,
    ConfigStatus,
    Doubt,
    Hot,
    Latency,
    Match,
    Route,
    RouteTotals,
    ServerStatus,
    Standing,
    Status,
    StoreLatency,
    StoreStatus,
    Totals,
    UpstreamStatus,
    Worker,
    WorkerState,
)
from proxy.telemetry.series import Registry

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def buckets(*counts: int) -> tuple[Bucket, ...]:
    """Cumulative counts up to 1 s, 2 s and without an end."""
    return tuple(Bucket(le_seconds=end, count=count) for end, count in zip((1.0, 2.0, None), counts, strict=True))


def document(number: int) -> Status:
    """What worker `number` says: each count in it is a different multiple of it."""
    worker = Worker(
        worker=0, pid=100 + number, state=WorkerState.SERVING, uptime_seconds=number, restarts=0, in_flight=number, connections=number
    )
    latency = StoreLatency(p50_seconds=None, p99_seconds=None, buckets=buckets(number, number, number))
    totals = Totals(
        requests=number,
        reads=2 * number,
        writes=3 * number,
        errors=4 * number,
        conflicts={"stale": number, f"only {number}": 1},
        prevented=5 * number,
        unprotected=6 * number,
        forced=7 * number,
        forced_after_conflict=8 * number,
        unknown=9 * number,
        out_of_band=10 * number,
        own_writes=11 * number,
        would_refuse=12 * number,
    )
    upstream = UpstreamStatus(
        name="default",
        url="http://a",
        servers=(ServerStatus(url="http://a", up=True), ServerStatus(url="http://b", up=number != 2)),
        idle=number,
        busy=number,
        waiting=number,
        errors=number,
    )
    return Status(
        version="1",
        mode="enforce",
        started_at=NOON + timedelta(seconds=number),
        uptime_seconds=100 - number,
        ready=number != 2,
        reasons=("draining", "grace") if number == 2 else (),
        workers=(worker,),
        store=StoreStatus(
            kind="memory",
            url="memory://",
            up=number != 3,
            grace_remaining_seconds=number,
            operations=number,
            errors=number,
            kept=9,
            latency=latency,
        ),
        upstreams=(upstream,),
        totals=totals,
        latency=Latency(
            overhead_p50_seconds=None,
            overhead_p99_seconds=None,
            upstream_p50_seconds=None,
            upstream_p99_seconds=None,
            overhead=buckets(number, 2 * number, 2 * number),
            upstream=(),
        ),
        in_flight=number,
        lease_queue=number,
        in_doubt=number,
        config=ConfigStatus(path=None, loaded_at=NOON, reload=None),
    )


def test_the_status_of_one_is_its_own_but_for_what_is_estimated() -> None:
    one = document(1)
    merged = merging.status([one])
    assert replace(merged, latency=one.latency, store=one.store) == one


def test_what_is_counted_is_added_up() -> None:
    merged = merging.status([document(1), document(2), document(4)])
    members = {name: getattr(merged.totals, name) for name in merged.totals.__struct_fields__}
    assert members.pop("conflicts") == {"stale": 7, "only 1": 1, "only 2": 1, "only 4": 1}
    assert [count / 7 for count in members.values()] == list(range(1, 13))
    assert (merged.in_flight, merged.lease_queue, merged.in_doubt, merged.store.operations, merged.store.errors) == (7, 7, 7, 7, 7)
    (upstream,) = merged.upstreams
    assert (upstream.idle, upstream.busy, upstream.waiting, upstream.errors) == (7, 7, 7, 7)
    assert [worker.pid for worker in merged.workers] == [101, 102, 104]


def test_what_is_watched_is_as_bad_as_with_the_worst() -> None:
    merged = merging.status([document(1), document(2), document(3)])
    assert (merged.ready, merged.reasons, merged.store.up, merged.store.grace_remaining_seconds) == (False, ("draining", "grace"), False, 3)
    assert [server.up for server in merged.upstreams[0].servers] == [True, False]
    assert (merged.started_at, merged.uptime_seconds) == (NOON + timedelta(seconds=1), 99)


def test_a_latency_is_that_of_all_together() -> None:
    quick, slow = document(98), document(1)
    slow = replace(slow, latency=replace(slow.latency, overhead=buckets(0, 0, 4)))
    merged = merging.status([quick, slow])
    # 98 up to 1 s, 98 up to 2 s, and 4 above: the median is where the first end and the second begin.
    assert merged.latency.overhead_p50_seconds == pytest.approx(1.02, abs=0.01)
    assert merged.latency.overhead_p99_seconds == 2.0
    assert merged.latency.upstream_p50_seconds is None


def test_the_order_of_workers_changes_no_figure() -> None:
    documents = [document(1), document(2), document(3)]
    first, *others = [merging.status(order) for order in permutations(documents)]
    for other in others:
        assert (other.totals, other.latency, other.store, other.ready) == (first.totals, first.latency, first.store, first.ready)


def test_what_workers_that_are_gone_have_counted_stays() -> None:
    registry = Registry()
    registry.count("noclobber_requests_total", "b", "GET", "200").inc(50)
    registry.durations("noclobber_store_duration_seconds", "load").observe(0.01)
    registry.durations("noclobber_overhead_seconds", "b").observe(0.01)
    merged = merging.status([document(1), document(2)], registry.samples())
    assert (merged.totals.requests, merged.totals.reads, merged.store.operations, merged.in_flight) == (50, 50, 1, 3)
    assert (merged.latency.overhead[-1].count, merged.store.errors) == (1, 0)
    (told,) = merging.routes([(route("b", 1),), (route("b", 2),)], registry.samples())
    assert told.totals.requests == 50


def test_no_worker_has_no_status() -> None:
    with pytest.raises(ValueError, match="no worker"):
        merging.status([])


def route(name: str, requests: int, **verdicts: int) -> Route:
    totals = RouteTotals(
        requests=requests,
        verdicts=verdicts,
        conflicts={},
        prevented=0,
        unprotected=0,
        forced=0,
        unknown=0,
        out_of_band=0,
        would_refuse=0,
    )
    match = Match(path="/", methods=(), host="")
    return Route(name=name, match=match, strategy="auto", dialect="standard", missing="allow", mode="enforce", guarded=True, totals=totals)


def test_routes_keep_their_order_and_are_added_up() -> None:
    others = route("b", 3, failed=1, proceed=2), route("new", 1), route("a", 4)
    merged = merging.routes([(route("b", 1, failed=1), route("a", 2)), others])
    assert [(each.name, each.totals.requests) for each in merged] == [("b", 4), ("a", 6), ("new", 1)]
    assert merged[0].totals.verdicts == {"failed": 2, "proceed": 2}


def hot(key: str, heat: float, at: int, path: str | None = None) -> Hot:
    return Hot(route="r", key=key, path=path, writes=1, conflicts=2, waits=3, heat=heat, last_at=NOON + timedelta(seconds=at))


def test_the_hottest_of_all_are_told_once_each() -> None:
    merged = merging.hottest([(hot("a", 3, 1, "/old"), hot("b", 2, 1)), (hot("b", 2, 5), hot("a", 3, 7, "/new"), hot("c", 1, 1))], 2)
    assert [(each.key, each.heat, each.writes, each.conflicts, each.waits) for each in merged] == [("a", 6, 2, 4, 6), ("b", 4, 2, 4, 6)]
    assert (merged[0].path, merged[0].last_at) == ("/new", NOON + timedelta(seconds=7))


def doubt(key: str, since: int) -> Doubt:
    at = NOON + timedelta(seconds=since)
    return Doubt(route="r", key=key, path=None, state=Standing.UNKNOWN, since_at=at, until_at=None, outcome="unknown")


def test_a_record_that_two_have_left_in_doubt_is_one() -> None:
    merged = merging.doubts([(doubt("a", 5), doubt("b", 1)), (doubt("a", 3),), ()])
    assert [(each.key, each.since_at) for each in merged] == [("a", NOON + timedelta(seconds=3)), ("b", NOON + timedelta(seconds=1))]
