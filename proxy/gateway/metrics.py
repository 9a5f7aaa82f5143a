"""Metrics: every series that noclobber has, as attributes of one class. Labels come from closed sets: never a path, a key or a tag."""

import asyncio
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from .. import __version__
from ..core.record import Record, Snapshot, Swapped
from ..errors import StoreError, StoreRefused
from ..store.port import Store, StoreKey
from .limits import Refusal
from .rules import Mode

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SHORT_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
METHODS = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE"})


def process_registry() -> CollectorRegistry:
    """A registry that tells of the process as well: CPU, memory, descriptors, Python."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class Durations:
    """A histogram of one label value, counted in plain numbers: one loop counts and scrapes, so nothing has to be locked.

    prometheus-client's own costs four times as much, and a request is observed three to six times.
    """

    __slots__ = ("_bounds", "counts", "sum_seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.sum_seconds += seconds


class DurationsByLabel(Collector):
    """A histogram with one label, as the registry knows it."""

    def __init__(self, name: str, documentation: str, label: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = bounds
        self._children: dict[str, Durations] = {}
        registry.register(self)

    def labels(self, value: str) -> Durations:
        """The histogram of one label value; the same one each time."""
        return self._children.setdefault(value, Durations(self._bounds))

    def collect(self) -> Iterator[Metric]:
        """Give the registry what has been counted. Buckets are cumulative there."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, child in self._children.items():
            names = [*map(str, self._bounds), "+Inf"]
            family.add_metric([value], list(zip(names, accumulate(map(float, child.counts)), strict=True)), child.sum_seconds)
        yield family


class ByKind:
    """The children of one route's counter, by their last label, which is from a closed set."""

    __slots__ = ("_children", "_counter", "_route")

    def __init__(self, counter: Counter, route: str) -> None:
        self._counter = counter
        self._route = route
        self._children: dict[str, Counter] = {}

    def count(self, kind: str) -> None:
        """Count one request of a kind."""
        child = self._children.get(kind)
        if child is None:
            child = self._children[kind] = self._counter.labels(self._route, kind)
        child.inc()


class RouteMetrics:
    """The children of one route, looked up once: `labels()` costs more than counting does.

    `count_verdict` counts the result of evaluating one request's preconditions; `count_undone` one request whose tag bore the mark of a
    hop, by one of `core/hops.py`'s KINDS; `count_conflict` one write that was refused (or would be): stale, missing, exists or gone;
    `count_forced` one write that was applied whatever stood there: unconditional or override; `count_observed` one write of an observed
    route that enforcing would have handled otherwise.
    """

    def __init__(self, metrics: "Metrics", route: str, mode: Mode = Mode.ENFORCE) -> None:
        """`mode` OBSERVE: conflicts are counted as what would have been refused."""
        self._metrics = metrics
        self._route = route
        self._requests: dict[tuple[str, int], Counter] = {}
        self.count_verdict = ByKind(metrics.preconditions, route).count
        self.count_undone = ByKind(metrics.tags_undone, route).count
        self.count_forced = ByKind(metrics.forced_writes, route).count
        self.count_observed = ByKind(metrics.observed, route).count
        self.count_conflict = self.count_observed if mode is Mode.OBSERVE else ByKind(metrics.conflicts, route).count
        self.duration = metrics.request_duration.labels(route)
        self.upstream = metrics.upstream_duration.labels(route)
        self.overhead = metrics.overhead.labels(route)
        self.lease_wait = metrics.lease_wait.labels(route)
        self.unknown_outcomes = metrics.unknown_outcomes.labels(route)
        self.unprotected_writes = metrics.unprotected_writes.labels(route)
        self.forced_after_conflict = metrics.forced_after_conflict.labels(route)
        self.out_of_band_changes = metrics.out_of_band_changes.labels(route)
        self.own_writes = metrics.own_writes.labels(route)
        self.store_loss_writes = metrics.store_loss_writes.labels(route)
        self.counters_raised = metrics.counters_raised.labels(route)

    def count_request(self, method: str, status: int) -> None:
        """Count one answered request."""
        label = method if method in METHODS else "other"
        child = self._requests.get((label, status))
        if child is None:
            child = self._requests[label, status] = self._metrics.requests.labels(self._route, label, str(status))
        child.inc()


