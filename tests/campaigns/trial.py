"""One trial of the crash campaign: two noclobbers, clients that write through both, and one fault that strikes one of the two."""

import asyncio
import contextlib
import random
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.cells import METHODS, SPOOL_MEMORY_BYTES, Cell
from tests.campaigns.faulty import Action, Fault
from tests.campaigns.history import ABSENT, Outcome
from tests.campaigns.nursery import Nursery
from tests.campaigns.routes import write_routes
from tests.campaigns.wire import Wire
from tests.campaigns.witness import Testimony, Witness

LEASE_SECONDS = 0.6
APPLY_DELAY_SECONDS = 0.8
"""The one shorter than the other: a write that is applied late outlives the lease of who sent it (`cells.py`)."""
MARGIN_SECONDS = 0.2
WRITE_TIMEOUT_SECONDS = 0.8
"""What the backend holds is given up after this. A write that waited for its turn in a stopped process may be sent, and held, only when it
goes on: with 5 s one such write in a hundred trials kept its resource for 6.6 s, which says nothing of what was struck.
"""
RECOVERY_SECONDS = LEASE_SECONDS + APPLY_DELAY_SECONDS + 2.0
"""Within this a resource must be writable again, whatever was struck."""
STOPPED_SECONDS = (LEASE_SECONDS + 0.2, LEASE_SECONDS + APPLY_DELAY_SECONDS + 0.5)
"""How long a process is stopped: until its lease is over, or until another one has even written."""
AFTERWARDS_SECONDS = 0.1
"""How long the clients go on after a stopped process does."""
REACH_SECONDS = 10.0
"""A fault that has not struck by then is not reached."""
START_SECONDS = 20.0
BUSY_PAUSE_SECONDS = (0.002, 0.01)
CALM_PAUSE_SECONDS = (0.03, 0.1)
"""How long a client does nothing between two writes: until the fault has struck, and while all wait for the end of a lease."""
PORTS = (16_000, 32_000)
VICTIMS, PARTNERS, RESOURCES = 2, 1, 2
SETTINGS = {
    "LOG__ACCESS": "off",
    "LIMITS__SPOOL_MEMORY_BYTES": SPOOL_MEMORY_BYTES,
    "PROTOCOL__LEASE_SECONDS": LEASE_SECONDS,
    "PROTOCOL__APPLY_DELAY_SECONDS": APPLY_DELAY_SECONDS,
    "PROTOCOL__MARGIN_SECONDS": MARGIN_SECONDS,
    "PROTOCOL__WRITE_TIMEOUT_SECONDS": WRITE_TIMEOUT_SECONDS,
}


