"""A short crash campaign: every fault point once, spread over the stores. `./dev crash --kills 2000` goes through all the cells."""

import random
from pathlib import Path

import pytest

from proxy.gateway.points import Point
from tests.campaigns.cells import CELLS, METHODS, Way, schedule
from tests.campaigns.crash import Campaign, run
from tests.campaigns.faulty import Action
from tests.campaigns.routes import STRATEGIES
from tests.campaigns.stores import STORES

ALL = schedule(kills=len(Point), stops=3, chance=random.Random(1))


@pytest.mark.parametrize(("store", "part"), [(store, n) for n, store in enumerate(STORES)])
def test_nothing_is_lost_wherever_a_process_goes(store: str, part: int, tmp_path: Path) -> None:
    cells = ALL[part :: len(STORES)]
    result = run(Campaign(store, cells, lanes=5, seed=part), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.complaints == []
    assert result.not_reached == []
    # How soon a resource is writable again is the full campaign's to judge: here others take the processor's time.
    assert result.stuck == []
    assert result.kills + result.stops == len(cells)
    assert result.operations > len(cells)


def test_the_cells_are_every_point_with_every_method_and_every_strategy() -> None:
    assert {(cell.point, cell.way.action) for cell in CELLS} == {
        (point, action) for point in Point for action in (Action.KILL, Action.STOP)
    }
    for point in Point:
        methods = {cell.method for cell in CELLS if cell.point is point}
        assert methods == set(METHODS) - ({"DELETE"} if point in (Point.PIECE, Point.READ_BACK, Point.READ) else set())
        assert {cell.strategy for cell in CELLS if cell.point is point} == set(STRATEGIES)
    assert {cell.way for cell in CELLS if cell.point is Point.GATE} == {Way.KILL, Way.KILL_LATER, Way.STOP_LATER}


def test_a_long_campaign_goes_through_all_cells_and_a_short_one_through_all_points() -> None:
    kills = [cell for cell in CELLS if cell.way.action is Action.KILL]
    assert sorted(map(str, schedule(len(kills), 0, random.Random(1)))) == sorted(map(str, kills))
    assert {cell.point for cell in schedule(len(Point), 0, random.Random(1))} == set(Point)
