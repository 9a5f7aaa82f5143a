"""Merging: the documents of several workers made one, as if one process had done it all.

What is counted is added up, what is watched is as bad as with the worst, and a latency is estimated anew from all buckets together. Who
has merged the figures of workers that are gone as well passes them on: then nothing goes backwards when one ends. What only the parent
knows (the places of workers, how often each was restarted, what was reloaded) it puts in itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import TypeVar

from msgspec.structs import replace

from ..telemetry.samples import Samples
from .counted import latency, latency_of, operations, route_totals, store_errors, store_latency, store_latency_of, totals
from .documents import (
    Bucket,
    Counts,
    Doubt,
    Hot,
    Latency,
    Route,
    RouteTotals,
    Status,
    StoreStatus,
    Totals,
    UpstreamStatus,
)
from .figures import Figures

T = TypeVar("T", Totals, RouteTotals)


def status(documents: Sequence[Status], samples: Samples | None = None) -> Status:
    """The status of all. `samples` are the figures of all workers there ever were; None: add up what the documents have.

    Raise ValueError where there is no document.
    """
    if not documents:
        raise ValueError("there is no worker")
    first = documents[0]
    reasons = tuple(dict.fromkeys(reason for each in documents for reason in each.reasons))
    figures = None if samples is None else Figures(samples)
    return replace(
        first,
        started_at=min(each.started_at for each in documents),
        uptime_seconds=max(each.uptime_seconds for each in documents),
        ready=all(each.ready for each in documents),
        reasons=reasons,
        workers=tuple(worker for each in documents for worker in each.workers),
        store=_store([each.store for each in documents], figures),
        upstreams=tuple(_upstream(each) for each in _by_name(upstream for each in documents for upstream in each.upstreams)),
        totals=_summed([each.totals for each in documents]) if figures is None else totals(figures),
        latency=_latency([each.latency for each in documents]) if figures is None else latency(figures),
        in_flight=sum(each.in_flight for each in documents),
        lease_queue=sum(each.lease_queue for each in documents),
        in_doubt=sum(each.in_doubt for each in documents),
    )


def routes(documents: Sequence[Sequence[Route]], samples: Samples | None = None) -> tuple[Route, ...]:
    """The routes of all, in the order of the first; behind them those that only others have, as in the middle of a reload.

    `samples` as in `status`.
    """
    figures = None if samples is None else Figures(samples)
    found: dict[str, list[Route]] = {}
    for route in (route for each in documents for route in each):
        found.setdefault(route.name, []).append(route)
    return tuple(replace(same[0], totals=_route_totals(same, figures)) for same in found.values())


def _route_totals(same: Sequence[Route], figures: Figures | None) -> RouteTotals:
    return _summed([route.totals for route in same]) if figures is None else route_totals(figures, same[0].name)


def hottest(documents: Sequence[Sequence[Hot]], limit: int) -> tuple[Hot, ...]:
    """The hottest resources of all, hottest first."""
    found: dict[tuple[str, str], Hot] = {}
    for hot in (hot for each in documents for hot in each):
        known = found.get((hot.route, hot.key))
        found[hot.route, hot.key] = hot if known is None else _hotter(known, hot)
    return tuple(sorted(found.values(), key=lambda hot: -hot.heat)[:limit])


def doubts(documents: Sequence[Sequence[Doubt]]) -> tuple[Doubt, ...]:
    """The records in doubt of all, the newest doubt first. Of one record that several have left so, the oldest doubt is told."""
    found: dict[str, Doubt] = {}
    for doubt in (doubt for each in documents for doubt in each):
        known = found.get(doubt.key)
        if known is None or doubt.since_at < known.since_at:
            found[doubt.key] = doubt
    return tuple(sorted(found.values(), key=lambda doubt: doubt.since_at, reverse=True))


def _hotter(one: Hot, other: Hot) -> Hot:
    newest = max(one, other, key=lambda hot: hot.last_at)
    return replace(
        newest,
        writes=one.writes + other.writes,
        conflicts=one.conflicts + other.conflicts,
        waits=one.waits + other.waits,
        heat=one.heat + other.heat,
    )


def _store(stores: Sequence[StoreStatus], figures: Figures | None) -> StoreStatus:
    summed = store_latency_of(_buckets([each.latency.buckets for each in stores])) if figures is None else store_latency(figures)
    return replace(
        stores[0],
        up=all(each.up for each in stores),
        grace_remaining_seconds=max(each.grace_remaining_seconds for each in stores),
        operations=operations(summed),
        errors=sum(each.errors for each in stores) if figures is None else store_errors(figures),
        latency=summed,
    )


def _by_name(upstreams: Iterable[UpstreamStatus]) -> Iterator[list[UpstreamStatus]]:
    for _, same in groupby(sorted(upstreams, key=lambda each: (each.name != "default", each.name)), key=lambda each: each.name):
        yield list(same)


def _upstream(same: Sequence[UpstreamStatus]) -> UpstreamStatus:
    # In the middle of a reload they need not have the same servers.
    down = {server.url for each in same for server in each.servers if not server.up}
    return replace(
        same[0],
        servers=tuple(replace(server, up=server.url not in down) for server in same[0].servers),
        idle=sum(each.idle for each in same),
        busy=sum(each.busy for each in same),
        waiting=sum(each.waiting for each in same),
        errors=sum(each.errors for each in same),
    )


def _latency(several: Sequence[Latency]) -> Latency:
    return latency_of(_buckets([each.overhead for each in several]), _buckets([each.upstream for each in several]))


def _buckets(several: Sequence[Sequence[Bucket]]) -> tuple[Bucket, ...]:
    """Add histograms up. All have the same ends: they are of one version of noclobber, or have counted nothing."""
    columns = zip_longest(*(each for each in several if each))
    return tuple(Bucket(le_seconds=column[0].le_seconds, count=sum(each.count for each in column)) for column in columns)


def _summed(several: Sequence[T]) -> T:
    """Add up what was counted, member by member: all are numbers, or numbers by kind."""
    members: dict[str, object] = {}
    for name in several[0].__struct_fields__:
        values = [getattr(each, name) for each in several]
        members[name] = _counts(values) if isinstance(values[0], Mapping) else sum(values)
    return replace(several[0], **members)


def _counts(several: Iterable[Counts]) -> Counts:
    found: Counts = {}
    for counts in several:
        for kind, count in counts.items():
            found[kind] = found.get(kind, 0) + count
    return found
