"""The first page: is all well, what is saved, and where the time goes."""

from .layout import TAG
from .model import Dashboard, Query, Row
from .panels import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, YELLOW, series, stat, table

ALL = "sum(rate(noclobber_requests_total{route}[i]))"
FAILED = 'sum(rate(noclobber_requests_total{route,code=~"5.."}[i]))'
ERRORS = f"({FAILED} or vector(0)) / {ALL}"
OF_ROUTE = "sum by (route) (rate(noclobber_requests_total{route}[i]))"
OF_ROUTE_FAILED = 'sum by (route) (rate(noclobber_requests_total{route,code=~"5.."}[i]))'
CLASSES = {"2xx": GREEN, "3xx": BLUE, "4xx": YELLOW, "5xx": RED}
BURNS = ((1.0, YELLOW), (6.0, ORANGE), (14.4, RED))
"""The rates at which the alerts of deploy/prometheus/rules.yml begin."""


def quantile(share: float, histogram: str, by: str = "le") -> str:
    """The value that a share of observations stays below."""
    return f"histogram_quantile({share}, sum by ({by}) (rate(noclobber_{histogram}_seconds_bucket{{route}}[i])))"


def per_route(expression: str) -> str:
    """A counter's increase over the whole range, by route."""
    return f"sum by (route) (increase({expression}[$__range]))"


SUMMARY = (
    stat(
        "Lost updates prevented",
        "Writes refused in the shown time range because somebody else had changed the resource since it was read. Each of them would have "
        "overwritten that change without a word. Nothing to do: this is what noclobber is for. Concurrency shows who lost against what.",
        "short",
        Query("sum(increase(noclobber_lost_updates_prevented_total{route}[$__range]))"),
        steps=((None, GREEN),),
        decimals=0,
    ).sized(6, 8),
    stat(
        "Writes granted",
        "Whether every instance grants writes (/readyz answers 200). If not: its store is away, a grace runs, or it is draining; "
        "/readyz says which.",
        "bool_yes_no",
        Query("min(noclobber_ready{own})"),
        words={"0": ("refused", RED), "1": ("yes", GREEN)},
        runbook="NoclobberNotReady",
    ),
    stat(
        "Requests",
        "Requests answered per second, reads and writes. Zero with clients waiting means that they do not get here: look in front.",
        "reqps",
        Query(ALL),
    ),
    stat(
        "Errors",
        "Share of requests answered with a 5xx, by us or by the backend. 412, 409 and 428 are no errors. 503: the store, a lease or a "
        "limit; 504: an unknown outcome; any other: the backend.",
        "percentunit",
        Query(ERRORS),
        steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
        decimals=2,
        runbook="NoclobberAvailabilityBurn",
    ),
    table(
        "Alerts firing",
        "What Prometheus has decided to tell somebody. Each has a runbook with its first steps. Empty is good; empty is also what shows "
        "where deploy/prometheus/rules.yml is not loaded.",
        (
            (
                "Firing",
                "sum by (alertname, severity, instance) "
                '(ALERTS{alertname=~"Noclobber.+",alertstate="firing",job=~"$job|",instance=~"$instance|"})',
                "short",
            ),
        ),
        {"severity": "Severity", "alertname": "Alert", "instance": "Instance"},
        links={"Alert": ("Runbook", "${docs}/runbooks/${__data.fields.Alert}.html")},
        none="none",
    ).sized(6, 8),
    stat(
        "p99 of requests",
        "99 of 100 requests are answered within this, backend included. If it rises alone, it is the backend; if the overhead rises too, "
        "it is us or our store.",
        "s",
        Query(quantile(0.99, "request_duration")),
    ),
    stat(
        "p99 of overhead",
        "What noclobber itself adds to 99 of 100 requests at most: neither the backend's time nor the arrival of the body, but waiting for "
        "leases and for the store. Look at lease waits (Concurrency), the store's latency (Store and upstream), loop lag (Process).",
        "s",
        Query(quantile(0.99, "overhead")),
        steps=((None, GREEN), (0.025, YELLOW), (0.1, RED)),
        runbook="NoclobberOverheadBurn",
    ),
    stat(
        "In flight",
        "Requests being served now, over all instances. A rise without more requests means that the backend or the store is slow.",
        "short",
        Query("sum(noclobber_in_flight_requests{own})"),
        decimals=0,
    ),
)

