"""The benchmark of AC-6 must notice that it measures something else than it says."""

from pathlib import Path

import pytest

import bench.bloom
from bench.bloom import EXAMPLE, Figures, Refused, main, measure, percentile


@pytest.mark.parametrize(
    ("values", "p50", "p99"), [([1.0], 1.0, 1.0), ([1.0, 2.0], 2.0, 2.0), ([float(n) for n in range(200)], 100.0, 198.0)]
)
def test_percentiles(values: list[float], p50: float, p99: float) -> None:
    assert (percentile(values, 50), percentile(values, 99)) == (p50, p99)


def test_what_is_added_is_the_difference_of_the_two_ways() -> None:
    figures = Figures([1.0, 2.0, 3.0], [4.0, 6.0, 9.0])

    assert (figures.added_p50_ms, figures.added_p99_ms) == (4.0, 6.0)


def test_saves_that_are_not_counted_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Were noclobber to pass everything through, it would be fast."""
    (tmp_path / "backend.py").write_text((EXAMPLE / "backend.py").read_text())
    (tmp_path / "config.toml").write_text((EXAMPLE / "config.toml").read_text().partition("[[route]]")[0])
    monkeypatch.setattr(bench.bloom, "EXAMPLE", tmp_path)

    with pytest.raises(Refused, match="shows none"):
        measure("memory", saves=1)


def test_the_command_prints_a_line_for_each_store_and_fails_above_the_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"sqlite": Figures([1.0], [4.5]), "valkey": Figures([1.0], [51.0])}
    monkeypatch.setattr(bench.bloom, "measure", lambda kind, _: figures[kind])

    assert main(["--stores", "sqlite"]) == 0
    assert "sqlite            1.00     1.00          4.50     4.50        3.50        3.50" in capsys.readouterr().out
    assert main([]) == 1
    assert "NOT met" in capsys.readouterr().out
