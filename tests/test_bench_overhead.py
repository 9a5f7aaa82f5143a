"""The measurement of what noclobber adds must notice what is over the bounds, and that it measures something else than it says."""

import pytest

from bench import overhead
from bench.overhead import BACKEND_SECONDS, Row, show

FAST = [0.0500, 0.0502, 0.0504]


@pytest.mark.parametrize(
    ("through", "work", "keeps"),
    [
        ([0.0508, 0.0510, 0.0900], 0.0010, True),
        ([0.0508, 0.0515, 0.0515], 0.0010, False),
        ([0.0502, 0.0502, 0.0502], BACKEND_SECONDS * 0.05, False),
    ],
    ids=["within both", "over the response time", "over the work"],
)
def test_a_bound_that_is_not_kept_is_noticed(through: list[float], work: float, keeps: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(Row("a read", FAST, through, work, {"Caddy": [0.0505, 0.0505, 0.0505]})) is keeps
    printed = capsys.readouterr().out
    assert "a read" in printed
    assert "+0.60% Caddy" in printed


def test_the_whole_measurement_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures are not judged here: other tests run meanwhile."""
    monkeypatch.setattr("sys.argv", ["overhead", "--users", "1", "--rounds", "2"])
    assert overhead.main() in (0, 1)
    printed = capsys.readouterr().out
    for title in overhead.KINDS:
        assert title in printed
    assert "bounds: 2% of response time, 5% of work" in printed
