"""One simulated process: the real gateway, put together as `proxy/app.py` does it, on a simulated store and backend.

It can stand still, as under SIGSTOP, and be killed: then nothing of it ever runs again, and what it had sent is on its own.
"""

import asyncio
import functools
from collections.abc import Callable
from contextvars import Context
from random import Random

from proxy.core.resource import Routes
from proxy.core.template import Pattern, parse_template
from proxy.core.version import FieldSource, Strategy
from proxy.gateway.arrival import Arrivals, RoutedRules
from proxy.gateway.handler import Handler
from proxy.gateway.labels import Labels
from proxy.gateway.lease import Leases
from proxy.gateway.metrics import Metrics, RouteMetrics
from proxy.gateway.points import Point
from proxy.gateway.readiness import Readiness
from proxy.gateway.reading import Reading
from proxy.gateway.representation import Representations
from proxy.gateway.rules import AfterWrite, Rules, Verify
from proxy.gateway.spool import SpoolLimits
from proxy.gateway.tasks import Tasks
from proxy.gateway.writing import Writing

from .backend import Backend
from .journal import Journal
from .loop import OWNER, WORLD, Halting, VirtualLoop
from .origin import OriginLink
from .places import settings_of
from .request import Answer, Injected, Logger, Request
from .scenario import Scenario, Trouble, pick
from .store import Register, StoreLink

SETTINGS: dict[str, dict[str, object]] = {
    "content": {},
    "auto": {"strategy": Strategy.AUTO},
    "native": {"strategy": Strategy.NATIVE},
    "enforcing": {"strategy": Strategy.AUTO},
    "trust": {"verify": Verify.TRUST_STORE},
    "request": {"verify": Verify.TRUST_STORE, "after_write": AfterWrite.REQUEST},
    "response": {"verify": Verify.TRUST_STORE, "after_write": AfterWrite.RESPONSE},
    "none": {"after_write": AfterWrite.NONE},
    "json": {"strategy": Strategy.JSON, "ignored": (("serverTime",), ("version",))},
    "member": {"strategy": Strategy.FIELD, "field": FieldSource(pointer=("version",))},
    "head": {"strategy": Strategy.FIELD, "field": FieldSource(name=b"x-version"), "verify": Verify.TRUST_STORE},
    "revision": {"strategy": Strategy.REVISION, "verify": Verify.TRUST_STORE},
    "verified": {"strategy": Strategy.REVISION},
    "numbers": {"strategy": Strategy.REVISION, "verify": Verify.TRUST_STORE, "numbers": 1},
    "counted": {"strategy": Strategy.REVISION, "numbers": 1},
    "group": {"strategy": Strategy.REVISION, "verify": Verify.TRUST_STORE},
    "pool": {"strategy": Strategy.REVISION, "numbers": 1},
    "lines": {},
}
"""What the routes are set to. Their names are the first segment of the paths."""

LIMITS = SpoolLimits(1 << 20, 1 << 20)
MAX_WAITERS = 3
WATCH_SECONDS = 4.0
DRIFT = 2e-4


@functools.cache
def _metrics() -> RouteMetrics:
    """Shared by all runs: registering the series costs more than a run, and counts decide nothing."""
    return RouteMetrics(Metrics(), "simulation")


def rules(name: str, apply_delay_seconds: float) -> Rules:
    """The rules of one mode."""
    settings = {"strategy": Strategy.CONTENT, **SETTINGS[name], **settings_of(name)}
    return Rules(name, apply_delay_seconds=apply_delay_seconds, **settings)  # type: ignore[arg-type]


class Troubles:
    """The fault points of one process."""

    def __init__(self, process: "Process", scenario: Scenario, chance: Random, journal: Journal) -> None:
        self._process = process
        self._scenario = scenario
        self._chance = chance
        self._journal = journal
        self.is_calm = False

    async def reach(self, point: Point) -> None:
        """Let something happen, or nothing."""
        scenario, chance = self._scenario, self._chance
        rate = scenario.focus_rate if point in scenario.focus else scenario.trouble_rate
        if self.is_calm or chance.random() >= rate:
            return
        trouble = pick(chance, scenario.troubles)
        self._journal.fault(f"point: {trouble.value}")
        self._journal.note(self._process.name, f"{trouble.name} at {point.name}")
        long = scenario.times.lease_seconds + scenario.apply_delay_seconds
        match trouble:
            case Trouble.WAIT:
                await asyncio.sleep(chance.uniform(0.0, 1.0))
            case Trouble.LONG_WAIT:
                await asyncio.sleep(scenario.times.lease_seconds * chance.uniform(1.0, 2.0))
            case Trouble.RAISE:
                raise Injected
            case Trouble.CANCEL:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            case Trouble.CRASH:
                self._process.kill()
                await asyncio.sleep(0)
            case Trouble.PAUSE:
                self._process.pause(long * chance.uniform(0.8, 1.6))
                await asyncio.sleep(0)

    def reach_gate(self) -> None:
        """Stand still for less than the margin between the look at the lease and the bytes (A2)."""
        if self.is_calm or self._chance.random() >= self._scenario.gate_pause_rate:
            return
        self._journal.fault("gate: stopped within the margin")
        seconds = self._scenario.times.margin_seconds * self._chance.uniform(0.1, 0.9)
        self._process.origin.gate_pause_seconds = seconds
        self._process.pause(seconds)


