"""Swaps: those of a store, for who takes their time while awaiting them. A coroutine around each, to take it, costs a write 3 us."""

from ..errors import StoreError, StoreRefused
from ..store.port import Store
from ..telemetry.series import Registry


def kind_of(error: StoreError) -> str:
    """How the series of errors call one."""
    return "refused" if isinstance(error, StoreRefused) else "unavailable"


class Swaps:
    """The store to ask, and what to tell of it: `durations` how long each took, `fail` of those that failed. `registry` None: nobody."""

    __slots__ = ("_errors", "durations", "store")

    def __init__(self, store: Store, registry: Registry | None = None) -> None:
        registry = registry or Registry()
        self.store = store
        self.durations = registry.durations("noclobber_store_duration_seconds", "swap")
        self._errors = registry.counts("noclobber_store_errors_total", "swap")

    def fail(self, error: StoreError) -> None:
        """Count one that failed."""
        self._errors[kind_of(error)].inc()
