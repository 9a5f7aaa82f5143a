"""Figures of several workers: they travel as plain data, and become one by the catalogue's rules."""

import pytest

from proxy.gateway.metrics import Metrics, RouteMetrics
from proxy.telemetry.samples import Distribution, Exemplar, Samples, dumped, kept, loaded, merged
from proxy.telemetry.series import Registry

DURATION = "noclobber_request_duration_seconds"


async def worker(requests: int, seconds: float, at: float) -> Registry:
    """The figures of a worker that has served so many requests."""
    metrics = Metrics()
    routed = RouteMetrics(metrics, "r")
    for _ in range(requests):
        routed.served.note(("GET", 200, "", "", seconds, 0.0, 0.0), at)
    routed.served.duration.exemplify(Exemplar("request_id", f"at-{at}", seconds, at))
    registry = metrics.registry
    registry.read("noclobber_ready", by=lambda: requests > 1)
    registry.read("noclobber_grace_remaining_seconds", by=lambda: seconds)
    registry.read("noclobber_connections", by=lambda: requests)
    registry.read("noclobber_store_losses_total", by=lambda: requests)
    return registry


async def test_what_travels_arrives() -> None:
    samples = (await worker(3, 0.2, 5.0)).samples()
    arrived = loaded(dumped(samples))
    assert arrived == samples
    assert arrived["noclobber_requests_total"]["r", "GET", "200"] == 3
    found = arrived[DURATION]["r",]
    assert isinstance(found, Distribution)
    assert list(found.exemplars.values()) == [Exemplar("request_id", "at-5.0", 0.2, 5.0)]


async def test_what_another_version_counts_is_left_out() -> None:
    assert loaded(b'{"noclobber_of_tomorrow":[[["a"],1]],"noclobber_tasks":[[[],2]]}') == {"noclobber_tasks": {(): 2.0}}
    with pytest.raises(ValueError, match="not a sample"):
        loaded(b'{"noclobber_tasks":[[[],"two"]]}')


async def test_each_family_is_merged_by_its_rule() -> None:
    one, two = await worker(3, 0.3, 5.0), await worker(1, 0.4, 4.0)
    found = merged([one.samples(), two.samples()])
    assert found["noclobber_requests_total"] == {("r", "GET", "200"): 4}
    assert found["noclobber_connections"] == {(): 4}
    assert found["noclobber_ready"] == {(): 0}
    assert found["noclobber_grace_remaining_seconds"] == {(): 0.4}
    # Both have seen the same losses.
    assert found["noclobber_store_losses_total"] == {(): 3}
    assert set(found["noclobber_build_info"].values()) == {1}
    both = found[DURATION]["r",]
    assert isinstance(both, Distribution)
    assert sum(both.counts) == 4
    assert both.sum_seconds == pytest.approx(1.3)
    # Of two exemplars of one bucket the newer one.
    assert [exemplar.at for exemplar in both.exemplars.values()] == [5.0]
    # And neither of the two was changed by it.
    assert one.value("noclobber_requests_total", "r", "GET", "200") == 3


async def test_what_a_dead_worker_has_counted_is_kept_and_its_gauges_are_not() -> None:
    dead, live = await worker(3, 0.2, 5.0), await worker(2, 0.2, 6.0)
    found = merged([kept(dead.samples()), live.samples()])
    assert found["noclobber_requests_total"] == {("r", "GET", "200"): 5}
    assert found["noclobber_connections"] == {(): 2}
    assert found["noclobber_ready"] == {(): 1}


async def test_a_histogram_with_other_buckets_is_not_added_up() -> None:
    few: Samples = {DURATION: {("r",): Distribution((1, 2), 0.5, {})}}
    many: Samples = {DURATION: {("r",): Distribution((1, 2, 3), 0.5, {})}}
    assert merged([few, many]) == many


def test_nothing_is_counted_that_is_not_in_the_catalogue() -> None:
    registry = Registry()
    for labels in (("r",), ("r", "PUT", "200", "more"), ("r", "MOVE", "200")):
        with pytest.raises(ValueError, match="noclobber_requests_total"):
            registry.count("noclobber_requests_total", *labels)
    with pytest.raises(KeyError):
        registry.count("noclobber_of_tomorrow")
