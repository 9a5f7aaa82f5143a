"""One run: a world is made of a seed, everything in it goes wrong as the seed has it, then nothing does any more, and it is judged."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest

from proxy.core.label import label_of, tag_of
from proxy.core.record import NOT_KNOWN, Record, State
from proxy.core.resource import key_digest
from proxy.core.version import is_disproved
from proxy.gateway import lease, readiness
from proxy.store.port import StoreKey

from .backend import Backend
from .clients import DELETION, Basis, Client, Seen, Story, Try
from .journal import Journal
from .loop import VirtualLoop
from .places import REVISIONS, changed_by, key_of, resource_of
from .process import Process, rules
from .request import Injected
from .scenario import LAG_SECONDS, MODES, Disaster, Scenario, draw, pick
from .store import Register
from .versions import versions_of

SLACK_SECONDS = 5.0
POLL_SECONDS = (0.01, 0.8)
LONGEST_SECONDS = 5000.0
"""No run takes this long, in its own time, unless something hangs."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a seed. `told` counts the statuses that writers were answered; `lost` there means: the connection was."""

    seed: int
    theme: str
    operations: int
    told: Counter[str]
    faults: Counter[str]
    violations: list[str]
    digest: str
    lines: list[str]
    seconds: float


class World:
    """Everything there is in one run."""

    def __init__(self, seed: int, loop: VirtualLoop, modes: Sequence[str] = MODES) -> None:
        self.chance = Random(seed)
        self.loop = loop
        self.scenario: Scenario = draw(self.chance, modes)
        self.journal = Journal(loop.time)
        self.story = Story()
        self.backend = Backend(loop, self.chance, self.scenario.apply_delay_seconds, self.journal)
        self.register = Register(loop.time, self.chance, self._check_settled)
        own = {f"/{mode}/{number}" for number, mode in enumerate(self.scenario.modes)}
        self.paths = sorted(own | {other for path in own if (other := changed_by(path)) is not None})
        self._path_of = {StoreKey(key_digest(key_of(path))): path for path in self.paths}
        self._salts: dict[bytes, None] = {}
        self.everyone: list[Process] = []
        self.processes = [self._start(f"P{number}") for number in range(self.scenario.processes)]
        self.is_calm = False

    async def run(self) -> None:
        """From the beginning to the verdict."""
        await asyncio.sleep(0.1)
        async with asyncio.TaskGroup() as group:
            disasters = group.create_task(self._disasters())
            clients = [self._client(f"c{number}") for number in range(self.scenario.clients)]
            await asyncio.gather(*(client.run(self.paths) for client in clients))
            disasters.cancel()
        self._calm()
        await self._check_liveness()
        for what in self.story.judge({path: resource.log for path, resource in self.backend.resources.items()}):
            self.journal.violation(what)

    def _client(self, name: str) -> Client:
        return Client(name, self.loop, lambda: self.processes, self.story, self.scenario, self.chance, self.journal)

    # ---- what befalls ---------------------------------------------------------------------------------------------------------------

    def _start(self, name: str) -> Process:
        process = Process(name, self.loop, self.register, self.backend, self.scenario, self.chance, self.journal)
        self.everyone.append(process)
        process.died.add_done_callback(lambda _: self._restart_later(process))
        return process

    def _restart_later(self, process: Process) -> None:
        self.loop.call_later(self.chance.uniform(0.05, 4.0), self._restart, process)

    def _restart(self, dead: Process) -> None:
        fresh = self._start(f"{dead.name.partition('.')[0]}.{len(self.everyone)}")
        self.processes[self.processes.index(dead)] = fresh
        if self.is_calm:
            fresh.calm()

    async def _disasters(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1.0 / self.scenario.disaster_seconds))
            disaster = pick(self.chance, self.scenario.disasters)
            self.journal.fault(f"world: {disaster.value}")
            self.journal.note("world", disaster.name)
            self._strike(disaster, self.chance.choice(self.processes))

    def _strike(self, disaster: Disaster, victim: Process) -> None:
        chance, register, store = self.chance, self.register, victim.store
        lease_seconds = self.scenario.times.lease_seconds
        match disaster:
            case Disaster.CRASH:
                victim.kill()
            case Disaster.EXIT:
                victim.exit()
            case Disaster.PAUSE:
                victim.pause(lease_seconds * chance.uniform(0.2, 4.0))
            case Disaster.PARTITION:
                store.is_cut = True
                self.loop.call_later(lease_seconds * chance.uniform(0.1, 2.0), setattr, store, "is_cut", False)
            case Disaster.MUTED:
                store.is_muted = True
                self.loop.call_later(lease_seconds * chance.uniform(0.5, 4.0), setattr, store, "is_muted", False)
            case Disaster.FAILOVER:
                register.begin_anew(chance.randint(0, self.scenario.replica_lag_swaps))
            case Disaster.SPLIT:
                store.register = register.copy()
                register.begin_anew(chance.randint(0, self.scenario.replica_lag_swaps))
                self.loop.call_later(LAG_SECONDS * chance.random(), setattr, store, "register", register)
            case Disaster.RESTART:
                register.restart()
            case Disaster.EMPTIED:
                register.empty()
            case Disaster.REFUSING:
                for process in self.processes:
                    process.store.refuses = True
                self.loop.call_later(chance.uniform(0.2, 3.0), self._refuse_no_more)

    def _refuse_no_more(self) -> None:
        for process in self.everyone:
            process.store.refuses = False

    # ---- what must hold -------------------------------------------------------------------------------------------------------------

    def _check_settled(self, key: StoreKey, record: Record) -> None:
        """I3: a settled record means that nothing is in flight. I2: the version that it remembers is that of what stands."""
        path = self._path_of[key]
        self._salts.update(dict.fromkeys(each.representations.salt for each in self.everyone if each.representations.salt))
        if record.state is not State.OK or record.owner:
            return
        self._check_label(path, record)
        touched = {flight: resource_of(flight.path) for flight in self.backend.flights}
        flying = [flight.value for flight, at in touched.items() if path in (at, changed_by(at))]
        if flying:
            self.journal.violation(f"{path}: I3: settled while {', '.join(flying)} may still be applied")
        if record.version == NOT_KNOWN or is_disproved(record.version):
            return
        resource = self.backend.resource(path)
        if not resource.exists or record.version not in versions_of(path, resource.value, len(resource.log), self._salts):
            self.journal.violation(f"{path}: I2: the remembered version is not that of {resource.value}")

    def _check_label(self, path: str, record: Record) -> None:
        """I2 once more: what was read under the label that is current is what stands."""
        if not path.startswith(REVISIONS) or record.lineage != self.register.lineage:
            return
        first = 1 if rules(path.split("/")[1], 0.0).numbers is not None else None
        current, value = bytes(tag_of(label_of(record), first)).decode(), self.backend.resource(path).value
        for read in self.story.reads:
            if read.resource == path and read.tag == current and read.value != value:
                self.journal.violation(f"{path}: I2: {current} is current and was read on {read.value}, but {value} stands")

    def _calm(self) -> None:
        """The last fault has been. Whoever is dead has come back before long."""
        self.journal.note("world", "is calm from here on")
        self.is_calm = True
        for process in self.everyone:
            process.calm()
            process.store.register = self.register

    async def _check_liveness(self) -> None:
        """I5: before long every key can be written through every process, and nobody holds anything."""
        await asyncio.sleep(SLACK_SECONDS)
        times = self.scenario.times
        longest = times.write_timeout_seconds + times.lease_seconds + self.scenario.apply_delay_seconds + times.grace_seconds
        until = self.loop.time() + longest
        client = self._client("last")
        await asyncio.gather(*(self._check_writable(client, path, until) for path in self.paths))
        for process in self.processes:
            if len(process.writes) or len(process.tasks) != 1:
                self.journal.violation(f"I5: {process.name} has {len(process.writes)} writes and {len(process.tasks) - 1} tasks left over")
        for key, path in self._path_of.items():
            record = self.register.load(key).record
            if record is None or record.state is not State.OK or record.owner:
                self.journal.violation(f"{path}: I5: the record is {record}")
        if self.backend.flights:
            self.journal.violation("the simulation: a write is still in flight at the end")

    async def _check_writable(self, client: Client, path: str, until: float) -> None:
        for number, process in enumerate(self.processes):
            status, tries = "nothing", 0
            while status[0] != "2":
                if self.loop.time() > until:
                    self.journal.violation(f"{path}: I5: cannot be written by {process.name} long after the last fault: {status}")
                    break
                tries += 1
                await asyncio.sleep(0.2)
                seen = await client.look(process, path)
                if seen is not None:
                    made = _last_word(path, f"last{number}-{tries} at {path}", seen)
                    answer = await client.write(process, made)
                    status = "lost" if answer is None else str(answer.status)

    async def bury(self) -> None:
        """End what is left of everyone, so that nothing of this run lives on."""
        for process in self.everyone:
            process.troubles.is_calm = True
            await process.store.close()
            await process.origin.close()
            self.loop.go_on(process)
        for _ in range(5):
            left = sorted(asyncio.all_tasks() - {asyncio.current_task()}, key=lambda task: int(task.get_name().rpartition("-")[2]))
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=30.0)


