"""Limits: what a client may take of us, and who is told when one takes more."""

from collections.abc import Callable
from dataclasses import dataclass

from ..core.conflict import Problem
from ..telemetry.refusal import Refusal

Refuse = Callable[[Refusal], None]
"""Counts one refusal."""


def uncounted(refusal: Refusal) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class BodyPace:
    """How slowly a body may come. Only the time counts in which we wait for the client.

    `total_seconds` is for all waits of one body together. `start_seconds` is what a client may owe at any time: waiting uses it up, each
    byte pays back its share of a second at `min_bytes_per_second`. 0 of these: any byte pays back all.
    """

    start_seconds: float = 20.0
    total_seconds: float = 3600.0
    min_bytes_per_second: float = 500.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may take: for a head to arrive, and between requests; of a line, a field, their number; of a body before it is read.

    `reader_seconds`: how long it may take nothing of an answer. `max_connections` are open at once, on one listener.
    """

    header_seconds: float
    reader_seconds: float
    max_connections: int
    max_line_bytes: int
    max_field_bytes: int
    max_fields: int
    read_buffer_bytes: int


CURES = {
    Refusal.LINE: (Problem.LINE_TOO_LONG, "The request line is longer than allowed."),
    Refusal.FIELDS: (Problem.FIELDS_TOO_LARGE, "A header field is longer than allowed, or there are too many."),
    Refusal.SLOW_HEAD: (Problem.TOO_SLOW, "The head of the request did not arrive in time."),
    Refusal.CONNECTIONS: (Problem.OVERLOADED, "Too many connections are open."),
}
"""What is said where no request has been read yet."""
