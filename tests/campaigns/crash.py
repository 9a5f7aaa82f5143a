"""Kill noclobbers with -9, and stop them for longer than their lease, at every fault point while clients write; and count what is lost.

There are lanes. Each has two noclobber processes, all of them on one store and in front of one backend. A trial takes one of `cells.py`:
one process of the lane is started anew with the fault, clients write the same resources through both processes until it strikes, a killed
process is back at once on its port, and a stopped one goes on when its lease is long over. The trial is over when every resource of it has
been written again. In the end the whole story must hold (`history.py`).
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from proxy.gateway.points import Point
from tests.campaigns.cells import Cell, schedule
from tests.campaigns.faulty import Action
from tests.campaigns.history import violations
from tests.campaigns.nursery import Nursery
from tests.campaigns.race import LISTENING
from tests.campaigns.routes import STRATEGIES
from tests.campaigns.stores import STORES, open_store
from tests.campaigns.trial import RECOVERY_SECONDS, Lane, Trial, Verdict
from tests.campaigns.wire import Wire
from tests.campaigns.witness import LOST, Testimony
from tests.e2e.processes import Child

LATEST_SECONDS = 1.0
"""After this the backend has applied whatever it ever will."""
TICK_SECONDS = 0.02
READS_MAY = (404, 502, 503, 504, LOST)
WRITES_MAY = (404, 412, 422, 503, 504, LOST)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is asked for: which cells are gone through, in which order, and how many of them at a time."""

    store: str
    cells: Sequence[Cell]
    lanes: int = 6
    seed: int = 0


@dataclass(slots=True)
class Result:
    """What came of it. `struck` counts by point, and then by way.

    `slow` are the trials after which a resource was writable too late, `stuck` those after which it was not at all. Where the longest
    stall comes near to a second, the machine was too busy for `slow` to say anything of noclobber.
    """

    store: str
    seconds: float
    longest_stall_seconds: float
    kills: int
    stops: int
    struck: dict[str, dict[str, int]]
    operations: int
    told: dict[str, int]
    slowest_recovery_seconds: float
    slowest: str
    slow: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    points_never_reached: list[str] = field(default_factory=list)
    unexpected: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        bad = (self.slow, self.stuck, self.not_reached, self.points_never_reached, self.unexpected, self.complaints, self.violations)
        return not any(bad) and self.kills > 0


