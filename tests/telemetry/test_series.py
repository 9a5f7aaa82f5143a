"""Series: a histogram sorts by the dozen what it has noted, and is read as if each had been sorted at once."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.series import Durations, Registry

BOUNDS = (0.1, 0.5, 1.0)
seconds = st.floats(0.0, 2.0) | st.sampled_from(BOUNDS)


@given(st.lists(st.lists(seconds, max_size=200), max_size=4))
def test_it_has_what_sorting_each_at_once_would_give(runs: list[list[float]]) -> None:
    durations, expected = Durations(BOUNDS), [0] * (len(BOUNDS) + 1)
    for number, run in enumerate(runs):
        if number % 2:
            durations.observe_all(iter(run))
        else:
            for each in run:
                durations.observe(each)
        for each in run:
            # A bound belongs to the bucket below it ("le").
            expected[bisect_left(BOUNDS, each)] += 1
        assert list(durations.counts) == expected
    assert durations.total() == sum(map(len, runs))
    assert durations.sum_seconds == pytest.approx(sum(map(sum, runs)))


def test_those_of_no_route_are_sorted_by_the_registry() -> None:
    registry = Registry()
    swaps = registry.durations("noclobber_store_duration_seconds", "swap")
    waits = registry.durations("noclobber_lease_wait_seconds", "r")
    for histogram in (swaps, waits):
        histogram.observe(0.2)
    registry.sort()
    # Those of a route are sorted with its requests: there may be thousands of them.
    assert (swaps._noted, waits._noted) == ([], [0.2])
