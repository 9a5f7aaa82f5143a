"""Do to the store what befalls stores, under load, and hold what the clients lived through against the backend's log.

Two noclobber processes, one store, clients that read and write as fast as they are answered. A round is one fault, from the strike until
both processes grant writes again. Asked for are: no violation of the history (`history.py`), no write granted inside a grace, and reads
that go on as if nothing had happened.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.campaigns.history import Outcome, violations
from tests.campaigns.rig import Renewed, Rig
from tests.campaigns.rigs import RIGS
from tests.campaigns.routes import STRATEGIES, write_routes
from tests.campaigns.wire import Wire
from tests.campaigns.witness import LOST, Testimony, Witness
from tests.e2e.processes import Child, Noclobber

LISTENING = re.compile(r"listening on (\d+)")
SETTINGS = {
    "PROTOCOL__LEASE_SECONDS": "1",
    "PROTOCOL__MARGIN_SECONDS": "0.2",
    "PROTOCOL__APPLY_DELAY_SECONDS": "0.5",
    "PROTOCOL__MAX_REPLICA_LAG_SECONDS": "0.5",
    "PROTOCOL__LEASE_WAIT_SECONDS": "0.5",
    "STORE__TIMEOUT_SECONDS": "0.3",
}
GRACE_SECONDS = 1 + 0.2 + 0.5 + 0.5 + 1
BEFORE_SECONDS, AFTER_SECONDS = 0.5, 0.3
READY_SECONDS = 60.0
STALE_SECONDS = 1.5
READ_SHARE = 0.999
EXPECTED = (412, 503, 504, LOST)
CLIENTS, RESOURCES = 8, 12
# So many requests are about what the store has no record of yet: whoever saw that before a fault must not rely on it after it.
NEW_SHARE, NEW_RESOURCES, NEW_SECONDS = 0.3, 3, 0.5


class Done(NamedTuple):
    """One request of a client: when it began and ended, and whether it is a read that was answered, or a write that was acknowledged."""

    resource: str
    is_read: bool
    began: float
    ended: float
    succeeded: bool


@dataclass(slots=True)
class Round:
    """One fault, from the strike until writes are granted again."""

    struck: float
    renewed: Renewed | None
    ready: float

    def is_in_grace(self, write: Done) -> bool:
        """Whether an acknowledged write was granted when nothing must be."""
        if self.renewed is None or not self.renewed.holds_for(write.resource):
            return False
        return self.renewed.alone_from <= write.began and write.ended < self.renewed.since + GRACE_SECONDS


@dataclass(slots=True)
class Result:
    """What came of all rounds of one fault."""

    fault: str
    rounds: int = 0
    requests: int = 0
    told: dict[str, int] = field(default_factory=dict)
    longest_outage_seconds: float = 0.0
    reads_in_outage: int = 0
    reads_failed: int = 0
    in_grace: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as it must be. A fault under which nobody read or wrote proves nothing."""
        reads_ok = self.reads_in_outage > 0 and self.reads_failed <= (1 - READ_SHARE) * self.reads_in_outage
        return not (self.violations or self.unexpected or self.in_grace) and reads_ok and self.told.get("acknowledged", 0) > 0


