"""The write protocol at work: several writers, one register, one backend, and everything that can go wrong between them.

The machine plays the gateway's part by protocol.md §5 with the `revision` strategy, which leans on the record the most: a label is read
before the body that it goes with, a write is sent only where the label still is current under the lease, and not after the local
deadline. The backend may apply an abandoned write up to APPLY_DELAY later. What must hold is checked at each swap, at each write that the
backend applies, and after each step.
"""

from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.core.event import Answer, Begin, Confirm, Done, Event, Fenced, Finish, Granted, Kind, Renew, Replayed, TakenOver
from proxy.core.record import ABSENT, NOT_KNOWN, Record, Snapshot, State, Swapped, Version, epoch_of
from proxy.core.write import step
from tests.strategies import EXAMPLES

LEASE = 5.0
MARGIN = 1.0
APPLY_DELAY = 10.0
GRACE = LEASE + MARGIN + APPLY_DELAY + 1.0
WRITERS = 3

Label = tuple[str, int]


@dataclass
class Register:
    """A store of one key: a compare-and-swap with a clock and a lineage, and nothing more."""

    now: float = 1000.0
    lineage: str = "lineage-0"
    lineage_since: float = 0.0
    record: Record | None = None
    stamp: str = ABSENT
    swaps: int = 0
    history: list[Record] = field(default_factory=list)

    def load(self) -> Snapshot:
        return Snapshot(self.record, self.stamp, self.now, self.lineage, self.now - self.lineage_since)

    def swap(self, expected: Snapshot, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        if (expected.stamp, expected.lineage) != (self.stamp, self.lineage):
            return self.load()
        self.swaps += 1
        self.record = record._replace(lease_end=self.now + lease_seconds)
        self.history.append(self.record)
        self.stamp = f"stamp-{self.swaps}"
        return Swapped(self.stamp, self.now)


class Stage(Enum):
    """How far a writer has come."""

    IDLE = "holds no lease"
    ASKING = "asked for the lease and heard nothing"
    WAITING = "has taken over a doubt"
    GRANTED = "may send"
    SENT = "has sent, and waits for the answer"
    APPLIED = "was told 2xx"
    REJECTED = "was told 4xx"
    COMMITTING = "asked to commit and heard nothing"


BUSY_STAGES = tuple(stage for stage in Stage if stage is not Stage.IDLE)


@dataclass
class Write:
    """A write on its way. `abandoned_at` is when its connection is reset at the latest."""

    owner: str
    body: int
    seen: int | None
    abandoned_at: float


@dataclass
class Writer:
    """One attempt after another to write what was read. `label` None: the write is unconditional."""

    number: int
    attempt: int = 0
    stage: Stage = Stage.IDLE
    label: Label | None = None
    seen: int | None = None
    snapshot: Snapshot | None = None
    asked_at: float = 0.0
    deadline: float = 0.0
    fence: int = 0
    doubt_ends: float = 0.0
    body: int = 0

    @property
    def owner(self) -> str:
        return f"writer-{self.number}.{self.attempt}"


class Writers(RuleBasedStateMachine):
    """Anything, in any order. A rule that makes no sense now does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register = Register()
        self.writers = [Writer(number) for number in range(WRITERS)]
        self.backend_body = 0
        self.bodies = 0
        self.in_flight: list[Write] = []
        self.handed_out: set[tuple[Label, int]] = set()
        self.grants: set[tuple[str, str, int]] = set()

    # ---- what a writer brings to the register ----

    def _bring(self, writer: Writer, event: Event) -> Answer:
        """Decide on the snapshot that the writer remembers, swap, and decide again on what stands where that fails."""
        register = self.register
        snapshot = writer.snapshot or register.load()
        writer.snapshot = None
        while True:
            record, lease_seconds, answer = step(snapshot, event)
            if record is None:
                return answer
            before = register.record
            standing = register.swap(snapshot, record, lease_seconds)
            if isinstance(standing, Swapped):
                self._check_swap(writer, before, record)
                return answer
            snapshot = standing

    def _check_swap(self, writer: Writer, before: Record | None, after: Record) -> None:
        if before is None:
            return
        assert after.fence >= before.fence
        assert after.revision >= before.revision
        if after.owner and after.owner != before.owner:
            assert after.fence > before.fence, "a new owner under an old fence"
            assert before.lineage != self.register.lineage or not before.owner or before.lease_end <= self.register.now, (
                "a lease was stolen"
            )
        is_expired = before.state is State.PENDING and before.lease_end <= self.register.now
        if is_expired and after.state is not State.UNKNOWN:
            assert before.owner == writer.owner, "an expired pending record became settled without having been unknown"
        if before.state is State.UNKNOWN and after.state is not State.UNKNOWN:
            assert self.register.now >= writer.doubt_ends
            assert before.owner == writer.owner

    def _start(self, writer: Writer) -> None:
        writer.attempt += 1
        writer.stage = Stage.IDLE
        writer.label, writer.seen = None, None

    def _granted(self, writer: Writer, deadline: float) -> None:
        writer.deadline = deadline
        record = self.register.record
        assert record is not None
        is_current = writer.label is None or writer.label == (record.epoch, record.revision)
        writer.stage = Stage.GRANTED if is_current else Stage.REJECTED

    def _at(self, number: int, *stages: Stage) -> Writer | None:
        """Find the first writer from number on that is at one of stages."""
        for offset in range(WRITERS):
            writer = self.writers[(number + offset) % WRITERS]
            if writer.stage in stages:
                return writer
        return None

    # ---- reads ----

    @rule(number=st.integers(0, WRITERS - 1))
    def take_label(self, number: int) -> None:
        """A read begins: its label is taken first. Nothing is labelled in doubt, nor while the history is too young."""
        writer = self._at(number, Stage.IDLE)
        snapshot = self.register.load()
        label = _label(snapshot)
        if writer is not None and label is not None:
            writer.label, writer.seen = label, None

    @rule(number=st.integers(0, WRITERS - 1))
    def take_body(self, number: int) -> None:
        """The read's body arrives, maybe much later."""
        writer = self._at(number, Stage.IDLE)
        if writer is not None and writer.label is not None and writer.seen is None:
            writer.seen = self.backend_body
            self.handed_out.add((writer.label, self.backend_body))

    @rule(number=st.integers(0, WRITERS - 1))
    def remember(self, number: int) -> None:
        """A snapshot is kept, to be out of date when it is used."""
        writer = self._at(number, Stage.IDLE)
        if writer is not None:
            writer.snapshot = self.register.load()

    # ---- a write ----

    @rule(number=st.integers(0, WRITERS - 1), is_answered=st.booleans())
    def begin(self, number: int, is_answered: bool) -> None:
        writer = self._at(number, Stage.ASKING, Stage.IDLE)
        if writer is None or (writer.label is not None and writer.seen is None):
            return
        if writer.stage is Stage.IDLE:
            writer.asked_at = self.register.now
        elif self.register.now >= writer.asked_at + LEASE - MARGIN:
            # What it asked for may have been granted and be over by now.
            self._start(writer)
            return
        answer = self._bring(writer, Begin(writer.owner, "PUT", LEASE, GRACE))
        if isinstance(answer, Granted | TakenOver):
            holder = (self.register.lineage, writer.owner, answer.fence)
            assert all(grant[0] != holder[0] or grant[2] != holder[2] or grant == holder for grant in self.grants), "one fence, two owners"
            self.grants.add(holder)
            writer.stage, writer.fence = Stage.ASKING, answer.fence
        if not is_answered:
            return
        if isinstance(answer, Granted):
            self._granted(writer, writer.asked_at + LEASE - MARGIN)
        elif isinstance(answer, TakenOver):
            writer.stage = Stage.WAITING
            writer.deadline = writer.asked_at + LEASE - MARGIN
            writer.doubt_ends = self.register.now + APPLY_DELAY - answer.age_seconds
        else:
            writer.stage = Stage.IDLE

    @rule(number=st.integers(0, WRITERS - 1), kind=st.sampled_from([Kind.PROCEED, Kind.SETTLE]), knows=st.booleans())
    def confirm(self, number: int, kind: Kind, knows: bool) -> None:
        """The quarantine is over: look at what stands, then settle the doubt."""
        writer = self._at(number, Stage.WAITING)
        if writer is None or self.register.now < writer.doubt_ends:
            return
        version = Version(f"v{self.backend_body}") if knows else NOT_KNOWN
        answer = self._bring(writer, Confirm(writer.owner, writer.fence, kind, version, LEASE, "PUT"))
        if isinstance(answer, Fenced) or kind is Kind.SETTLE:
            self._start(writer)
        else:
            self._granted(writer, self.register.now + LEASE - MARGIN)

    @rule(number=st.integers(0, WRITERS - 1))
    def renew(self, number: int) -> None:
        writer = self._at(number, Stage.WAITING, Stage.GRANTED, Stage.SENT)
        if writer is None or self.register.now >= writer.deadline:
            return
        answer = self._bring(writer, Renew(writer.owner, writer.fence, LEASE))
        if isinstance(answer, Fenced):
            return
        writer.deadline = self.register.now + LEASE - MARGIN
        for write in self.in_flight:
            if write.owner == writer.owner:
                write.abandoned_at = writer.deadline

    @rule(number=st.integers(0, WRITERS - 1))
    def send(self, number: int) -> None:
        writer = self._at(number, Stage.GRANTED)
        if writer is None or self.register.now >= writer.deadline:
            return
        self.bodies += 1
        writer.body = self.bodies
        writer.stage = Stage.SENT
        self.in_flight.append(Write(writer.owner, writer.body, writer.seen, writer.deadline))

    @rule(position=st.integers(0, 5), is_rejected=st.booleans())
    def backend_answers(self, position: int, is_rejected: bool) -> None:
        """The backend applies one of the writes on their way, or rejects it; who still waits for that hears of it."""
        if not self.in_flight:
            return
        write = self.in_flight.pop(position % len(self.in_flight))
        if not is_rejected:
            self._apply(write)
        for writer in self.writers:
            if writer.owner == write.owner and writer.stage is Stage.SENT and self.register.now < writer.deadline:
                writer.stage = Stage.REJECTED if is_rejected else Stage.APPLIED

    def _apply(self, write: Write) -> None:
        assert write.seen is None or write.seen == self.backend_body, "I1: applied on another state than its client saw"
        self.backend_body = write.body

    @rule(number=st.integers(0, WRITERS - 1), is_answered=st.booleans(), knows=st.booleans())
    def commit(self, number: int, is_answered: bool, knows: bool) -> None:
        writer = self._at(number, Stage.COMMITTING, Stage.APPLIED)
        if writer is None:
            return
        version = Version(f"v{writer.body}") if knows else NOT_KNOWN
        answer = self._bring(writer, Finish(writer.owner, writer.fence, Kind.COMMIT, version, writer.owner, "result"))
        writer.stage = Stage.COMMITTING
        if is_answered and isinstance(answer, Done):
            self.handed_out.add(((answer.epoch, answer.revision), writer.body))
        if is_answered:
            owner = writer.owner
            self._start(writer)
            self._check_replay(owner)

    def _check_replay(self, key: str) -> None:
        """A retry of a committed write is recognised, or waits, or is judged anew: but it is never replayed another's result."""
        answer = step(self.register.load(), Begin("a retry", "PUT", LEASE, GRACE, key)).answer
        record = self.register.record
        if isinstance(answer, Replayed):
            assert record is not None
            assert (record.state, record.last.replay_key, answer.result) == (State.OK, key, "result")

    @rule(number=st.integers(0, WRITERS - 1))
    def abort(self, number: int) -> None:
        writer = self._at(number, Stage.REJECTED, Stage.GRANTED)
        if writer is not None:
            self._bring(writer, Finish(writer.owner, writer.fence, Kind.ABORT))
            self._start(writer)

    @rule(number=st.integers(0, WRITERS - 1))
    def mark(self, number: int) -> None:
        """A writer gives up: what it sent is reset and in doubt from now on."""
        writer = self._at(number, Stage.SENT, Stage.WAITING)
        if writer is not None:
            self._abandon(writer)
            self._bring(writer, Finish(writer.owner, writer.fence, Kind.MARK))
            self._start(writer)

    @rule(number=st.integers(0, WRITERS - 1))
    def crash(self, number: int) -> None:
        writer = self._at(number, *BUSY_STAGES)
        if writer is None:
            return
        self._abandon(writer)
        writer.snapshot = None
        self._start(writer)

    def _abandon(self, writer: Writer) -> None:
        for write in self.in_flight:
            if write.owner == writer.owner:
                write.abandoned_at = min(write.abandoned_at, self.register.now)

    # ---- the world ----

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 4.0, 5.0, 9.5, 10.0, 17.0]), zombies_land=st.booleans())
    def time_passes(self, seconds: float, zombies_land: bool) -> None:
        """A write abandoned longer than the apply delay ago is applied by now, or never."""
        until = self.register.now + seconds
        due = sorted((write for write in self.in_flight if write.abandoned_at + APPLY_DELAY <= until), key=attrgetter("abandoned_at"))
        for write in due:
            self.in_flight.remove(write)
            if zombies_land:
                self._apply(write)
        self.register.now = until

    @rule(lag=st.integers(0, 6))
    def fail_over(self, lag: int) -> None:
        """The store's history is lost: what stands is lag swaps old, or nothing. Not too often, or no write gets anywhere."""
        register = self.register
        if register.now - register.lineage_since < 2 * GRACE:
            return
        register.swaps += 1
        register.lineage = f"{register.swaps:08d}-lineage"
        register.lineage_since = register.now
        del register.history[len(register.history) - lag :]
        register.record = register.history[-1] if register.history else None
        register.stamp = ABSENT if register.record is None else f"stamp-{register.swaps}"

    # ---- the usual course, so that runs get far ----

    @rule(number=st.integers(0, WRITERS - 1), steps=st.integers(1, 12), knows=st.booleans())
    def go_on(self, number: int, steps: int, knows: bool) -> None:
        """One writer does what it would do next if nothing went wrong, several times over."""
        for _ in range(steps):
            self._go_on(number, knows)
            self.everything_holds()

    def _go_on(self, number: int, knows: bool) -> None:
        writer = self.writers[number]
        match writer.stage:
            case Stage.IDLE if writer.label is None and _label(self.register.load()) is not None:
                self.take_label(number)
            case Stage.IDLE if writer.label is not None and writer.seen is None:
                self.take_body(number)
            case Stage.IDLE | Stage.ASKING:
                self.begin(number, is_answered=True)
                if writer.stage is Stage.IDLE:
                    self.time_passes(LEASE, zombies_land=True)
            case Stage.WAITING if self.register.now < writer.doubt_ends:
                self.renew(number)
                self.time_passes(min(LEASE - 2 * MARGIN, writer.doubt_ends - self.register.now), zombies_land=True)
            case Stage.WAITING:
                self.confirm(number, Kind.PROCEED, knows)
            case Stage.GRANTED:
                self.send(number)
            case Stage.SENT:
                self.backend_answers(0, is_rejected=False)
            case Stage.REJECTED:
                self.abort(number)
            case Stage.APPLIED | Stage.COMMITTING:
                self.commit(number, is_answered=True, knows=knows)

    # ---- what always holds ----

    @invariant()
    def everything_holds(self) -> None:
        self.one_live_grant_at_most()
        self.settled_means_nothing_in_flight()
        self.a_current_label_names_what_stands()
        self.a_remembered_version_is_what_stands()

    def one_live_grant_at_most(self) -> None:
        live = [w.owner for w in self.writers if w.stage in (Stage.GRANTED, Stage.SENT) and self.register.now < w.deadline]
        assert len(live) <= 1, live

    def settled_means_nothing_in_flight(self) -> None:
        if _label(self.register.load()) is not None:
            assert not self.in_flight

    def a_current_label_names_what_stands(self) -> None:
        """I2: whoever holds the label that is current holds the body that stands."""
        label = _label(self.register.load())
        assert all(body == self.backend_body for handed, body in self.handed_out if handed == label)

    def a_remembered_version_is_what_stands(self) -> None:
        snapshot = self.register.load()
        if _label(snapshot) is not None and snapshot.record is not None and snapshot.record.version != NOT_KNOWN:
            assert snapshot.record.version == f"v{self.backend_body}"


def _label(snapshot: Snapshot) -> Label | None:
    """The label that is current, None where nobody may say which."""
    record = snapshot.record
    if snapshot.lineage_age < GRACE:
        return None
    if record is None:
        return epoch_of(snapshot.lineage), 0
    if record.state is not State.OK or record.lineage != snapshot.lineage:
        return None
    return record.epoch, record.revision


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=EXAMPLES, deadline=None, stateful_step_count=40)
