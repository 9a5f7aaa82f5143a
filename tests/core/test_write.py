"""The write protocol as a table: every cell of (phase, event), what it writes to the last field, and what it answers.

What several writers make of it together is in test_write_machine.py.
"""

from collections.abc import Mapping
from itertools import product
from typing import Final, NamedTuple

import pytest

from proxy.core import write
from proxy.core.event import (
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
)
from proxy.core.record import EPOCH_CHARS, NO_COMMIT, NOT_KNOWN, Commit, Record, Snapshot, State, Version, epoch_of
from proxy.core.write import TRANSITIONS, Phase, Step, phase_at_begin, phase_at_notice, phase_of_own, step
from proxy.errors import IllegalTransition

LINEAGE: Final = "0123456789abcdef"
EPOCH: Final = "01234567"
LOST_LINEAGE: Final = "fedcba9876543210"
LOST_EPOCH: Final = "fedcba98"
NOW: Final = 1000.0
LINEAGE_AGE: Final = 400.0
GRACE_SECONDS: Final = 17.0
V7: Final = Version("v7")
V8: Final = Version("v8")
LAST: Final = Commit("earlier", 3, "key-7", "result-7")

SETTLED: Final = Record(State.OK, LINEAGE, EPOCH, 7, V7, 3, "", 900.0, None, "", LAST)
MINE: Final = Record(State.PENDING, LINEAGE, EPOCH, 7, V7, 4, "me", 1003.0, None, "PUT 1", LAST)
MY_DOUBT: Final = Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 4, "me", 1003.0, 990.0, "PUT 1", LAST)
MY_COMMIT: Final = Record(State.OK, LINEAGE, EPOCH, 8, V8, 4, "", 999.0, None, "", Commit("me", 4, "key-8", "result-8"))
THEIRS: Final = MINE._replace(owner="them", operation="PUT 2")
ABANDONED: Final = THEIRS._replace(lease_end=995.0)
DOUBTFUL: Final = Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 4, "", 996.0, 990.0, "PUT 2", LAST)
FOREIGN: Final = SETTLED._replace(lineage=LOST_LINEAGE, epoch=LOST_EPOCH)

BEGIN: Final = Begin("me", "PUT 1", 5.0, GRACE_SECONDS)
PROCEED: Final = Confirm("me", 4, Kind.PROCEED, V8, 5.0, "PUT 1")
SETTLE: Final = Confirm("me", 4, Kind.SETTLE, V8, 5.0)
COMMIT: Final = Finish("me", 4, Kind.COMMIT, V8, "key-8", "result-8")
ABORT: Final = Finish("me", 4, Kind.ABORT)
MARK: Final = Finish("me", 4, Kind.MARK)
RENEW: Final = Renew("me", 4, 5.0)
OWNERS_EVENTS: Final[Mapping[Kind, Event]] = {
    Kind.PROCEED: PROCEED,
    Kind.SETTLE: SETTLE,
    Kind.COMMIT: COMMIT,
    Kind.ABORT: ABORT,
    Kind.MARK: MARK,
    Kind.RENEW: RENEW,
}
NOTICE: Final = Notice(V8)
EVENTS: Final[Mapping[Kind, Event]] = {Kind.BEGIN: BEGIN, **OWNERS_EVENTS, Kind.NOTICE: NOTICE}


def at(record: Record | None, now: float = NOW, lineage_age: float = LINEAGE_AGE) -> Snapshot:
    return Snapshot(record, "" if record is None else "stamp", now, LINEAGE, lineage_age)


class Cell(NamedTuple):
    """A row of TRANSITIONS at work."""

    snapshot: Snapshot
    event: Event
    step: Step


FENCED: Final = Step(None, 0.0, Fenced())

