"""The write protocol: what an event makes of a record.

Two rules of this file. Everything that decides about a record stands here, in TRANSITIONS and the few functions under it (what becomes of
its label: in `label.py`); a store only compares a stamp and swaps. And nothing here acts: `step` says what to write and what it means, the
gateway does it.

The protocol is checked exhaustively by a model of its own; a change here is a change there.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from ..errors import IllegalTransition
from .event import (
    Answer,
    Begin,
    Busy,
    Confirm,
    Done,
    Event,
    Fenced,
    Finish,
    GraceRunning,
    Granted,
    InFlight,
    Kind,
    Notice,
    Renew,
    Replayed,
    Reused,
    TakenOver,
    Why,
    is_own,
    is_same_request,
)
from .label import is_changed_from_outside, is_settled, label_after_doubt
from .record import NOT_KNOWN, Commit, Record, Snapshot, State, epoch_of


class Step(NamedTuple):
    """What an event comes to. `record` None: there is nothing to swap, the answer stands as it is."""

    record: Record | None
    lease_seconds: float
    answer: Answer


class Phase(Enum):
    """How a record stands towards an event: a row of TRANSITIONS."""

    GRACE = "the store's history is too young"
    ABSENT = "no record"
    FOREIGN = "written under a lost history"
    SETTLED = "ok"
    REPEATED = "ok, and the last commit was this very write"
    REUSED = "ok, and the last commit was another write under this key"
    HELD = "another's lease runs"
    IN_FLIGHT = "another's lease runs, for this very write"
    ABANDONED = "pending, the lease ran out"
    DOUBTFUL = "unknown, nobody's"
    OWN_PENDING = "pending, the caller's"
    OWN_UNKNOWN = "unknown, the caller's"
    COMMITTED = "the caller's commit stands"
    LOST = "not the caller's"

    # Members are singletons: hashing them by identity is right, and ten times as fast as by name.
    __hash__ = object.__hash__


class Says(Enum):
    """Which answer a row gives."""

    GRACE = "grace"
    BUSY = "busy"
    REPLAY = "replay"
    IN_FLIGHT = "in flight"
    REUSED = "reused"
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
    (Phase.REUSED, Kind.BEGIN): Row(None, Says.REUSED),
    (Phase.HELD, Kind.BEGIN): Row(None, Says.BUSY),
    (Phase.IN_FLIGHT, Kind.BEGIN): Row(None, Says.IN_FLIGHT),
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
    # Without a lease: the swap is lost where any has been granted since the reader asked.
    (Phase.SETTLED, Kind.NOTICE): Row(State.OK, Says.DONE),
    (Phase.LOST, Kind.PROCEED): Row(None, Says.FENCED),
    (Phase.LOST, Kind.SETTLE): Row(None, Says.FENCED),
    (Phase.LOST, Kind.COMMIT): Row(None, Says.FENCED),
    (Phase.LOST, Kind.ABORT): Row(None, Says.FENCED),
    (Phase.LOST, Kind.MARK): Row(None, Says.FENCED),
    (Phase.LOST, Kind.RENEW): Row(None, Says.FENCED),
    (Phase.LOST, Kind.NOTICE): Row(None, Says.FENCED),
}

CONFIRMS = frozenset({Kind.PROCEED, Kind.SETTLE})
FINISHES = frozenset({Kind.COMMIT, Kind.ABORT, Kind.MARK})
NEEDS_LEASE = frozenset({Kind.PROCEED, Kind.SETTLE, Kind.RENEW})
"""Events that a lapsed lease fences off even if nobody took it over. A commit, abort or mark only reports what has already happened."""


def step(snapshot: Snapshot, event: Event) -> Step:
    """Say what event makes of the record in snapshot. Raise IllegalTransition where TRANSITIONS has no row."""
    match event:
        case Begin():
            return _begin(snapshot, event)
        case Confirm() if event.kind in CONFIRMS:
            return _confirm(snapshot, event)
        case Finish() if event.kind in FINISHES:
            return _finish(snapshot, event)
        case Renew():
            row, record = _own(snapshot, event.owner, event.fence, Kind.RENEW)
            if row.becomes is None:
                return Step(None, 0.0, Fenced())
            return Step(record, event.lease_seconds, Done(record.revision, record.epoch))
        case Notice():
            return _notice(snapshot, event)
        case _:
            raise IllegalTransition(f"{event.kind.name} cannot be the kind of a {type(event).__name__}")


def phase_at_begin(snapshot: Snapshot, event: Begin) -> Phase:
    """Say how the record stands towards a writer that asks for the lease."""
    if snapshot.lineage_age < event.grace_seconds:
        return Phase.GRACE
    record = snapshot.record
    if record is None:
        return Phase.ABSENT
    if record.lineage != snapshot.lineage:
        return Phase.FOREIGN
    if record.owner and record.lease_end > snapshot.now:
        if record.owner != event.owner:
            # A client with no key of its own has never heard of "in flight": it waits, and is told what became of the first.
            waits = is_own(event.replay_key) or not is_same_request(event.replay_key, record.replay_key)
            return Phase.HELD if waits else Phase.IN_FLIGHT
        return Phase.OWN_PENDING if record.state is State.PENDING else Phase.OWN_UNKNOWN
    if record.state is State.PENDING:
        return Phase.ABANDONED
    if record.state is State.UNKNOWN:
        return Phase.DOUBTFUL
    if is_same_request(event.replay_key, record.last.replay_key) and snapshot.now - record.lease_end <= event.replay_seconds:
        return Phase.REPEATED if event.replay_key == record.last.replay_key else Phase.REUSED
    return Phase.SETTLED


def phase_of_own(snapshot: Snapshot, owner: str, fence: int, kind: Kind) -> Phase:
    """Say how the record stands towards the writer that was granted `fence`."""
    record = snapshot.record
    if record is None or record.lineage != snapshot.lineage:
        return Phase.LOST
    if record.fence != fence:
        return Phase.LOST
    if kind is Kind.COMMIT and record.last.owner == owner and record.last.fence == fence:
        return Phase.COMMITTED
    if record.owner != owner:
        return Phase.LOST
    if kind in NEEDS_LEASE and record.lease_end <= snapshot.now:
        return Phase.LOST
    return Phase.OWN_PENDING if record.state is State.PENDING else Phase.OWN_UNKNOWN


def phase_at_notice(snapshot: Snapshot, event: Notice) -> Phase:
    """Say how the record stands towards a reader that has seen event's version: LOST, unless that is a change from outside."""
    record = snapshot.record
    stands = record is not None and is_settled(snapshot) and is_changed_from_outside(record, event.version)
    return Phase.SETTLED if stands else Phase.LOST


