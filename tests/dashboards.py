"""What is wrong with a dashboard. After the rules of Grafana's dashboard-linter, and some that operators would ask for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .promql import Expression, Metric, Windows, any_window

Document = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
KINDS = frozenset({"stat", "timeseries", "heatmap", "table", "status-history"})
UNITS = frozenset(
    {"short", "s", "bytes", "percentunit", "reqps", "ops", "cpm", "bool_yes_no", "bool_on_off", "dateTimeAsLocal"}
)  # fmt: skip
ENOUGH_WORDS = 8
COLUMNS = 24
RATE_SECONDS, RANGE_SECONDS = 111, 222
"""What stands for Grafana's two windows while an expression is judged."""
WANTED: Mapping[str, tuple[str, ...]] = {name: (f"${name}", f"${name}|", ".+") for name in ("job", "instance", "route")}
"""The matchers of every selector. `$job|`: series without that label count as well; `.+`: all, and on purpose."""
_LEGEND = re.compile(r"\{\{(\w+)\}\}")


def panel_window(function: str, seconds: float) -> bool:
    """`rate` looks at the last moments, `increase` at these or at the whole range."""
    return seconds == RATE_SECONDS or (function == "increase" and seconds == RANGE_SECONDS)


def complaints(dashboard: Document, known: Mapping[str, Metric]) -> list[str]:
    """Say everything that is wrong with a dashboard; nothing when all is well."""
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    found = [*_frame(dashboard), *_variables(dashboard, known), *_annotations(dashboard, known), *_places(dashboard["panels"])]
    for panel in panels:
        found += [f"{panel.get('title') or panel['id']}: {fault}" for fault in _panel(panel, known)]
    return found


def expression(text: str, known: Mapping[str, Metric], windows: Windows = panel_window) -> Expression:
    """Judge an expression as Grafana would send it."""
    filled = text.replace("$__rate_interval", f"{RATE_SECONDS}s").replace("$__range", f"{RANGE_SECONDS}s")
    return Expression(filled, known, windows, WANTED)


def _frame(dashboard: Document) -> Iterator[str]:
    if not re.fullmatch(r"noclobber-[a-z]+", dashboard.get("uid") or ""):
        yield "has no uid of its own that begins with noclobber-"
    if dashboard.get("tags") != ["noclobber"]:
        yield "has not the tag noclobber, by which the pages find each other"
    if dashboard.get("editable") is not False:
        yield "can be edited: the next start would undo that"
    numbers = [panel["id"] for panel in dashboard["panels"]]
    titles = [panel["title"] for panel in dashboard["panels"] if panel["type"] != "row"]
    if len(set(numbers)) != len(numbers) or len(set(titles)) != len(titles):
        yield "has two panels of one number or title"


def _variables(dashboard: Document, known: Mapping[str, Metric]) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        yield "has no variable for the datasource"
    for name in ("job", "instance", "route"):
        variable = variables.get(name)
        if variable is None:
            yield f"has no variable {name}"
            continue
        if not (variable["multi"] and variable["includeAll"] and variable["refresh"] == 2 and variable["datasource"] == DATASOURCE):
            yield f"variable {name}: not several and all, asked anew with the time range, from the datasource of the page"
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        if asked is None:
            yield f"variable {name}: its query is no label_values(series, label)"
            continue
        metric = known.get(asked[1].partition("{")[0])
        if metric is None or asked[2] not in metric.labels:
            yield f"variable {name}: {asked[0]} does not exist"


def _annotations(dashboard: Document, known: Mapping[str, Metric]) -> Iterator[str]:
    annotations = dashboard["annotations"]["list"]
    for name in ("Reloads", "Worker restarts"):
        if name not in [annotation["name"] for annotation in annotations]:
            yield f"has no annotation {name}"
    for annotation in annotations:
        if annotation["datasource"] != DATASOURCE:
            yield f"annotation {annotation['name']}: not from the datasource of the page"
        # Grafana gives annotations no window of its own: they look at twice their step.
        judged = expression(annotation["target"]["expr"], known, any_window)
        yield from (f"annotation {annotation['name']}: {fault}" for fault in judged.faults)


def _places(panels: list[Document]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > COLUMNS or place["w"] < 1 or place["h"] < 1:
            yield f"{panel['title']}: stands outside the {COLUMNS} columns"
        cells = [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
        for other in sorted({taken[cell] for cell in cells if cell in taken}):
            yield f"{panel['title']}: overlaps {other}"
        taken.update((cell, panel["title"]) for cell in cells)


def _panel(panel: Document, known: Mapping[str, Metric]) -> Iterator[str]:
    if panel["type"] not in KINDS:
        yield f"is a {panel['type']}: only {', '.join(sorted(KINDS))}"
    if not panel.get("title"):
        yield "has no title"
    if len((panel.get("description") or "").split()) < ENOUGH_WORDS:
        yield "says nothing of what it means and what to do"
    units = [panel["fieldConfig"]["defaults"].get("unit")]
    units += [each["value"] for override in panel["fieldConfig"]["overrides"] for each in override["properties"] if each["id"] == "unit"]
    if not UNITS.issuperset(units):
        yield f"has the units {units}: only {', '.join(sorted(UNITS))}"
    targets = panel.get("targets") or []
    if not targets:
        yield "asks for nothing"
    labels = set[str]()
    for target in targets:
        if panel.get("datasource") != DATASOURCE or target.get("datasource") != DATASOURCE:
            yield "does not take its data from the variable of the page"
        judged = expression(target["expr"], known)
        labels |= judged.labels
        yield from judged.faults
        yield from (f"names {label}, which its series have not" for label in set(_LEGEND.findall(target["legendFormat"])) - judged.labels)
    yield from (f"shows {label}, which its series have not" for label in _shown(panel) - labels)


def _shown(panel: Document) -> set[str]:
    """The labels that a table shows; its values have names that Grafana makes."""
    names = [each["options"]["include"]["names"] for each in panel.get("transformations", ()) if each["id"] == "filterFieldsByName"]
    return {name for found in names for name in found if not name.startswith("Value")}
