"""Telling: the documents of the admin API as text for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_LABEL = 11
Document = Mapping[str, Any]


def tell_status(status: Document, routes: Sequence[Document]) -> str:
    """The status and the routes, a screen of them."""
    return "\n".join(
        (*_process(status), *_store(status["store"]), *_upstreams(status), *_traffic(status), *_workers(status), "", *_routes(routes), "")
    )


def tell_resource(resource: Document) -> str:
    """One resource, and what happened to it."""
    lines = [
        _line("resource", resource["url"]),
        _line("route", f"{resource['route']} (strategy {resource['strategy']}, dialect {resource['dialect']})"),
        _line("record", resource["key"] or "none"),
        _line("state", f"{resource['state']}: {resource['explanation']}"),
    ]
    for name, key in (("tag", "tag"), ("holder", "holder"), ("under way", "operation"), ("last writer", "last_writer")):
        if resource[key]:
            lines.append(_line(name, str(resource[key])))
    for name, key in (("lease", "lease_until_at"), ("quarantine", "quarantine_until_at"), ("grace", "grace_until_at")):
        if resource[key]:
            lines.append(_line(name, f"until {_when(resource[key])}"))
    if resource["changed_at"]:
        lines.append(_line("changed", _when(resource["changed_at"])))
    if not resource["with_token"] and resource["key"]:
        lines.append(_line("", "(version and tag are shown to who has the admin token)"))
    history = [
        (_when(each["at"]), each["kind"], each["method"], each["principal"] or "-", each["winner"] or "-", each["request_id"])
        for each in resource["history"]
    ]
    if history:
        lines += ["", *_table(("when", "what", "method", "who", "against", "request"), history)]
    return "\n".join(lines) + "\n"


def _process(status: Document) -> Iterator[str]:
    ready = "ready" if status["ready"] else f"NOT READY: {'; '.join(status['reasons'])}"
    yield _line(f"noclobber {status['version']}", f"  {ready}; mode {status['mode']}; up {_long(status['uptime_seconds'])}")
    config = status["config"]
    yield _line("config", f"{config['path'] or 'no file'}, loaded {_when(config['loaded_at'])}")
    reload = config["reload"]
    if reload and not reload["ok"]:
        yield _line("", f"RELOAD FAILED {_when(reload['at'])}: {'; '.join(reload['errors'])}")


def _store(store: Document) -> Iterator[str]:
    state = "up" if store["up"] else "DOWN"
    grace = f", grace {_short(store['grace_remaining_seconds'])} left" if store["grace_remaining_seconds"] else ""
    latency = store["latency"]
    spent = f"p50 {_short(latency['p50_seconds'])}, p99 {_short(latency['p99_seconds'])}"
    yield _line("store", f"{store['url']} {state}{grace}; {store['operations']} operations ({spent}), {store['errors']} errors")


def _upstreams(status: Document) -> Iterator[str]:
    for upstream in status["upstreams"]:
        servers = ", ".join(f"{server['url']} {'up' if server['up'] else 'DOWN'}" for server in upstream["servers"])
        figures = f"{upstream['idle']} idle, {upstream['busy']} busy, {upstream['waiting']} waiting; {upstream['errors']} errors"
        yield _line("upstream", f"{upstream['name']}: {servers}; {figures}")


def _traffic(status: Document) -> Iterator[str]:
    totals, latency = status["totals"], status["latency"]
    yield _line(
        "requests", f"{totals['requests']} ({totals['reads']} reads, {totals['writes']} writes), {totals['errors']} answered with 5xx"
    )
    ours = f"noclobber p50 {_short(latency['overhead_p50_seconds'])}, p99 {_short(latency['overhead_p99_seconds'])}"
    yield _line("latency", f"{ours}; backend p50 {_short(latency['upstream_p50_seconds'])}, p99 {_short(latency['upstream_p99_seconds'])}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in totals["conflicts"].items()) or "none"
    yield _line("conflicts", f"{kinds}; lost updates prevented: {totals['prevented']}")
    forced = f"{totals['forced']} forced ({totals['forced_after_conflict']} after a conflict)"
    seen = f"{totals['unknown']} of unknown outcome; {totals['out_of_band']} changes from elsewhere"
    yield _line("writes", f"{totals['unprotected']} unprotected, {forced}, {seen}; {totals['own_writes']} own writes recognised")
    if totals["would_refuse"]:
        yield _line("observed", f"{totals['would_refuse']} would have been handled otherwise")
    yield _line("now", f"{status['in_flight']} in flight, {status['lease_queue']} wait for a lease, {status['in_doubt']} records in doubt")


def _workers(status: Document) -> Iterator[str]:
    for worker in status["workers"]:
        what = (
            f"{worker['state']}, up {_long(worker['uptime_seconds'])}, {worker['in_flight']} in flight, {worker['connections']} connections"
        )
        yield _line(f"worker {worker['worker']}", f"pid {worker['pid']}, {what}, restarted {worker['restarts']} times")


def _routes(routes: Sequence[Document]) -> Iterator[str]:
    rows = [
        (
            route["name"],
            route["match"]["host"] + route["match"]["path"],
            route["strategy"] if route["guarded"] else "not guarded",
            route["mode"],
            str(route["totals"]["requests"]),
            str(sum(route["totals"]["conflicts"].values())),
            str(route["totals"]["prevented"]),
            str(route["totals"]["unknown"]),
        )
        for route in routes
    ]
    return _table(("route", "for", "strategy", "mode", "requests", "conflicts", "prevented", "unknown"), rows)


def _line(name: str, text: str) -> str:
    return f"{name:<{_LABEL}} {text}".rstrip()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what stands in them; numbers to the right."""
    whole = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    are_numbers = [len(whole) > 1 and all(cell.isdecimal() for cell in column[1:]) for column in zip(*whole, strict=True)]
    for row in whole:
        cells = (
            cell.rjust(width) if is_number else cell.ljust(width) for cell, width, is_number in zip(row, widths, are_numbers, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _when(text: str) -> str:
    """A time, on the clock of who reads; with the day unless that is today."""
    at = datetime.fromisoformat(text).astimezone()
    is_today = at.date() == datetime.now(UTC).astimezone().date()
    return at.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def _short(seconds: float | None) -> str:
    """A duration below a minute or so; `-` where there is none."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _long(seconds: float) -> str:
    """How long something has been running."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
