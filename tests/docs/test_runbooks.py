"""Every alert has its runbook, all runbooks have the same parts, and what they ask Prometheus is PromQL."""

import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.docs.blocks import ROOT, blocks, documents, name_of

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RUNBOOKS = ROOT / "docs" / "runbooks"
PARTS = ["What it means", "What users see", "Is data at risk?", "Look first", "Mend", "Prevent", "Silence"]
ALERTS = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"] if "alert" in rule]
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "index.md")
EXPRESSIONS = [
    pytest.param(block.text, id=f"{name_of(document)}:{block.line}")
    for document in documents()
    for block in blocks(document.read_text(encoding="utf-8"))
    if block.language == "promql"
]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in PAGES} == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('window', '')}")
def test_an_alert_leads_to_its_runbook(rule: dict[str, dict[str, str]]) -> None:
    assert (ROOT / rule["annotations"]["runbook_url"]).resolve() == RUNBOOKS / f"{rule['alert']}.md"


def test_the_list_says_how_urgent_each_is() -> None:
    urgent = {name: " or ".join({"page": "now", "ticket": "this week"}[word] for word in sorted(severities(name))) for name in names()}
    index = (RUNBOOKS / "index.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"(?m)^\| \[(\w+)\]\(\1\.md\) \| ([^|]+?) \|", index))
    assert {name: words.replace(", ", " ") for name, words in listed.items()} == urgent


def names() -> list[str]:
    return [path.stem for path in PAGES]


def severities(name: str) -> set[str]:
    return {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_every_part(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n\nSeverity: {' '.join(sorted(severities(page.stem)))[:4]}")
    assert re.findall(r"(?m)^## (.+)$", text) == PARTS
    look = text.partition("## Look first\n")[2].partition("\n## ")[0]
    assert re.findall(r"(?m)^\*\*(\d)\. ", look) == ["1", "2", "3"]
    assert any(block.verb == "run" for block in blocks(look)), "nothing in it can be tried"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_prometheus_is_asked_is_promql(expression: str) -> None:
    promql_parser.parse(expression)
