"""AC-6 of BLOOM-203: what noclobber adds to a save, on each store. `python -m bench.bloom`.

The example's own backend and configuration. Saves straight to the backend and saves through noclobber take turns on one connection each,
so that whatever else the machine does meets both alike; each save through noclobber names the version that the one before it made.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processes import Neighbours
from .report import machine
from .targets import HOST, STORES, free_port, process, store

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "bloom-journeys"
PATH = "/api/journeys/clx2onboard01"
STRAIGHT_PATH = "/api/journeys/clx2spring002"
LIMIT_MS = 50.0
WARMUP_SAVES = 20
PATIENCE_SECONDS = 20.0
# The example's own times are for a backend that may apply late: only an empty Redis waits for them, and only before the first save.
TIMES = """
[protocol]
lease_seconds = 2.0
apply_delay_seconds = 0.5
margin_seconds = 0.5

[log]
access = "off"
level = "warning"
"""


class Refused(Exception):
    """A save was not answered as it has to be: the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What saves took in milliseconds, straight and through noclobber, in ascending order."""

    straight_ms: Sequence[float]
    through_ms: Sequence[float]

    @property
    def added_p50_ms(self) -> float:
        """What noclobber adds to the median."""
        return percentile(self.through_ms, 50) - percentile(self.straight_ms, 50)

    @property
    def added_p99_ms(self) -> float:
        """What noclobber adds to the 99th percentile."""
        return percentile(self.through_ms, 99) - percentile(self.straight_ms, 99)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value below which `percent` of them lie."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Editor:
    """One user, who edits one journey over one connection."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
        self._path = path
        self.journey = self._ask("GET", None)

    def close(self) -> None:
        self._connection.close()

    def save(self, name: str) -> float:
        """Save the whole journey under another name. Returns the milliseconds until the answer was there."""
        before = self.journey.get("version")
        began = time.perf_counter()
        self.journey = self._ask("PUT", json.dumps({**self.journey, "name": name}))
        took = time.perf_counter() - began
        if self.journey["name"] != name or (before is not None and self.journey["version"] != before + 1):
            raise Refused(f"after version {before} came {self.journey}")
        return took * 1000

    def _ask(self, method: str, body: str | None) -> dict[str, Any]:
        self._connection.request(method, self._path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Refused(f"{method} answered {answer.status}: {content[:200]!r}")
        journey: dict[str, Any] = json.loads(content)
        return journey


def measure(kind: str, saves: int) -> Figures:
    """Save so many times each way, with a store of this kind."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noclobber-bench-")))
        backend_port, port, admin_port = free_port(), free_port(), free_port()
        backend = [sys.executable, str(EXAMPLE / "backend.py"), "--port", str(backend_port)]
        stack.enter_context(process("backend", backend, work, backend_port, PATH))
        url, _ = stack.enter_context(store(kind, work))
        config = work / "config.toml"
        config.write_text((EXAMPLE / "config.toml").read_text() + TIMES)
        command = [sys.executable, "-m", "proxy", "run", "--config", str(config), "--upstream", f"http://{HOST}:{backend_port}"]
        command += ["--store", url, "--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{admin_port}", "--workers", "1"]
        stack.enter_context(process("noclobber", command, work, admin_port, "/readyz"))
        straight = stack.enter_context(closing(Editor(backend_port, STRAIGHT_PATH)))
        through = stack.enter_context(closing(Editor(port, PATH)))
        if "version" in straight.journey or "version" not in through.journey:
            raise Refused("the backend has versions of its own, or noclobber shows none")
        for number in range(WARMUP_SAVES):
            straight.save(f"Warming up {number}")
            through.save(f"Warming up {number}")
        taken = [(straight.save(f"Journey {number}"), through.save(f"Journey {number}")) for number in range(saves)]
    return Figures(sorted(one for one, _ in taken), sorted(other for _, other in taken))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each store. Returns 1 where the added p99 is 50 ms or more."""
    parser = argparse.ArgumentParser(prog="python -m bench.bloom", description=__doc__)
    parser.add_argument("--saves", type=int, default=1000, help="on each store (default 1000)")
    parser.add_argument("--stores", nargs="+", default=["sqlite", "valkey"], choices=STORES, help="default: sqlite and valkey")
    options = parser.parse_args(arguments)
    about, neighbours = machine(), Neighbours()
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}. {options.saves} saves each way, one after the other.")
    print(f"{'store':<8}{'straight p50':>14}{'p99':>9}{'through p50':>14}{'p99':>9}{'added p50':>12}{'added p99':>12}   (ms)")
    worst = 0.0
    for kind in options.stores:
        figures = measure(kind, options.saves)
        sides = [percentile(side, percent) for side in (figures.straight_ms, figures.through_ms) for percent in (50, 99)]
        print(f"{kind:<8}{sides[0]:>14.2f}{sides[1]:>9.2f}{sides[2]:>14.2f}{sides[3]:>9.2f}", end="")
        print(f"{figures.added_p50_ms:>12.2f}{figures.added_p99_ms:>12.2f}", flush=True)
        worst = max(worst, figures.added_p99_ms)
    print(f"Others used {neighbours.share():.0%} of the cores.")
    print(f"AC-6, less than {LIMIT_MS:.0f} ms: {'met' if worst < LIMIT_MS else 'NOT met'}")
    return 0 if worst < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
