"""The journal of a run: what happened, in order, what was made to go wrong, and what must not have been."""

import hashlib
from collections import Counter
from collections.abc import Callable


class Journal:
    """Lines in virtual time. Two runs of one seed have the same `digest`, to the last line."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.lines: list[str] = []
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []

    def note(self, who: str, what: str) -> None:
        """Put one line down."""
        self.lines.append(f"{self._clock():10.4f}  {who:<8} {what}")

    def fault(self, kind: str) -> None:
        """Count something that was made to go wrong."""
        self.faults[kind] += 1

    def violation(self, what: str) -> None:
        """Put down what must not be."""
        if what not in self.violations:
            self.violations.append(what)
            self.note("JUDGE", what)

    def digest(self) -> str:
        """A name for everything that happened."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]
