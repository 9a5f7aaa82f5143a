"""Metrics: what moves the series of the catalogue. Children are looked up once: the name of a series costs more than its count."""

import asyncio
import platform
from typing import Generic, TypeVar

from .. import __version__
from ..telemetry.catalogue import ConflictKind, ForcedKind, ObservedKind
from ..telemetry.refusal import Refusal
from ..telemetry.series import Registry
from .rules import Mode
from .served import ServedRequests

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

    `served` takes down every answered request; `count_conflict` counts one write that was refused (or would be): stale, missing, exists or
    gone; `count_forced` one write that was applied whatever stood there: unconditional or override; `count_observed` one write of an
    observed route that enforcing would have handled otherwise.
    """

    def __init__(self, metrics: "Metrics", route: str, mode: Mode = Mode.ENFORCE) -> None:
        """`mode` OBSERVE: conflicts are counted as what would have been refused."""
        registry = metrics.registry
        self._registry = registry
        self._route = route
        self.count_forced = ByKind[ForcedKind](registry, "noclobber_forced_writes_total", route).count
        self.count_observed = ByKind[ObservedKind](registry, "noclobber_observed_total", route).count
        conflicts = ByKind[ConflictKind](registry, "noclobber_conflicts_total", route).count
        self.count_conflict = self.count_observed if mode is Mode.OBSERVE else conflicts
        self.served = metrics.served(route)
        self.lease_wait = self.served.lease_wait
        self.losing_read_age = self.served.losing_read_age
        self._counters()

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


class Metrics:
    """What is not of one route."""

    def __init__(self) -> None:
        self.registry = registry = Registry()
        self._served: dict[str, ServedRequests] = {}
        self.refusals = {refusal: registry.count("noclobber_refusals_total", refusal.value) for refusal in Refusal}
        self.conflict_events_lost = registry.count("noclobber_conflict_events_lost_total")
        self.loop_lag = registry.durations("noclobber_loop_lag_seconds")
        registry.read("noclobber_tasks", by=lambda: len(asyncio.all_tasks()))
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        registry.count("noclobber_build_info", __version__, platform.python_version(), loop).value = 1.0

    def served(self, route: str) -> ServedRequests:
        """The requests of a route; the same ones each time, as those of the configuration before may still be under way."""
        found = self._served.get(route)
        if found is None:
            found = self._served[route] = ServedRequests(self.registry, route)
        return found

    def count_refusal(self, refusal: Refusal) -> None:
        """Count one client that was refused or cut off."""
        self.refusals[refusal].value += 1
