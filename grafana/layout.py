"""From a dashboard as data to Grafana's JSON: places, variables, annotations, links."""

import re
from collections.abc import Iterator, Sequence

from .model import Dashboard, Panel, Query, Row, Shape

SCHEMA_VERSION = 39
"""Grafana 11.0's. Later ones read it and bring it up to date."""
COLUMNS = 24
DOCS = "http://localhost:8000"
"""Where the site is until somebody says otherwise in the variable `docs`: `python3 -m http.server -d site`."""
TAG = "noclobber"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
OWN = 'job=~"$job",instance=~"$instance"'
ROUTE = OWN + ',route=~"$route"'
_SELECTOR = re.compile(r"\{(own|route)(?=[,}])")


def written_out(expression: str) -> str:
    """Replace the shorthands of an expression."""
    spaced = " ".join(expression.split())
    return _SELECTOR.sub(lambda found: "{" + (OWN if found[1] == "own" else ROUTE), spaced).replace("[i]", "[$__rate_interval]")


def document(dashboard: Dashboard) -> dict[str, object]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "links": _links(),
        "annotations": {"list": _annotations()},
        "templating": {"list": _variables()},
        "panels": list(_placed(dashboard.items)),
    }


# ---- places ------------------------------------------------------------------------------------------------------------------------


def _placed(items: Sequence[Panel | Row]) -> Iterator[dict[str, object]]:
    """Put each panel as high up as it fits, and there as far left. A row begins below all before it."""
    heights = [0] * COLUMNS
    for number, item in enumerate(items, 1):
        if isinstance(item, Row):
            top = max(heights)
            heights = [top + 1] * COLUMNS
            place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
            yield {"id": number, "type": "row", "title": item.title, "collapsed": False, "gridPos": place, "panels": []}
            continue
        top, left = min((max(heights[left : left + item.width]), left) for left in range(COLUMNS - item.width + 1))
        heights[left : left + item.width] = [top + item.height] * item.width
        yield _panel(item, number, {"x": left, "y": top, "w": item.width, "h": item.height})


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, object]:
    defaults: dict[str, object] = {"unit": panel.unit, **panel.defaults}
    made: dict[str, object] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [_target(query, chr(ord("A") + index)) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": dict(panel.options),
    }
    if panel.transformations:
        made["transformations"] = list(panel.transformations)
    if panel.most_points is not None:
        made["maxDataPoints"] = panel.most_points
    if panel.runbook:
        made["links"] = [{"title": f"Runbook: {panel.runbook}", "url": runbook(panel.runbook), "targetBlank": True}]
    return made


def _target(query: Query, letter: str) -> dict[str, object]:
    is_instant = query.shape in (Shape.NOW, Shape.TABLE)
    form = {Shape.SERIES: "time_series", Shape.NOW: "time_series", Shape.TABLE: "table", Shape.BUCKETS: "heatmap"}[query.shape]
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": written_out(query.expression),
        "format": form,
        "instant": is_instant,
        "range": not is_instant,
        "legendFormat": query.legend or "__auto",
        "exemplar": query.exemplars,
    }


# ---- what every page has -----------------------------------------------------------------------------------------------------------


def runbook(alert: str) -> str:
    """Where the runbook of an alert is: the variable `docs` says where the documents are."""
    return f"${{docs}}/runbooks/{alert}.html"


def _links() -> list[dict[str, object]]:
    pages: dict[str, object] = {"title": "noclobber", "type": "dashboards", "tags": [TAG], "asDropdown": False}
    books = {
        "title": "Runbooks",
        "type": "link",
        "url": "${docs}/runbooks/index.html",
        "tooltip": "What to do about each alert",
    }
    return [
        {**pages, "includeVars": True, "keepTime": True, "targetBlank": False},
        {**books, "icon": "doc", "tags": [], "targetBlank": True},
    ]


def _annotations() -> list[dict[str, object]]:
    """Marks over all panels. The first two tell their moment as a value, so that no window can miss it."""
    reloads = "noclobber_config_last_reload_success_timestamp_seconds{own} * 1000"
    starts = "process_start_time_seconds{own} * 1000"
    workers = "increase(noclobber_worker_restarts_total{own}[2m]) > 0"
    return [
        _annotation("Reloads", reloads, "blue", "Configuration in force since now", is_moment=True),
        _annotation("Starts", starts, "purple", "noclobber started", is_moment=True),
        _annotation("Worker restarts", workers, "red", "A worker died and was started anew", is_moment=False),
    ]


def _annotation(name: str, expression: str, color: str, title: str, *, is_moment: bool) -> dict[str, object]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "target": {"refId": "Anno", "expr": written_out(expression), "interval": "60s"},
        "titleFormat": title,
        "textFormat": "{{instance}}",
        "useValueForTime": is_moment,
    }


def _variables() -> list[dict[str, object]]:
    metric = "noclobber_build_info"
    return [
        {
            "name": "datasource",
            "label": "Datasource",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "options": [],
            "current": {},
        },
        _question("job", "Job", f"label_values({metric}, job)"),
        _question("instance", "Instance", f'label_values({metric}{{job=~"$job"}}, instance)'),
        _question("route", "Route", f"label_values(noclobber_request_duration_seconds_count{{{OWN}}}, route)"),
        {
            "name": "docs",
            "label": "Documents",
            "description": "Where the site that ./dev site builds is served: links to runbooks begin with it.",
            "type": "textbox",
            "query": DOCS,
            "hide": 0,
            "options": [{"selected": True, "text": DOCS, "value": DOCS}],
            "current": {"selected": True, "text": DOCS, "value": DOCS},
        },
    ]


def _question(name: str, label: str, query: str) -> dict[str, object]:
    """A variable whose values Prometheus knows. It is asked again whenever the time range changes."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
