"""Series: the figures of this process, counted in plain numbers. One loop counts and shows them, so nothing has to be locked.

prometheus-client's own counters and histograms cost four times as much, and a request moves ten of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import ProcessCollector

from .catalogue import CATALOGUE
from .family import Family
from .samples import Distribution, Exemplar, Labels, Samples, Value


class Count:
    """A counter or a gauge: a number that is added to."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add amount."""
        self.value += amount


class Durations:
    """A histogram. What is observed is noted only, so that a request has but an append to pay; many are sorted into buckets at once.

    They are sorted when they are read. Who observes many sees to it that they are sorted (`sort`) in between.
    """

    __slots__ = ("_bounds", "_counts", "_noted", "_sum_seconds", "exemplars", "observe")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._noted: list[float] = []
        self._sum_seconds = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        self.observe: Callable[[float], None] = self._noted.append

    def observe_all(self, seconds: Iterable[float]) -> None:
        """Count several."""
        self._noted.extend(seconds)
        self.sort()

    @property
    def counts(self) -> Sequence[int]:
        """How many durations each bucket has; the last one is of those above all bounds."""
        self.sort()
        return self._counts

    @property
    def sum_seconds(self) -> float:
        """All durations together."""
        self.sort()
        return self._sum_seconds

    def sort(self) -> None:
        """Put what has been noted into its buckets."""
        noted, counts, below = self._noted, self._counts, 0
        if not noted:
            return
        self._sum_seconds += sum(noted)
        noted.sort()
        for bucket, bound in enumerate(self._bounds):
            through = bisect_right(noted, bound, below)
            counts[bucket] += through - below
            below = through
            if below == len(noted):
                break
        counts[-1] += len(noted) - below
        noted.clear()

    def total(self) -> float:
        """How many durations have been counted."""
        return float(sum(self.counts))

    def exemplify(self, exemplar: Exemplar) -> int:
        """Keep an exemplar in the bucket that it falls into, and return that one's number."""
        bucket = bisect_left(self._bounds, exemplar.seconds)
        self.exemplars[bucket] = exemplar
        return bucket


Read = Callable[[], float]
Source = Callable[[], Iterable[tuple[str, Labels, float]]]


class Registry:
    """The live series, by the catalogue: nothing that is not in there can be counted."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, Count]] = {}
        self._histograms: dict[str, dict[Labels, Durations]] = {}
        self._read: dict[str, dict[Labels, Read]] = {}
        self._sources: list[Source] = []
        self._waiting: list[Callable[[], None]] = []

    def count(self, name: str, *labels: str) -> Count:
        """A counter, or a gauge that is set; the same one each time. It is 0 from the start."""
        children = self._counts.setdefault(name, {})
        if labels not in children:
            _check(CATALOGUE[name], labels)
            children[labels] = Count()
        return children[labels]

    def counts(self, name: str, *labels: str) -> dict[str, Count]:
        """The counters with these first labels, by the last label's closed set."""
        return {value: self.count(name, *labels, value) for value in CATALOGUE[name].labels[-1].values}

    def durations(self, name: str, *labels: str) -> Durations:
        """A histogram; the same one each time."""
        children = self._histograms.setdefault(name, {})
        if labels not in children:
            _check(CATALOGUE[name], labels)
            children[labels] = Durations(CATALOGUE[name].buckets)
        return children[labels]

    def read(self, name: str, *labels: str, by: Read) -> None:
        """Call `by` for the value when the figures are asked for: that costs a request nothing."""
        _check(CATALOGUE[name], labels)
        self._read.setdefault(name, {})[labels] = by

    def add_source(self, source: Source) -> None:
        """Have several figures read at once when they are asked for."""
        self._sources.append(source)

    def sort(self) -> None:
        """Sort the histograms that are of no route: once in a while, as there is no end to what they note."""
        for name, children in self._histograms.items():
            if not any(label.name == "route" for label in CATALOGUE[name].labels):
                for child in children.values():
                    child.sort()

    def add_waiting(self, count: Callable[[], None]) -> None:
        """Have `count` called before the figures are read: it counts what has been noted only."""
        self._waiting.append(count)

    def samples(self) -> Samples:
        """All figures of this moment, in the catalogue's order."""
        for count in self._waiting:
            count()
        found: dict[str, dict[Labels, Value]] = {name: {} for name in CATALOGUE}
        for name, counts in self._counts.items():
            found[name].update({labels: child.value for labels, child in counts.items()})
        for name, reads in self._read.items():
            found[name].update({labels: float(read()) for labels, read in reads.items()})
        for name, histograms in self._histograms.items():
            found[name].update({labels: _distribution(child) for labels, child in histograms.items()})
        for source in self._sources:
            for name, labels, value in source():
                found[name][labels] = value
        return found

    def value(self, name: str, *labels: str) -> float:
        """The value of one series at this moment; of a histogram how many it has counted. 0 where there is none."""
        value = self.samples()[name].get(labels, 0.0)
        return float(sum(value.counts)) if isinstance(value, Distribution) else value


def process_figures() -> Source:
    """CPU, memory and descriptors of this process."""
    collector = ProcessCollector(registry=None)

    def figures() -> Iterator[tuple[str, Labels, float]]:
        for metric in collector.collect():
            for sample in metric.samples:
                if sample.name in CATALOGUE:
                    yield sample.name, (), sample.value

    return figures


def _distribution(child: Durations) -> Distribution:
    return Distribution(tuple(child.counts), child.sum_seconds, dict(child.exemplars))


def _check(family: Family, labels: Labels) -> None:
    """Raise ValueError for labels that the catalogue does not have: a defect, found where the series is made."""
    known = [label.values for label in family.labels]
    if len(known) != len(labels) or any(values and value not in values for values, value in zip(known, labels, strict=True)):
        allowed = " x ".join("|".join(values) or "any" for values in known) or "no labels"
        raise ValueError(f"{family.name}{labels}: {allowed} are known")
