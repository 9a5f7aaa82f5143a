"""Metrics: what moves the series of the catalogue. Children are looked up once: the name of a series costs more than its count."""

import asyncio
import platform
from bisect import bisect_left
from typing import Generic, TypeVar

from .. import __version__
from ..telemetry.catalogue import METHODS, SECONDS, SHORT_SECONDS, ConflictKind, ForcedKind, ObservedKind
from ..telemetry.refusal import Refusal
from ..telemetry.samples import Exemplar
from ..telemetry.series import Count, Durations, Registry
from .rules import Mode

EXEMPLAR_SECONDS = 5.0
"""How long a request stays the exemplar of its bucket at least."""
_METHODS = frozenset(METHODS)
K = TypeVar("K", bound=str)


class ByKind(Generic[K]):
    """The children of one route's counter, by their last label."""

    __slots__ = ("_children",)

    def __init__(self, registry: Registry, name: str, route: str) -> None:
        self._children = registry.counts(name, route)

    def count(self, kind: K) -> None:
        """Count one request of a kind."""
        self._children[kind].value += 1


class RouteMetrics:
    """The series of one route.

    `count_verdict` counts the result of evaluating one request's preconditions; `count_undone` one request whose tag bore the mark of a
    hop, by one of `core/hops.py`'s KINDS; `count_conflict` one write that was refused (or would be): stale, missing, exists or gone;
    `count_forced` one write that was applied whatever stood there: unconditional or override; `count_observed` one write of an observed
    route that enforcing would have handled otherwise.
    """

    def __init__(self, metrics: "Metrics", route: str, mode: Mode = Mode.ENFORCE) -> None:
        """`mode` OBSERVE: conflicts are counted as what would have been refused."""
        registry = metrics.registry
        self._registry = registry
        self._route = route
        self._requests: dict[tuple[str, int], Count] = {}
        # When the exemplar of each bucket of `duration` is to be replaced.
        self._stale_at = [0.0] * (len(SECONDS) + 1)
        self.count_verdict = ByKind[str](registry, "noclobber_preconditions_total", route).count
        self.count_undone = ByKind[str](registry, "noclobber_tags_undone_total", route).count
        self.count_forced = ByKind[ForcedKind](registry, "noclobber_forced_writes_total", route).count
        self.count_observed = ByKind[ObservedKind](registry, "noclobber_observed_total", route).count
        conflicts = ByKind[ConflictKind](registry, "noclobber_conflicts_total", route).count
        self.count_conflict = self.count_observed if mode is Mode.OBSERVE else conflicts
        self._durations()
        self._counters()

    def _durations(self) -> None:
        registry, route = self._registry, self._route
        self.duration: Durations = registry.durations("noclobber_request_duration_seconds", route)
        self.upstream = registry.durations("noclobber_upstream_duration_seconds", route)
        self.overhead = registry.durations("noclobber_overhead_seconds", route)
        self.lease_wait = registry.durations("noclobber_lease_wait_seconds", route)
        self.losing_read_age = registry.durations("noclobber_losing_read_age_seconds", route)

    def _counters(self) -> None:
        registry, route = self._registry, self._route
        self.unknown_outcomes = registry.count("noclobber_unknown_outcomes_total", route)
        self.quarantines = registry.count("noclobber_quarantines_total", route)
        self.quarantine_wait_seconds = registry.count("noclobber_quarantine_wait_seconds_total", route)
        self.unprotected_writes = registry.count("noclobber_unprotected_writes_total", route)
        self.forced_after_conflict = registry.count("noclobber_forced_after_conflict_total", route)
        self.out_of_band_changes = registry.count("noclobber_out_of_band_changes_total", route)
        self.own_writes = registry.count("noclobber_own_writes_recognised_total", route)
        self.store_loss_writes = registry.count("noclobber_store_loss_writes_total", route)
        self.counters_raised = registry.count("noclobber_counters_raised_total", route)
        conflicts = registry.counts("noclobber_conflicts_total", route)
        stale, exists = conflicts["stale"], conflicts["exists"]
        registry.read("noclobber_lost_updates_prevented_total", route, by=lambda: stale.value + exists.value)

    def time(self, seconds: float, upstream_seconds: float, overhead_seconds: float, now: float) -> bool:
        """Count the times of one request; no backend was asked where upstream_seconds is 0. `now` is of any clock that does not go back.

        True: the last exemplar of such a request is old, and this one may be `exemplify`-ed.
        """
        # As `Durations.observe`, without its calls: every request comes by here.
        bucket = bisect_left(SECONDS, seconds)
        duration, overhead = self.duration, self.overhead
        duration.counts[bucket] += 1
        duration.sum_seconds += seconds
        overhead.counts[bisect_left(SHORT_SECONDS, overhead_seconds)] += 1
        overhead.sum_seconds += overhead_seconds
        if upstream_seconds:
            upstream = self.upstream
            upstream.counts[bisect_left(SECONDS, upstream_seconds)] += 1
            upstream.sum_seconds += upstream_seconds
        return now >= self._stale_at[bucket]

    def exemplify(self, exemplar: Exemplar, upstream_seconds: float, overhead_seconds: float, now: float) -> None:
        """Keep a request as the exemplar of those that took about as long."""
        self._stale_at[self.duration.exemplify(exemplar)] = now + EXEMPLAR_SECONDS
        self.overhead.exemplify(exemplar._replace(seconds=overhead_seconds))
        if upstream_seconds:
            self.upstream.exemplify(exemplar._replace(seconds=upstream_seconds))

    def count_request(self, method: str, status: int) -> None:
        """Count one answered request."""
        child = self._requests.get((method, status))
        if child is None:
            # A client that invents methods must not fill the memory: they have one name here, and one in the series.
            label = method if method in _METHODS else "other"
            child = self._registry.count("noclobber_requests_total", self._route, label, str(status))
            if label == method:
                self._requests[method, status] = child
        child.value += 1


class Metrics:
    """What is not of one route."""

    def __init__(self) -> None:
        self.registry = registry = Registry()
        self.refusals = {refusal: registry.count("noclobber_refusals_total", refusal.value) for refusal in Refusal}
        self.conflict_events_lost = registry.count("noclobber_conflict_events_lost_total")
        self.loop_lag = registry.durations("noclobber_loop_lag_seconds")
        registry.read("noclobber_tasks", by=lambda: len(asyncio.all_tasks()))
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        registry.count("noclobber_build_info", __version__, platform.python_version(), loop).value = 1.0

    def count_refusal(self, refusal: Refusal) -> None:
        """Count one client that was refused or cut off."""
        self.refusals[refusal].value += 1
