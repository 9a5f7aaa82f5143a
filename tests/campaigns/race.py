"""Race many clients against each other through two noclobber processes on one store, and count what is lost.

Every client reads a counter, adds one, and writes it back under the tag it saw, through whichever process chance chooses; where that is
refused it begins again. At the end the counters at the backend must be what was acknowledged, to the last one, and the whole story must
hold (`history.py`). With --bypass the same clients go to the backend itself, and lose: the check can fail.
"""

import argparse
import asyncio
import contextlib
import json
import math
import random
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.campaigns.fleet import Fate, Fleet
from tests.campaigns.history import Outcome, violations
from tests.campaigns.routes import STRATEGIES, STREAMING, write_routes
from tests.campaigns.stores import STORES, open_store
from tests.campaigns.wire import Wire
from tests.campaigns.witness import LOST, Seen, Testimony, Witness
from tests.e2e.processes import Child, Noclobber

LISTENING = re.compile(r"listening on (\d+)")
WRITES = (412, 503, 504, LOST)
WRITES_WITH_FAULTS = (*WRITES, 400, 409, 422, 500, 502)
READS_WITH_FAULTS = (500, 502, 503, 504)
"""The statuses that may come."""
SAFETY = 4
"""How much longer than the backend ever needs noclobber takes it to need: the backend is a process, and may have to wait for its turn."""
ASKS = 100
BACKOFF_SECONDS = 0.02
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Race:
    """What is asked for. `store` is one of STORES, or None to go around noclobber.

    The race ends after `seconds`, or when as many `operations` (looks and writes) are done. `faults` is the share of requests that go
    wrong at the backend, by `seed`; none of them takes it longer than `longest_seconds`. `strategy` is one of STRATEGIES, or empty for the
    route of a noclobber without a configuration. `workers` 0: two noclobbers with one each; else one with so many, which meets its `fate`.
    """

    store: str | None
    clients: int = 50
    resources: int = 5
    seconds: float = 20.0
    delay_seconds: float = 0.002
    operations: float = math.inf
    faults: float = 0.0
    longest_seconds: float = 0.1
    seed: int = 0
    strategy: str = ""
    workers: int = 0
    fate: Fate = Fate.NONE

    @property
    def resources_written(self) -> list[str]:
        """The paths of the counters."""
        return [f"{self.strategy and '/' + self.strategy}/counters/{n}" for n in range(self.resources)]

    @property
    def settings(self) -> dict[str, str]:
        """What noclobber is told of the times: with faults its apply delay is short, or nearly every answer would be 503."""
        return {"PROTOCOL__APPLY_DELAY_SECONDS": str(SAFETY * self.longest_seconds)} if self.faults else {}


@dataclass(slots=True)
class Result:
    """What came of it. `lost` counts acknowledged increments that the backend does not hold.

    `backwards` are series of metrics that only grow, and did not.
    """

    through: str
    seconds: float
    requests: int
    reads: int
    acknowledged: int
    conflicts: int
    busy: int
    refused: int
    unknown: int
    lost: int
    requests_per_second: float
    increments_per_second: float
    share_of_503: float
    share_of_504: float
    unexpected: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    restarts: int = 0
    reloads: int = 0

    @property
    def passed(self) -> bool:
        """Whether all is as it must be. A race in which nobody met anybody proves nothing."""
        return not (self.lost or self.violations or self.unexpected or self.backwards) and self.acknowledged > 0