class Load:
    """Clients that read and write until they are told to stop."""

    def __init__(self, ports: Sequence[int], testimony: Testimony, seed: int, strategy: str = "") -> None:
        self.done: list[Done] = []
        self._ports = ports
        self._testimony = testimony
        self._seed = seed
        self._notes = f"/{strategy}/notes" if strategy else "/notes"
        self._stopping = False

    async def run(self) -> None:
        """Run all clients."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._client(number))

    def stop(self) -> None:
        """Have each client end what it does."""
        self._stopping = True

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        witness = Witness(str(number), self._testimony)
        wires = [Wire(port) for port in self._ports]
        while not self._stopping:
            resource = self._choose(chance)
            began = time.monotonic()
            seen = await witness.look(chance.choice(wires), resource)
            self.done.append(Done(resource, True, began, time.monotonic(), seen is not None))
            if seen is None or chance.random() < 0.3:
                continue
            began = time.monotonic()
            told = await witness.write(chance.choice(wires), "PUT", resource, seen)
            self.done.append(Done(resource, False, began, time.monotonic(), told.outcome is Outcome.ACKNOWLEDGED))
            if told.outcome is Outcome.BUSY:
                await asyncio.sleep(chance.uniform(0, 0.02))
        for wire in wires:
            wire.close()

    def _choose(self, chance: random.Random) -> str:
        """A resource that has long been there, or one of those that all clients find at this moment."""
        if chance.random() < NEW_SHARE:
            return f"{self._notes}/{time.monotonic() // NEW_SECONDS:.0f}-{chance.randrange(NEW_RESOURCES)}"
        return f"{self._notes}/{chance.randrange(RESOURCES)}"


async def _run_rounds(rig: Rig, fault: str, proxies: Sequence[Noclobber], rounds: int) -> list[Round]:
    done = []
    for _ in range(rounds):
        await asyncio.sleep(BEFORE_SECONDS)
        struck = time.monotonic()
        renewed = await rig.faults[fault]()
        # What /readyz says may be as old as this.
        await asyncio.sleep(max(0.0, struck + STALE_SECONDS - time.monotonic()))
        deadline = time.monotonic() + READY_SECONDS
        while not all([await asyncio.to_thread(_is_ready, proxy) for proxy in proxies]):
            assert time.monotonic() < deadline, f"{fault}: no writes are granted {READY_SECONDS} s after it"
            await asyncio.sleep(0.05)
        done.append(Round(struck, renewed, time.monotonic()))
        await asyncio.sleep(AFTER_SECONDS)
    return done


def _is_ready(proxy: Noclobber) -> bool:
    return proxy.ask_admin("/readyz")[0] == 200


def _judge(fault: str, rounds: Sequence[Round], load: Load, testimony: Testimony, logs: dict[str, list[dict[str, str]]]) -> Result:
    outages = [(round_.struck, round_.ready) for round_ in rounds]
    reads = [done for done in load.done if done.is_read and any(start <= done.began <= end for start, end in outages)]
    writes = [done for done in load.done if not done.is_read and done.succeeded]
    history = testimony.history
    return Result(
        fault=fault,
        rounds=len(rounds),
        requests=len(load.done),
        told=dict(Counter(write.outcome.value for write in history.writes)),
        longest_outage_seconds=round(max(end - start for start, end in outages), 2),
        reads_in_outage=len(reads),
        reads_failed=sum(not read.succeeded for read in reads),
        in_grace=sum(any(round_.is_in_grace(write) for round_ in rounds) for write in writes),
        unexpected=dict(testimony.unexpected),
        violations=violations(history, {resource: [entry["write"] for entry in log] for resource, log in logs.items()}),
    )


async def run(rig_name: str, faults: Sequence[str], rounds: int, directory: Path, seed: int = 0, strategy: str = "") -> list[Result]:
    """Play rounds of each fault on one rig; each fault has processes and a backend of its own. Logs go into directory."""
    results = []
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(RIGS[rig_name](directory))
        for number, fault in enumerate(faults or list(rig.faults)):
            with ExitStack() as processes:
                home = directory / f"{number}-{fault}"
                home.mkdir(parents=True)
                command = [sys.executable, "-m", "tests.campaigns.backend"]
                backend = processes.enter_context(Child(command, home / "backend.log"))
                backend_port = int((await asyncio.to_thread(backend.wait_for_line, LISTENING))[1])
                config = write_routes(home) if strategy else None
                proxies = []
                for n in range(2):
                    log = home / f"noclobber-{n}.log"
                    proxy = processes.enter_context(Noclobber(backend_port, rig.url, log, config=config, settings=SETTINGS))
                    proxies.append(await asyncio.to_thread(proxy.wait_until_ready))
                testimony = Testimony(writes_may=EXPECTED)
                load = Load([proxy.port for proxy in proxies], testimony, seed, strategy)
                async with asyncio.TaskGroup() as group:
                    group.create_task(load.run())
                    try:
                        played = await _run_rounds(rig, fault, proxies, rounds)
                    finally:
                        load.stop()
                wire = Wire(backend_port)
                logs = json.loads((await wire.ask("GET", "/log")).body)
                wire.close()
                results.append(_judge(fault, played, load, testimony, logs))
    return results


COLUMNS = ("fault", "rounds", "2xx", "412", "503", "504", "outage s", "reads", "failed", "in grace")


def table(rig: str, results: Sequence[Result]) -> str:
    """Say what came of each fault, a line each."""
    outcomes = (Outcome.ACKNOWLEDGED, Outcome.STALE, Outcome.BUSY, Outcome.UNKNOWN)
    lines = [f"on {rig}", _line(COLUMNS)]
    for result in results:
        told = [result.told.get(outcome.value, 0) for outcome in outcomes]
        reads = result.reads_in_outage, result.reads_failed, result.in_grace
        verdict = "passed" if result.passed else f"FAILED {result.unexpected or ''} {result.violations[:3] or ''}"
        lines.append(f"{_line((result.fault, result.rounds, *told, result.longest_outage_seconds, *reads))}  {verdict}")
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    return f"{cells[0]!s:<36}" + "".join(f"{cell!s:>9}" for cell in cells[1:])


def main() -> int:
    """Run the campaign as the command line asks; 0 if all passed, else 1."""
    parser = argparse.ArgumentParser(prog="storefaults", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--rig", choices=RIGS, action="append", help="which store; may be repeated (default: all)")
    parser.add_argument("--fault", action="append", default=[], help="which faults (default: all of the rig's)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="for what the clients choose (default: 0)")
    parser.add_argument("--strategy", choices=STRATEGIES, default="", help="what tells states apart (default: no configuration)")
    options = parser.parse_args()
    passed = True
    for rig in options.rig or RIGS:
        with tempfile.TemporaryDirectory(prefix="noclobber-storefaults-") as directory:
            results = asyncio.run(run(rig, options.fault, options.rounds, Path(directory), options.seed, options.strategy))
        print(table(rig, results), flush=True)
        passed = passed and all(result.passed for result in results)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
