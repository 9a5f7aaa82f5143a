"""The record: what the store keeps for one resource key, and how it looks to who reads or swaps it.

A record is *settled* (ok: nothing in flight), *pending* (its owner may have a write in flight) or *unknown* (nobody can say what became
of one). A lease that ran out never makes a record settled: an expired pending record is an abandoned one, and that means unknown.
"""

from enum import Enum
from typing import NamedTuple, NewType

Version = NewType("Version", str)
"""What distinguishes two states of a resource: the opaque part of the tag that names it, as latin-1 text. Empty: not known."""

NOT_KNOWN = Version("")
ABSENT = ""
"""The stamp of what is not there."""

EPOCH_CHARS = 8
"""How much of a lineage names an epoch: enough that two data sets never share one by chance."""


def epoch_of(lineage: str) -> str:
    """The part of a lineage that revision numbers are counted under, so that they never repeat after a loss."""
    return lineage[:EPOCH_CHARS]


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
    the swap where none is asked for. `unknown_since` None on an unknown record means: since `lease_end`. `replay_key` is that of the
    write in flight, or in doubt; empty where it has none. `is_lasting`: it counts a resource's revisions, so no store may ever drop it.
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
    replay_key: str = ""
    is_lasting: bool = False

    def ending(self, lease_end: float) -> "Record":
        """Return this record with another end of the lease. `_replace` costs ten times as much, and each swap needs one."""
        return Record._make((*self[:_LEASE_END], lease_end, *self[_LEASE_END + 1 :]))


_LEASE_END = Record._fields.index("lease_end")


class Snapshot(NamedTuple):
    """What stood in the store at its time `now`. `lineage_age` is how long the store has had this lineage, in seconds.

    `floor` is where revisions begin that this lineage counts for the first time: no revision of an earlier lineage reached it. 0: there
    was no earlier one, or nothing of it was lost.
    """

    record: Record | None
    stamp: str
    now: float
    lineage: str
    lineage_age: float
    floor: int = 0


class Swapped(NamedTuple):
    """A swap was done, at the store's time `now`; `stamp` is what the record now answers to."""

    stamp: str
    now: float
