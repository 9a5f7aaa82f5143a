"""Fault points: the named places that a write passes between asking for its lease and the last word of it in the store.

Whatever `lease.py` and `attempt.py` wait for has a point before it and one after. A test gives `app.running` a Faults, which may delay,
raise, stop the process or end it there; without one a point is a comparison with None.
"""

from enum import Enum
from typing import Protocol

from ..core.event import Kind


class Point(Enum):
    """A place where things may go wrong, and what is known there."""

    BEGIN = "BEGIN is about to be asked of the store"
    BEGUN = "BEGIN was answered; the process has not looked at the answer yet"
    QUARANTINE = "the record is in doubt; the rest of the apply delay is about to be waited out"
    VERIFY = "the lease is held; the verifying GET is about to be sent"
    VERIFIED = "the verifying GET was answered"
    CONFIRM = "what was in doubt was seen; CONFIRM is about to be asked"
    CONFIRMED = "CONFIRM was answered"
    RESERVE = "the preconditions hold; a connection is about to be taken"
    GATE = "the send gate has opened: the first bytes, or the last ones of a large body, leave next; nothing may wait here"
    PIECE = "a piece of a large body is about to leave"
    HEARD = "the answer was heard out, or broke off"
    READ_BACK = "the write was applied; the new state is about to be read"
    READ = "the new state was read"
    RENEW = "RENEW is about to be asked"
    RENEWED = "RENEW was answered"
    COMMIT = "COMMIT is about to be asked"
    COMMITTED = "COMMIT was answered; the client has not been told"
    ABORT = "ABORT is about to be asked"
    ABORTED = "ABORT was answered; the client has not been told"
    MARK = "MARK is about to be asked"
    MARKED = "MARK was answered; the client has not been told"


BEFORE = {
    Kind.BEGIN: Point.BEGIN,
    Kind.PROCEED: Point.CONFIRM,
    Kind.SETTLE: Point.CONFIRM,
    Kind.RENEW: Point.RENEW,
    Kind.COMMIT: Point.COMMIT,
    Kind.ABORT: Point.ABORT,
    Kind.MARK: Point.MARK,
}
AFTER = {
    Kind.BEGIN: Point.BEGUN,
    Kind.PROCEED: Point.CONFIRMED,
    Kind.SETTLE: Point.CONFIRMED,
    Kind.RENEW: Point.RENEWED,
    Kind.COMMIT: Point.COMMITTED,
    Kind.ABORT: Point.ABORTED,
    Kind.MARK: Point.MARKED,
}


class Faults(Protocol):
    """What a test does at the points."""

    async def reach(self, point: Point) -> None:
        """Called where a write may wait."""

    def reach_gate(self) -> None:
        """Called at GATE, between the look at the lease and the bytes: whatever is done here is done with the loop held."""


def table() -> str:
    """Return the points as a table in Markdown."""
    rows = (f"| `{point.name}` | {point.value} |" for point in Point)
    return "\n".join(("| point | what is known there |", "|---|---|", *rows)) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - this is what the command is for