def _last_word(path: str, value: str, seen: Seen) -> Try:
    basis = Basis.SEEN if seen.tag else Basis.ABSENCE if seen.value.startswith(DELETION) else Basis.NOTHING
    return Try(path, value, "PUT", basis, seen)


class _Secrets:
    """The one kind of randomness that noclobber does not draw from `random`."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def token_bytes(self, size: int) -> bytes:
        return self._chance.randbytes(size)


class _Defects(logging.Handler):
    """A defect that noclobber logs is one, unless it was put there."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, Injected):
            self._journal.violation(f"a defect: {error!r}")


@contextmanager
def _seeded(world: World, seed: int) -> Iterator[None]:
    """Have noclobber draw its numbers from the seed, and say its defects to the journal."""
    logger, defects, state = logging.getLogger("noclobber"), _Defects(world.journal), random.getstate()
    with pytest.MonkeyPatch.context() as patch:
        # Most of a run would be looks at a lease that another holds.
        patch.setattr(lease, "POLL_SECONDS", POLL_SECONDS)
        patch.setattr(readiness, "secrets", _Secrets(world.chance))
        patch.setattr(logger, "propagate", False)
        patch.setattr(logger, "handlers", [defects])
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)


def run(seed: int, modes: Sequence[str] = MODES) -> Result:
    """Run one seed from its beginning to its verdict, on routes of these modes."""
    loop = VirtualLoop()
    defects: list[str] = []

    def notice(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, Injected):
            defects.append(f"a defect in a task: {error!r}")

    loop.set_exception_handler(notice)

    async def live() -> World:
        world = World(seed, loop, modes)
        with _seeded(world, seed):
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    await world.run()
            except TimeoutError:
                world.journal.violation("I5: something hangs")
            # What the burial does is not part of the run.
            world.journal.lines = list(world.journal.lines)
            kept, world.journal.lines = world.journal.lines, []
            await world.bury()
            world.journal.lines = kept
        return world

    try:
        world = loop.run_until_complete(live())
        seconds = loop.time()
    finally:
        loop.close()
    journal, story = world.journal, world.story
    operations = len(story.reads) + len(story.told)
    found = [*journal.violations, *defects]
    theme = f"{world.scenario.theme} {'+'.join(world.scenario.modes)}"
    return Result(seed, theme, operations, Counter(story.told), journal.faults, found, journal.digest(), journal.lines, seconds)
