"""What noclobber stands on: its store, and the backends."""

from .layout import TAG
from .model import Dashboard, Panel, Query, Row
from .overview import quantile
from .panels import GREEN, RED, YELLOW, Steps, heatmap, series, stat

DOWN: Steps = ((None, RED), (1, GREEN))
ANY_IS_BAD: Steps = ((None, GREEN), (0.01, YELLOW), (1, RED))


def own_rate(title: str, description: str, unit: str, metric: str, by: str, runbook: str = "") -> Panel:
    """How often something happens in a second, by labels that are not the route."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return series(title, description, unit, Query(f"sum by ({by}) (rate({metric}{{own}}[i]))", legend), runbook=runbook).sized(8, 8)


def operation(share: float) -> Query:
    """The latency that a share of the store's operations stays below, by operation."""
    buckets = "sum by (operation, le) (rate(noclobber_store_duration_seconds_bucket{own}[i]))"
    return Query(f"histogram_quantile({share}, {buckets})", f"{{{{operation}}}} p{share * 100:.0f}")


SUMMARY = (
    stat(
        "Store",
        "Whether every instance reaches its store. Without it writes are refused (503) and reads get no new tags. Check the server, the "
        "network and the password, in this order.",
        "bool_on_off",
        Query("min(noclobber_store_up{own})"),
        words={"0": ("down", RED), "1": ("up", GREEN)},
        runbook="NoclobberStoreDown",
    ),
    stat(
        "Grace left",
        "How long writes still wait after the store's data set changed (restart without data, failover, restore). It ends by itself; if "
        "it comes again and again, the store loses its data.",
        "s",
        Query("max(noclobber_grace_remaining_seconds{own})"),
        steps=((None, GREEN), (0.1, YELLOW)),
        runbook="NoclobberGraceActive",
    ),
    stat(
        "Store errors",
        "Operations per second that the store failed, over all instances. Each is a write that got 503, or a read without a tag.",
        "ops",
        Query("sum(rate(noclobber_store_errors_total{own}[i])) or vector(0)"),
        steps=ANY_IS_BAD,
        runbook="NoclobberStoreDown",
    ),
    stat(
        "Backends",
        "Whether every server of every backend is asked. 0: at least one is down or left alone after failures.",
        "bool_on_off",
        Query("min(noclobber_upstream_up{own})"),
        words={"0": ("one is down", RED), "1": ("up", GREEN)},
        runbook="NoclobberUpstreamDown",
    ),
    stat(
        "Backend errors",
        "Failed exchanges with backends per second: refused connections, timeouts, answers that are no HTTP. The panel below tells which.",
        "ops",
        Query("sum(rate(noclobber_upstream_errors_total{own}[i])) or vector(0)"),
        steps=ANY_IS_BAD,
        runbook="NoclobberUpstreamDown",
    ),
    stat(
        "Waiting for a connection",
        "Requests that wait for a connection to a backend. More than a few for long: max_connections is reached, the backend is slow, or "
        "both.",
        "short",
        Query("sum(noclobber_upstream_waiting_requests{own})"),
        steps=((None, GREEN), (10, YELLOW), (100, RED)),
        decimals=0,
    ),
)

STORE = (
    Row("Store"),
    series(
        "Latency, by operation",
        "load before a read or a write, swap to take and to give back a lease. Redis on the same network: under 2 ms. All rising at once: "
        "the network or the server; only p99: persistence (fsync), or a neighbour.",
        "s",
        (operation(0.5), operation(0.99)),
    ).sized(8, 8),
    heatmap(
        "Spread of latency",
        "All operations of the store. A second band far above the first is a server that stops now and then.",
        "sum by (le) (increase(noclobber_store_duration_seconds_bucket{own}[i]))",
    ).sized(8, 8),
    own_rate(
        "Operations",
        "Operations per second. About three for each write, fewer for a read; far more than that are writes that try again for a lease.",
        "ops",
        "noclobber_store_duration_seconds_count",
        "operation",
    ),
    series(
        "Round trips for each request",
        "How often the store was asked for each request of a client. A step without a change of clients is a step in contention.",
        "short",
        Query(
            'sum(rate(noclobber_store_round_trips_total{own}[i])) / sum(rate(noclobber_requests_total{own,route=~".+"}[i]))', "round trips"
        ),
    ).sized(8, 8),
    own_rate(
        "Errors, by operation and kind",
        "unavailable: no answer, or no connection. refused: the server answered with an error (memory full, read-only replica, ACL): its "
        "log says why.",
        "ops",
        "noclobber_store_errors_total",
        "operation, kind",
        "NoclobberStoreDown",
    ),
    series(
        "Losses",
        "Per minute. data set changed: a restart without data, a failover, a restore; each starts a grace. events lost: events of the "
        "conflict log that did not get into the store (they are still in the log).",
        "cpm",
        (
            Query("60 * sum(rate(noclobber_store_losses_total{own}[i]))", "data set changed"),
            Query("60 * sum(rate(noclobber_conflict_events_lost_total{own}[i]))", "events lost"),
        ),
        runbook="NoclobberGraceActive",
    ).sized(8, 8),
    series(
        "Store, by instance",
        "1: reached. An instance alone at 0 has a network or a password of its own to look at; all at 0: the server.",
        "short",
        Query("min by (instance) (noclobber_store_up{own})", "{{instance}}"),
        maximum=1,
        runbook="NoclobberStoreDown",
    ).sized(24, 5),
)

UPSTREAM = (
    Row("Backends"),
    series(
        "Latency of backends, by route",
        "p99 of waiting for the backend. The verifying GET before a write is in it.",
        "s",
        Query(quantile(0.99, "upstream_duration", "route, le"), "{{route}}"),
    ).sized(8, 8),
    heatmap(
        "Spread of latency of backends",
        "All requests of the chosen routes. Bands are kinds of requests; a band that wanders upwards is a backend that fills up.",
        "sum by (le) (increase(noclobber_upstream_duration_seconds_bucket{route}[i]))",
    ).sized(8, 8),
    own_rate(
        "Errors of backends",
        "Failed exchanges per second, by backend and kind. Failures before anything was sent are tried again or told 503; after that a "
        "write's outcome is unknown.",
        "ops",
        "noclobber_upstream_errors_total",
        "upstream, kind",
        "NoclobberUpstreamDown",
    ),
    series(
        "Servers",
        "1: asked. 0: left alone after failures in a row, and tried again by itself.",
        "short",
        Query("min by (upstream, server) (noclobber_upstream_up{own})", "{{upstream}} {{server}}"),
        maximum=1,
        runbook="NoclobberUpstreamDown",
    ).sized(8, 8),
    series(
        "Connections to backends",
        "Busy ones at max_connections with requests waiting: raise it, or make the backend faster. Idle ones wait for the next request.",
        "short",
        Query("sum by (upstream, state) (noclobber_upstream_connections{own})", "{{upstream}} {{state}}"),
        stacked="normal",
    ).sized(8, 8),
    series(
        "Requests waiting for a connection",
        "By backend. Over max_waiting the next gets 503.",
        "short",
        Query("sum by (upstream) (noclobber_upstream_waiting_requests{own})", "{{upstream}}"),
    ).sized(8, 8),
)

DASHBOARD = Dashboard(
    f"{TAG}-store",
    "noclobber / Store and upstream",
    "What noclobber stands on: its store, and the backends.",
    (*SUMMARY, *STORE, *UPSTREAM),
)
