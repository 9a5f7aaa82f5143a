"""Families: what is said of one metric, whatever its values are."""

from dataclasses import dataclass
from enum import Enum

PREFIX = "noclobber_"


class Kind(Enum):
    """The types of metrics, by their names in the text formats."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(Enum):
    """How the figures of several workers become one."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Label:
    """One label. `values` is its closed set; empty: the names that `means` speaks of, never what a client chooses."""

    name: str
    means: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `action` is what to do when it moves; `buckets` are the upper bounds of a histogram, in seconds."""

    name: str
    kind: Kind
    help: str
    action: str
    labels: tuple[Label, ...] = ()
    merge: Merge = Merge.SUM
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The unit that the name ends with; empty where it counts things."""
        name = self.base
        return next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "")

    @property
    def base(self) -> str:
        """The name without `_total`, as OpenMetrics calls the family of a counter."""
        return self.name.removesuffix("_total")
