"""Figures: the metrics of all workers, those that are gone among them, as those of one process.

What a worker had counted when it was last heard of stays in the sums for ever: nothing goes backwards.
"""

from ..telemetry.samples import Samples, kept, loaded, merged
from ..telemetry.series import Registry, process_figures
from .fleet import Fleet
from .succession import Succession
from .worker import State, Worker

BY_SLOT = {
    "process_cpu_seconds_total": "noclobber_worker_cpu_seconds_total",
    "process_resident_memory_bytes": "noclobber_worker_resident_memory_bytes",
}
"""What is shown of each worker apart as well."""


class Figures:
    """The sums of all workers, and what the parent itself has to show."""

    def __init__(self, fleet: Fleet, succession: Succession) -> None:
        self._fleet = fleet
        self._kept: Samples = {}
        self._own = Registry()
        self._own.add_source(process_figures())
        self._own.read("noclobber_workers", "serving", by=lambda: fleet.count(State.SERVING))
        self._own.read("noclobber_workers", "draining", by=lambda: fleet.count(State.DRAINING))
        self._own.read("noclobber_worker_restarts_total", by=lambda: fleet.restarts)
        self._own.read("noclobber_config_reloads_total", "success", by=lambda: succession.good)
        self._own.read("noclobber_config_reloads_total", "failure", by=lambda: succession.bad)
        self._own.read("noclobber_config_last_reload_successful", by=lambda: succession.last is None or succession.last.is_good)
        self._own.read("noclobber_config_last_reload_success_timestamp_seconds", by=lambda: succession.loaded_at.timestamp())

    def keep(self, worker: Worker) -> None:
        """Keep what a worker had counted that has ended."""
        self._kept = merged([self._kept, kept(_of(worker))])

    def samples(self) -> Samples:
        """All of them, of this moment as far as the workers have reported it."""
        return merged([self._own.samples(), self._kept, *map(_of, self._fleet.workers)])


def _of(worker: Worker) -> Samples:
    """What a worker has reported last."""
    if worker.report is None:
        return {}
    found = dict(loaded(worker.report.samples))
    for name, shown in BY_SLOT.items():
        found[shown] = {(str(worker.slot),): value for value in found.get(name, {}).values()}
    return found