@dataclass(slots=True)
class Story:
    """What a campaign leaves to be judged. `stall_seconds` is the longest time for which this process did not have its turn."""

    testimony: Testimony = field(default_factory=lambda: Testimony(READS_MAY, WRITES_MAY))
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0
    stall_seconds: float = 0.0

    async def watch(self) -> None:
        """Measure the stalls, until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self.stall_seconds = max(self.stall_seconds, time.monotonic() - before - TICK_SECONDS)


async def _try_all(campaign: Campaign, upstream_port: int, store: str, directory: Path) -> Story:
    story = Story()
    trials = iter(enumerate(campaign.cells))
    started = time.monotonic()
    watch = asyncio.get_running_loop().create_task(story.watch())
    async with Nursery() as nursery, asyncio.TaskGroup() as group:
        for number in range(campaign.lanes):
            lane = Lane(number, nursery, upstream_port, store, directory)
            group.create_task(_go_through(lane, trials, campaign.seed, story))
    watch.cancel()
    story.seconds = time.monotonic() - started
    return story


async def _go_through(lane: Lane, trials: Iterator[tuple[int, Cell]], seed: int, story: Story) -> None:
    await lane.open()
    for number, cell in trials:
        story.verdicts.append(await Trial(number, cell, lane, story.testimony, random.Random(f"{seed} {number}")).run())


async def _log(port: int) -> dict[str, Sequence[str]]:
    await asyncio.sleep(LATEST_SECONDS)
    wire = Wire(port)
    log: dict[str, list[dict[str, str]]] = json.loads((await wire.ask("GET", "/log")).body)
    wire.close()
    return {resource: [entry["write"] for entry in entries] for resource, entries in log.items()}


def _judge(campaign: Campaign, story: Story, log: dict[str, Sequence[str]], said: str) -> Result:
    testimony = story.testimony
    struck = [verdict for verdict in story.verdicts if verdict.has_struck]
    table: dict[str, Counter[str]] = {point.name: Counter() for point in Point}
    for verdict in struck:
        table[verdict.cell.point.name][verdict.cell.way.value] += 1
    slowest = max(struck, key=lambda verdict: verdict.recovery_seconds or 0.0, default=None)
    history = testimony.history
    kills = sum(verdict.cell.way.action is Action.KILL for verdict in struck)
    return Result(
        store=campaign.store,
        seconds=round(story.seconds, 1),
        longest_stall_seconds=round(story.stall_seconds, 2),
        kills=kills,
        stops=len(struck) - kills,
        struck={point: dict(sorted(ways.items())) for point, ways in table.items()},
        operations=len(history.reads) + len(history.writes),
        told={str(status): count for status, count in sorted(testimony.told.items(), key=str)},
        slowest_recovery_seconds=round(slowest.recovery_seconds or 0.0, 2) if slowest else 0.0,
        slowest=str(slowest.cell) if slowest else "",
        slow=[str(verdict) for verdict in struck if (verdict.recovery_seconds or 0.0) > RECOVERY_SECONDS],
        stuck=[str(verdict) for verdict in struck if verdict.recovery_seconds is None],
        not_reached=[str(verdict.cell) for verdict in story.verdicts if not verdict.has_struck],
        points_never_reached=[point for point, ways in table.items() if not ways],
        unexpected=dict(testimony.unexpected),
        complaints=[line for line in said.splitlines() if "Traceback" in line or " ERROR " in line],
        violations=violations(history, log),
    )


def run(campaign: Campaign, directory: Path) -> Result:
    """Start everything, go through the cells, and take it all down again. Logs go into directory."""
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-m", "tests.campaigns.backend", "--delay-seconds", "0"]
        backend = stack.enter_context(Child(command, directory / "backend.log"))
        port = int(backend.wait_for_line(LISTENING)[1])
        store = stack.enter_context(open_store(campaign.store, directory))
        story = asyncio.run(_try_all(campaign, port, store, directory))
        said = "".join(path.read_text(errors="replace") for path in sorted(directory.glob("lane-*.log")))
        return _judge(campaign, story, asyncio.run(_log(port)), said)


def main() -> int:
    """Run one campaign as the command line asks; 0 if every point was reached and nothing impossible happened, else 1."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--kills", type=int, default=200, help="how many processes are killed (default: 200)")
    parser.add_argument("--stops", type=int, help="how many are stopped for a while (default: one for each four kills)")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="what the noclobbers share (default: sqlite)")
    parser.add_argument("--lanes", type=int, default=6, help="how many trials go on at a time (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="for the order of the trials, and all that chance decides in them")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--strategy", choices=STRATEGIES, action="append", help="what tells states apart; may be repeated (default: all)")
    options = parser.parse_args()
    stops = options.kills // 4 if options.stops is None else options.stops
    cells = schedule(options.kills, stops, random.Random(options.seed), options.strategy or STRATEGIES)
    campaign = Campaign(options.store, cells, options.lanes, options.seed)
    with tempfile.TemporaryDirectory(prefix="noclobber-crash-") as directory:
        result = run(campaign, Path(directory))
    found = {**asdict(result), "violations": result.violations[:10], "complaints": result.complaints[:10], "passed": result.passed}
    if options.json:
        print(json.dumps(found))
        return 0 if result.passed else 1
    for name, value in found.items():
        if name == "struck":
            print(
                "\n".join(f"{point:>24}  {', '.join(f'{count} x {way}' for way, count in ways.items())}" for point, ways in value.items())
            )
        else:
            print(f"{name:>24}  {value}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
