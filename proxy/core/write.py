"""The write protocol: what a record can be, what can happen to it, and what each happening makes of it.

Two rules of this file. Everything that decides about a record stands here, in TRANSITIONS and the few functions under it; a store only
compares a stamp and swaps. And nothing here acts: `step` says what to write and what it means, the gateway does it.

A record is *settled* (ok: nothing in flight), *pending* (its owner may have a write in flight) or *unknown* (nobody can say what became
of one). A lease that ran out never makes a record settled: an expired pending record is an abandoned one, and that means unknown.

The protocol is checked exhaustively by a model of its own; a change here is a change there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, NewType, assert_never

from ..errors import IllegalTransition

Version = NewType("Version", str)
"""What distinguishes two states of a resource: the opaque part of the tag that names it, as latin-1 text. Empty: not known."""

NOT_KNOWN = Version("")
ABSENT = ""
"""The stamp of what is not there."""

EPOCH_CHARS = 8
"""How much of a lineage names an epoch: enough that two data sets never share one by chance."""


class State(Enum):
    """What a record says of its resource."""

    OK = "ok"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Commit(NamedTuple):
    """The last write that was committed: enough to answer its owner, or a retry of it, once more."""

    owner: str
    fence: int
    replay_key: str
    result: str


NO_COMMIT = Commit("", 0, "", "")


class Record(NamedTuple):
    """What the store keeps for one resource key. Times are the store's own clock, in seconds.

    A NamedTuple and not a frozen dataclass: three are built for each write, and these cost a fifth.
    `owner` is empty when nobody holds the lease. `lease_end` is set by the store at each swap: the end of the lease, or the moment of
    the swap where none is asked for. `unknown_since` None on an unknown record means: since `lease_end`.
    """

    state: State
    lineage: str
    epoch: str
    revision: int = 0
    version: Version = NOT_KNOWN
    fence: int = 0
    owner: str = ""
    lease_end: float = 0.0
    unknown_since: float | None = None
    operation: str = ""
    last: Commit = NO_COMMIT


class Snapshot(NamedTuple):
    """What stood in the store at its time `now`. `lineage_age` is how long the store has had this lineage, in seconds."""

    record: Record | None
    stamp: str
    now: float
    lineage: str
    lineage_age: float


class Swapped(NamedTuple):
    """A swap was done, at the store's time `now`; `stamp` is what the record now answers to."""

    stamp: str
    now: float


# ---- events: what happens to a record ----------------------------------------------------------------------------------------------


class Kind(Enum):
    """The name of an event: a column of TRANSITIONS."""

    BEGIN = "begin"
    PROCEED = "confirm, then write"
    SETTLE = "confirm, then stop"
    COMMIT = "commit"
    ABORT = "abort"
    MARK = "mark"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Begin:
    """A writer asks for the lease. `replay_key` empty: its retry could not be recognised, so nothing is replayed to it."""

    owner: str
    operation: str
    lease_seconds: float
    grace_seconds: float
    replay_key: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The owner of an unknown record has waited and looked: `version` is what stands. `kind` says whether it goes on to write."""

    owner: str
    fence: int
    kind: Kind
    version: Version
    lease_seconds: float
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The owner is done: COMMIT (applied), ABORT (certainly not applied) or MARK (nobody can say).

    `version` NOT_KNOWN after a commit means that the new one could not be had; in an abort, that the remembered one stays.
    """

    owner: str
    fence: int
    kind: Kind
    version: Version = NOT_KNOWN
    replay_key: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Renew:
    """The owner needs the lease for longer."""

    owner: str
    fence: int
    lease_seconds: float


Event = Begin | Confirm | Finish | Renew


# ---- answers: what the one who brought the event is told ---------------------------------------------------------------------------


class Why(Enum):
    """Why a record is unknown."""

    UNKNOWN = "unknown outcome"
    ABANDONED = "abandoned lease"
    LINEAGE = "lost history"


