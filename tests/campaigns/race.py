"""Race many clients against each other through two noclobber processes on one store, and count what is lost.

Every client reads a counter, adds one, and writes it back under the tag it saw, through whichever process chance chooses; where that is
refused it begins again. At the end the counters at the backend must be what was acknowledged, to the last one, and the whole story must
hold (`history.py`). With --bypass the same clients go to the backend itself, and lose: the check can fail.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.campaigns.history import History, Outcome, Read, Write, violations
from tests.campaigns.wire import Answer, Wire
from tests.e2e.processes import Child, Noclobber
from tests.servers import RedisServer, redis_binary, valkey_binary

LISTENING = re.compile(r"listening on (\d+)")
OUTCOMES = {412: Outcome.STALE, 503: Outcome.BUSY, 504: Outcome.UNKNOWN}
BACKOFF_SECONDS = 0.02
STORES = ("valkey", "redis", "sqlite")
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Race:
    """What is asked for. `store` is one of STORES, or None to go around noclobber."""

    store: str | None
    clients: int = 50
    resources: int = 5
    seconds: float = 20.0
    delay_seconds: float = 0.002


@dataclass(slots=True)
class Result:
    """What came of it. `lost` counts acknowledged increments that the backend does not hold."""

    through: str
    seconds: float
    requests: int
    reads: int
    acknowledged: int
    conflicts: int
    busy: int
    unknown: int
    lost: int
    requests_per_second: float
    increments_per_second: float
    unexpected: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as it must be. A race in which nobody met anybody proves nothing."""
        return not (self.lost or self.violations or self.unexpected) and self.acknowledged > 0


class Seen(NamedTuple):
    """A state as a client saw it."""

    total: int
    value: str
    tag: str


class Client:
    """Add one, again and again. Its story goes into `history`, what should not have come into `unexpected`."""

    def __init__(self, number: int, ports: list[int], race: Race, history: History, unexpected: Counter[str]) -> None:
        self._number = number
        self._wires = [Wire(port) for port in ports]
        self._resources = [f"/counters/{n}" for n in range(race.resources)]
        self._history = history
        self._unexpected = unexpected
        self._serial = 0
        # What its own last write left behind, by resource: the tag on the answer to a PUT must be as good as that of a GET.
        self._own: dict[str, Seen] = {}

    async def run(self, until: float) -> None:
        """Go on until the clock shows until. What is under way then is brought to its end."""
        try:
            while time.monotonic() < until:
                resource = random.choice(self._resources)
                own = self._own.pop(resource, None)
                await self._add_one(resource, own if random.random() < 0.5 else None, until)
        finally:
            for wire in self._wires:
                wire.close()

    async def _add_one(self, resource: str, seen: Seen | None, until: float) -> None:
        while time.monotonic() < until:
            seen = seen or await self._look(resource)
            if seen is None:
                return
            outcome = await self._put(resource, seen)
            if outcome in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN):
                return
            if outcome is not Outcome.STALE:
                await asyncio.sleep(random.uniform(0, 2 * BACKOFF_SECONDS))
            seen = None

    async def _look(self, resource: str) -> Seen | None:
        began = time.monotonic()
        answer = await self._ask("GET", resource)
        if answer is None or answer.status != 200:
            self._unexpected[f"GET: {answer.status if answer else 'connection lost'}"] += 1
            return None
        state = json.loads(answer.body)
        seen = Seen(state["count"], state["write"], answer.fields.get("etag", ""))
        self._history.reads.append(Read(resource, seen.value, seen.tag, began))
        return seen

    async def _put(self, resource: str, seen: Seen) -> Outcome:
        self._serial += 1
        value = f"{self._number}-{self._serial}"
        fields = {"If-Match": seen.tag} if seen.tag else {}
        answer = await self._ask("PUT", resource, fields, json.dumps({"count": seen.total + 1, "write": value}).encode())
        outcome = self._outcome(answer)
        self._history.writes.append(Write(resource, value, seen.value, seen.tag, outcome, time.monotonic()))
        if answer is not None and outcome is Outcome.ACKNOWLEDGED and "etag" in answer.fields:
            self._own[resource] = Seen(seen.total + 1, value, answer.fields["etag"])
        return outcome

    def _outcome(self, answer: Answer | None) -> Outcome:
        if answer is None:
            return Outcome.UNKNOWN
        if 200 <= answer.status < 300:
            return Outcome.ACKNOWLEDGED
        if answer.status not in OUTCOMES:
            self._unexpected[f"PUT: {answer.status}"] += 1
        return OUTCOMES.get(answer.status, Outcome.UNKNOWN)

    async def _ask(self, method: str, path: str, fields: dict[str, str] | None = None, body: bytes | None = None) -> Answer | None:
        """None: the connection was lost on the way."""
        try:
            return await random.choice(self._wires).ask(method, path, fields, body)
        except (OSError, EOFError):
            return None


