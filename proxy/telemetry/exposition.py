"""Exposition: figures as text, in Prometheus' own format 0.0.4 and in OpenMetrics 1.0, as the scraper asks for."""

import asyncio
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import accumulate

from prometheus_client import exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as open_metrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ShownExemplar

from .catalogue import CATALOGUE
from .family import Family, Kind
from .samples import Distribution, Exemplar, Labels, Samples, Value


class Form(Enum):
    """The two formats, by their content types."""

    TEXT = exposition.CONTENT_TYPE_PLAIN_0_0_4
    OPEN_METRICS = open_metrics.CONTENT_TYPE_LATEST


def form_for(accept: str) -> Form:
    """Choose by an Accept field: what is liked best of the two, the first where both are liked as well (RFC 9110 §12.5.1).

    Here, because prometheus-client does not look at weights. A version that is not written is passed over. Where nothing of ours is
    named it is TEXT, which every scraper reads.
    """
    liked: list[tuple[float, Form]] = []
    for each in accept.split(","):
        media, *parameters = (part.strip().lower() for part in each.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        version = given.get("version", "").strip('"')
        try:
            weight = float(given.get("q", "1"))
        except ValueError:
            continue
        if weight <= 0:
            continue
        if media == "application/openmetrics-text" and version in ("", "1.0.0"):
            liked.append((weight, Form.OPEN_METRICS))
        elif media in ("text/plain", "text/*", "*/*") and version in ("", "0.0.4"):
            liked.append((weight, Form.TEXT))
    # `max` takes the first of several.
    return max(liked, key=lambda found: found[0], default=(0.0, Form.TEXT))[1]


async def page(samples: Samples, form: Form) -> bytes:
    """Write samples, in a thread: a page may have tens of thousands of lines, and the loop that waits for it may serve clients."""
    write = exposition.generate_latest if form is Form.TEXT else open_metrics.generate_latest
    return await asyncio.to_thread(write, Shown(samples))


class Shown(Collector):
    """Samples, as the library takes them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        """The families that have any samples, in the catalogue's order."""
        for name, family in CATALOGUE.items():
            if children := self._samples.get(name):
                yield _metric(family, children)


def _metric(family: Family, children: Mapping[Labels, Value]) -> Metric:
    names = [label.name for label in family.labels]
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.help, labels=names, unit=family.unit)
        for labels, value in children.items():
            if isinstance(value, Distribution):
                histogram.add_metric(labels, _buckets(family, value), value.sum_seconds)
        return histogram
    make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = make(family.base, family.help, labels=names, unit=family.unit)
    for labels, value in children.items():
        if not isinstance(value, Distribution):
            metric.add_metric(labels, value)
    return metric


def _buckets(family: Family, found: Distribution) -> list[tuple[str, float] | tuple[str, float, ShownExemplar]]:
    """The buckets with their upper bounds; they are cumulative on a page."""
    bounds = [*map(str, family.buckets), "+Inf"]
    shown: list[tuple[str, float] | tuple[str, float, ShownExemplar]] = list(zip(bounds, accumulate(map(float, found.counts)), strict=True))
    for bucket, exemplar in found.exemplars.items():
        shown[bucket] = (*shown[bucket][:2], _exemplar(exemplar))
    return shown


def _exemplar(exemplar: Exemplar) -> ShownExemplar:
    return ShownExemplar({exemplar.label: exemplar.value}, exemplar.seconds, exemplar.at)