@dataclass(frozen=True, slots=True)
class GraceRunning:
    """No write is granted for `seconds`: older leases of a lost history may still be in use."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Busy:
    """Another writer holds the lease, for `seconds` at most unless it renews."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """This very write has been committed before; `result` is what its client was to be told."""

    result: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease is the caller's and the record is pending: it may verify and send. `version` NOT_KNOWN: only a GET can tell."""

    fence: int
    version: Version


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The lease is the caller's, but nobody knows what stands: wait until the ambiguity is `apply delay` old, GET, then Confirm."""

    fence: int
    why: Why
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """The event took effect."""

    revision: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """The record is not the caller's any more: whatever the caller knows of it is out of date."""


Answer = GraceRunning | Busy | Replayed | Granted | TakenOver | Done | Fenced


class Step(NamedTuple):
    """What an event comes to. `record` None: there is nothing to swap, the answer stands as it is."""

    record: Record | None
    lease_seconds: float
    answer: Answer


# ---- the table ---------------------------------------------------------------------------------------------------------------------


class Phase(Enum):
    """How a record stands towards an event: a row of TRANSITIONS."""

    GRACE = "the store's history is too young"
    ABSENT = "no record"
    FOREIGN = "written under a lost history"
    SETTLED = "ok"
    REPEATED = "ok, and the last commit was this very write"
    HELD = "another's lease runs"
    ABANDONED = "pending, the lease ran out"
    DOUBTFUL = "unknown, nobody's"
    OWN_PENDING = "pending, the caller's"
    OWN_UNKNOWN = "unknown, the caller's"
    COMMITTED = "the caller's commit stands"
    LOST = "not the caller's"


class Says(Enum):
    """Which answer a row gives."""

    GRACE = "grace"
    BUSY = "busy"
    REPLAY = "replay"
    GRANTED = "granted"
    TAKEN_OVER = "unknown"
    DONE = "done"
    FENCED = "fenced"


class Row(NamedTuple):
    """`becomes` is the state that is written; None: nothing is."""

    becomes: State | None
    says: Says


TRANSITIONS: Mapping[tuple[Phase, Kind], Row] = {
    (Phase.GRACE, Kind.BEGIN): Row(None, Says.GRACE),
    (Phase.ABSENT, Kind.BEGIN): Row(State.PENDING, Says.GRANTED),
    (Phase.SETTLED, Kind.BEGIN): Row(State.PENDING, Says.GRANTED),
    (Phase.REPEATED, Kind.BEGIN): Row(None, Says.REPLAY),
    (Phase.HELD, Kind.BEGIN): Row(None, Says.BUSY),
    # A begin whose reply was lost comes again: the same grant.
    (Phase.OWN_PENDING, Kind.BEGIN): Row(None, Says.GRANTED),
    (Phase.OWN_UNKNOWN, Kind.BEGIN): Row(None, Says.TAKEN_OVER),
    # Expired is never free, unknown is never clean.
    (Phase.ABANDONED, Kind.BEGIN): Row(State.UNKNOWN, Says.TAKEN_OVER),
    (Phase.DOUBTFUL, Kind.BEGIN): Row(State.UNKNOWN, Says.TAKEN_OVER),
    (Phase.FOREIGN, Kind.BEGIN): Row(State.UNKNOWN, Says.TAKEN_OVER),
    (Phase.OWN_UNKNOWN, Kind.PROCEED): Row(State.PENDING, Says.DONE),
    (Phase.OWN_UNKNOWN, Kind.SETTLE): Row(State.OK, Says.DONE),
    (Phase.OWN_PENDING, Kind.COMMIT): Row(State.OK, Says.DONE),
    (Phase.COMMITTED, Kind.COMMIT): Row(None, Says.DONE),
    (Phase.OWN_PENDING, Kind.ABORT): Row(State.OK, Says.DONE),
    (Phase.OWN_PENDING, Kind.MARK): Row(State.UNKNOWN, Says.DONE),
    (Phase.OWN_UNKNOWN, Kind.MARK): Row(State.UNKNOWN, Says.DONE),
    (Phase.OWN_PENDING, Kind.RENEW): Row(State.PENDING, Says.DONE),
    (Phase.OWN_UNKNOWN, Kind.RENEW): Row(State.UNKNOWN, Says.DONE),
    (Phase.LOST, Kind.PROCEED): Row(None, Says.FENCED),
    (Phase.LOST, Kind.SETTLE): Row(None, Says.FENCED),
    (Phase.LOST, Kind.COMMIT): Row(None, Says.FENCED),
    (Phase.LOST, Kind.ABORT): Row(None, Says.FENCED),
    (Phase.LOST, Kind.MARK): Row(None, Says.FENCED),
    (Phase.LOST, Kind.RENEW): Row(None, Says.FENCED),
}

