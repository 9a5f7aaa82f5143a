"""Who fights over what kind of thing, what it costs them, and who goes round the rules."""

from .layout import TAG
from .model import Dashboard, Panel, Query, Row
from .overview import quantile
from .panels import BLUE, GREEN, ORANGE, PURPLE, RED, YELLOW, Steps, heatmap, history, series, stat, table

HEAT: Steps = ((None, "#33333322"), (0.1, "#fee08b"), (1.0, "#fdae61"), (5.0, "#f46d43"), (20.0, "#d73027"), (60.0, "#a50026"))
"""Conflicts per minute."""
BAD_IF_ANY: Steps = ((None, GREEN), (0.5, RED))
WATCHED_IF_ANY: Steps = ((None, GREEN), (0.5, YELLOW))


def in_range(title: str, description: str, metric: str, steps: Steps, runbook: str = "") -> Panel:
    """How often something happened in the shown time range."""
    query = Query(f"sum(increase({metric}{{route}}[$__range]))")
    return stat(title, description, "short", query, steps=steps, decimals=0, runbook=runbook)


def by_minute(title: str, description: str, metric: str, by: str = "route", runbook: str = "") -> Panel:
    """How often something happens in a minute, by labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return series(title, description, "cpm", Query(f"60 * sum by ({by}) (rate({metric}{{route}}[i]))", legend), runbook=runbook)


SUMMARY = (
    in_range(
        "Lost updates prevented",
        "Writes refused in the shown time range because the resource had changed since it was read.",
        "noclobber_lost_updates_prevented_total",
        ((None, GREEN),),
    ),
    in_range(
        "Unprotected writes",
        "Writes applied without a precondition: each may have overwritten what its sender never saw. Find the clients in the access log "
        'by route, teach them If-Match, then set missing = "require" (docs/rollout.md).',
        "noclobber_unprotected_writes_total",
        WATCHED_IF_ANY,
        "NoclobberUnprotectedWrites",
    ),
    in_range(
        "Forced after a conflict",
        "Writes forced through by somebody who had just been refused on the same resource: the other's change is gone, knowingly or not. "
        "Ask whether their editor shows what has changed (conflict_detail), or just tries again without a tag.",
        "noclobber_forced_after_conflict_total",
        WATCHED_IF_ANY,
    ),
    in_range(
        "Out of band",
        "States found that no write through noclobber had left: a job, a database console, an old URL. Such writers are not protected, "
        "and nobody is protected from them. noclobber conflicts names the resources.",
        "noclobber_out_of_band_changes_total",
        WATCHED_IF_ANY,
        "NoclobberOutOfBandWriters",
    ),
    in_range(
        "Unknown outcomes",
        "Writes of which nobody can say whether the backend applied them. Their clients were told so (504) and have to read again. Look "
        "for the backend's timeouts and restarts at that moment.",
        "noclobber_unknown_outcomes_total",
        BAD_IF_ANY,
        "NoclobberUnknownOutcomes",
    ),
    stat(
        "Writes in the queue",
        "Writes that wait for another one on the same resource now, over all instances. A queue that stays belongs to a resource that "
        "everybody writes, or to a backend that has become slow.",
        "short",
        Query("sum(noclobber_lease_queue_writes{own})"),
        steps=((None, GREEN), (20, YELLOW), (100, RED)),
        decimals=0,
        runbook="NoclobberLeaseQueueLong",
    ),
)

FIGHTS = (
    Row("Who fights over what"),
    history(
        "Contention: conflicts per minute, by route",
        "Each line is a route, each cell a moment; the redder, the more writes were refused. A line that is always red has a resource that "
        "many share: split it, or let its clients send smaller changes. One red column is a burst: a script, or a meeting.",
        "cpm",
        Query("60 * sum by (route) (rate(noclobber_conflicts_total{route}[i]))", "{{route}}"),
        HEAT,
    ).sized(12, 8),
    table(
        "Conflicts by route and kind",
        "In the shown time range. stale: changed since it was read. missing: no precondition where one is required. exists: created twice. "
        "gone: deleted meanwhile. Which resources: noclobber conflicts, or the console.",
        (("Conflicts", "sum by (route, kind) (increase(noclobber_conflicts_total{route}[$__range])) > 0", "short"),),
        {"route": "Route", "kind": "Kind"},
        sort="Conflicts",
    ).sized(6, 8),
    table(
        "Conflicts for each 100 writes",
        "Refused writes of a route for each hundred of its requests that change something, in the shown time range. Over 5 its users spend "
        "their time on reading again.",
        (
            (
                "Per 100 writes",
                "100 * sum by (route) (increase(noclobber_conflicts_total{route}[$__range])) / sum by (route) "
                '(increase(noclobber_requests_total{route,method=~"PUT|PATCH|POST|DELETE"}[$__range]))',
                "short",
            ),
        ),
        {"route": "Route"},
        sort="Per 100 writes",
    ).sized(6, 8),
    series(
        "Conflicts by kind",
        "Refused writes per minute. A step in stale is a new client or a new habit; a step in missing is a client that sends no "
        "precondition; exists and gone are fights over names.",
        "cpm",
        Query("60 * sum by (kind) (rate(noclobber_conflicts_total{route}[i]))", "{{kind}}"),
        stacked="normal",
        colors={"stale": PURPLE, "missing": YELLOW, "exists": BLUE, "gone": ORANGE},
    ).sized(8, 8),
    heatmap(
        "How old the reads of refused writes were",
        "From the read to the write that was refused. Seconds: two machines in a loop, let them wait at random. Minutes: people at their "
        "editors. Hours: a tab left open; such a client should read again before it edits.",
        "sum by (le) (increase(noclobber_losing_read_age_seconds_bucket{route}[i]))",
    ).sized(8, 8),
    series(
        "Age of losing reads, by route",
        "The median and the oldest tenth of the reads behind refused writes. The longer people hold a page open, the more they lose.",
        "s",
        (
            Query(quantile(0.5, "losing_read_age", "route, le"), "{{route}} p50"),
            Query(quantile(0.9, "losing_read_age", "route, le"), "{{route}} p90"),
        ),
    ).sized(8, 8),
)

QUEUES = (
    Row("Waiting for each other"),
    heatmap(
        "Waits for a lease",
        "How long writes wait until they may go on. Two bands: those that find the resource free, and those that find another write there. "
        "If the upper band grows, writes pile up on the same resources, or the backend takes longer for each.",
        "sum by (le) (increase(noclobber_lease_wait_seconds_bucket{route}[i]))",
        runbook="NoclobberLeaseWaitHigh",
    ).sized(8, 8),
    series(
        "p99 wait for a lease, by route",
        "Over lease_wait_seconds (2 s by default) a write is told 503. A route near it needs a faster backend or fewer writers at once.",
        "s",
        Query(quantile(0.99, "lease_wait", "route, le"), "{{route}}"),
        runbook="NoclobberLeaseWaitHigh",
    ).sized(8, 8),
    series(
        "Writes in the queue, by instance",
        "Writes that wait for another one on the same resource, by instance. Over max_waiters_per_key the next gets 503.",
        "short",
        Query("sum by (instance) (noclobber_lease_queue_writes{own})", "{{instance}}"),
        runbook="NoclobberLeaseQueueLong",
    ).sized(8, 8),
)

AROUND = (
    Row("Past the rules"),
    by_minute(
        "Unprotected writes, by route",
        "Writes applied without a precondition, per minute. The way down: find the clients, teach them If-Match, require it.",
        "noclobber_unprotected_writes_total",
        runbook="NoclobberUnprotectedWrites",
    ).sized(8, 8),
    by_minute(
        "Forced writes, by route and kind",
        "unconditional: no precondition, on a route that allows it. override: one that said why it overwrites whatever stands there. Each "
        "is an event of the conflict log, with its reason.",
        "noclobber_forced_writes_total",
        "route, kind",
    ).sized(8, 8),
    by_minute(
        "Forced after a conflict, by route",
        "Per minute: writes by who had just been refused one on the same resource. Each is a lost update that somebody chose.",
        "noclobber_forced_after_conflict_total",
    ).sized(8, 8),
    by_minute(
        "Out-of-band changes, by route",
        "States per minute that no write through noclobber had left. Point those writers at noclobber, or take the hint that it is not in "
        "front of all doors.",
        "noclobber_out_of_band_changes_total",
        runbook="NoclobberOutOfBandWriters",
    ).sized(8, 8),
    by_minute(
        "Own writes recognised, by route",
        "Retries per minute that were told what the write itself had been told, instead of being refused by their own first try. A rise: "
        "connections to clients break, or their timeouts are too short.",
        "noclobber_own_writes_recognised_total",
    ).sized(8, 8),
    by_minute(
        "Tags undone, by what a hop had done",
        "Requests per minute whose tag a hop in front of us had weakened or marked (W/, -gzip). Harmless as long as they are recognised; "
        "better where compression keeps tags.",
        "noclobber_tags_undone_total",
        "kind",
    ).sized(8, 8),
    by_minute(
        "What enforcing would have done",
        "Only routes with mode = observe: writes per minute that enforcing would have handled otherwise. When this is what you want to "
        "happen, switch them to enforce (docs/rollout.md).",
        "noclobber_observed_total",
        "route, kind",
    ).sized(8, 8),
    by_minute(
        "Writes without a lease, while the store was away",
        'Per minute, on routes with on_store_loss = "verify-only" or "open". Each of them may lose an update: bring the store back.',
        "noclobber_store_loss_writes_total",
        runbook="NoclobberStoreDown",
    ).sized(8, 8),
    by_minute(
        "Counters raised, by route",
        "Counters that went on above all that a lost history of the store may have given out. Only after a data set was lost or replaced.",
        "noclobber_counters_raised_total",
    ).sized(8, 8),
)

DOUBTS = (
    Row("In doubt"),
    by_minute(
        "Unknown outcomes, by route",
        "Per minute. Timeouts and cut connections of the backend after a write was sent. Compare with its errors on Store and upstream.",
        "noclobber_unknown_outcomes_total",
        runbook="NoclobberUnknownOutcomes",
    ).sized(8, 8),
    series(
        "Records in doubt",
        "Resources whose last write has no known outcome yet. They settle with the next write or read-back. A number that stays has a "
        "backend behind it that does not answer: noclobber inspect URL shows one.",
        "short",
        Query("sum by (instance) (noclobber_in_doubt_records{own})", "{{instance}}"),
    ).sized(8, 8),
    series(
        "Quarantine and grace",
        "Quarantine: seconds per second that writes wait because an earlier write of that resource may still arrive. Grace: how long the "
        "first writes wait after the store's data set changed. Both are the price of the guarantee; both end by themselves.",
        "s",
        (
            Query("sum(rate(noclobber_quarantine_wait_seconds_total{route}[i]))", "waited in quarantine, per second"),
            Query("max(noclobber_grace_remaining_seconds{own})", "grace left"),
        ),
        runbook="NoclobberGraceActive",
    ).sized(8, 8),
    by_minute(
        "Quarantines, by route",
        "Writes per minute that met a resource whose earlier write may still arrive. Each costs apply_delay_seconds: set it to what the "
        "backend really needs.",
        "noclobber_quarantines_total",
    ).sized(24, 6),
)

DASHBOARD = Dashboard(
    f"{TAG}-concurrency",
    "noclobber / Concurrency",
    "Who fights over what kind of thing, what it costs, and who goes round the rules.",
    (*SUMMARY, *FIGHTS, *QUEUES, *AROUND, *DOUBTS),
)