async def _race(race: Race, ports: list[int], backend_port: int) -> Result:
    """Let them run, and judge."""
    history, unexpected = History(), Counter[str]()
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(race.clients):
            group.create_task(Client(number, ports, race, history, unexpected).run(started + race.seconds))
    seconds = time.monotonic() - started
    backend = Wire(backend_port)
    logs: dict[str, list[dict[str, object]]] = json.loads((await backend.ask("GET", "/log")).body)
    backend.close()
    return _judge(race, seconds, history, logs, unexpected)


def _judge(race: Race, seconds: float, history: History, logs: dict[str, list[dict[str, object]]], unexpected: Counter[str]) -> Result:
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
        unknown=history.count(Outcome.UNKNOWN),
        lost=acknowledged + doubtful - counted,
        requests_per_second=round(requests / seconds, 1),
        increments_per_second=round(acknowledged / seconds, 1),
        unexpected=dict(unexpected),
        # Around noclobber there are no tags, and the story is known to be impossible.
        violations=violations(history, dict(values)) if race.store is not None else [],
    )


@contextlib.contextmanager
def _open_store(name: str, directory: Path) -> Iterator[str]:
    """Have the store of that name stand; yields its URL."""
    if name == "sqlite":
        yield f"sqlite:///{directory}/race.db"
        return
    server = RedisServer(valkey_binary() if name == "valkey" else redis_binary(), directory / name)
    try:
        yield server.start().url
    finally:
        server.kill()


def run(race: Race, directory: Path) -> Result:
    """Start everything, race, and take it all down again. Logs go into directory."""
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-m", "tests.campaigns.backend", "--delay-seconds", str(race.delay_seconds)]
        backend = stack.enter_context(Child(command, directory / "backend.log"))
        backend_port = int(backend.wait_for_line(LISTENING)[1])
        ports = [backend_port]
        if race.store is not None:
            url = stack.enter_context(_open_store(race.store, directory))
            numbers = range(PROCESSES)
            proxies = [stack.enter_context(Noclobber(backend_port, url, directory / f"noclobber-{n}.log")) for n in numbers]
            ports = [proxy.wait_until_ready().port for proxy in proxies]
        return asyncio.run(_race(race, ports, backend_port))


def main() -> int:
    """Run one race as the command line asks; 0 if nothing was lost and nothing impossible happened, else 1."""
    parser = argparse.ArgumentParser(prog="race", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--clients", type=int, default=50, help="how many race (default: 50)")
    parser.add_argument("--resources", type=int, default=5, help="for how many counters (default: 5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long (default: 20)")
    parser.add_argument(
        "--delay-seconds", type=float, default=0.002, help="mean time in which the backend applies a write (default: 0.002)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--store", choices=STORES, default="sqlite", help="what the two noclobber processes share (default: sqlite)")
    where.add_argument("--bypass", action="store_true", help="go around noclobber, and see updates lost")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    store = None if options.bypass else options.store
    race = Race(store, options.clients, options.resources, options.seconds, options.delay_seconds)
    with tempfile.TemporaryDirectory(prefix="noclobber-race-") as directory:
        result = run(race, Path(directory))
    found = {**asdict(result), "violations": result.violations[:10], "passed": result.passed}
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:>22}  {value}" for name, value in found.items()))
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
