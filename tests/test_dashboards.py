"""The dashboards, held to what operators can rely on. Each rule of the lint is shown to refuse something."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.generate import FOLDER, files

from .dashboards import Document, complaints
from .promql import known_metrics, rules

ROOT = Path(__file__).parents[1]
KNOWN = known_metrics()
WRITTEN = sorted(FOLDER.glob("*.json"))
Break = Callable[[Document], object]


def read(path: Path) -> Document:
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_the_files_are_what_the_generator_writes() -> None:
    made = dict(files())
    assert sorted(made) == WRITTEN
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: ./dev dashboards"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_a_dashboard(path: Path) -> None:
    assert complaints(read(path), KNOWN) == []


def test_every_link_to_a_page_leads_to_one_and_every_runbook_is_there() -> None:
    pages = {read(path)["uid"] for path in WRITTEN}
    text = "".join(path.read_text(encoding="utf-8") for path in WRITTEN)
    assert set(re.findall(r"/d/(noclobber-\w+)", text)) <= pages
    named = set(re.findall(r"/runbooks/(Noclobber\w+)", text))
    assert named
    assert named <= {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_metric_that_noclobber_has_is_on_a_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WRITTEN)
    shown = set(re.findall(r"\b(?:noclobber|process)_\w+", text))
    missing = {name for name in KNOWN if name.startswith("noclobber_") and not name.endswith(("_bucket", "_sum", "_count"))} - shown
    missing |= {name for name in KNOWN if name.endswith("_bucket")} - shown
    assert missing == set()


def test_what_grafana_finds_when_it_starts_is_where_compose_and_prometheus_have_it() -> None:
    def loaded(path: str) -> Any:
        return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))

    services = loaded("deploy/compose.yaml")["services"]
    (source,) = loaded("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = loaded("grafana/provisioning/dashboards/noclobber.yaml")["providers"]
    assert source["jsonData"]["timeInterval"] == loaded("deploy/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    assert "../grafana/provisioning:/etc/grafana/provisioning:ro" in services["grafana"]["volumes"]


# ---- each rule refuses something ---------------------------------------------------------------------------------------------------


def panel(document: Document, title: str) -> Document:
    found: Document = next(each for each in document["panels"] if each["title"] == title)
    return found


def variable(document: Document, name: str) -> Document:
    found: Document = next(each for each in document["templating"]["list"] if each["name"] == name)
    return found


def asking(expression: str) -> Break:
    """Break the panel In flight by another expression."""
    return lambda document: panel(document, "In flight")["targets"][0].update(expr=expression)


def setting(**values: Any) -> Break:
    """Break the panel In flight by other values."""
    return lambda document: panel(document, "In flight").update(values)


OWN = 'job=~"$job",instance=~"$instance"'
BROKEN: list[tuple[str, Break, str]] = [
    ("no uid", lambda page: page.update(uid=None), "has no uid"),
    ("another tag", lambda page: page.update(tags=["team"]), "has not the tag noclobber"),
    ("editable", lambda page: page.update(editable=True), "can be edited"),
    ("a title twice", setting(title="Requests"), "two panels of one number or title"),
    ("a number twice", setting(id=2), "two panels of one number or title"),
    ("no datasource variable", lambda page: variable(page, "datasource").update(type="custom"), "no variable for the datasource"),
    ("no route variable", lambda page: variable(page, "route").update(name="routes"), "has no variable route"),
    ("one route only", lambda page: variable(page, "route").update(multi=False), "not several and all"),
    ("a stale variable", lambda page: variable(page, "job").update(refresh=1), "not several and all"),
    ("a variable from elsewhere", lambda page: variable(page, "job").update(datasource="other"), "not several and all"),
    ("a variable of nothing", lambda page: variable(page, "job")["query"].update(query="label_values(nothing, job)"), "does not exist"),
    ("a variable that is no label", lambda page: variable(page, "job")["query"].update(query="up"), "is no label_values"),
    ("no mark for reloads", lambda page: page["annotations"]["list"].pop(0), "no annotation Reloads"),
    ("an annotation from elsewhere", lambda page: page["annotations"]["list"][0].update(datasource="other"), "Reloads: not from"),
    ("an annotation of nothing", lambda page: page["annotations"]["list"][0]["target"].update(expr="no"), "Reloads: asks for"),
    ("an overlap", lambda page: panel(page, "In flight")["gridPos"].update(x=0, y=0), "overlaps Lost updates prevented"),
    ("too wide", lambda page: panel(page, "In flight")["gridPos"].update(w=20), "outside the 24 columns"),
    ("a pie", setting(type="piechart"), "is a piechart"),
    ("no title", setting(title=""), "has no title"),
    ("no description", setting(description="In flight."), "says nothing of what it means"),
    ("no unit", lambda page: panel(page, "In flight")["fieldConfig"]["defaults"].pop("unit"), "has the units [None]"),
    ("an unknown unit", lambda page: panel(page, "In flight")["fieldConfig"]["defaults"].update(unit="apples"), "has the units ['apples']"),
    ("no query", setting(targets=[]), "asks for nothing"),
    ("a fixed datasource", setting(datasource={"uid": "prometheus"}), "does not take its data from the variable"),
    ("a target's datasource", lambda page: panel(page, "In flight")["targets"][0].pop("datasource"), "does not take its data"),
    ("no PromQL", asking("sum(noclobber_ready{"), "is no PromQL"),
    ("an unknown metric", asking(f"sum(noclobber_magic{{{OWN}}})"), "asks for noclobber_magic, which does not exist"),
    ("a histogram by its base", asking(f"sum(noclobber_overhead_seconds{{{OWN}}})"), "noclobber_overhead_seconds, which does not exist"),
    ("an unknown label", asking(f'sum(noclobber_ready{{{OWN},pod="a"}})'), "has no label pod"),
    ("an unknown value", asking(f'sum(noclobber_workers{{{OWN},state="asleep"}})'), "state is never asleep"),
    ("an unknown bucket", asking(f'sum(noclobber_loop_lag_seconds_bucket{{{OWN},le="7"}})'), "le is never 7"),
    ("grouped by nothing", asking(f"sum by (pod) (noclobber_ready{{{OWN}}})"), "groups by pod, which nothing below has"),
    ("all jobs", asking('sum(noclobber_ready{instance=~"$instance"})'), "is not narrowed by the variable job"),
    ("all instances", asking('sum(noclobber_ready{job=~"$job"})'), "is not narrowed by the variable instance"),
    ("all routes", asking(f"sum(rate(noclobber_requests_total{{{OWN}}}[$__rate_interval]))"), "is not narrowed by the variable route"),
    ("a bare counter", asking(f"sum(noclobber_worker_restarts_total{{{OWN}}})"), "is a counter: only rate and increase"),
    ("a counter's delta", asking(f"delta(noclobber_worker_restarts_total{{{OWN}}}[$__rate_interval])"), "is a counter"),
    ("a gauge's rate", asking(f"rate(noclobber_ready{{{OWN}}}[$__rate_interval])"), "is a gauge: rate is for counters"),
    ("a fixed window", asking(f"rate(noclobber_worker_restarts_total{{{OWN}}}[1m])"), "rate over a window that is not Grafana's own"),
    ("a rate over all", asking(f"rate(noclobber_worker_restarts_total{{{OWN}}}[$__range])"), "rate over a window"),
    ("a subquery", asking(f"max_over_time(noclobber_ready{{{OWN}}}[5m:1m])"), "holds what is not judged here"),
    (
        "a quantile without buckets",
        asking(f"histogram_quantile(0.9, sum(rate(noclobber_loop_lag_seconds_bucket{{{OWN}}}[$__rate_interval])))"),
        "histogram_quantile without le",
    ),
    ("a legend of nothing", lambda page: panel(page, "In flight")["targets"][0].update(legendFormat="{{pod}}"), "names pod, which"),
    (
        "a column of nothing",
        lambda page: panel(page, "Alerts firing")["transformations"][1]["options"]["include"]["names"].append("pod"),
        "shows pod, which its series have not",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "said"), [pytest.param(breaks, said, id=name) for name, breaks, said in BROKEN])
def test_a_broken_dashboard_is_refused(breaks: Break, said: str) -> None:
    document = copy.deepcopy(read(FOLDER / "overview.json"))
    breaks(document)
    found = complaints(document, KNOWN)
    assert any(said in fault for fault in found), found