def _row(phase: Phase, kind: Kind) -> Row:
    row = TRANSITIONS.get((phase, kind))
    if row is None:
        raise IllegalTransition(f"{kind.name} where the record is: {phase.value}")
    return row


def _own(snapshot: Snapshot, owner: str, fence: int, kind: Kind) -> tuple[Row, Record]:
    """The row of an owner's event, and the record it is about (an empty one where there is none: then the row is FENCED)."""
    row = _row(phase_of_own(snapshot, owner, fence, kind), kind)
    return row, snapshot.record or _fresh(snapshot)


def _fresh(snapshot: Snapshot) -> Record:
    return Record(State.OK, snapshot.lineage, epoch_of(snapshot.lineage), snapshot.floor)


def _begin(snapshot: Snapshot, event: Begin) -> Step:
    phase = phase_at_begin(snapshot, event)
    row = _row(phase, Kind.BEGIN)
    record = snapshot.record or _fresh(snapshot)
    if row.becomes is None:
        return Step(None, 0.0, _answer_to_begin(snapshot, event, phase, row, record))
    written = Record(
        state=row.becomes,
        lineage=snapshot.lineage,
        epoch=record.epoch,
        revision=record.revision,
        version=record.version,
        fence=record.fence + 1,
        owner=event.owner,
        lease_end=record.lease_end,
        unknown_since=doubt_began(snapshot, phase) if row.becomes is State.UNKNOWN else None,
        operation=event.operation,
        last=record.last,
        replay_key=event.replay_key,
        is_lasting=record.is_lasting or event.counts,
    )
    return Step(written, event.lease_seconds, _answer_to_begin(snapshot, event, phase, row, written))


