"""Leases: the protocol of `core/write.py` carried to a store, with the waiting, renewing and time-keeping that it needs.

The local deadline of a lease is taken before its grant was asked for, plus its length, less the margin: whatever the store's clock or
the network do, this side believes in the lease for a shorter time than the store does.

Deadlines are in the time of `clock`. It is monotonic, and an argument, so that a simulation can hold it.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from ..core.event import (
    Answer,
    Begin,
    Busy,
    Confirm,
    Event,
    Fenced,
    Finish,
    Granted,
    Kind,
    NotGranted,
    Renew,
    TakenOver,
)
from ..core.record import NOT_KNOWN, Snapshot, State, Swapped, Version
from ..core.write import step
from ..errors import StoreError, StoreUnavailable
from ..store.port import Store, StoreKey
from .alarm import Alarm
from .doubts import Doubts
from .heat import Heat
from .points import AFTER, BEFORE, Faults
from .swaps import Swaps
from .tasks import Tasks
from .trips import count_trip
from .turns import Turns

REMEMBERED_KEYS = 65536
MAX_LOST_SWAPS = 3
"""How many swaps of one event may be lost, though loads come through, before the store counts as away."""
POLL_SECONDS = (0.005, 0.1)
"""The shortest and the longest pause between two looks at a lease that another process holds."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """The times of protocol.md §1, in seconds."""

    lease_seconds: float
    margin_seconds: float
    grace_seconds: float
    lease_wait_seconds: float
    write_timeout_seconds: float


class Lease:
    """The right to write one resource. `deadline` is in the time of the leases' clock: not a byte is sent after it."""

    __slots__ = (
        "_leases",
        "_on_move",
        "_task",
        "_until",
        "age_seconds",
        "deadline",
        "fence",
        "key",
        "owner",
        "snapshot",
        "why",
    )

    def __init__(
        self, leases: "Leases", key: StoreKey, snapshot: Snapshot, owner: str, answer: Granted | TakenOver, deadline: float
    ) -> None:
        self._leases = leases
        self.key = key
        self.snapshot = snapshot
        self.owner = owner
        self.fence = answer.fence
        self.deadline = deadline
        self.why = answer.why if isinstance(answer, TakenOver) else None
        self.age_seconds = answer.age_seconds if isinstance(answer, TakenOver) else 0.0
        self._on_move: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._until = float("inf")
        self._schedule_renewal()

    @property
    def version(self) -> Version:
        """The version that the last commit left; NOT_KNOWN when only a GET can tell."""
        record = self.snapshot.record
        return NOT_KNOWN if record is None else record.version

    @property
    def faults(self) -> Faults | None:
        """What a test does at the fault points; None outside of tests."""
        return self._leases.faults

    def is_running(self) -> bool:
        """Whether a byte may still be sent: the send gate."""
        return self._leases.clock() < self.deadline

    @property
    def left_seconds(self) -> float:
        """How long the lease still runs; less than nothing once it has run out."""
        return self.deadline - self._leases.clock()

    def watch(self, on_move: Callable[[], None] | None) -> None:
        """Have on_move called whenever a renewal has moved the deadline; None: no more."""
        self._on_move = on_move

    def limit_write(self) -> None:
        """Stop renewing one write timeout from now: a write that takes longer is given up."""
        self._until = self._leases.clock() + self._leases.times.write_timeout_seconds
        self.deadline = min(self.deadline, self._until)

    async def confirm(self, kind: Kind, version: Version) -> Answer:
        """Settle what was taken over: PROCEED to go on with a write, SETTLE to stop there."""
        await self.stop_renewing()
        started = self._leases.clock()
        times = self._leases.times
        answer = await self._apply(Confirm(self.owner, self.fence, kind, version, times.lease_seconds))
        if kind is Kind.PROCEED and not isinstance(answer, Fenced):
            self.deadline = started + times.lease_seconds - times.margin_seconds
            self._schedule_renewal()
        return answer

    async def finish(self, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> Answer:
        """Report what became of the write (COMMIT, ABORT, MARK) and let the lease go. No renewal comes after this.

        `result` is what a retry under `replay_key` is to be told.
        """
        await self.stop_renewing()
        doubts = self._leases.doubts
        try:
            answer = await self._apply(Finish(self.owner, self.fence, kind, version, replay_key, result))
        except StoreError:
            doubts.note(self.key)
            raise
        if kind is Kind.MARK and not isinstance(answer, Fenced):
            doubts.note(self.key)
        return answer

    async def stop_renewing(self) -> None:
        """End the renewals, and wait for one that is under way: two events of one owner never race."""
        self._leases.renewals.drop(self)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _apply(self, event: Event) -> Answer:
        self.snapshot, answer = await self._leases.apply(self.key, self.snapshot, event)
        return answer

    def _schedule_renewal(self) -> None:
        self._leases.renewals.set(self)

    def start_renewal(self) -> None:
        """Begin a renewal: a third of the lease has passed."""
        self._task = self._leases.tasks.start(self._renew())

    async def _renew(self) -> None:
        started = self._leases.clock()
        if started >= min(self._until, self.deadline):
            return
        times = self._leases.times
        try:
            answer = await self._apply(Renew(self.owner, self.fence, times.lease_seconds))
        except StoreError:
            # The deadline stays where it was. Another try may still come through before it.
            answer = None
        if isinstance(answer, Fenced):
            return
        if answer is not None:
            self.deadline = min(started + times.lease_seconds - times.margin_seconds, self._until)
            if self._on_move is not None:
                self._on_move()
        self._task = None
        self._schedule_renewal()


class Leases:
    """Hand out leases: one at a time for each key in this process, and one at a time among all who share the store."""

    def __init__(
        self,
        store: Store,
        times: LeaseTimes,
        tasks: Tasks,
        max_waiters: int,
        clock: Callable[[], float] = time.monotonic,
        faults: Faults | None = None,
        swaps: Swaps | None = None,
    ) -> None:
        """`swaps` are those of `store`, so that their time is taken here; None: it is not."""
        self.clock = clock
        self.times = times
        self.tasks = tasks
        self.faults = faults
        self.store = store
        self._swaps = swaps or Swaps(store)
        self.turns = Turns(max_waiters, clock)
        self.doubts = Doubts()
        self.heat = Heat()
        self.renewals = Alarm(asyncio.get_running_loop(), times.lease_seconds / 3, Lease.start_renewal)
        self._remembered: dict[StoreKey, Snapshot] = {}

    def remembered(self, key: StoreKey) -> Snapshot | None:
        """What this process last saw settled under key; it may be out of date. None: nothing is remembered."""
        return self._remembered.get(key)

    def remembered_version(self, key: StoreKey) -> Version:
        """The version that this process last saw settled under key; it may be out of date. NOT_KNOWN: nothing is remembered."""
        snapshot = self._remembered.get(key)
        return NOT_KNOWN if snapshot is None or snapshot.record is None else snapshot.record.version

    async def begin(
        self,
        key: StoreKey,
        until: float,
        operation: str,
        replay_key: str = "",
        writer: str = "",
        *,
        counts: bool = False,
        replay_seconds: float = math.inf,
    ) -> Lease | NotGranted:
        """Ask for the lease of key, again and again while another process holds it, until the clock shows until.

        `writer` says who asks, and stands at the end of the owner. `counts`: the resource is told apart by revisions. `replay_seconds`: how
        long after its commit replay_key is known. Raises StoreError when the store cannot be asked; the lease may then run out, unused.
        """
        times = self.times
        owner = f"{random.getrandbits(128):032x}{writer}"
        event = Begin(owner, operation, times.lease_seconds, times.grace_seconds, replay_key, counts, replay_seconds)
        pause, longest = POLL_SECONDS
        snapshot = self._remembered.pop(key, None)
        while True:
            started = self.clock()
            if snapshot is None:
                snapshot = await self.store.load(key)
            snapshot, answer = await self.apply(key, snapshot, event)
            if isinstance(answer, Granted | TakenOver):
                return Lease(self, key, snapshot, event.owner, answer, started + times.lease_seconds - times.margin_seconds)
            if isinstance(answer, Busy):
                left = until - self.clock()
                if pause == POLL_SECONDS[0]:
                    self.heat.wait(key)
                if left <= 0:
                    return answer
                # Jitter, so that the losers of one round do not all come back at once.
                await asyncio.sleep(min(left, answer.seconds, pause * random.uniform(0.5, 1.5)))
                pause = min(pause * 2, longest)
                snapshot = None
                continue
            if isinstance(answer, NotGranted):
                return answer
            raise TypeError(f"BEGIN was answered with {answer!r}")

    async def apply(self, key: StoreKey, snapshot: Snapshot, event: Event) -> tuple[Snapshot, Answer]:
        """Bring event to the record under key: decide on snapshot, swap, and decide again on what stands where that fails."""
        lost, swaps = 0, self._swaps
        while True:
            record, lease_seconds, answer = step(snapshot, event)
            if record is None:
                self._remember(key, snapshot)
                return snapshot, answer
            try:
                if self.faults is not None:
                    await self.faults.reach(BEFORE[event.kind])
                count_trip()
                started = perf_counter()
                try:
                    standing = await swaps.store.swap(key, snapshot.stamp, snapshot.lineage, record, lease_seconds)
                except StoreError as error:
                    swaps.fail(error)
                    raise
                finally:
                    swaps.durations.observe(perf_counter() - started)
                if self.faults is not None:
                    await self.faults.reach(AFTER[event.kind])
            except StoreUnavailable:
                lost += 1
                # A renewal writes, but for the end of the lease, what stands already: no load can tell whether it was executed.
                if event.kind is Kind.RENEW or lost == MAX_LOST_SWAPS:
                    raise
                standing = await self.store.load(key)
            if isinstance(standing, Swapped):
                age = snapshot.lineage_age + max(0.0, standing.now - snapshot.now)
                written = record.ending(standing.now + lease_seconds)
                snapshot = Snapshot(written, standing.stamp, standing.now, snapshot.lineage, age, snapshot.floor)
                self._remember(key, snapshot)
                return snapshot, answer
            # A lost reply is settled by a look: what we wrote stands, or it does not (protocol §4). A swap that was slow may have been
            # executed after the first look, so that only the next swap shows it.
            if lost and standing.record is not None and standing.record._replace(lease_end=0.0) == record._replace(lease_end=0.0):
                self._remember(key, standing)
                return standing, answer
            snapshot = standing

    def _remember(self, key: StoreKey, snapshot: Snapshot) -> None:
        """Keep what is settled: the next write of key can begin with a swap at once. Anything else must be looked at afresh.

        So must what was seen during the grace: the age of a remembered history does not grow, and would be too young for ever.
        """
        self._remembered.pop(key, None)
        record = snapshot.record
        if self.doubts.since and record is not None and record.state is State.OK:
            self.doubts.settle(key)
        if record is None or record.state is not State.OK or record.owner or snapshot.lineage_age < self.times.grace_seconds:
            return
        self._remembered[key] = snapshot
        if len(self._remembered) > REMEMBERED_KEYS:
            del self._remembered[next(iter(self._remembered))]
