"""A short race per store, and one around noclobber that has to lose: a check that cannot fail shows nothing."""

import itertools
from pathlib import Path

import pytest

from tests.campaigns.fleet import RELOADS, Fate
from tests.campaigns.race import Race, run
from tests.campaigns.routes import STRATEGIES
from tests.campaigns.stores import STORES

SECONDS = 4.0


@pytest.mark.parametrize("store", STORES)
def test_two_processes_on_one_store_lose_nothing(store: str, tmp_path: Path) -> None:
    result = run(Race(store, seconds=SECONDS), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.lost == 0
    # Without faults nobody is left in doubt.
    assert result.unknown == 0
    assert result.acknowledged > 0
    assert result.conflicts > 0


@pytest.mark.parametrize(("strategy", "store"), list(zip(STRATEGIES, itertools.cycle(STORES), strict=False)))
def test_nothing_is_lost_whatever_tells_states_apart(strategy: str, store: str, tmp_path: Path) -> None:
    result = run(Race(store, clients=20, seconds=2.0, strategy=strategy), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.lost == result.unknown == 0
    assert result.acknowledged > 0
    assert result.conflicts > 0


def test_nothing_is_lost_while_workers_are_killed(tmp_path: Path) -> None:
    result = run(Race("sqlite", clients=10, resources=20, seconds=8.0, workers=2, fate=Fate.KILLS), tmp_path)

    assert result.violations == []
    # The listener stays up: nobody is turned away, and only what was in flight is not answered.
    assert result.unexpected == {}
    assert result.lost == 0
    assert result.backwards == []
    assert result.acknowledged > 0
    assert result.restarts > 0


def test_no_request_fails_while_good_and_bad_files_are_loaded(tmp_path: Path) -> None:
    result = run(Race("sqlite", clients=10, resources=20, seconds=100.0, workers=2, fate=Fate.RELOADS), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.lost == result.unknown == 0
    assert result.backwards == []
    assert result.acknowledged > 0
    assert result.reloads == RELOADS


def test_no_write_is_in_doubt_when_all_end_under_load(tmp_path: Path) -> None:
    result = run(Race("sqlite", clients=20, resources=20, seconds=6.0, delay_seconds=0.05, workers=2, fate=Fate.END), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.lost == result.unknown == 0
    assert result.acknowledged > 0
    # They did meet the end.
    assert result.seconds < 6.0


def test_the_same_race_around_noclobber_loses_updates(tmp_path: Path) -> None:
    result = run(Race(None, seconds=1.0), tmp_path)

    assert result.lost > 0
    assert not result.passed


def test_nothing_is_lost_either_while_much_goes_wrong_at_the_backend(tmp_path: Path) -> None:
    result = run(Race("sqlite", clients=20, resources=20, seconds=60.0, operations=2000, faults=0.1, seed=1), tmp_path)

    assert result.violations == []
    assert result.unexpected == {}
    assert result.lost == 0
    assert result.requests >= 2000
    # They did go wrong: some writers were left in doubt, and some made to wait.
    assert result.unknown > 0
    assert result.refused + result.busy > 0