def _answer_to_begin(snapshot: Snapshot, event: Begin, phase: Phase, row: Row, record: Record) -> Answer:
    """What a row of BEGIN says. `record` is the one that stands, or the one that is about to."""
    match row.says:
        case Says.GRANTED:
            return Granted(record.fence, record.version)
        case Says.BUSY:
            return Busy(record.lease_end - snapshot.now)
        case Says.GRACE:
            return GraceRunning(event.grace_seconds - snapshot.lineage_age)
        case Says.REPLAY:
            return Replayed(record.last.result)
        case Says.IN_FLIGHT:
            return InFlight(record.lease_end - snapshot.now)
        case Says.REUSED:
            return Reused()
        case _:
            return TakenOver(record.fence, _why(snapshot, event, phase), snapshot.now - doubt_began(snapshot, phase))


def doubt_began(snapshot: Snapshot, phase: Phase) -> float:
    """When the ambiguity began, by the store's clock: quarantine counts from there.

    A grace that has run its course outlasts every write of a lost history, so a foreign record's doubt is as old as the new lineage.
    """
    record = snapshot.record
    if record is None or phase is Phase.FOREIGN:
        return snapshot.now - snapshot.lineage_age
    if phase is Phase.ABANDONED or record.unknown_since is None:
        return record.lease_end
    return record.unknown_since


def _why(snapshot: Snapshot, event: Begin, phase: Phase) -> Why:
    if phase is Phase.FOREIGN:
        return Why.LINEAGE
    in_doubt = snapshot.record
    # Of OWN_UNKNOWN the key is that of this BEGIN itself.
    if in_doubt is not None and phase is not Phase.OWN_UNKNOWN and is_same_request(event.replay_key, in_doubt.replay_key):
        return Why.RETRIED
    return Why.ABANDONED if phase is Phase.ABANDONED else Why.UNKNOWN


def _confirm(snapshot: Snapshot, event: Confirm) -> Step:
    row, record = _own(snapshot, event.owner, event.fence, event.kind)
    if row.becomes is None:
        return Step(None, 0.0, Fenced())
    epoch, revision = label_after_doubt(snapshot, record, event.version)
    proceeds = row.becomes is State.PENDING
    confirmed = record._replace(
        state=row.becomes,
        epoch=epoch,
        revision=revision,
        version=event.version,
        owner=event.owner if proceeds else "",
        operation=event.operation if proceeds else "",
        replay_key=record.replay_key if proceeds else "",
        unknown_since=None,
    )
    return Step(confirmed, event.lease_seconds if proceeds else 0.0, Done(confirmed.revision, epoch))


def _finish(snapshot: Snapshot, event: Finish) -> Step:
    row, record = _own(snapshot, event.owner, event.fence, event.kind)
    if row.says is Says.FENCED:
        return Step(None, 0.0, Fenced())
    if row.becomes is None:
        return Step(None, 0.0, Done(record.revision, record.epoch))
    is_commit, is_mark = event.kind is Kind.COMMIT, event.kind is Kind.MARK
    seen = NOT_KNOWN if is_mark else event.version
    # An abort may have seen that someone went round us.
    burns = is_commit or is_changed_from_outside(record, seen)
    finished = Record(
        state=row.becomes,
        lineage=record.lineage,
        epoch=record.epoch,
        revision=record.revision + 1 if burns else record.revision,
        version=seen if is_commit else seen or record.version,
        fence=record.fence,
        owner="",
        lease_end=record.lease_end,
        # What was in doubt before stays in doubt since then; the operation stays, to be reported.
        unknown_since=record.unknown_since if is_mark else None,
        operation=record.operation if is_mark else "",
        last=Commit(event.owner, event.fence, event.replay_key, event.result) if is_commit else record.last,
        replay_key=record.replay_key if is_mark else "",
        is_lasting=record.is_lasting,
    )
    return Step(finished, 0.0, Done(finished.revision, finished.epoch))


def _notice(snapshot: Snapshot, event: Notice) -> Step:
    row, record = _row(phase_at_notice(snapshot, event), Kind.NOTICE), snapshot.record
    if record is None or row.becomes is None:
        return Step(None, 0.0, Fenced())
    noticed = record._replace(state=row.becomes, revision=record.revision + 1, version=event.version)
    return Step(noticed, 0.0, Done(noticed.revision, noticed.epoch))