NEEDS_LEASE = frozenset({Kind.PROCEED, Kind.SETTLE, Kind.RENEW})
"""Events that a lapsed lease fences off even if nobody took it over. A commit, abort or mark only reports what has already happened."""


def step(snapshot: Snapshot, event: Event) -> Step:
    """Say what event makes of the record in snapshot. Raise IllegalTransition where TRANSITIONS has no row."""
    match event:
        case Begin():
            return _begin(snapshot, event)
        case Confirm():
            return _confirm(snapshot, event)
        case Finish():
            return _finish(snapshot, event)
        case Renew():
            row, record = _own(snapshot, event.owner, event.fence, Kind.RENEW)
            if row.becomes is None:
                return Step(None, 0.0, Fenced())
            return Step(record, event.lease_seconds, Done(record.revision, record.epoch))
        case _:  # pragma: no cover
            assert_never(event)


def phase_at_begin(snapshot: Snapshot, event: Begin) -> Phase:
    """Say how the record stands towards a writer that asks for the lease."""
    if snapshot.lineage_age < event.grace_seconds:
        return Phase.GRACE
    record = snapshot.record
    if record is None:
        return Phase.ABSENT
    if record.lineage != snapshot.lineage:
        return Phase.FOREIGN
    if record.owner == event.owner:
        return Phase.OWN_PENDING if record.state is State.PENDING else Phase.OWN_UNKNOWN
    if record.owner and record.lease_end > snapshot.now:
        return Phase.HELD
    if record.state is State.PENDING:
        return Phase.ABANDONED
    if record.state is State.UNKNOWN:
        return Phase.DOUBTFUL
    if event.replay_key and record.last.replay_key == event.replay_key:
        return Phase.REPEATED
    return Phase.SETTLED


def phase_of_own(snapshot: Snapshot, owner: str, fence: int, kind: Kind) -> Phase:
    """Say how the record stands towards the writer that was granted `fence`."""
    record = snapshot.record
    if record is None or record.lineage != snapshot.lineage:
        return Phase.LOST
    if kind is Kind.COMMIT and (record.last.owner, record.last.fence) == (owner, fence):
        return Phase.COMMITTED
    if record.owner != owner or record.fence != fence:
        return Phase.LOST
    if kind in NEEDS_LEASE and record.lease_end <= snapshot.now:
        return Phase.LOST
    return Phase.OWN_PENDING if record.state is State.PENDING else Phase.OWN_UNKNOWN


def _row(phase: Phase, kind: Kind) -> Row:
    row = TRANSITIONS.get((phase, kind))
    if row is None:
        raise IllegalTransition(f"{kind.name} where the record is: {phase.value}")
    return row


def _own(snapshot: Snapshot, owner: str, fence: int, kind: Kind) -> tuple[Row, Record]:
    """The row of an owner's event, and the record it is about (an empty one where there is none: then the row is FENCED)."""
    row = _row(phase_of_own(snapshot, owner, fence, kind), kind)
    return row, snapshot.record or Record(State.OK, snapshot.lineage, epoch_of(snapshot.lineage))


def epoch_of(lineage: str) -> str:
    """The part of a lineage that revision numbers are counted under, so that they never repeat after a loss."""
    return lineage[:EPOCH_CHARS]


