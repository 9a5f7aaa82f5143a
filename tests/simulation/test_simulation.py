"""The slice of the simulation that runs each time, and the mutants that it has to catch."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .__main__ import ENOUGH, first_caught, parade
from .mutants import MUTANTS
from .scenario import Disaster, Fate
from .world import run

# A minute's work on an idle core, all in all: the time is for machines that are not.
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parent.parent.parent
SLICES = 3


@pytest.mark.parametrize("part", range(SLICES))
def test_nothing_is_found(part: int) -> None:
    told, faults = Counter[str](), Counter[str]()
    for seed in range(part, ENOUGH, SLICES):
        result = run(seed)
        assert result.violations == [], f"replay: ./dev simulate --seed {seed} --trace"
        told += result.told
        faults += result.faults
    # Were the world too cruel, no write would get through, and nothing could be lost; were it too kind, neither.
    assert told["200"] > 800
    assert told["412"] > 400
    assert told["504"] > 80
    assert {f"world: {disaster.value}" for disaster in Disaster} <= faults.keys()
    assert {f"write: {fate.value}" for fate in Fate if fate is not Fate.ANSWERED} <= faults.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_every_protective_step_is_missed(name: str) -> None:
    caught = first_caught(name, range(ENOUGH))
    assert caught is not None
    assert not any("a defect" in what or "the simulation" in what for what in caught.violations)


def simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False, env=env)


SEEDS = (0, 9, 17, 36)


def test_a_seed_replays_exactly() -> None:
    first = [run(seed) for seed in SEEDS]
    assert [run(seed).lines for seed in SEEDS] == [result.lines for result in first]
    assert len({result.digest for result in first}) == len(SEEDS)
    assert all(len(result.lines) > 100 for result in first)


def test_a_seed_replays_exactly_in_another_process() -> None:
    """The order of sets and of hashed strings differs there."""
    done = simulate("--seed", "36", "--trace", PYTHONHASHSEED="12345")
    result = run(36)
    assert done.stdout.splitlines()[:-1] == result.lines
    assert done.stdout.rstrip().endswith(f"trace {result.digest}")


def test_a_failing_seed_says_how_to_replay_it() -> None:
    done = simulate("--seeds", "30", "--mutant", "no retry", "--mode", "content")
    assert done.returncode == 1
    assert re.search(r"replay: \./dev simulate --seed \d+ --trace --mutant 'no retry' --mode content$", done.stdout, re.MULTILINE)


def test_a_mutant_that_gets_away_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parade(range(0)) == 1
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.split() == ["step", "removed", "seed", "violation"]
    assert [row[:24].strip() for row in rows] == list(MUTANTS)
    assert all(row.endswith("NOT CAUGHT in 0 seeds") for row in rows)