CELLS: dict[tuple[Phase, Kind], Cell] = {
    (Phase.GRACE, Kind.BEGIN): Cell(at(SETTLED, lineage_age=10.0), BEGIN, Step(None, 0.0, GraceRunning(7.0))),
    (Phase.ABSENT, Kind.BEGIN): Cell(
        at(None),
        BEGIN,
        Step(Record(State.PENDING, LINEAGE, EPOCH, 0, NOT_KNOWN, 1, "me", 0.0, None, "PUT 1", NO_COMMIT), 5.0, Granted(1, NOT_KNOWN)),
    ),
    (Phase.SETTLED, Kind.BEGIN): Cell(
        at(SETTLED),
        BEGIN,
        Step(Record(State.PENDING, LINEAGE, EPOCH, 7, V7, 4, "me", 900.0, None, "PUT 1", LAST), 5.0, Granted(4, V7)),
    ),
    (Phase.REPEATED, Kind.BEGIN): Cell(
        at(SETTLED), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7"), Step(None, 0.0, Replayed("result-7"))
    ),
    (Phase.REUSED, Kind.BEGIN): Cell(
        at(SETTLED._replace(last=LAST._replace(replay_key="key-7:body"))),
        Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7:another"),
        Step(None, 0.0, Reused()),
    ),
    (Phase.IN_FLIGHT, Kind.BEGIN): Cell(
        at(THEIRS._replace(replay_key="key-8:body")),
        Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-8:body"),
        Step(None, 0.0, InFlight(3.0)),
    ),
    (Phase.HELD, Kind.BEGIN): Cell(at(THEIRS), BEGIN, Step(None, 0.0, Busy(3.0))),
    (Phase.OWN_PENDING, Kind.BEGIN): Cell(at(MINE), BEGIN, Step(None, 0.0, Granted(4, V7))),
    (Phase.OWN_UNKNOWN, Kind.BEGIN): Cell(at(MY_DOUBT), BEGIN, Step(None, 0.0, TakenOver(4, Why.UNKNOWN, 10.0))),
    (Phase.ABANDONED, Kind.BEGIN): Cell(
        at(ABANDONED),
        BEGIN,
        Step(Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 5, "me", 995.0, 995.0, "PUT 1", LAST), 5.0, TakenOver(5, Why.ABANDONED, 5.0)),
    ),
    (Phase.DOUBTFUL, Kind.BEGIN): Cell(
        at(DOUBTFUL),
        BEGIN,
        Step(Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 5, "me", 996.0, 990.0, "PUT 1", LAST), 5.0, TakenOver(5, Why.UNKNOWN, 10.0)),
    ),
    (Phase.FOREIGN, Kind.BEGIN): Cell(
        at(FOREIGN),
        BEGIN,
        Step(
            Record(State.UNKNOWN, LINEAGE, LOST_EPOCH, 7, V7, 4, "me", 900.0, 600.0, "PUT 1", LAST), 5.0, TakenOver(4, Why.LINEAGE, 400.0)
        ),
    ),
    (Phase.OWN_UNKNOWN, Kind.PROCEED): Cell(
        at(MY_DOUBT),
        PROCEED,
        Step(Record(State.PENDING, LINEAGE, EPOCH, 8, V8, 4, "me", 1003.0, None, "PUT 1", LAST), 5.0, Done(8, EPOCH)),
    ),
    (Phase.OWN_UNKNOWN, Kind.SETTLE): Cell(
        at(MY_DOUBT), SETTLE, Step(Record(State.OK, LINEAGE, EPOCH, 8, V8, 4, "", 1003.0, None, "", LAST), 0.0, Done(8, EPOCH))
    ),
    (Phase.OWN_PENDING, Kind.COMMIT): Cell(
        at(MINE),
        COMMIT,
        Step(Record(State.OK, LINEAGE, EPOCH, 8, V8, 4, "", 1003.0, None, "", Commit("me", 4, "key-8", "result-8")), 0.0, Done(8, EPOCH)),
    ),
    (Phase.COMMITTED, Kind.COMMIT): Cell(at(MY_COMMIT), COMMIT, Step(None, 0.0, Done(8, EPOCH))),
    (Phase.OWN_PENDING, Kind.ABORT): Cell(
        at(MINE), ABORT, Step(Record(State.OK, LINEAGE, EPOCH, 7, V7, 4, "", 1003.0, None, "", LAST), 0.0, Done(7, EPOCH))
    ),
    (Phase.OWN_PENDING, Kind.MARK): Cell(
        at(MINE), MARK, Step(Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 4, "", 1003.0, None, "PUT 1", LAST), 0.0, Done(7, EPOCH))
    ),
    (Phase.OWN_UNKNOWN, Kind.MARK): Cell(
        at(MY_DOUBT), MARK, Step(Record(State.UNKNOWN, LINEAGE, EPOCH, 7, V7, 4, "", 1003.0, 990.0, "PUT 1", LAST), 0.0, Done(7, EPOCH))
    ),
    (Phase.OWN_PENDING, Kind.RENEW): Cell(at(MINE), RENEW, Step(MINE, 5.0, Done(7, EPOCH))),
    (Phase.OWN_UNKNOWN, Kind.RENEW): Cell(at(MY_DOUBT), RENEW, Step(MY_DOUBT, 5.0, Done(7, EPOCH))),
    (Phase.SETTLED, Kind.NOTICE): Cell(at(SETTLED), NOTICE, Step(SETTLED._replace(revision=8, version=V8), 0.0, Done(8, EPOCH))),
    (Phase.LOST, Kind.NOTICE): Cell(at(THEIRS), NOTICE, FENCED),
    **{(Phase.LOST, kind): Cell(at(THEIRS), event, FENCED) for kind, event in OWNERS_EVENTS.items()},
}