def _begin(snapshot: Snapshot, event: Begin) -> Step:
    phase = phase_at_begin(snapshot, event)
    row = _row(phase, Kind.BEGIN)
    record = snapshot.record or Record(State.OK, snapshot.lineage, epoch_of(snapshot.lineage))
    fence = record.fence if row.becomes is None else record.fence + 1
    written = None
    lease_seconds = 0.0
    if row.becomes is not None:
        lease_seconds = event.lease_seconds
        written = record._replace(
            state=row.becomes,
            lineage=snapshot.lineage,
            fence=fence,
            owner=event.owner,
            operation=event.operation,
            unknown_since=_doubt_began(snapshot, phase) if row.becomes is State.UNKNOWN else None,
        )
    match row.says:
        case Says.GRACE:
            return Step(None, 0.0, GraceRunning(event.grace_seconds - snapshot.lineage_age))
        case Says.BUSY:
            return Step(None, 0.0, Busy(record.lease_end - snapshot.now))
        case Says.REPLAY:
            return Step(None, 0.0, Replayed(record.last.result))
        case Says.GRANTED:
            return Step(written, lease_seconds, Granted(fence, record.version))
        case _:
            age = snapshot.now - _doubt_began(snapshot, phase)
            return Step(written, lease_seconds, TakenOver(fence, _why(phase), age))


def _doubt_began(snapshot: Snapshot, phase: Phase) -> float:
    """When the ambiguity began, by the store's clock: quarantine counts from there.

    A grace that has run its course outlasts every write of a lost history, so a foreign record's doubt is as old as the new lineage.
    """
    record = snapshot.record
    if record is None or phase is Phase.FOREIGN:
        return snapshot.now - snapshot.lineage_age
    if phase is Phase.ABANDONED or record.unknown_since is None:
        return record.lease_end
    return record.unknown_since


def _why(phase: Phase) -> Why:
    if phase is Phase.FOREIGN:
        return Why.LINEAGE
    return Why.ABANDONED if phase is Phase.ABANDONED else Why.UNKNOWN


def _confirm(snapshot: Snapshot, event: Confirm) -> Step:
    row, record = _own(snapshot, event.owner, event.fence, event.kind)
    if row.becomes is None:
        return Step(None, 0.0, Fenced())
    epoch = epoch_of(snapshot.lineage)
    # The number is burned unless the very state that it named stands again: a label given out before must not become current for another.
    kept = event.version != NOT_KNOWN and event.version == record.version and record.epoch == epoch
    proceeds = row.becomes is State.PENDING
    confirmed = record._replace(
        state=row.becomes,
        epoch=epoch,
        revision=record.revision if kept else record.revision + 1,
        version=event.version,
        owner=event.owner if proceeds else "",
        operation=event.operation if proceeds else "",
        unknown_since=None,
    )
    return Step(confirmed, event.lease_seconds if proceeds else 0.0, Done(confirmed.revision, epoch))


def _finish(snapshot: Snapshot, event: Finish) -> Step:
    row, record = _own(snapshot, event.owner, event.fence, event.kind)
    if row.says is Says.FENCED:
        return Step(None, 0.0, Fenced())
    if row.becomes is None:
        return Step(None, 0.0, Done(record.revision, record.epoch))
    finished = record._replace(state=row.becomes, owner="", operation="", unknown_since=None)
    match event.kind:
        case Kind.COMMIT:
            finished = finished._replace(
                revision=record.revision + 1,
                version=event.version,
                last=Commit(event.owner, event.fence, event.replay_key, event.result),
            )
        case Kind.ABORT:
            finished = finished._replace(version=event.version or record.version)
        case _:  # MARK: what was in doubt before stays in doubt since then; the operation stays, to be reported.
            finished = finished._replace(operation=record.operation, unknown_since=record.unknown_since)
    return Step(finished, 0.0, Done(finished.revision, finished.epoch))