class Process(Halting):
    """A noclobber. `on_death` is called when it is killed."""

    def __init__(
        self, name: str, loop: VirtualLoop, register: Register, backend: Backend, scenario: Scenario, chance: Random, journal: Journal
    ) -> None:
        super().__init__()
        self.name = name
        self.is_dead = False
        self.died: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._journal = journal
        self._exiting: asyncio.Task[None] | None = None
        self.context = Context()
        self.context.run(OWNER.set, self)
        self.store = StoreLink(loop, register, scenario, chance, journal, name)
        self.origin = OriginLink(backend, scenario, chance, name)
        self.troubles = Troubles(self, scenario, chance, journal)
        self.logger = Logger(journal)
        rate, offset = 1.0 + chance.uniform(-DRIFT, DRIFT), chance.uniform(0.0, 1000.0)
        self.context.run(self._compose, scenario, lambda: offset + rate * loop.time())

    def _compose(self, scenario: Scenario, clock: Callable[[], float]) -> None:
        """As in `proxy/app.py`."""
        self.tasks, self.writes = Tasks(), Tasks()
        self.representations = Representations(self.origin, LIMITS, LIMITS.max_bytes)
        self.readiness = Readiness(self.store, self.representations, scenario.times.grace_seconds)
        leases = Leases(self.store, scenario.times, self.tasks, MAX_WAITERS, clock, self.troubles)
        templates = {name: parse_template(f"/{name}/{{id}}/{{rest*}}") for name in SETTINGS}
        delay = scenario.apply_delay_seconds
        routed = {name: RoutedRules(rules(name, delay), _metrics(), template=templates[name]) for name in SETTINGS}
        routes = Routes((Pattern(templates[name]), of_it) for name, of_it in routed.items())
        arrivals = Arrivals(routes, routed["content"], self.name)
        labels = Labels(self.store, scenario.times.grace_seconds)
        reading, writing = Reading(self.representations, labels), Writing(self.representations, leases, self.writes, LIMITS)
        self._handler = Handler(arrivals, reading, writing, None)
        self.watch = self.tasks.start(self._watch())

    async def _watch(self) -> None:
        while True:
            await self.readiness.look()
            await asyncio.sleep(WATCH_SECONDS)

    async def ask(self, method: str, path: str, fields: dict[str, str], pieces: list[bytes], patience_seconds: float) -> Answer | None:
        """Send one request from outside. None: the connection was lost, or the client left after patience_seconds."""
        request = Request(method, path, fields, pieces, self.logger)
        if self.is_dead:
            return None
        serving = self._loop.create_task(_serve(self._handler, request), context=self.context)
        await asyncio.wait((serving, self.died), timeout=patience_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            self._loop.call_soon(serving.cancel, context=self.context)
            return None
        return request.answer()

    def pause(self, seconds: float) -> None:
        """Stand still for so long. What had been sent by then goes on without anybody who listens."""
        if self.is_dead or self.stands_still:
            return
        self.stands_still = True
        self.origin.give_up()
        self._loop.call_later(seconds, self.resume, context=WORLD)

    def resume(self) -> None:
        """Go on, if it is alive."""
        if not self.is_dead and self.stands_still:
            self._journal.note(self.name, "goes on")
            self._loop.go_on(self)

    def exit(self) -> None:
        """End as `app.py` has it once the time to drain is over: cancel the writes, wherever they are, and then the rest."""
        if not (self.is_dead or self.stands_still or self._exiting):
            self._journal.note(self.name, "exits")
            self._exiting = self._loop.create_task(self._exit(), context=self.context)

    async def _exit(self) -> None:
        await self.writes.cancel()
        await self.tasks.cancel()
        self.kill()

    def kill(self) -> None:
        """End at once: no handler, no finally, nothing runs any more."""
        if self.is_dead:
            return
        self.is_dead = self.stands_still = True
        self._journal.note(self.name, "is killed")
        self.store.is_closed = self.origin.is_closed = True
        self.origin.give_up()
        if not self.died.done():
            self.died.set_result(None)

    def calm(self) -> None:
        """Let nothing go wrong from now on."""
        self.store.is_calm = self.origin.is_calm = self.troubles.is_calm = True
        self.store.is_cut = self.store.is_muted = self.store.refuses = False
        self.resume()


async def _serve(handler: Handler, request: Request) -> None:
    await handler(request.as_request())
