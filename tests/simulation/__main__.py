"""Simulate noclobber in virtual time, seed by seed, with faults at all points, and judge every run."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from .mutants import MUTANTS, wearing
from .scenario import MODES
from .world import Result, run

ENOUGH = 300
"""A mutant that survives so many seeds shows that the simulation is too tame."""

CHUNK = 10
SIGN_OF_LIFE = 500


def results(seeds: Sequence[int], jobs: int, modes: Sequence[str] = MODES) -> Iterator[Result]:
    """Run all seeds, in order."""
    run_one = partial(run, modes=modes)
    if jobs == 1:
        yield from map(run_one, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run_one, seeds, chunksize=CHUNK)


def campaign(seeds: Sequence[int], jobs: int, mutant: str | None, modes: Sequence[str] = MODES) -> int:
    """Run all seeds and print what came of them; 1 if anything was found. `mutant` is the one that is worn."""
    started = time.monotonic()
    told, faults, operations, virtual, failed = Counter[str](), Counter[str](), 0, 0.0, 0
    for count, result in enumerate(results(seeds, jobs, modes)):
        if count and count % SIGN_OF_LIFE == 0:
            print(f"{count} seeds, {failed} of them with violations", flush=True)
        told += result.told
        faults += result.faults
        operations += result.operations
        virtual += result.seconds
        if result.violations:
            failed += 1
            _complain(result, mutant, modes)
    seconds = time.monotonic() - started
    writes = told.total()
    print(f"{len(seeds)} seeds in {seconds:.1f} s ({len(seeds) / seconds:.1f} a second), {virtual / 3600:.1f} hours of virtual time")
    print(f"{operations} operations, {writes} of them writes")
    print(_shares(told, writes))
    print(f"{faults.total()} faults:")
    for kind, count in sorted(faults.items()):
        print(f"  {count:8}  {kind}")
    print(f"{failed} seeds with violations")
    return 1 if failed else 0


def _shares(told: Counter[str], writes: int) -> str:
    kinds: Counter[str] = Counter()
    for status, count in told.items():
        kinds[status if status in ("412", "503", "504", "lost") else f"{status[0]}xx"] += count
    return "answers to writes: " + ", ".join(f"{kind} {100 * count / max(1, writes):.1f} %" for kind, count in sorted(kinds.items()))


def _complain(result: Result, mutant: str | None, modes: Sequence[str]) -> None:
    print(f"seed {result.seed} ({result.theme}):")
    for what in result.violations:
        print(f"  {what}")
    worn = "" if mutant is None else f" --mutant '{mutant}'"
    on = "" if modes is MODES else "".join(f" --mode {mode}" for mode in modes)
    print(f"  replay: ./dev simulate --seed {result.seed} --trace{worn}{on}", flush=True)


def first_caught(name: str, seeds: Iterable[int]) -> Result | None:
    """The first seed in which a mutant does harm that is noticed."""
    with wearing(name):
        return next((result for result in map(run, seeds) if result.violations), None)


def parade(seeds: Sequence[int]) -> int:
    """Print the table of the mutants; 1 if one of them gets away."""
    print(f"{'step removed':24} {'seed':>5}  violation")
    missed = 0
    for mutant in MUTANTS.values():
        caught = first_caught(mutant.name, seeds)
        missed += caught is None
        seed, what = ("-", f"NOT CAUGHT in {len(seeds)} seeds") if caught is None else (str(caught.seed), caught.violations[-1])
        print(f"{mutant.name:24} {seed:>5}  {what}", flush=True)
    return 1 if missed else 0


def replay(seed: int, shows_trace: bool, modes: Sequence[str] = MODES) -> int:
    """Run one seed, and print how it went."""
    result = run(seed, modes)
    if shows_trace:
        print("\n".join(result.lines))
    print(f"seed {seed}: {result.theme}, {result.operations} operations, {result.seconds:.1f} s of virtual time, trace {result.digest}")
    for what in result.violations:
        print(f"  {what}")
    return 1 if result.violations else 0


def main() -> int:
    """Simulate as the command line asks; 0 if nothing was found that must not be, else 1."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="simulate", description=about, epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--seeds", type=int, default=ENOUGH, help=f"how many seeds (default: {ENOUGH})")
    parser.add_argument("--start", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, choices=range(1, (os.cpu_count() or 1) + 1), help="processes (default: 1)")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="print everything that happens in it")
    parser.add_argument("--mutant", choices=MUTANTS, help="with one protective step taken out")
    parser.add_argument("--mutants", action="store_true", help="run every mutant until it is caught, and print the table")
    parser.add_argument("--mode", choices=sorted(set(MODES)), action="append", help="on such routes only; may be repeated (default: all)")
    options = parser.parse_args()
    modes = options.mode or MODES
    if options.trace and options.seed is None:
        parser.error("--trace needs --seed")
    if options.mutant and options.jobs != 1:
        parser.error("--mutant runs in one process")
    seeds = range(options.start, options.start + options.seeds)
    if options.mutants:
        return parade(seeds)
    with wearing(options.mutant):
        if options.seed is not None:
            return replay(options.seed, options.trace, modes)
        return campaign(seeds, options.jobs, options.mutant, modes)


if __name__ == "__main__":
    sys.exit(main())
