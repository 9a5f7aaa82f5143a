"""The story of a campaign, and what must hold in it.

Every write carries a value of its own and names the value that it was made from, so the log of the backend and the story of the clients
can be held against each other in one pass: no search for a linear order is needed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

SEED = "seed"
"""The value that every resource begins with. It is in no log."""


class Outcome(Enum):
    """What a writer was told."""

    ACKNOWLEDGED = "acknowledged"
    STALE = "stale"
    BUSY = "busy"
    UNKNOWN = "unknown"


class Write(NamedTuple):
    """One try to put `value` in place of `seen`, which the writer saw under `tag`. `ended` is on the clients' clock, in seconds."""

    resource: str
    value: str
    seen: str
    tag: str
    outcome: Outcome
    ended: float


class Read(NamedTuple):
    """One look. `began` is on the clients' clock, in seconds; `tag` is empty where none was sent."""

    resource: str
    value: str
    tag: str
    began: float


@dataclass(slots=True)
class History:
    """What the clients lived through, in the order in which they were told."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """How many writes came to this."""
        return sum(write.outcome is outcome for write in self.writes)


def violations(history: History, logs: dict[str, Sequence[str]]) -> list[str]:
    """Name everything in history that cannot be, given the values that the backend applied, in order, by resource."""
    found: list[str] = []
    for resource in {*logs, *(write.resource for write in history.writes), *(read.resource for read in history.reads)}:
        log = [SEED, *logs.get(resource, ())]
        writes = [write for write in history.writes if write.resource == resource]
        reads = [read for read in history.reads if read.resource == resource]
        places = {value: place for place, value in enumerate(log)}
        all_of_it = (*_of_writes(writes, log, places), *_of_tags(writes, reads), *_of_reads(writes, reads, places))
        found += [f"{resource}: {what}" for what in all_of_it]
    return found


def _of_writes(writes: list[Write], log: list[str], places: dict[str, int]) -> Iterator[str]:
    """I1, I3, I4: what was acknowledged stands once, on what its writer saw; what was refused stands nowhere."""
    times = Counter(log)
    for value, seen, outcome in ((write.value, write.seen, write.outcome) for write in writes):
        if times[value] > 1:
            yield f"{value} was applied {times[value]} times"
        elif outcome is Outcome.ACKNOWLEDGED and not times[value]:
            yield f"{value} was acknowledged and never applied"
        elif outcome in (Outcome.STALE, Outcome.BUSY) and times[value]:
            yield f"{value} was refused ({outcome.value}) and applied"
        elif times[value] and log[places[value] - 1] != seen:
            yield f"{value} was made from {seen} and applied on {log[places[value] - 1]}"
    for value in times.keys() - {write.value for write in writes} - {SEED}:
        yield f"{value} was applied, and nobody wrote it"


def _of_tags(writes: list[Write], reads: list[Read]) -> Iterator[str]:
    """I1, I2: a tag names one value, and at most one acknowledged write rests on it."""
    successors: dict[str, str] = {}
    named: dict[str, set[str]] = defaultdict(set)
    for write in writes:
        named[write.tag].add(write.seen)
        if write.outcome is Outcome.ACKNOWLEDGED and successors.setdefault(write.tag, write.value) != write.value:
            yield f"{successors[write.tag]} and {write.value} were both acknowledged on {write.tag}"
    for read in reads:
        named[read.tag].add(read.value)
    for tag, values in named.items():
        if len(values) > 1:
            yield f"{tag} names {', '.join(sorted(values))}"


def _of_reads(writes: list[Write], reads: list[Read], places: dict[str, int]) -> Iterator[str]:
    """Whoever reads after a write was acknowledged sees that write, or a later one."""
    acknowledged = iter(sorted((write.ended, places.get(write.value, 0)) for write in writes if write.outcome is Outcome.ACKNOWLEDGED))
    following = next(acknowledged, None)
    newest = 0
    for read in sorted(reads, key=lambda read: read.began):
        while following is not None and following[0] < read.began:
            newest = max(newest, following[1])
            following = next(acknowledged, None)
        place = places.get(read.value)
        if place is None:
            yield f"{read.value} was read and never applied"
        elif place < newest:
            yield f"{read.value} was read after a later value had been acknowledged"
