"""The demo stack: real processes, a real Prometheus, and every expression of the dashboards and rules asked of it."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from .test_dev import load

ROOT = Path(__file__).parents[1]
JOURNEYS = ROOT / "examples" / "journeys"
DASHBOARDS = ROOT / "grafana" / "dashboards"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # Its dataclasses look for their module.
    monkeypatch.setitem(sys.modules, "check", ModuleType("check"))
    return load("check", JOURNEYS / "check.py")


ANSWERS = [
    pytest.param("store / Latency, by operation", [0.001], "", id="figures"),
    pytest.param("store / Latency, by operation", [0.0], "", id="a figure may be 0"),
    pytest.param("store / Latency, by operation", [], "no figures", id="no figures"),
    pytest.param("concurrency / Out of band", [0.0, 2.0], "", id="some above 0"),
    pytest.param("concurrency / Out of band", [0.0], "no figure above 0, though the night job goes around noclobber", id="none above 0"),
    pytest.param("rule NoclobberStoreDown", [], "", id="rightly nothing"),
    pytest.param("rule NoclobberStoreDown", [0.0], "[0.0], though the store answers", id="an alert that fires with 0"),
    pytest.param("overview / Errors by answer", [0.0], "", id="rightly 0"),
    pytest.param("overview / Errors by answer", [0.1], "[0.1], though nothing fails here", id="wrongly above 0"),
    pytest.param("rule NoclobberUnknownOutcomes", [3.0], "[3.0], though nothing fails here", id="wrongly something"),
    pytest.param("rule NoclobberOverheadBurn", [0.2], "", id="either, and some"),
    pytest.param("rule NoclobberOverheadBurn", [], "", id="either, and none"),
]


@pytest.mark.parametrize(("place", "figures", "fault"), ANSWERS)
def test_an_answer_is_judged_by_what_is_expected(check: ModuleType, place: str, figures: list[float], fault: str) -> None:
    assert check.judge(place, figures) == fault


def test_variables_are_filled_in_and_nothing_else_is_left(check: ModuleType) -> None:
    asked = list(check.of_dashboards(DASHBOARDS))
    assert len(asked) > 100
    assert {each.place for each in asked} >= {"overview / Requests", "annotation Reloads", "variable route"}
    assert not [each for each in asked if "$" in each.expression.replace("${1}xx", "")]


def test_a_metric_that_no_page_shows_is_named(check: ModuleType) -> None:
    metadata: dict[str, object] = {"noclobber_ready": 0, "noclobber_overhead_seconds": 0, "noclobber_requests": 0}
    expression = "noclobber_ready + noclobber_overhead_seconds_bucket + noclobber_requests_total + job:noclobber_errors:ratio_rate5m"
    assert check.unknown_metrics(expression, metadata) == []
    assert check.unknown_metrics("noclobber_magic_total", metadata) == ["noclobber_magic_total"]
