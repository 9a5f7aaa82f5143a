"""What a second worker brings: `./dev scale`.

On a machine of two cores workers, backend and load generator take turns, so requests per second say little. What counts is the processor
time of each worker for one request: where each has a core of its own, N workers serve N / that time. So one and two workers are loaded by
turns, the processor time of every party is read from the kernel, and that of generator and backend is shown and left out.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from .generator import Load, Measurement, Mode
from .processes import Neighbours, cpu_seconds, tree
from .report import machine
from .targets import direct, noclobber

LEAST = 1.7
"""What the ratio has to be."""
CONNECTIONS = 64
WARMUP_SECONDS = 0.5
KINDS = {"GET, 1 KB": (Mode.READ, "docs/1k"), "PUT with If-Match, 1 KB": (Mode.WRITE_GUARDED, "proxy-only/1k")}
MICRO = 1e6


@dataclass(slots=True)
class Run:
    """One stretch of load on so many workers. Processor times are in seconds, of the whole stretch; `by_worker` of each worker."""

    workers: int
    measurement: Measurement
    by_worker: list[float]
    parent: float
    backend: float
    generator: float

    @property
    def worker_us(self) -> float:
        """The workers' processor time for one request."""
        return self.measurement.cpu_seconds * MICRO / max(1, self.measurement.requests)

    @property
    def busiest(self) -> float:
        """The share of the work that the busiest worker had."""
        return max(self.by_worker) / sum(self.by_worker)


@dataclass(slots=True)
class Kind:
    """All runs of one kind of request."""

    title: str
    runs: list[Run] = field(default_factory=list)

    def middle(self, workers: int) -> float:
        """The processor time of one request in microseconds, in the median of the runs on so many workers."""
        return median(run.worker_us for run in self.runs if run.workers == workers)

    @property
    def ratio(self) -> float:
        """How many times as many requests two workers serve as one, each with a core of its own, both kept busy."""
        return 2 * self.middle(1) / self.middle(2)

    @property
    def uneven_ratio(self) -> float:
        """The same where the busiest of the two is full and the other is left with what the kernel gave it."""
        return self.middle(1) / self.middle(2) / median(run.busiest for run in self.runs if run.workers == 2)

    @property
    def wrong(self) -> dict[str, int]:
        """What must not happen."""
        return {what: count for run in self.runs for what, count in run.measurement.wrong.items()}


def run(workers: int, kind: tuple[Mode, str], work: Path, seconds: float) -> Run:
    """Load so many workers."""
    mode, folder = kind
    with direct(work) as backend, noclobber("sqlite", work, backend.port, workers) as target:
        (parent,) = target.pids
        pids = tree(parent)[1:]
        load = Load(
            port=target.port,
            backend_port=backend.port,
            body_bytes=1024,
            path=f"/{folder}/",
            mode=mode,
            connections=CONNECTIONS,
            warmup_seconds=WARMUP_SECONDS,
            seconds=seconds,
            pids=pids,
            store_pids=[],
        )
        parties = [*([pid] for pid in pids), list(backend.pids)]
        before = [cpu_seconds(party) for party in parties]
        whole = cpu_seconds([parent])
        child = subprocess.Popen([sys.executable, "-m", "bench.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(load))
        child.stdin.close()
        said = child.stdout.read()
        # Ended, and not waited for: its account is still there.
        generator = cpu_seconds([child.pid])
        child.wait()
        child.stdout.close()
        *by_worker, of_backend = [cpu_seconds(party) - was for party, was in zip(parties, before, strict=True)]
        of_parent = cpu_seconds([parent]) - whole - sum(by_worker)
    return Run(workers, msgspec.json.decode(said, type=Measurement), by_worker, of_parent, of_backend, generator)


def measure(title: str, rounds: int, seconds: float) -> Kind:
    """Load one and two workers by turns."""
    kind = Kind(title)
    for _ in range(rounds):
        for workers in (1, 2):
            with tempfile.TemporaryDirectory(prefix="noclobber-scale-") as work:
                kind.runs.append(run(workers, KINDS[title], Path(work), seconds))
            show(kind.runs[-1])
    return kind


def show(one: Run) -> None:
    """Print one run."""
    found = one.measurement
    shares = " + ".join(f"{share / sum(one.by_worker):.0%}" for share in one.by_worker)
    parties = f"{sum(one.by_worker):8.2f}{one.parent:8.2f}{one.backend:9.2f}{one.generator:11.2f}"
    print(f"{one.workers:>7}{found.requests / found.seconds:>12.0f}{one.worker_us:>15.0f}  {shares:<11}{parties}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured. Returns 1 where the ratio is less than LEAST, or something went wrong."""
    parser = argparse.ArgumentParser(prog="./dev scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often one and two workers take turns (default 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured (default 4)")
    options = parser.parse_args(arguments)
    about, neighbours, kinds = machine(), Neighbours(), []
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}, store SQLite, {CONNECTIONS} connections.")
    for title in KINDS:
        print(f"\n{title}{'processor seconds of':>60}")
        columns = f"{'workers':>8}{'parent':>8}{'backend':>9}{'generator':>11}"
        print(f"{'workers':>7}{'requests/s':>12}{'us of worker':>15}  {'shares':<11}{columns}", flush=True)
        kinds.append(measure(title, options.rounds, options.seconds))
    print("\nus of worker: the workers' processor time for one request. A core for each worker: 1 s / that for one, 2 s / that for two.")
    for kind in kinds:
        print(f"{kind.title:<26}2 x {kind.middle(1):.0f} / {kind.middle(2):.0f} = {kind.ratio:.2f} times the requests", end="")
        print(f"; {kind.uneven_ratio:.2f} once the busier of the two is full" + (f"; WRONG: {kind.wrong}" if kind.wrong else ""))
    print(f"Others used {neighbours.share():.0%} of the cores. Asked for: {LEAST} times.")
    return 1 if any(kind.wrong or kind.ratio < LEAST for kind in kinds) else 0


if __name__ == "__main__":
    sys.exit(main())
