"""Labels: the tags of a resource whose versions are counted, because its state cannot be told from one GET.

A label is an epoch and a revision. One rule makes it safe: a label is given out no earlier than it was current when the backend was
asked. An older label on a newer body costs its holder a refusal; a newer label on an older body would cost somebody an update.
"""

from typing import NamedTuple

from .etag import EntityTag
from .record import NOT_KNOWN, Record, Snapshot, State, Version, epoch_of


class Label(NamedTuple):
    """What a counted resource is called at one moment. No two states of it ever share one."""

    epoch: str
    revision: int


def label_of(record: Record) -> Label:
    """The label that a record gives to what stands."""
    return Label(record.epoch, record.revision)


def label_to_read(snapshot: Snapshot, grace_seconds: float) -> Label | None:
    """The label for a body that is asked for after snapshot was taken; None: there is none that would be safe, or of use.

    What was never written has the first label of its lineage. As long as writes that an earlier lineage granted may be under way, that
    label could be that of two states; and a record of an earlier lineage will be counted on before the next write.
    """
    record = snapshot.record
    if record is not None and record.lineage == snapshot.lineage:
        return label_of(record)
    if snapshot.lineage_age < grace_seconds:
        return None
    return Label(epoch_of(snapshot.lineage), snapshot.floor) if record is None else label_of(record)


def is_settled(snapshot: Snapshot) -> bool:
    """Whether the label of snapshot is that of what stood then, and not of what stood before a write that may be under way."""
    record = snapshot.record
    return record is None or (record.state is State.OK and not record.owner and record.lineage == snapshot.lineage)


def label_after_doubt(snapshot: Snapshot, record: Record, seen: Version) -> Label:
    """Say what an unknown record's label becomes once `seen` was found to stand.

    The number is burned unless the very state that it named stands again: a label given out before must not become current for another.
    What an earlier lineage counted may be lost in part, so a counter that comes from one goes on at the floor of this one, or above it.
    Where nothing was lost (floor 0) it has not changed by having a new lineage; opaque tags have, by the epoch in them.
    """
    epoch = epoch_of(snapshot.lineage)
    if record.epoch != epoch and snapshot.floor:
        return Label(epoch, max(record.revision + 1, snapshot.floor))
    return Label(epoch, record.revision if seen != NOT_KNOWN and seen == record.version else record.revision + 1)


def is_changed_from_outside(record: Record, seen: Version) -> bool:
    """Whether what was seen is known not to be what the last commit left: its number names a state that does not stand any more."""
    return seen != record.version and NOT_KNOWN not in (seen, record.version)


def tag_of(label: Label, first_number: int | None) -> EntityTag:
    """The tag that names label. `first_number` None: the tag is opaque; else it is a plain number, and that one for revision 0."""
    if first_number is None:
        return EntityTag(f"{label.epoch}.{label.revision}".encode())
    return EntityTag(b"%d" % (first_number + label.revision))