class Metrics:
    """All series, on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._time_requests()
        self._count_preconditions()
        self._count_writes()
        self._count_records()
        self._watch_store()
        self._watch_process()

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"noclobber_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"noclobber_{name}", documentation, labels, registry=self.registry)

    def _durations(self, name: str, documentation: str, label: str, bounds: Sequence[float]) -> DurationsByLabel:
        return DurationsByLabel(f"noclobber_{name}_seconds", documentation, label, bounds, self.registry)

    def _time_requests(self) -> None:
        """What becomes of requests, and how long that takes."""
        self.requests = self._counter("requests", "Requests answered.", "route", "method", "code")
        whole = "From the head of a request to the last byte of its answer."
        self.request_duration = self._durations("request_duration", whole, "route", SECONDS)
        self.upstream_duration = self._durations("upstream_duration", "Waiting for the backend.", "route", SECONDS)
        ours = "What a request took beyond the backend's own time and the arrival of its body."
        self.overhead = self._durations("overhead", ours, "route", SHORT_SECONDS)

    def _count_preconditions(self) -> None:
        """What preconditions come to."""
        self.preconditions = self._counter("preconditions", "Requests with preconditions, by what these came to.", "route", "verdict")
        self.conflicts = self._counter("conflicts", "Writes refused to save an update.", "route", "kind")
        self.observed = self._counter("observed", "What enforcing would have done otherwise.", "route", "kind")
        undone = "Requests with a tag that a hop in front of us had weakened or marked, by what it had done."
        self.tags_undone = self._counter("tags_undone", undone, "route", "kind")

    def _count_writes(self) -> None:
        """What becomes of writes."""
        unknown = "Writes of which nobody can say whether they were applied."
        self.unknown_outcomes = self._counter("unknown_outcomes", unknown, "route")
        self.unprotected_writes = self._counter("unprotected_writes", "Writes that were applied without a precondition.", "route")
        self.forced_writes = self._counter("forced_writes", "Writes that were applied whatever stood there.", "route", "kind")
        self.forced_after_conflict = self._counter("forced_after_conflict", "Forced writes by who had just been refused one.", "route")
        self.own_writes = self._counter("own_writes_recognised", "Retries that were told what the write itself was told.", "route")
        lost = "Writes let through without a lease while the store was away."
        self.store_loss_writes = self._counter("store_loss_writes", lost, "route")

    def _count_records(self) -> None:
        """What is found in records, and out about them."""
        strange = "States found that no write through noclobber had left."
        self.out_of_band_changes = self._counter("out_of_band_changes", strange, "route")
        events = "Events of the conflict log that did not get into the store."
        self.conflict_events_lost = self._counter("conflict_events_lost", events)
        raised = "Counters that went on above all that an earlier history of the store may have given out."
        self.counters_raised = self._counter("counters_raised", raised, "route")

    def _watch_store(self) -> None:
        """How the store does."""
        self.lease_wait = self._durations("lease_wait", "From asking for a lease to having it.", "route", SHORT_SECONDS)
        self.store_duration = self._durations("store_duration", "One operation of the store.", "operation", SHORT_SECONDS)
        self.store_errors = self._counter("store_errors", "Operations that the store failed.", "operation", "kind")

    def _watch_process(self) -> None:
        """How this process and its backends do."""
        refusals = self._counter("refusals", "Clients that took more than they may.", "reason")
        self._refusals = {refusal: refusals.labels(refusal.value) for refusal in Refusal}
        self._connections = self._gauge("connections", "Connections of clients that are open.")
        self._tasks = self._gauge("tasks", "Tasks of the event loop.")
        self._upstreams = self._gauge("upstream_up", "Whether a server of a backend that has several is asked.", "upstream", "server")
        self._in_flight = self._gauge("in_flight_requests", "Requests being served.")
        self._ready = self._gauge("ready", "Whether writes are granted.")
        build = self._gauge("build_info", "What is running.", "version", "python", "loop")
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        build.labels(__version__, platform.python_version(), loop).set(1)

    def observe(self, in_flight: Callable[[], float], ready: Callable[[], float], connections: Callable[[], float]) -> None:
        """Read these when the metrics are asked for: that costs a request nothing."""
        self._in_flight.set_function(in_flight)
        self._ready.set_function(ready)
        self._connections.set_function(connections)
        self._tasks.set_function(lambda: len(asyncio.all_tasks()))

    def observe_server(self, upstream: str, server: str, is_up: Callable[[], float]) -> None:
        """Read the health of one server when the metrics are asked for."""
        self._upstreams.labels(upstream, server).set_function(is_up)

    def count_refusal(self, refusal: Refusal) -> None:
        """Count one client that was refused or cut off."""
        self._refusals[refusal].inc()

    def page(self) -> bytes:
        """The exposition, in Prometheus' text format."""
        return generate_latest(self.registry)


class TimedStore:
    """A store that measures another one."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._load = metrics.store_duration.labels("load")
        self._swap = metrics.store_duration.labels("swap")
        self._settle = metrics.store_duration.labels("settle")

    async def load(self, key: StoreKey) -> Snapshot:
        started = perf_counter()
        try:
            return await self._store.load(key)
        except StoreError as error:
            self._count("load", error)
            raise
        finally:
            self._load.observe(perf_counter() - started)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        started = perf_counter()
        try:
            return await self._store.swap(key, expected_stamp, lineage, record, lease_seconds)
        except StoreError as error:
            self._count("swap", error)
            raise
        finally:
            self._swap.observe(perf_counter() - started)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        started = perf_counter()
        try:
            return await self._store.settle(name, proposal)
        except StoreError as error:
            self._count("settle", error)
            raise
        finally:
            self._settle.observe(perf_counter() - started)

    async def close(self) -> None:
        await self._store.close()

    def _count(self, operation: str, error: StoreError) -> None:
        kind = "refused" if isinstance(error, StoreRefused) else "unavailable"
        self._metrics.store_errors.labels(operation, kind).inc()