class Client:
    """Add one, again and again, and have it put down."""

    def __init__(self, number: int, ports: list[int], race: Race, testimony: Testimony) -> None:
        self._witness = Witness(str(number), testimony)
        self._wires = [Wire(port) for port in ports]
        self._resources = race.resources_written
        self._operations = race.operations
        self._testimony = testimony
        self._ends = race.fate is Fate.END
        # What its own last write left behind, by resource: the tag on the answer to a PUT must be as good as that of a GET.
        self._own: dict[str, Seen] = {}

    async def run(self, until: float) -> None:
        """Go on until the clock shows until, or enough was done. What is under way then is brought to its end."""
        try:
            while not self._is_over(until):
                resource = random.choice(self._resources)
                own = self._own.pop(resource, None)
                await self._add_one(resource, own if random.random() < 0.5 else None, until)
        finally:
            for wire in self._wires:
                wire.close()

    def _is_over(self, until: float) -> bool:
        history = self._testimony.history
        is_done = len(history.reads) + len(history.writes) >= self._operations
        return time.monotonic() >= until or is_done or self._testimony.is_over or (self._ends and self._testimony.turned_away > 0)

    async def _add_one(self, resource: str, seen: Seen | None, until: float) -> None:
        while not self._is_over(until):
            seen = seen or await self._witness.look(random.choice(self._wires), resource)
            if seen is None:
                return
            written = {"count": seen.total + 1}
            told = await self._witness.write(random.choice(self._wires), "PUT", resource, seen, written)
            if told.tag and told.outcome is Outcome.ACKNOWLEDGED:
                self._own[resource] = Seen(seen.total + 1, self._witness.last_value, told.tag)
            if told.outcome in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN):
                return
            if told.outcome is not Outcome.STALE:
                await asyncio.sleep(random.uniform(0, 2 * BACKOFF_SECONDS))
            seen = None


async def _race(race: Race, ports: list[int], backend_port: int, fleet: Fleet | None) -> Result:
    """Let them run, and judge."""
    testimony = _testimony(race)
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        if fleet is not None:
            await stack.enter_async_context(fleet.meeting(race.fate, race.seconds, testimony))
        async with asyncio.TaskGroup() as group:
            for number in range(race.clients):
                group.create_task(Client(number, ports, race, testimony).run(started + race.seconds))
        seconds = time.monotonic() - started
    if race.faults:
        # The last writes may still be applied late.
        await asyncio.sleep(2 * race.longest_seconds)
    result = _judge(race, seconds, testimony, await _log(backend_port))
    if fleet is not None:
        result.backwards, result.restarts, result.reloads = fleet.scraper.backwards, fleet.restarts, fleet.reloads
    if testimony.turned_away and race.fate is not Fate.END:
        result.unexpected["connection refused"] = testimony.turned_away
    return result


def _testimony(race: Race) -> Testimony:
    """What may come."""
    if race.faults:
        return Testimony((*READS_WITH_FAULTS, LOST) if race.strategy in STREAMING else READS_WITH_FAULTS, WRITES_WITH_FAULTS)
    match race.fate:
        case Fate.NONE:
            return Testimony((), WRITES)
        case Fate.KILLS:
            return Testimony((LOST, 503), WRITES)
        case Fate.RELOADS | Fate.END:
            return Testimony((), (412, 503))


async def _log(backend_port: int) -> dict[str, list[dict[str, object]]]:
    """Ask for the log, again where that goes wrong."""
    wire = Wire(backend_port)
    try:
        for _ in range(ASKS):
            with contextlib.suppress(OSError, EOFError):
                answer = await wire.ask("GET", "/log")
                if answer.status == 200:
                    log: dict[str, list[dict[str, object]]] = json.loads(answer.body)
                    return log
    finally:
        wire.close()
    raise AssertionError("the backend does not show its log")


def _judge(race: Race, seconds: float, testimony: Testimony, logs: dict[str, list[dict[str, object]]]) -> Result:
    history = testimony.history
    acknowledged = history.count(Outcome.ACKNOWLEDGED)
    values = {resource: [str(entry["write"]) for entry in log] for resource, log in logs.items()}
    # A write of unknown outcome may stand at the backend or not: the log tells which.
    applied = {value for log in values.values() for value in log}
    doubtful = sum(write.outcome is Outcome.UNKNOWN and write.value in applied for write in history.writes)
    counted = sum(int(str(log[-1]["count"])) for log in logs.values())
    requests = len(history.reads) + len(history.writes)
    return Result(
        through=race.store or "the backend itself",
        seconds=round(seconds, 2),
        requests=requests,
        reads=len(history.reads),
        acknowledged=acknowledged,
        conflicts=history.count(Outcome.STALE),
        busy=history.count(Outcome.BUSY),
        refused=history.count(Outcome.REFUSED),
        unknown=history.count(Outcome.UNKNOWN),
        lost=acknowledged + doubtful - counted,
        requests_per_second=round(requests / seconds, 1),
        increments_per_second=round(acknowledged / seconds, 1),
        share_of_503=_share(testimony, 503),
        share_of_504=_share(testimony, 504),
        unexpected=dict(testimony.unexpected),
        # Around noclobber there are no tags, and the story is known to be impossible.
        violations=violations(history, values) if race.store is not None else [],
    )


