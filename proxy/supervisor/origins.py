"""Origins: which ones the backend lets in, told by the worker that has heard it to those that have not.

A refusal that is made before the backend is asked carries what its origin was granted last: without that the script of a browser cannot
read it. The preflight may have come to another worker.
"""

from collections.abc import Iterable

from .messages import Granted
from .worker import Worker

KEPT = 256
"""How many are told to workers that come later. They go out at once, and must find room in a socket."""


class Origins:
    """What was granted last to each origin on each route."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Granted] = {}

    def hear(self, granted: Granted, workers: Iterable[Worker]) -> None:
        """Tell workers of it."""
        self._known[granted.route, granted.origin] = granted
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        for worker in workers:
            worker.tell(granted)

    def introduce(self, worker: Worker) -> None:
        """Tell a new worker of all."""
        for granted in self._known.values():
            worker.tell(granted)
