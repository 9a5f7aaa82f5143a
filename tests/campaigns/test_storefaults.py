"""A slice of the campaign of store faults, and that it can fail."""

from pathlib import Path

import pytest

from tests.campaigns import witness
from tests.campaigns.history import SEED, Outcome, Write
from tests.campaigns.rig import Renewed
from tests.campaigns.storefaults import GRACE_SECONDS, Done, Load, Round, _judge, run

SLICE = [
    ("valkey", ["kill, restart empty", "black hole", "answers lost"]),
    ("redis-server", ["FLUSHALL", "connections reset"]),
    ("sentinel", ["primary killed"]),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("rig", "faults"), SLICE, ids=[rig for rig, _ in SLICE])
async def test_a_slice_of_the_campaign(tmp_path: Path, rig: str, faults: list[str]) -> None:
    for result in await run(rig, faults, 1, tmp_path):
        assert result.passed, result


def judged(*done: Done, renewed: Renewed | None = None, writes: tuple[Write, ...] = ()) -> bool:
    """Whether a campaign of one round passes, from its 100th to its 110th second, in which this was done."""
    testimony = witness.Testimony()
    testimony.history.writes += [Write("/a", "0-1", SEED, '"t"', Outcome.ACKNOWLEDGED, 101.0), *writes]
    load = Load([], testimony, 0)
    load.done += done
    logs = {"/a": [{"write": "0-1"}]}
    return _judge("fault", [Round(100.0, renewed, 110.0)], load, testimony, logs).passed


READ = Done("/a", True, 101.0, 101.1, succeeded=True)


def test_what_passes() -> None:
    assert judged(READ)
    assert judged(READ, Done("/a", False, 100.5, 101.0, succeeded=True), renewed=Renewed(101.0, 101.0))
    assert judged(READ, Done("/a", False, 101.0, 101.0 + GRACE_SECONDS, succeeded=True), renewed=Renewed(101.0, 101.0))
    assert judged(READ, Done("/a", False, 101.5, 102.0, succeeded=True), renewed=Renewed(101.0, 102.0))
    assert judged(READ, Done("/a", False, 101.5, 102.0, succeeded=True), renewed=Renewed(101.0, 101.0, lambda resource: resource == "/b"))


def test_a_write_in_the_grace_is_flagged() -> None:
    assert not judged(READ, Done("/a", False, 101.5, 102.0, succeeded=True), renewed=Renewed(101.0, 101.0))


def test_reads_that_fail_and_reads_that_nobody_made_are_flagged() -> None:
    assert not judged(*[READ] * 500, Done("/a", True, 101.0, 101.1, succeeded=False))
    assert judged(*[READ] * 1000, Done("/a", True, 101.0, 101.1, succeeded=False))
    assert not judged()


def test_a_violation_is_flagged() -> None:
    assert not judged(READ, writes=(Write("/a", "0-2", "0-1", '"u"', Outcome.ACKNOWLEDGED, 102.0),))
