"""What Prometheus is given: its configuration, and rules that fire when they have to and not otherwise."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .promql import RULES, Expression, any_window, known_metrics, rules
from .servers import promtool_binary

ROOT = Path(__file__).parents[1]
FOLDER = RULES.parent
ALERTS = [rule for rule in rules() if "alert" in rule]
KNOWN = known_metrics()
TESTS = yaml.safe_load((FOLDER / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
INSTALL_SECONDS = 300
"""Where Prometheus is missing, the first of these tests installs it."""


def name_of(rule: dict[str, Any]) -> str:
    return f"{rule['alert']} {rule['labels'].get('window', '')}".strip() if "alert" in rule else str(rule["record"])


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool_binary(), *words], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.timeout(INSTALL_SECONDS)
@pytest.mark.parametrize(
    "words", [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")]
)
def test_promtool_finds_nothing(words: tuple[str, ...]) -> None:
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_the_tests_of_rules_have_each_alert_fire_and_not_fire(rule: dict[str, Any]) -> None:
    cases = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    expected = [[alert["exp_labels"] for alert in case["exp_alerts"]] for case in cases]
    fires = [any(rule["labels"].items() <= labels.items() for labels in alerts) for alerts in expected]
    # promtool compares the whole list of alerts: what is not expected must not fire.
    assert any(fires)
    assert not all(fires)


@pytest.mark.parametrize("rule", rules(), ids=name_of)
def test_nothing_is_wrong_with_a_rule(rule: dict[str, Any]) -> None:
    assert Expression(rule["expr"], KNOWN, any_window, {}).faults == []


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_says_whom_it_is_for_what_it_is_about_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    told = rule["annotations"]
    assert sorted(told) == ["description", "runbook_url", "summary"]
    assert "$value" in told["description"]
    assert "$labels" in told["description"]
    # What is named has to be there: Prometheus shows an unknown label as nothing.
    named = set(re.findall(r"\$labels\.(\w+)", told["description"] + told["summary"]))
    expression = Expression(rule["expr"], KNOWN, any_window, {})
    assert named <= expression.labels
    assert told["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_has_its_runbook(rule: dict[str, Any]) -> None:
    text = (ROOT / rule["annotations"]["runbook_url"]).read_text(encoding="utf-8")
    assert rule["alert"] in text.splitlines()[0]
    assert len(text.split()) > 60
