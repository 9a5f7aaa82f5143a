"""Figures: what the metrics say at one moment, by the names that they have on the page."""

from collections.abc import Mapping, Sequence

from ..telemetry.exposition import Shown
from ..telemetry.samples import Samples
from .documents import Bucket


class Figures:
    """All series, read once. A series that is not there is 0, and a histogram that is not there has no buckets."""

    def __init__(self, samples: Samples) -> None:
        self._samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for family in Shown(samples).collect():
            for sample in family.samples:
                self._samples.setdefault(sample.name.removeprefix("noclobber_"), []).append((sample.labels, sample.value))

    def total(self, name: str, **labels: str) -> int:
        """The sum of a counter, or of those of its series that have these labels."""
        return sum(self.by(name, "", **labels).values())

    def by(self, name: str, label: str, **labels: str) -> dict[str, int]:
        """The sums of a counter by the values of a label. Those that are 0 are left out."""
        found: dict[str, int] = {}
        for given, value in self._samples.get(name, ()):
            if value and labels.items() <= given.items():
                found[given.get(label, "")] = found.get(given.get(label, ""), 0) + int(value)
        return found

    def buckets(self, name: str) -> tuple[Bucket, ...]:
        """A histogram, all its series together."""
        sums: dict[float, int] = {}
        for given, value in self._samples.get(f"{name}_bucket", ()):
            end = float(given["le"])
            sums[end] = sums.get(end, 0) + int(value)
        return tuple(Bucket(le_seconds=None if end == float("inf") else end, count=sums[end]) for end in sorted(sums))


def quantile(buckets: Sequence[Bucket], part: float) -> float | None:
    """The duration below which a part of those counted lies, as PromQL's histogram_quantile estimates it; None: nothing was counted.

    In the last bucket, which has no end, it is the end of the one before.
    """
    if not buckets or not buckets[-1].count:
        return None
    rank = part * buckets[-1].count
    start, below = 0.0, 0
    for bucket in buckets:
        if bucket.count >= rank:
            if bucket.le_seconds is None:
                return start
            return start + (bucket.le_seconds - start) * ((rank - below) / (bucket.count - below) if bucket.count > below else 1.0)
        start, below = bucket.le_seconds or start, bucket.count
    return start