def lasting_port() -> int:
    """Find a port that nobody listens on, below those that the kernel gives to clients.

    It is free again and again for a moment, while a killed process comes back: a client's own end must not take it then.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(*PORTS)))
            port: int = probe.getsockname()[1]
            return port


@dataclass(slots=True)
class Verdict:
    """What came of a trial. `recovery_seconds` is that of the slowest resource; None: the fault did not strike, or one did not recover."""

    cell: Cell
    has_struck: bool
    recovery_seconds: float | None

    def __str__(self) -> str:
        """In words."""
        return f"{self.cell}: {'never' if self.recovery_seconds is None else f'{self.recovery_seconds:.2f} s'}"


class Lane:
    """Two noclobbers on ports of their own: the victim, which is started anew for each trial, and its partner."""

    def __init__(self, number: int, nursery: Nursery, upstream_port: int, store: str, directory: Path) -> None:
        self._nursery = nursery
        self._log = directory / f"lane-{number}.log"
        config = write_routes(directory)
        self._arguments = ["run", "--config", str(config), "--upstream", f"http://127.0.0.1:{upstream_port}", "--store", store]
        self.victim_port, self.partner_port = lasting_port(), lasting_port()
        self.victim_pid = 0

    async def open(self) -> None:
        """Start the partner, and wait until writes are granted."""
        admin_port = lasting_port()
        await self._start(self.partner_port, admin_port)
        wire = Wire(admin_port)
        async with asyncio.timeout(START_SECONDS):
            while (await wire.ask("GET", "/readyz")).status != 200:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
        wire.close()

    async def start_victim(self, fault: Fault | None) -> None:
        """Start the victim in the place of the one that may be there, and wait until it takes connections."""
        if self.victim_pid:
            self._nursery.signal(self.victim_pid, signal.SIGKILL)
            while not (await self._nursery.hear(self.victim_pid)).startswith(("killed", "exited")):
                pass
        await self.revive_victim(fault)

    async def revive_victim(self, fault: Fault | None = None) -> None:
        """Start the victim where none is any more."""
        self.victim_pid = await self._start(self.victim_port, 0, *([] if fault is None else ["--fault", str(fault)]))

    async def hear_victim(self) -> str:
        """Wait for what becomes of the victim."""
        return await self._nursery.hear(self.victim_pid)

    def continue_victim(self) -> None:
        """Let a stopped victim go on."""
        self._nursery.signal(self.victim_pid, signal.SIGCONT)

    def last_words(self) -> str:
        """The end of what the noclobbers of this lane have said."""
        return self._log.read_text(errors="replace")[-2000:]

    async def _start(self, port: int, admin_port: int, *more: str) -> int:
        settings = {f"NOCLOBBER__{name}": str(value) for name, value in SETTINGS.items()}
        listeners = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin_port}"]
        pid = await self._nursery.start([*self._arguments, *listeners, *more], settings, self._log)
        async with asyncio.timeout(START_SECONDS):
            wire = Wire(port)
            while not await wire.connects():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.005)
            wire.close()
        return pid


@dataclass(slots=True)
class Trial:
    """One cell in one lane. `number` names its resources, which no other trial writes."""

    number: int
    cell: Cell
    lane: Lane
    testimony: Testimony
    chance: random.Random
    _struck_at: float = 0.0
    _recovered: dict[str, float] = field(default_factory=dict)
    _has_recovered: asyncio.Event = field(default_factory=asyncio.Event)
    _is_over: bool = False

    @property
    def resources(self) -> Sequence[str]:
        """What is written."""
        return [f"/{self.cell.strategy}/trials/{self.number}-{n}" for n in range(RESOURCES)]

    async def run(self) -> Verdict:
        """Have the fault strike, and wait until every resource has been written after it."""
        await self.lane.start_victim(self.cell.fault(self.chance))
        async with asyncio.TaskGroup() as group:
            for n in range(VICTIMS):
                group.create_task(self._write_on(f"{self.number}v{n}", self.lane.victim_port, is_victim=True))
            for n in range(PARTNERS):
                group.create_task(self._write_on(f"{self.number}p{n}", self.lane.partner_port, is_victim=False))
            try:
                has_struck = await self._strike()
                has_recovered = has_struck and await self._recover()
            finally:
                self._is_over = True
        slowest = max(self._recovered.values()) if has_recovered else None
        return Verdict(self.cell, has_struck, slowest)

    async def _strike(self) -> bool:
        try:
            async with asyncio.timeout(REACH_SECONDS):
                what = await self.lane.hear_victim()
        except TimeoutError:
            return False
        self._struck_at = time.monotonic()
        if what != ("stopped" if self.cell.way.action is Action.STOP else "killed 9"):
            raise AssertionError(f"{self.cell} was to be struck, and {what}; it said:\n{self.lane.last_words()}")
        return True

    async def _recover(self) -> bool:
        if self.cell.way.action is Action.KILL:
            await self.lane.revive_victim()
        else:
            await asyncio.sleep(self.chance.choice(STOPPED_SECONDS))
            self.lane.continue_victim()
            await asyncio.sleep(AFTERWARDS_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 * RECOVERY_SECONDS):
                await self._has_recovered.wait()
        return self._has_recovered.is_set()

    async def _write_on(self, name: str, port: int, *, is_victim: bool) -> None:
        witness, wire = Witness(name, self.testimony), Wire(port)
        while not self._is_over:
            if await wire.connects():
                await self._write_once(witness, wire, is_victim=is_victim)
            await asyncio.sleep(self.chance.uniform(*(CALM_PAUSE_SECONDS if self._struck_at else BUSY_PAUSE_SECONDS)))
        wire.close()

    async def _write_once(self, witness: Witness, wire: Wire, *, is_victim: bool) -> None:
        resource = self.chance.choice(self.resources)
        seen = await witness.look(wire, resource)
        if seen is None:
            return
        cell, chance = self.cell, self.chance
        method = cell.method if is_victim else chance.choice(METHODS[:3])
        if seen.value == ABSENT:
            if is_victim and method != "PUT" and not self._struck_at:
                return  # The partner creates it: the fault is to meet this method.
            method = "PUT"
        script = "" if self._struck_at else cell.victims_script(chance) if is_victim else cell.partners_script(chance)
        padding = {"padding": "x" * cell.padding_bytes} if cell.padding_bytes and not self._struck_at else {}
        told = await witness.write(wire, method, resource, seen, padding, script)
        if told.outcome is Outcome.ACKNOWLEDGED and self._struck_at:
            self._recovered.setdefault(resource, time.monotonic() - self._struck_at)
            if len(self._recovered) == RESOURCES:
                self._has_recovered.set()