FLOW = (
    Row("Traffic"),
    series(
        "Lost updates prevented, by route",
        "Refused writes that would have overwritten somebody's change, per minute and route. A route that stands out has users who work "
        "on the same things: its editor should show that somebody else is at it, or save smaller parts.",
        "cpm",
        Query("60 * sum by (route) (rate(noclobber_lost_updates_prevented_total{route}[i]))", "{{route}}"),
    ).sized(8, 8),
    series(
        "Requests by class of answer",
        "4xx holds the refusals (412, 409, 428) as well as the backend's own. 5xx is what users feel.",
        "reqps",
        Query(
            'sum by (class) (label_replace(rate(noclobber_requests_total{route}[i]), "class", "${1}xx", "code", "(.).."))',
            "{{class}}",
        ),
        stacked="normal",
        colors=CLASSES,
    ).sized(8, 8),
    series(
        "What preconditions come to",
        "proceed: the state is the one that was read. failed: it is not, the write was refused. required: refused for want of a "
        "precondition. not_modified: 304. not_applicable: the backend's own refusal was the answer. unprotected: applied without any: "
        "such writes can still lose updates. Less of it is better; docs/rollout.md tells how to get there.",
        "percentunit",
        (
            Query("sum by (verdict) (rate(noclobber_preconditions_total{route}[i]))", "{{verdict}}"),
            Query("sum(rate(noclobber_unprotected_writes_total{route}[i]))", "unprotected"),
        ),
        stacked="percent",
        colors={
            "proceed": GREEN,
            "not_modified": BLUE,
            "failed": PURPLE,
            "required": YELLOW,
            "not_applicable": GREY,
            "unprotected": RED,
        },
        minimum=None,
    ).sized(8, 8),
    series(
        "Latency of requests",
        "From the head of a request to the last byte of its answer: what clients feel. The next panel tells whose time it is. "
        "Dots are single requests: an id finds one in the access log, or its trace. (Prometheus: --enable-feature=exemplar-storage.)",
        "s",
        (
            Query(quantile(0.5, "request_duration"), "p50"),
            Query(quantile(0.95, "request_duration"), "p95"),
            Query(quantile(0.99, "request_duration"), "p99", exemplars=True),
        ),
    ).sized(8, 8),
    series(
        "Ours and the backend's",
        "Overhead is what noclobber adds; upstream (dashed) is what the backend takes, the verifying GET before a write included.",
        "s",
        (
            Query(quantile(0.5, "overhead"), "overhead p50"),
            Query(quantile(0.99, "overhead"), "overhead p99"),
            Query(quantile(0.5, "upstream_duration"), "upstream p50"),
            Query(quantile(0.99, "upstream_duration"), "upstream p99"),
        ),
        dashed=("upstream p50", "upstream p99"),
    ).sized(8, 8),
    series(
        "Errors by answer",
        "5xx per second. 502: the backend spoke nonsense or could not be reached for a read. 503: certainly not applied, the client may "
        "try again. 504: unknown outcome. 500: the backend's, or a defect of ours: see the log.",
        "reqps",
        Query('sum by (code) (rate(noclobber_requests_total{route,code=~"5.."}[i]))', "{{code}}"),
        runbook="NoclobberAvailabilityBurn",
    ).sized(8, 8),
)

BY_ROUTE = table(
    "Routes",
    "One line for each route; prevented, unprotected and unknown are sums over the shown time range. A route whose unprotected writes are "
    "many has clients that send no If-Match. Click on a route for its conflicts.",
    (
        ("Requests", OF_ROUTE, "reqps"),
        (
            "Errors",
            f"({OF_ROUTE_FAILED} or 0 * {OF_ROUTE}) / {OF_ROUTE}",
            "percentunit",
        ),
        ("p99", quantile(0.99, "request_duration", "route, le"), "s"),
        ("Overhead p99", quantile(0.99, "overhead", "route, le"), "s"),
        ("Prevented", per_route("noclobber_lost_updates_prevented_total{route}"), "short"),
        ("Unprotected", per_route("noclobber_unprotected_writes_total{route}"), "short"),
        ("Forced", per_route("noclobber_forced_writes_total{route}"), "short"),
        ("Out of band", per_route("noclobber_out_of_band_changes_total{route}"), "short"),
        ("Unknown", per_route("noclobber_unknown_outcomes_total{route}"), "short"),
    ),
    {"route": "Route"},
    sort="Prevented",
    links={
        "Route": (
            "Its conflicts",
            "/d/noclobber-concurrency?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"
            "&var-route=${__data.fields.Route}&${__url_time_range}",
        )
    },
).sized(24, 8)


def burn(what: str, budget: float) -> tuple[Query, ...]:
    """How many times faster than its budget allows a recorded ratio goes, over each window of the alerts."""
    return tuple(
        Query(f'job:{what}:ratio_rate{window}{{job=~"$job"}} / {budget}', f"{window} {{{{job}}}}") for window in ("5m", "1h", "6h")
    )


OBJECTIVES = (
    Row("Objectives: 99.9 % answered without 5xx, 99 % with at most 100 ms of overhead"),
    stat(
        "Availability",
        "Share of requests in the shown time range that were not answered with a 5xx. The objective is 99.9 % of 30 days.",
        "percentunit",
        Query(
            '1 - (sum(increase(noclobber_requests_total{route,code=~"5.."}[$__range])) or vector(0))'
            " / sum(increase(noclobber_requests_total{route}[$__range]))"
        ),
        steps=((None, RED), (0.999, GREEN)),
        decimals=3,
        runbook="NoclobberAvailabilityBurn",
    ),
    series(
        "Burn rate: availability",
        "1: the error budget lasts exactly its 30 days. 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min, calls somebody. Needs "
        "deploy/prometheus/rules.yml.",
        "short",
        burn("noclobber_errors", 0.001),
        lines_at=BURNS,
        runbook="NoclobberAvailabilityBurn",
    ).sized(10, 8),
    series(
        "Burn rate: overhead",
        "The same for requests to which noclobber added more than 100 ms. Waiting for another writer's lease counts: a resource that "
        "everybody fights over shows here. Needs deploy/prometheus/rules.yml.",
        "short",
        burn("noclobber_slow", 0.01),
        lines_at=BURNS,
        runbook="NoclobberOverheadBurn",
    ).sized(10, 8),
    stat(
        "Overhead within 100 ms",
        "Share of requests in the shown time range to which noclobber added 100 ms at most. The objective is 99 %.",
        "percentunit",
        Query(
            'sum(increase(noclobber_overhead_seconds_bucket{route,le="0.1"}[$__range]))'
            " / sum(increase(noclobber_overhead_seconds_count{route}[$__range]))"
        ),
        steps=((None, RED), (0.99, GREEN)),
        decimals=3,
        runbook="NoclobberOverheadBurn",
    ),
)

DASHBOARD = Dashboard(
    f"{TAG}-overview",
    "noclobber / Overview",
    "Is all well, how many lost updates were prevented, and where the time goes.",
    (*SUMMARY, *FLOW, BY_ROUTE, *OBJECTIVES),
)
