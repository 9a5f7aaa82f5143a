"""Outcomes: what an answer of the backend says about a write that was sent to it (protocol, W5)."""

from enum import Enum


class Outcome(Enum):
    """What became of a write."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


# Each of these is sent instead of doing what was asked (RFC 9110 §15.5): the backend looked at the request and turned it away. What is
# missing here can come after a part of the work was done (409, 423), so it proves nothing.
NOT_APPLIED_STATUSES = frozenset({400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 422, 428, 429})


class Judge(Enum):
    """Who judged the preconditions of a write. BACKEND_TOO: they were forwarded, so a 412 of the backend's is its refusal."""

    NOCLOBBER = "noclobber"
    BACKEND_TOO = "noclobber, and the backend again"


def classify(status: int, judge: Judge) -> Outcome:
    """Say what a final status means for the write it answers."""
    if 200 <= status < 300:
        return Outcome.APPLIED
    if status in NOT_APPLIED_STATUSES or (status == 412 and judge is Judge.BACKEND_TOO):
        return Outcome.NOT_APPLIED
    return Outcome.UNKNOWN
