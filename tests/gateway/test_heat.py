"""Which resources are hot: what is counted, what cools, and what is forgotten."""

import pytest

from proxy.gateway.heat import HALF_LIFE_SECONDS, Heat
from proxy.store.port import StoreKey

A, B = StoreKey("a"), StoreKey("b")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_happens_is_counted_by_resource(clock: Clock) -> None:
    heat = Heat(clock)
    heat.wait(A)
    heat.write(A, "r", b"/a", 0)
    heat.write(A, "r", b"/a", 1)
    heat.write(B, "s", b"/b", 0)
    first, second = heat.hottest(10)
    assert (first.key, first.route, first.path, first.writes, first.conflicts, first.waits) == (A, "r", b"/a", 2, 1, 1)
    assert (second.key, second.writes, second.last_at) == (B, 1, 1000.0)
    assert [spot.key for spot in heat.hottest(1)] == [A]


def test_who_only_waits_is_told_once_its_write_is_over(clock: Clock) -> None:
    heat = Heat(clock)
    heat.wait(A)
    assert heat.hottest(10) == []


def test_what_was_hot_cools(clock: Clock) -> None:
    heat = Heat(clock)
    for _ in range(4):
        heat.write(A, "r", b"/a", 0)
    clock.now += 3 * HALF_LIFE_SECONDS
    heat.write(B, "r", b"/b", 0)
    assert [(spot.key, spot.heat / heat.unit()) for spot in heat.hottest(2)] == [(B, 1.0), (A, 0.5)]


@pytest.mark.parametrize("half_lives", [199, 201, 5000, 1_000_000])
def test_years_do_not_make_it_overflow(clock: Clock, half_lives: int) -> None:
    heat = Heat(clock)
    heat.write(A, "r", b"/a", 0)
    clock.now += half_lives * HALF_LIFE_SECONDS
    heat.write(B, "r", b"/b", 0)
    assert heat.hottest(1)[0].key == B
    assert heat.hottest(1)[0].heat / heat.unit() == 1.0


def test_the_hot_ones_stay_and_the_cold_ones_go(clock: Clock) -> None:
    heat = Heat(clock, kept=10)
    for number in range(1000):
        heat.write(A, "r", b"/a", 0)
        heat.write(StoreKey(f"cold {number}"), "r", b"/cold", 0)
    kept = heat.hottest(1000)
    assert (kept[0].key, kept[0].writes) == (A, 1000)
    assert len(kept) <= 20
