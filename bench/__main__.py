"""Measure noclobber beside the bare backend, a plain aiohttp proxy and Caddy, interleaved in one run. `./dev bench`."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from .generator import Load, Measurement
from .plan import Cell, cells
from .processes import Neighbours
from .report import machine, print_ratios, print_table, row, write
from .targets import Target, running

# Above this share of all cores, what others did is larger than the differences that the table is read for.
BUSY_SHARE = 0.05
# The first requests of a connection learn its tag: they differ, and are few.
UPSTREAM_TOLERANCE = 0.2


def measure(cell: Cell, target: Target, backend: Target, warmup_seconds: float, seconds: float) -> Measurement:
    """Run the generator once for a cell, in a process of its own."""
    load = Load(
        port=target.port,
        backend_port=backend.port,
        body_bytes=cell.scenario.body_bytes,
        path=cell.path,
        mode=cell.scenario.mode,
        connections=cell.connections,
        warmup_seconds=warmup_seconds,
        seconds=seconds,
        pids=list(target.pids),
        store_pids=list(target.store_pids),
    )
    command = [sys.executable, "-m", "bench.generator"]
    done = subprocess.run(command, input=msgspec.json.encode(load), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Measurement)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: about a minute, and rough figures")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="scenarios and targets, as in: --only get-1k naive caddy")
    parser.add_argument("--seconds", type=float, help="length of each measurement (default 3, with --quick 0.7)")
    parser.add_argument(
        "--rounds", type=int, help="how often the whole plan is gone through; medians are shown (default 3, with --quick 1)"
    )
    options = parser.parse_args()
    options.seconds = options.seconds or (0.7 if options.quick else 3.0)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.words = [word for given in options.only for word in given.split(",") if word]
    return options


def complain(measured: dict[Cell, list[Measurement]], failed: dict[str, str]) -> int:
    """Name everything that went wrong. Returns the exit status."""
    for reason in failed.values():
        print(f"FAILED: {reason}")
    for cell, rounds in measured.items():
        for m in rounds:
            if m.requests and abs(m.upstream_requests - cell.scenario.upstream_requests) > UPSTREAM_TOLERANCE:
                m.wrong[f"{m.upstream_requests:.2f} upstream requests each, not {cell.scenario.upstream_requests}"] = 1
    wrong = [(cell.name, m.wrong) for cell, rounds in measured.items() for m in rounds if m.wrong]
    for name, what in wrong:
        print(f"FAILED: {name}: {', '.join(f'{text} ({count} times)' for text, count in what.items())}")
    return 1 if failed or wrong else 0


def main() -> int:
    options = arguments()
    try:
        plan = cells(options.words)
    except ValueError as unknown:
        print(unknown, file=sys.stderr)
        return 2
    warmup_seconds = min(0.5, options.seconds / 4)
    settings = {"seconds": options.seconds, "warmup_seconds": warmup_seconds, "rounds": options.rounds}
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}. Generator, proxy and backend share these cores.")
    print(
        f"{options.rounds} rounds of {options.seconds} s a row, after {warmup_seconds:.2f} s to warm up. No access logs on either side.",
        flush=True,
    )
    measured: dict[Cell, list[Measurement]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="noclobber-bench-") as work,
        running({cell.target for cell in plan}, Path(work)) as (targets, left_out, failed),
    ):
        for name, reason in left_out.items():
            print(f"left out: {name}: {reason}")
        plan = [cell for cell in plan if cell.target in targets]
        neighbours = Neighbours()
        for number in range(options.rounds):
            for cell in plan:
                print(f"round {number + 1}: {cell.name}", file=sys.stderr, flush=True)
                measurement = measure(cell, targets[cell.target], targets["direct"], warmup_seconds, options.seconds)
                measured.setdefault(cell, []).append(measurement)
        settings["others_share"] = round(neighbours.share(), 3)
    rows = {cell: row(cell, rounds) for cell, rounds in measured.items()}
    print_table(rows)
    print_ratios(rows)
    if settings["others_share"] > BUSY_SHARE:
        print(f"\nNOT QUIET: others used {settings['others_share']:.0%} of the cores meanwhile. Do not quote these figures.")
    print(f"\nwritten: {write(about, rows, measured, settings).relative_to(Path.cwd())}")
    return complain(measured, failed)


if __name__ == "__main__":
    sys.exit(main())
