"""The story of a campaign, and what must hold in it.

Every write carries a value of its own and names the value that it was made from, and the backend keeps a log: so the story and the log
can be held against each other directly, and no search for a linear order is needed. The rules:

1. what was acknowledged stands in the log exactly once;
2. it stands on the value that its tag named;
3. no two acknowledged writes name one tag;
4. what was refused stands nowhere;
5. what nobody can say stands there at most once, and then on the value that it named;
6. a read shows a state of the log, not older than the last write that was acknowledged before the read began;
7. a tag never labels two states.

A client that lost its connection was told nothing: UNKNOWN. A delete has a value like any other write, and leaves ABSENT behind. ABSENT
carries no tag, so a write that saw it (a create) names no tag: rules 3 and 7 leave it out, and by rules 2 and 5 it stands on a delete,
whichever, for `If-None-Match: *` asks no more. A read of ABSENT shows the newest delete.

The cost: one pass over the log and the story, and two sorts for rule 6. O(n log n).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

SEED = "seed"
"""The value that every resource begins with. It is in no log."""
ABSENT = "absent"
"""What is seen where a delete was the last write. It is in no log: the delete's own value is."""


class Outcome(Enum):
    """What a writer was told. STALE: 412 or 428. BUSY: 503. REFUSED: the backend itself turned it away."""

    ACKNOWLEDGED = "acknowledged"
    STALE = "stale"
    BUSY = "busy"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Write(NamedTuple):
    """One try to put `value` in place of `seen`, which the writer saw under `tag`. `ended` is on the clients' clock, in seconds.

    `tag` is empty where the writer named none, as who saw ABSENT does.
    """

    resource: str
    value: str
    seen: str
    tag: str
    outcome: Outcome
    ended: float
    is_delete: bool = False


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


@dataclass(slots=True)
class _Log:
    """The log of one resource: where each value stands first, what stands before it, and which stand more than once."""

    places: dict[str, int]
    before: dict[str, str]
    times: dict[str, int]
    last_delete: int = -1

    @classmethod
    def of(cls, values: Sequence[str]) -> "_Log":
        """Take the values in their order. They come after SEED."""
        log = cls({SEED: 0}, {}, {})
        standing = SEED
        for place, value in enumerate(values, 1):
            if value in log.places:
                log.times[value] = log.times.get(value, 1) + 1
            else:
                log.places[value] = place
                log.before[value] = standing
            standing = value
        return log


_NOTHING = _Log.of(())


def violations(history: History, logs: Mapping[str, Sequence[str]]) -> list[str]:
    """Name everything in history that cannot be, given the values that the backend applied, in order, by resource."""
    indexed = {resource: _Log.of(values) for resource, values in logs.items()}
    deletes = {(write.resource, write.value) for write in history.writes if write.is_delete}
    for resource, value in deletes:
        if (log := indexed.get(resource)) is not None:
            log.last_delete = max(log.last_delete, log.places.get(value, -1))
    return [*_of_log(history, indexed), *_of_writes(history, indexed, deletes), *_of_tags(history), *_of_reads(history, indexed)]


def _of_log(history: History, logs: Mapping[str, _Log]) -> Iterator[str]:
    """Rules 1 and 5: nothing stands there twice, and nothing that nobody wrote."""
    written = {(write.resource, write.value) for write in history.writes}
    for resource, log in logs.items():
        for value, times in log.times.items():
            yield f"{resource}: {value} was applied {times} times"
        for value in log.before:
            if (resource, value) not in written:
                yield f"{resource}: {value} was applied, and nobody wrote it"


def _of_writes(history: History, logs: Mapping[str, _Log], deletes: set[tuple[str, str]]) -> Iterator[str]:
    """Rules 1, 2, 4 and 5: each write alone, against the log."""
    for resource, value, seen, _, outcome, _, _ in history.writes:
        before = logs.get(resource, _NOTHING).before.get(value)
        if before is None:
            if outcome is Outcome.ACKNOWLEDGED:
                yield f"{resource}: {value} was acknowledged and never applied"
        elif outcome not in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN):
            yield f"{resource}: {value} was refused ({outcome.value}) and applied"
        elif not (before == seen or (seen == ABSENT and (resource, before) in deletes)):
            yield f"{resource}: {value} was made from {seen} and applied on {before}"


def _of_tags(history: History) -> Iterator[str]:
    """Rules 3 and 7: a tag names one state, and at most one acknowledged write rests on it."""
    successors: dict[tuple[str, str], str] = {}
    named: dict[tuple[str, str], str] = {}
    for resource, value, seen, tag, outcome, _, _ in history.writes:
        if not tag:
            continue
        if named.setdefault((resource, tag), seen) != seen:
            yield f"{resource}: {tag} names {named[resource, tag]} and {seen}"
        if outcome is Outcome.ACKNOWLEDGED and successors.setdefault((resource, tag), value) != value:
            yield f"{resource}: {successors[resource, tag]} and {value} were both acknowledged on {tag}"
    for resource, value, tag, _ in history.reads:
        if tag and named.setdefault((resource, tag), value) != value:
            yield f"{resource}: {tag} names {named[resource, tag]} and {value}"


def _of_reads(history: History, logs: Mapping[str, _Log]) -> Iterator[str]:
    """Rule 6: whoever reads after a write was acknowledged sees that write, or a later one."""
    acknowledged = iter(sorted((write.ended, write.resource, write.value) for write in history.writes if _is_acknowledged(write)))
    following = next(acknowledged, None)
    newest: dict[str, int] = {}
    for resource, value, _, began in sorted(history.reads, key=lambda read: read.began):
        while following is not None and following[0] < began:
            _, written, written_value = following
            place = logs.get(written, _NOTHING).places.get(written_value, 0)
            newest[written] = max(newest.get(written, 0), place)
            following = next(acknowledged, None)
        log = logs.get(resource, _NOTHING)
        seen_place = log.last_delete if value == ABSENT else log.places.get(value, -1)
        if seen_place < 0:
            yield f"{resource}: {value} was read and never applied"
        elif seen_place < newest.get(resource, 0):
            yield f"{resource}: {value} was read after a later value had been acknowledged"


def _is_acknowledged(write: Write) -> bool:
    return write.outcome is Outcome.ACKNOWLEDGED
