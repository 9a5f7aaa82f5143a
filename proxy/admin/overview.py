"""The overview: how this process does, and what its routes have seen. Made anew for each who asks."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from .. import __version__
from ..config import DEFAULT, Config, NamedUpstream, Upstream, masked
from ..config import Route as Choices
from ..gateway.events import MAX_PATH_BYTES
from ..origin.http import HttpOrigin
from ..origin.pool import Pool
from ..origin.several import Several
from ..routing import UNROUTED
from .counted import latency, operations, route_totals, store_errors, store_latency, totals
from .documents import (
    ConfigStatus,
    Hot,
    Match,
    Route,
    ServerStatus,
    Status,
    StoreStatus,
    UpstreamStatus,
    Worker,
    WorkerState,
)
from .figures import Figures
from .served import Served, utc_now

_REST = Choices(name=UNROUTED, path="/{path*}", guarded=False)


def status(served: Served) -> Status:
    """The document of this process alone."""
    figures = Figures(served.metrics.registry.samples())
    readiness, config = served.readiness, served.config
    reasons = readiness.reasons()
    uptime_seconds = (utc_now() - served.started_at).total_seconds()
    worker = Worker(
        worker=0,
        pid=os.getpid(),
        state=WorkerState.DRAINING if readiness.is_draining else WorkerState.SERVING,
        uptime_seconds=uptime_seconds,
        restarts=0,
        in_flight=served.handler.in_flight,
        connections=served.clients.open,
    )
    return Status(
        version=__version__,
        mode=config.server.mode.value,
        started_at=served.started_at,
        uptime_seconds=uptime_seconds,
        ready=not reasons,
        reasons=reasons,
        workers=(worker,),
        store=_store(served, figures),
        upstreams=tuple(_upstreams(served, figures)),
        totals=totals(figures),
        latency=latency(figures),
        in_flight=served.handler.in_flight,
        lease_queue=served.leases.turns.waiting,
        in_doubt=len(served.leases.doubts),
        config=ConfigStatus(path=None, loaded_at=served.started_at, reload=None),
    )


def routes(served: Served) -> tuple[Route, ...]:
    """Every route in the order of the file, and what no route takes."""
    figures = Figures(served.metrics.registry.samples())
    return tuple(_route(each, figures) for each in (*served.config.routes, _REST))


def hottest(served: Served, limit: int, *, with_token: bool) -> tuple[Hot, ...]:
    """The resources that are written most, lately."""
    heat = served.leases.heat
    unit = heat.unit()
    return tuple(
        Hot(
            route=spot.route,
            key=spot.key,
            path=spot.path[:MAX_PATH_BYTES].decode("latin-1") if with_token else None,
            writes=spot.writes,
            conflicts=spot.conflicts,
            waits=spot.waits,
            heat=spot.heat / unit,
            last_at=datetime.fromtimestamp(spot.last_at, UTC),
        )
        for spot in heat.hottest(limit)
    )


def _store(served: Served, figures: Figures) -> StoreStatus:
    status, chosen = served.readiness.status, served.config.store
    latency = store_latency(figures)
    return StoreStatus(
        kind=chosen.url.partition("://")[0],
        url=masked(chosen.url),
        # A grace is counted by a store that answers.
        up=not status.reasons or status.grace_seconds > 0,
        grace_remaining_seconds=max(0.0, status.grace_seconds),
        operations=operations(latency),
        errors=store_errors(figures),
        kept=chosen.kept_conflicts,
        latency=latency,
    )


def _upstreams(served: Served, figures: Figures) -> Iterator[UpstreamStatus]:
    for name, chosen in _chosen(served.config).items():
        upstream = served.upstreams[name]
        pools = _pools(upstream)
        are_up = [not server.is_down for server in upstream.servers] if isinstance(upstream, Several) else [True]
        urls = (chosen.url, *chosen.alternatives)
        idle, taken = sum(pool.idle for pool in pools), sum(pool.places for pool in pools)
        yield UpstreamStatus(
            name=name,
            url=chosen.url,
            servers=tuple(ServerStatus(url=url, up=is_up) for url, is_up in zip(urls, are_up, strict=True)),
            idle=idle,
            busy=taken - idle,
            waiting=sum(pool.waiting for pool in pools),
            errors=figures.total("upstream_errors_total", upstream=name),
        )


def _chosen(config: Config) -> dict[str, Upstream | NamedUpstream]:
    return {DEFAULT: config.upstream, **{upstream.name: upstream for upstream in config.upstreams}}


def _pools(upstream: object) -> Sequence[Pool]:
    if isinstance(upstream, Several):
        return [server.origin.pool for server in upstream.servers]
    return [upstream.pool] if isinstance(upstream, HttpOrigin) else []


def _route(route: Choices, figures: Figures) -> Route:
    name = route.name
    return Route(
        name=name,
        match=Match(path=route.path, methods=route.methods, host=route.host),
        strategy=route.strategy.value,
        dialect=route.manners.name,
        missing=route.missing.value,
        mode=route.mode.value,
        guarded=route.guarded,
        totals=route_totals(figures, name),
    )