def _share(testimony: Testimony, status: int) -> float:
    """The share of the answers to writes that had this status."""
    return round(testimony.told[status] / max(1, testimony.told.total()), 4)


def run(race: Race, directory: Path) -> Result:
    """Start everything, race, and take it all down again. Logs go into directory."""
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-m", "tests.campaigns.backend", "--delay-seconds", str(race.delay_seconds)]
        command += ["--faults", str(race.faults), "--longest-seconds", str(race.longest_seconds), "--seed", str(race.seed)]
        backend = stack.enter_context(Child(command, directory / "backend.log"))
        backend_port = int(backend.wait_for_line(LISTENING)[1])
        ports, fleet = [backend_port], None
        if race.store is not None:
            url = stack.enter_context(open_store(race.store, directory))
            logs = [directory / f"noclobber-{n}.log" for n in range(1 if race.workers else PROCESSES)]
            config = write_routes(directory) if race.strategy else _plain(directory)
            proxies = [
                stack.enter_context(Noclobber(backend_port, url, log, config=config, settings=race.settings, workers=race.workers or 1))
                for log in logs
            ]
            ports = [proxy.wait_until_ready().port for proxy in proxies]
            fleet = Fleet(proxies[0], config) if race.workers else None
        return asyncio.run(_race(race, ports, backend_port, fleet))


def _plain(directory: Path) -> Path:
    """A file that says what holds without one."""
    config = directory / "plain.toml"
    config.write_text('[[route]]\nname = "default"\npath = "/{path*}"\n', encoding="utf-8")
    return config


def main() -> int:
    """Run one race as the command line asks; 0 if nothing was lost and nothing impossible happened, else 1."""
    parser = argparse.ArgumentParser(prog="race", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--clients", type=int, default=50, help="how many race (default: 50)")
    parser.add_argument("--resources", type=int, default=5, help="for how many counters (default: 5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long (default: 20)")
    parser.add_argument(
        "--delay-seconds", type=float, default=0.002, help="mean time in which the backend applies a write (default: 0.002)"
    )
    parser.add_argument("--operations", type=int, metavar="N", help="stop after N looks and writes, whatever --seconds says")
    parser.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="the share of requests that go wrong at the backend")
    parser.add_argument("--seed", type=int, default=0, help="for --faults")
    parser.add_argument("--strategy", choices=STRATEGIES, default="", help="what tells states apart (default: no configuration)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--store", choices=STORES, default="sqlite", help="what the two noclobber processes share (default: sqlite)")
    where.add_argument("--bypass", action="store_true", help="go around noclobber, and see updates lost")
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="one noclobber with so many workers (default: two with one each)"
    )
    fate = parser.add_mutually_exclusive_group()
    fates = {"--kill-workers": Fate.KILLS, "--reload": Fate.RELOADS, "--drain": Fate.END}
    for flag, meant in fates.items():
        fate.add_argument(flag, dest="fate", action="store_const", const=meant, default=Fate.NONE, help=f"meanwhile {meant.value}")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    if options.fate is not Fate.NONE and (options.workers < 2 or options.bypass):
        parser.error("a fate needs --workers N, with N of 2 or more")
    store = None if options.bypass else options.store
    given = (options.clients, options.resources, math.inf if options.operations else options.seconds, options.delay_seconds)
    race = Race(
        store,
        *given,
        options.operations or math.inf,
        options.faults,
        seed=options.seed,
        strategy=options.strategy,
        workers=options.workers,
        fate=options.fate,
    )
    with tempfile.TemporaryDirectory(prefix="noclobber-race-") as directory:
        result = run(race, Path(directory))
    found = {**asdict(result), "violations": result.violations[:10], "backwards": result.backwards[:10], "passed": result.passed}
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:>22}  {value}" for name, value in found.items()))
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
