"""The measurement of what a second worker brings must notice when it brings too little, and runs as a whole."""

import pytest

from bench import scale
from bench.generator import Measurement
from bench.scale import Kind, Run


def run(workers: int, worker_us: float, *shares: float) -> Run:
    """A run with a thousand requests."""
    seconds = worker_us * 1000 / 1e6
    counts = {"requests": 1000, "seconds": 1.0, "p50": 0.0, "p99": 0.0, "store_cpu_seconds": 0.0, "upstream_requests": 1.0}
    measurement = Measurement(cpu_seconds=seconds, wrong={}, **counts)  # type: ignore[arg-type]
    return Run(workers, measurement, [share * seconds for share in shares], 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("one", "two", "ratio", "uneven"),
    [
        (run(1, 100, 1.0), run(2, 100, 0.5, 0.5), 2.0, 2.0),
        (run(1, 100, 1.0), run(2, 200, 0.5, 0.5), 1.0, 1.0),
        (run(1, 100, 1.0), run(2, 100, 0.8, 0.2), 2.0, 1.25),
    ],
    ids=["nothing in common", "they hinder each other", "one does most"],
)
def test_the_ratio_is_that_of_processor_times(one: Run, two: Run, ratio: float, uneven: float) -> None:
    kind = Kind("a kind", [one, two])
    assert kind.ratio == pytest.approx(ratio)
    assert kind.uneven_ratio == pytest.approx(uneven)


def test_the_whole_measurement_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures are not judged here: other tests run meanwhile."""
    monkeypatch.setattr(scale, "KINDS", {title: kind for title, kind in scale.KINDS.items() if title.startswith("PUT")})
    assert scale.main(["--rounds", "1", "--seconds", "0.5"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "PUT with If-Match, 1 KB" in printed
    assert "times the requests" in printed
    assert "WRONG" not in printed
