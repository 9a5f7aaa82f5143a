"""Served requests: taken down one by one, and counted by the dozen: that takes less than half the time, and every request comes by here."""

from bisect import bisect_left
from collections import Counter
from itertools import compress

from ..telemetry.catalogue import METHODS, SECONDS
from ..telemetry.samples import Exemplar
from ..telemetry.series import Count, Registry

MOST_NOTED = 64
"""How many requests of a route wait to be counted: few enough to keep, and enough to make counting them cheap."""
EXEMPLAR_SECONDS = 5.0
"""How long a request stays the exemplar of its bucket at least."""
_METHODS = frozenset(METHODS)
Served = tuple[str, int, str, str, float, float, float]
"""An answered request: method, status, verdict, what was undone, and seconds: all of it, the backend's (0: not asked), a client's body.

A bare tuple, as one is made for each request. Empty: no verdict was needed, nothing was undone.
"""


def overhead_of(seconds: float, upstream_seconds: float, waiting_seconds: float) -> float:
    """What noclobber has taken of a request's time: not the backend, nor its client for the body."""
    own = seconds - upstream_seconds - waiting_seconds
    return own if own > 0.0 else 0.0


class ServedRequests:
    """The requests of one route, and the series that they move."""

    def __init__(self, registry: Registry, route: str) -> None:
        self._registry = registry
        self._route = route
        self._noted: list[Served] = []
        self._requests: dict[tuple[str, int], Count] = {}
        # When the exemplar of each bucket of `duration` is to be replaced.
        self._stale_at = [0.0] * (len(SECONDS) + 1)
        self._verdicts = registry.counts("noclobber_preconditions_total", route)
        self._undone = registry.counts("noclobber_tags_undone_total", route)
        self.duration = registry.durations("noclobber_request_duration_seconds", route)
        self.upstream = registry.durations("noclobber_upstream_duration_seconds", route)
        self.overhead = registry.durations("noclobber_overhead_seconds", route)
        self.lease_wait = registry.durations("noclobber_lease_wait_seconds", route)
        self.losing_read_age = registry.durations("noclobber_losing_read_age_seconds", route)
        registry.add_waiting(self.count)

    def note(self, served: Served, now: float) -> bool:
        """Take down an answered request; it is counted soon. `now` is of a monotonic clock.

        True: the last exemplar of such a request is old, and this one may be `exemplify`-ed.
        """
        noted = self._noted
        noted.append(served)
        if len(noted) == MOST_NOTED:
            self.count()
        return now >= self._stale_at[bisect_left(SECONDS, served[4])]

    def count(self) -> None:
        """Move the series by all that was taken down since: whoever reads them has this called before."""
        if not self._noted:
            return
        methods, statuses, verdicts, undone, seconds, upstream, waiting = zip(*self._noted, strict=True)
        self._noted.clear()
        for (method, status), number in Counter(zip(methods, statuses, strict=True)).items():
            self._requests_of(method, status).value += number
        # What was undone tells something only where the tag was held against a state.
        for kinds, children in ((verdicts, self._verdicts), (compress(undone, verdicts), self._undone)):
            for kind, number in Counter(filter(None, kinds)).items():
                children[kind].value += number
        self.duration.observe_all(seconds)
        self.overhead.observe_all(map(overhead_of, seconds, upstream, waiting))
        self.upstream.observe_all(filter(None, upstream))
        # Of these there are no more than requests.
        self.lease_wait.sort()
        self.losing_read_age.sort()

    def exemplify(self, exemplar: Exemplar, served: Served, now: float) -> None:
        """Keep a request as the exemplar of those that took about as long."""
        _, _, _, _, seconds, upstream, waiting = served
        self._stale_at[self.duration.exemplify(exemplar)] = now + EXEMPLAR_SECONDS
        self.overhead.exemplify(exemplar._replace(seconds=overhead_of(seconds, upstream, waiting)))
        if upstream:
            self.upstream.exemplify(exemplar._replace(seconds=upstream))

    def _requests_of(self, method: str, status: int) -> Count:
        child = self._requests.get((method, status))
        if child is None:
            # A client that invents methods must not fill the memory: they have one name here, and one in the series.
            label = method if method in _METHODS else "other"
            child = self._registry.count("noclobber_requests_total", self._route, label, str(status))
            if label == method:
                self._requests[method, status] = child
        return child
