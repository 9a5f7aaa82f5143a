"""Labels: which tag a counted resource has, when it has none, and what a doubt makes of it."""

import pytest

from proxy.core.event import Begin, Confirm, Done, Finish, Granted, Kind
from proxy.core.label import Label, is_changed_from_outside, is_settled, label_after_doubt, label_of, label_to_read, tag_of
from proxy.core.record import NOT_KNOWN, Record, Snapshot, State, Version, epoch_of
from proxy.core.write import step

NOW, OLDER = "a" * 32, "b" * 32
GRACE_SECONDS = 10.0
FLOOR = 1_795_000_000_000


def snapshot(record: Record | None, age: float = 100.0, floor: int = 0) -> Snapshot:
    """What a store says under the lineage NOW."""
    return Snapshot(record, "stamp", 1000.0, NOW, age, floor)


def counted(lineage: str = NOW, revision: int = 5, **fields: object) -> Record:
    """A record of a resource that was written before."""
    return Record(State.OK, lineage, epoch_of(lineage), revision)._replace(**fields)  # type: ignore[arg-type]


READS = {
    "never written": (snapshot(None), Label("aaaaaaaa", 0)),
    "never written, after a loss": (snapshot(None, floor=FLOOR), Label("aaaaaaaa", FLOOR)),
    "never written, in the grace": (snapshot(None, age=9.9), None),
    "written": (snapshot(counted()), Label("aaaaaaaa", 5)),
    "written, in the grace": (snapshot(counted(), age=0.1), Label("aaaaaaaa", 5)),
    "written under an older lineage": (snapshot(counted(OLDER), floor=FLOOR), Label("bbbbbbbb", 5)),
    "written under an older lineage, in the grace": (snapshot(counted(OLDER), age=9.9), None),
    "a write is under way": (snapshot(counted(state=State.PENDING, owner="o")), Label("aaaaaaaa", 5)),
    "in doubt": (snapshot(counted(state=State.UNKNOWN)), Label("aaaaaaaa", 5)),
}


@pytest.mark.parametrize(("found", "label"), READS.values(), ids=READS)
def test_the_label_of_a_read(found: Snapshot, label: Label | None) -> None:
    assert label_to_read(found, GRACE_SECONDS) == label


DOUBTS = {
    "nothing was seen": (snapshot(counted(version=Version("v"))), NOT_KNOWN, Label("aaaaaaaa", 6)),
    "nothing was remembered": (snapshot(counted()), Version("v"), Label("aaaaaaaa", 6)),
    "neither": (snapshot(counted()), NOT_KNOWN, Label("aaaaaaaa", 6)),
    "another state": (snapshot(counted(version=Version("v"))), Version("w"), Label("aaaaaaaa", 6)),
    "the same state": (snapshot(counted(version=Version("v"))), Version("v"), Label("aaaaaaaa", 5)),
    "the same state, nothing lost": (snapshot(counted(OLDER, version=Version("v"))), Version("v"), Label("aaaaaaaa", 5)),
    "another state, nothing lost": (snapshot(counted(OLDER, version=Version("v"))), Version("w"), Label("aaaaaaaa", 6)),
    "the same state, something lost": (snapshot(counted(OLDER, version=Version("v")), floor=FLOOR), Version("v"), Label("aaaaaaaa", FLOOR)),
    "above the floor already": (snapshot(counted(OLDER, FLOOR + 7), floor=FLOOR), NOT_KNOWN, Label("aaaaaaaa", FLOOR + 8)),
    "the same lineage, whatever its floor": (snapshot(counted(), floor=FLOOR), NOT_KNOWN, Label("aaaaaaaa", 6)),
}


@pytest.mark.parametrize(("found", "seen", "label"), DOUBTS.values(), ids=DOUBTS)
def test_what_a_doubt_makes_of_a_label_and_that_confirm_does_the_same(found: Snapshot, seen: Version, label: Label) -> None:
    assert found.record is not None
    assert label_after_doubt(found, found.record, seen) == label
    doubtful = found.record._replace(state=State.UNKNOWN, lineage=NOW, owner="me", fence=3, lease_end=2000.0)
    done = step(found._replace(record=doubtful), Confirm("me", 3, Kind.PROCEED, seen, 5.0))
    assert done.answer == Done(label.revision, label.epoch)
    assert done.record is not None
    assert label_of(done.record) == label


def test_what_is_written_for_the_first_time_is_counted_from_the_floor() -> None:
    begun = step(snapshot(None, floor=FLOOR), Begin("me", "PUT", 5.0, GRACE_SECONDS, counts=True))
    assert isinstance(begun.answer, Granted)
    assert begun.record is not None
    assert (begun.record.revision, begun.record.is_lasting) == (FLOOR, True)
    held = snapshot(begun.record._replace(lease_end=2000.0), floor=FLOOR)
    committed = step(held, Finish("me", begun.answer.fence, Kind.COMMIT))
    assert committed.answer == Done(FLOOR + 1, "aaaaaaaa")
    assert committed.record is not None
    assert committed.record.is_lasting


def test_a_record_that_once_counted_lasts_whoever_writes_it() -> None:
    begun = step(snapshot(counted(is_lasting=True)), Begin("me", "PUT", 5.0, GRACE_SECONDS))
    assert begun.record is not None
    assert begun.record.is_lasting
    assert not step(snapshot(counted()), Begin("me", "PUT", 5.0, GRACE_SECONDS)).record.is_lasting  # type: ignore[union-attr]


SETTLED = {
    "never written": (snapshot(None), True),
    "settled": (snapshot(counted()), True),
    "leased": (snapshot(counted(owner="o")), False),
    "pending": (snapshot(counted(state=State.PENDING)), False),
    "in doubt": (snapshot(counted(state=State.UNKNOWN)), False),
    "of an older lineage": (snapshot(counted(OLDER)), False),
}


@pytest.mark.parametrize(("found", "settled"), SETTLED.values(), ids=SETTLED)
def test_whether_nothing_is_under_way(found: Snapshot, settled: bool) -> None:
    assert is_settled(found) is settled


def test_a_change_from_outside_is_one_version_known_and_another_seen() -> None:
    record = counted(version=Version("v"))
    assert [is_changed_from_outside(record, Version(seen)) for seen in ("w", "v", "")] == [True, False, False]
    assert not is_changed_from_outside(counted(), Version("w"))


def test_tags_are_opaque_or_numbers() -> None:
    label = Label("aaaaaaaa", 5)
    assert [bytes(tag_of(label, first)) for first in (None, 0, 1, 100)] == [b'"aaaaaaaa.5"', b'"5"', b'"6"', b'"105"']
