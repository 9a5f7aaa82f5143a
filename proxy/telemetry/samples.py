"""Samples: the figures of one moment as plain data, which go from a worker to its parent and become one there."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import NamedTuple

import orjson

from .catalogue import CATALOGUE
from .family import Family, Kind, Merge

MAX_EXEMPLAR_CHARS = 128
"""OpenMetrics 1.0, Exemplars: the names and values of the labels together."""

Labels = tuple[str, ...]


class Exemplar(NamedTuple):
    """One request that fell into a bucket: `label` and `value` name it, `seconds` it took, `at` is the wall-clock time."""

    label: str
    value: str
    seconds: float
    at: float


class Distribution(NamedTuple):
    """A histogram: `counts` of each bucket by itself, the last one for all above. `exemplars` are by the number of their bucket."""

    counts: tuple[int, ...]
    sum_seconds: float
    exemplars: Mapping[int, Exemplar]


Value = float | Distribution
Samples = Mapping[str, Mapping[Labels, Value]]
"""By the names of families in the catalogue, and by the values of their labels in its order."""


def dumped(samples: Samples) -> bytes:
    """Put samples into JSON."""
    return orjson.dumps({name: [(labels, _plain(value)) for labels, value in children.items()] for name, children in samples.items()})


def loaded(content: bytes) -> Samples:
    """Read what `dumped` wrote. What the catalogue does not know (another version wrote it) is left out."""
    found = orjson.loads(content)
    return {name: {tuple(labels): _value(value) for labels, value in found[name]} for name in CATALOGUE if name in found}


def merged(several: Iterable[Samples]) -> Samples:
    """Make one of the figures of several processes, by the catalogue's rules."""
    result: dict[str, MutableMapping[Labels, Value]] = {}
    for samples in several:
        for name, children in samples.items():
            into = result.setdefault(name, {})
            for labels, value in children.items():
                into[labels] = value if labels not in into else _joined(CATALOGUE[name], into[labels], value)
    return result


def kept(samples: Samples) -> Samples:
    """Return what must outlive a process, so that nothing goes backwards: what has been counted."""
    return {name: children for name, children in samples.items() if CATALOGUE[name].kind is not Kind.GAUGE}


def _joined(family: Family, one: Value, other: Value) -> Value:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        if len(one.counts) != len(other.counts):
            return max(one, other, key=lambda each: sum(each.counts))
        newest = sorted((*one.exemplars.items(), *other.exemplars.items()), key=lambda found: found[1].at)
        counts = tuple(map(sum, zip(one.counts, other.counts, strict=True)))
        return Distribution(counts, one.sum_seconds + other.sum_seconds, dict(newest))
    if isinstance(one, Distribution) or isinstance(other, Distribution):
        raise TypeError(f"{family.name} is a histogram in one process and none in another")
    match family.merge:
        case Merge.SUM:
            return one + other
        case Merge.MAX:
            return max(one, other)
        case Merge.MIN:
            return min(one, other)


def _plain(value: Value) -> object:
    if not isinstance(value, Distribution):
        return value
    return value.counts, value.sum_seconds, [(bucket, *exemplar) for bucket, exemplar in value.exemplars.items()]


def _value(plain: object) -> Value:
    match plain:
        case int() | float():
            return float(plain)
        case [list(counts), int() | float() as seconds, list(exemplars)]:
            return Distribution(tuple(counts), float(seconds), {bucket: Exemplar(*rest) for bucket, *rest in exemplars})
        case _:
            raise ValueError(f"not a sample: {plain!r:.80}")
