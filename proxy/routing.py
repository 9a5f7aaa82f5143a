"""Routing: from the routes of the configuration to what the gateway goes by."""

from collections.abc import Mapping

from .config import Config, Route
from .core.references import KnownRoutes
from .core.resource import Routes
from .gateway.arrival import RoutedRules
from .gateway.lease import LeaseTimes
from .gateway.metrics import Metrics, RouteMetrics
from .gateway.rules import Rules
from .origin.port import Upstream

NO_OTHERS = KnownRoutes(())
UNROUTED = "unrouted"
"""The name, in metrics and logs, of what no route takes."""


def routes_of(config: Config, metrics: Metrics, upstreams: Mapping[str, Upstream]) -> Routes[RoutedRules]:
    """All routes of a configuration. `upstreams` are its backends by their names."""
    known = KnownRoutes(route.known for route in config.routes)
    return Routes(
        ((route.pattern, routed(route, metrics, upstreams[route.upstream], known)) for route in config.routes),
        lambda each: each.rules.aliases,
    )


def unrouted(metrics: Metrics, origin: Upstream) -> RoutedRules:
    """What holds for requests that no route takes."""
    return routed(Route(name=UNROUTED, path="/{path*}", guarded=False), metrics, origin)


def lease_times(config: Config) -> LeaseTimes:
    """The times of the protocol."""
    protocol = config.protocol
    return LeaseTimes(
        lease_seconds=protocol.lease_seconds,
        margin_seconds=protocol.margin_seconds,
        grace_seconds=config.grace_seconds,
        lease_wait_seconds=protocol.lease_wait_seconds,
        write_timeout_seconds=protocol.write_timeout_seconds,
    )


def routed(route: Route, metrics: Metrics, origin: Upstream, known: KnownRoutes = NO_OTHERS) -> RoutedRules:
    """One route, with its counters and its backend. `known` are all routes: what this one says of others is looked for among them."""
    rules = Rules(
        name=route.name,
        strategy=route.strategy,
        missing=route.missing,
        verify=route.verify,
        after_write=route.after_write,
        on_store_loss=route.on_store_loss,
        unrecorded=route.unrecorded,
        put_etag=route.put_etag,
        safe_methods=route.safe_methods,
        absent=route.absent,
        hop_tags=route.hop_tags,
        cors=route.cors,
        is_guarded=route.guarded,
        apply_delay_seconds=route.apply_delay_seconds,
        aliases=route.aliases,
        method_override=route.method_override,
        scim=route.scim,
        dialect=route.manners,
        naming=route.naming,
        changes=tuple(known.naming(each) for each in route.other_resources),
        representation=route.shown_at,
        member=None if route.member_reference is None else known.naming(route.member_reference),
        ignored=route.ignored,
        field=route.field_source,
        numbers=route.first_version,
        mode=route.mode,
        own_write=route.own_write,
        own_write_seconds=route.own_write_seconds,
        override_field=route.override_field.lower().encode("ascii"),
        override_principals=route.override_principals,
        conflict_detail=route.conflict_detail,
        write_timeout_seconds=route.write_timeout_seconds,
        lease_wait_seconds=route.lease_wait_seconds,
    )
    return RoutedRules(
        rules,
        RouteMetrics(metrics, route.name, route.mode),
        origin,
        route.template if route.template.parameters else None,
    )