ILLEGAL = [cell for cell in product(Phase, Kind) if cell not in TRANSITIONS]


def _name(cell: tuple[Phase, Kind]) -> str:
    return f"{cell[0].name} x {cell[1].name}"


def _phase(snapshot: Snapshot, event: Event) -> Phase:
    if isinstance(event, Begin):
        return phase_at_begin(snapshot, event)
    if isinstance(event, Notice):
        return phase_at_notice(snapshot, event)
    return phase_of_own(snapshot, event.owner, event.fence, Kind.RENEW if isinstance(event, Renew) else event.kind)


def test_every_row_has_its_cell() -> None:
    assert set(CELLS) == set(TRANSITIONS)
    assert len(CELLS) + len(ILLEGAL) == len(Phase) * len(Kind)


@pytest.mark.parametrize("cell", CELLS, ids=_name)
def test_a_legal_cell(cell: tuple[Phase, Kind]) -> None:
    snapshot, event, expected = CELLS[cell]
    assert _phase(snapshot, event) is cell[0]
    assert step(snapshot, event) == expected
    assert expected.record is None or expected.record.state is TRANSITIONS[cell].becomes


@pytest.mark.parametrize("cell", ILLEGAL, ids=_name)
def test_an_illegal_cell_raises_and_changes_nothing(cell: tuple[Phase, Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of these phases are never found for these events: here they are, to see that the table and nothing else decides."""
    phase, kind = cell
    monkeypatch.setattr(write, "phase_at_begin", lambda *_: phase)
    monkeypatch.setattr(write, "phase_of_own", lambda *_: phase)
    monkeypatch.setattr(write, "phase_at_notice", lambda *_: phase)
    record = MINE._replace()
    snapshot = at(record)
    with pytest.raises(IllegalTransition, match=kind.name):
        step(snapshot, EVENTS[kind])
    assert snapshot == at(MINE)
    assert record == MINE


@pytest.mark.parametrize("kind", [Kind.PROCEED, Kind.SETTLE])
def test_nothing_is_confirmed_that_is_not_in_doubt(kind: Kind) -> None:
    with pytest.raises(IllegalTransition):
        step(at(MINE), OWNERS_EVENTS[kind])


@pytest.mark.parametrize("kind", [Kind.COMMIT, Kind.ABORT])
def test_nothing_is_settled_that_is_in_doubt(kind: Kind) -> None:
    """Unknown is never clean: only a look at what stands ends a doubt."""
    with pytest.raises(IllegalTransition):
        step(at(MY_DOUBT), OWNERS_EVENTS[kind])


# ---- who the caller is -------------------------------------------------------------------------------------------------------------

LOST: dict[str, Record | None] = {
    "no record": None,
    "another owner": THEIRS,
    "nobody's": SETTLED,
    "an older grant of the same owner": MINE._replace(fence=5),
    "another history": MINE._replace(lineage=LOST_LINEAGE),
    "another history, own commit": MY_COMMIT._replace(lineage=LOST_LINEAGE),
}


@pytest.mark.parametrize("kind", OWNERS_EVENTS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("record", LOST.values(), ids=LOST)
def test_who_does_not_hold_the_lease_is_fenced_off(record: Record | None, kind: Kind) -> None:
    assert step(at(record), OWNERS_EVENTS[kind]) == FENCED


@pytest.mark.parametrize("now", [1003.0, 1004.0], ids=["at its end", "after it"])
@pytest.mark.parametrize(
    ("record", "kind"), [(MINE, Kind.RENEW), (MY_DOUBT, Kind.RENEW), (MY_DOUBT, Kind.PROCEED), (MY_DOUBT, Kind.SETTLE)]
)
def test_a_lapsed_lease_is_not_continued(record: Record, kind: Kind, now: float) -> None:
    assert step(at(record, now), OWNERS_EVENTS[kind]) == FENCED
    assert step(at(record, 1002.9), OWNERS_EVENTS[kind]) != FENCED


@pytest.mark.parametrize(("record", "kind"), [(MINE, Kind.COMMIT), (MINE, Kind.ABORT), (MINE, Kind.MARK), (MY_DOUBT, Kind.MARK)])
def test_a_lapsed_lease_that_nobody_took_may_still_be_reported_on(record: Record, kind: Kind) -> None:
    assert step(at(record, 2000.0), OWNERS_EVENTS[kind]) == step(at(record), OWNERS_EVENTS[kind])


@pytest.mark.parametrize("record", [MINE, MY_DOUBT], ids=["pending", "unknown"])
def test_a_begin_that_came_through_is_granted_once(record: Record) -> None:
    """A begin whose reply was lost comes again: the same fence, and nothing written."""
    again = step(at(record), BEGIN)
    assert again.record is None
    assert isinstance(again.answer, Granted | TakenOver)
    assert again.answer.fence == record.fence


def test_a_commit_comes_twice() -> None:
    committed, _, answer = step(at(MINE), COMMIT)
    assert committed is not None
    assert step(at(committed), COMMIT) == Step(None, 0.0, answer)
    assert step(at(committed), Finish("me", 5, Kind.COMMIT, V8)) == FENCED
    assert step(at(committed), Finish("them", 4, Kind.COMMIT, V8)) == FENCED


@pytest.mark.parametrize("kind", [Kind.ABORT, Kind.MARK, Kind.SETTLE], ids=lambda kind: kind.name)
def test_what_let_the_lease_go_is_fenced_off_the_second_time(kind: Kind) -> None:
    done, _, _ = step(at(MY_DOUBT if kind is Kind.SETTLE else MINE), OWNERS_EVENTS[kind])
    assert done is not None
    assert done.owner == ""
    assert step(at(done), OWNERS_EVENTS[kind]) == FENCED


# ---- phases at begin ---------------------------------------------------------------------------------------------------------------

PHASES: list[tuple[str, Snapshot, Begin, Phase]] = [
    ("grace ends on the second", at(SETTLED, lineage_age=GRACE_SECONDS), BEGIN, Phase.SETTLED),
    ("grace before anything else", at(MINE, lineage_age=16.9), BEGIN, Phase.GRACE),
    ("grace without a record", at(None, lineage_age=16.9), BEGIN, Phase.GRACE),
    ("no grace asked for", at(None, lineage_age=0.0), Begin("me", "PUT 1", 5.0, 0.0), Phase.ABSENT),
    ("a lease's last moment", at(THEIRS, 1002.9), BEGIN, Phase.HELD),
    ("a lease's end", at(THEIRS, 1003.0), BEGIN, Phase.ABANDONED),
    ("a doubt that is looked into", at(MY_DOUBT._replace(owner="them")), BEGIN, Phase.HELD),
    ("a doubt that was looked into", at(MY_DOUBT._replace(owner="them"), 1003.0), BEGIN, Phase.DOUBTFUL),
    ("a doubt that nobody looked into", at(DOUBTFUL), BEGIN, Phase.DOUBTFUL),
    ("one's own of a lost history", at(MINE._replace(lineage=LOST_LINEAGE)), BEGIN, Phase.FOREIGN),
    ("settled in the future", at(SETTLED._replace(lease_end=2000.0)), BEGIN, Phase.SETTLED),
    ("another replay key", at(SETTLED), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-8"), Phase.SETTLED),
    ("no replay key at all", at(SETTLED._replace(last=NO_COMMIT)), BEGIN, Phase.SETTLED),
    ("replay, but in doubt", at(DOUBTFUL), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7"), Phase.DOUBTFUL),
    ("replay, but abandoned", at(ABANDONED), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7"), Phase.ABANDONED),
    ("replay, but held", at(THEIRS), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7"), Phase.HELD),
    ("in flight, with another payload", at(THEIRS._replace(replay_key="k:a")), Begin("me", "", 5.0, GRACE_SECONDS, "k:b"), Phase.IN_FLIGHT),
    ("in flight under another key", at(THEIRS._replace(replay_key="k:a")), Begin("me", "", 5.0, GRACE_SECONDS, "l:a"), Phase.HELD),
    ("in flight without a key", at(THEIRS), BEGIN, Phase.HELD),
    ("in flight no more", at(ABANDONED._replace(replay_key="k:a")), Begin("me", "", 5.0, GRACE_SECONDS, "k:a"), Phase.ABANDONED),
    ("an empty identity", at(SETTLED._replace(last=NO_COMMIT)), Begin("me", "", 5.0, GRACE_SECONDS, ":b"), Phase.SETTLED),
    ("replay, but of a lost history", at(FOREIGN), Begin("me", "PUT 1", 5.0, GRACE_SECONDS, "key-7"), Phase.FOREIGN),
]


@pytest.mark.parametrize(("snapshot", "event", "phase"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES])
def test_how_a_record_stands_towards_a_begin(snapshot: Snapshot, event: Begin, phase: Phase) -> None:
    assert phase_at_begin(snapshot, event) is phase


def test_only_a_settled_record_replays() -> None:
    committed, _, _ = step(at(MINE), COMMIT)
    retry = Begin("me again", "PUT 1", 5.0, GRACE_SECONDS, "key-8")
    assert step(at(committed), retry) == Step(None, 0.0, Replayed("result-8"))
    aborted, _, _ = step(at(MINE), ABORT)
    assert isinstance(step(at(aborted), retry).answer, Granted)


# ---- revisions ---------------------------------------------------------------------------------------------------------------------

BURNS = {
    "the remembered state stands": (MY_DOUBT, V7, 0, 7),
    "another state stands": (MY_DOUBT, V8, 0, 8),
    "what stands is not known": (MY_DOUBT, NOT_KNOWN, 0, 8),
    "nothing was remembered": (MY_DOUBT._replace(version=NOT_KNOWN), V7, 0, 8),
    "nothing was remembered, nothing is known": (MY_DOUBT._replace(version=NOT_KNOWN), NOT_KNOWN, 0, 8),
    "the remembered state, of another epoch, nothing lost": (MY_DOUBT._replace(epoch=LOST_EPOCH), V7, 0, 7),
    "another state, of another epoch, nothing lost": (MY_DOUBT._replace(epoch=LOST_EPOCH), V8, 0, 8),
    "the remembered state, of another epoch, below the floor": (MY_DOUBT._replace(epoch=LOST_EPOCH), V7, 50, 50),
    "the remembered state, of another epoch, above the floor": (MY_DOUBT._replace(epoch=LOST_EPOCH), V7, 5, 8),
}


@pytest.mark.parametrize("event", [PROCEED, SETTLE], ids=["proceed", "settle"])
@pytest.mark.parametrize(("record", "version", "floor", "revision"), BURNS.values(), ids=BURNS)
def test_a_doubt_burns_the_number_unless_the_same_state_stands(
    record: Record, version: Version, floor: int, revision: int, event: Confirm
) -> None:
    confirmed, _, answer = step(at(record)._replace(floor=floor), Confirm("me", 4, event.kind, version, 5.0))
    assert confirmed is not None
    assert (confirmed.revision, confirmed.version, confirmed.epoch) == (revision, version, EPOCH)
    assert answer == Done(revision, EPOCH)


def test_a_commit_always_counts() -> None:
    committed, _, answer = step(at(MINE), Finish("me", 4, Kind.COMMIT, V7))
    assert committed is not None
    assert (committed.revision, committed.version, answer) == (8, V7, Done(8, EPOCH))
    unread, _, _ = step(at(MINE), Finish("me", 4, Kind.COMMIT))
    assert unread is not None
    assert (unread.revision, unread.version) == (8, NOT_KNOWN)


def test_an_abort_learns_what_was_not_known() -> None:
    learned, _, _ = step(at(MINE._replace(version=NOT_KNOWN)), Finish("me", 4, Kind.ABORT, V8))
    kept, _, _ = step(at(MINE), ABORT)
    assert learned is not None
    assert kept is not None
    assert (learned.version, kept.version, kept.revision) == (V8, V7, 7)


def test_an_epoch_is_the_head_of_a_lineage() -> None:
    assert epoch_of(LINEAGE) == EPOCH
    assert len(EPOCH) == EPOCH_CHARS
    assert epoch_of("short") == "short"


# ---- quarantine --------------------------------------------------------------------------------------------------------------------

# What is written as `unknown_since`, and the age that is answered, by how the doubt came about.
AGES = {
    "abandoned: since the lease's end": (ABANDONED, NOW, 995.0, 5.0),
    "abandoned this moment": (ABANDONED, 995.0, 995.0, 0.0),
    "marked: since the mark, which is where the lease ended": (DOUBTFUL._replace(unknown_since=None), NOW, 996.0, 4.0),
    "marked by one who had taken over: since the first doubt": (DOUBTFUL, NOW, 990.0, 10.0),
    "taken over and left again: since the first doubt": (DOUBTFUL._replace(owner="them", lease_end=999.0), NOW, 990.0, 10.0),
    "lost history: since the new one began": (FOREIGN, NOW, 600.0, 400.0),
    "lost history, pending then": (ABANDONED._replace(lineage=LOST_LINEAGE), NOW, 600.0, 400.0),
    "lost history, in doubt long before": (DOUBTFUL._replace(lineage=LOST_LINEAGE, unknown_since=10.0), NOW, 600.0, 400.0),
}


@pytest.mark.parametrize(("record", "now", "since", "age"), AGES.values(), ids=AGES)
def test_how_old_a_doubt_is(record: Record, now: float, since: float, age: float) -> None:
    taken, lease_seconds, answer = step(at(record, now), BEGIN)
    assert taken is not None
    assert (taken.unknown_since, lease_seconds) == (since, 5.0)
    assert isinstance(answer, TakenOver)
    assert answer.age_seconds == age
    # Asking again, renewing or giving up does not make it younger.
    held = taken._replace(lease_end=now + 5.0)
    again = step(at(held, now + 1), BEGIN).answer
    renewed, _, _ = step(at(held, now + 1), Renew("me", answer.fence, 5.0))
    given_up, _, _ = step(at(held, now + 1), Finish("me", answer.fence, Kind.MARK))
    assert isinstance(again, TakenOver)
    assert again.age_seconds == age + 1
    assert renewed is not None
    assert given_up is not None
    assert renewed.unknown_since == given_up.unknown_since == since


def test_a_doubt_is_over_once_it_is_confirmed() -> None:
    proceeding, _, _ = step(at(MY_DOUBT), PROCEED)
    assert proceeding is not None
    assert proceeding.unknown_since is None
    marked, _, _ = step(at(proceeding), MARK)
    assert marked is not None
    assert (marked.state, marked.unknown_since) == (State.UNKNOWN, None)


# ---- what a defect once allowed --------------------------------------------------------------------------------------------------------


def test_an_expired_grant_is_not_granted_again() -> None:
    assert not isinstance(step(at(MINE, 1003.0), BEGIN).answer, Granted)


def test_a_repeated_commit_is_not_told_a_later_number() -> None:
    burned = MY_COMMIT._replace(revision=9, version=NOT_KNOWN, fence=6)
    assert step(at(burned), COMMIT).answer in (Fenced(), Done(8, EPOCH))


def test_a_mark_says_nothing_of_what_stands() -> None:
    record = step(at(MINE), Finish("me", 4, Kind.MARK, V8)).record
    assert record is not None
    assert (record.version, record.revision) == (MINE.version, MINE.revision)


def test_an_abort_that_saw_another_state_burns_the_number() -> None:
    assert step(at(MINE), Finish("me", 4, Kind.ABORT, V8)).answer == Done(8, EPOCH)


@pytest.mark.parametrize(
    "event",
    [Finish("me", 4, Kind.RENEW), Finish("me", 4, Kind.BEGIN), Confirm("me", 4, Kind.ABORT, V7, 5.0)],
    ids=["renew", "begin", "abort"],
)
def test_an_event_has_a_kind_of_its_own(event: Event) -> None:
    with pytest.raises(IllegalTransition):
        step(at(MINE), event)


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(at(None), id="never written"),
        pytest.param(at(FOREIGN), id="of a lost history"),
        pytest.param(at(DOUBTFUL), id="in doubt"),
        pytest.param(at(ABANDONED), id="abandoned"),
        pytest.param(at(SETTLED._replace(version=V8)), id="as the last commit left it"),
        pytest.param(at(SETTLED._replace(version=NOT_KNOWN)), id="of a version that is not known"),
    ],
)
def test_a_reader_counts_on_for_nothing_else(snapshot: Snapshot) -> None:
    assert step(snapshot, NOTICE) == FENCED
