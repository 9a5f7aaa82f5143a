"""Counted: the parts of the documents that figures tell alone, of one process or of all workers together."""

from ..telemetry.catalogue import METHODS
from .documents import Bucket, Latency, RouteTotals, StoreLatency, Totals
from .figures import Figures, quantile

READS = frozenset({"GET", "HEAD"})
NEITHER = frozenset({"OPTIONS", "TRACE"})
Buckets = tuple[Bucket, ...]


def totals(figures: Figures) -> Totals:
    """What has been counted of all requests."""
    methods = figures.by("requests_total", "method")
    codes = figures.by("requests_total", "code")
    return Totals(
        requests=sum(methods.values()),
        reads=sum(methods.get(method, 0) for method in READS),
        writes=sum(methods.get(method, 0) for method in {*METHODS, "other"} - READS - NEITHER),
        errors=sum(count for code, count in codes.items() if code >= "500"),
        conflicts=figures.by("conflicts_total", "kind"),
        prevented=figures.total("lost_updates_prevented_total"),
        unprotected=figures.total("unprotected_writes_total"),
        forced=figures.total("forced_writes_total"),
        forced_after_conflict=figures.total("forced_after_conflict_total"),
        unknown=figures.total("unknown_outcomes_total"),
        out_of_band=figures.total("out_of_band_changes_total"),
        own_writes=figures.total("own_writes_recognised_total"),
        would_refuse=figures.total("observed_total"),
    )


def latency(figures: Figures) -> Latency:
    """How long requests took."""
    return latency_of(figures.buckets("overhead_seconds"), figures.buckets("upstream_duration_seconds"))


def latency_of(overhead: Buckets, upstream: Buckets) -> Latency:
    """The latency that histograms tell."""
    return Latency(
        overhead_p50_seconds=quantile(overhead, 0.5),
        overhead_p99_seconds=quantile(overhead, 0.99),
        upstream_p50_seconds=quantile(upstream, 0.5),
        upstream_p99_seconds=quantile(upstream, 0.99),
        overhead=overhead,
        upstream=upstream,
    )


def store_latency(figures: Figures) -> StoreLatency:
    """How long operations of the store took."""
    return store_latency_of(figures.buckets("store_duration_seconds"))


def store_latency_of(buckets: Buckets) -> StoreLatency:
    """The latency that a histogram tells."""
    return StoreLatency(p50_seconds=quantile(buckets, 0.5), p99_seconds=quantile(buckets, 0.99), buckets=buckets)


def operations(latency: StoreLatency) -> int:
    """How many operations of the store were timed."""
    return latency.buckets[-1].count if latency.buckets else 0


def store_errors(figures: Figures) -> int:
    """How many operations the store failed."""
    return figures.total("store_errors_total")


def route_totals(figures: Figures, name: str) -> RouteTotals:
    """What has been counted on one route."""
    return RouteTotals(
        requests=figures.total("requests_total", route=name),
        verdicts=figures.by("preconditions_total", "verdict", route=name),
        conflicts=figures.by("conflicts_total", "kind", route=name),
        prevented=figures.total("lost_updates_prevented_total", route=name),
        unprotected=figures.total("unprotected_writes_total", route=name),
        forced=figures.total("forced_writes_total", route=name),
        unknown=figures.total("unknown_outcomes_total", route=name),
        out_of_band=figures.total("out_of_band_changes_total", route=name),
        would_refuse=figures.total("observed_total", route=name),
    )
