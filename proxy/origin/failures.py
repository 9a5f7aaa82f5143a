"""Failures: how often a backend did not do what a request needs of it, by kind. Read for figures; nothing is decided by them."""

from enum import Enum

from ..errors import OriginError, OriginTimeout


class Failure(Enum):
    """What went wrong."""

    UNREACHABLE = "unreachable"
    CROWDED = "crowded"
    TIMEOUT = "timeout"
    BROKEN = "broken"


class Failures:
    """The failures of one server. `is_failing`: nothing has come of the last request."""

    __slots__ = ("counts", "is_failing")

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Failure, 0)
        self.is_failing = False

    def count(self, failure: Failure) -> None:
        """Count a request to which no answer came."""
        self.counts[failure] += 1
        if failure is not Failure.CROWDED:
            self.is_failing = True

    def note(self, error: OriginError) -> None:
        """Count a request that broke off after it had begun."""
        self.counts[kind_of(error)] += 1
        self.is_failing = self.is_failing or not error.is_answered

    def forgive(self, error: OriginError) -> None:
        """Take the last one back: its request is sent once more, as a backend may close a connection that was idle."""
        self.counts[kind_of(error)] -= 1


def kind_of(error: OriginError) -> Failure:
    """What kind of failure an error of a request under way is."""
    return Failure.TIMEOUT if isinstance(error, OriginTimeout) else Failure.BROKEN
