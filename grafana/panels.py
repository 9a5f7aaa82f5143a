"""The kinds of panel that the dashboards use. No pies: shares of a whole are stacked over time."""

from collections.abc import Mapping, Sequence

from .model import Panel, Query, Shape

GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#8e8e8e"
CALM = ((None, BLUE),)
"""Thresholds of what is neither good nor bad."""

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour. None: from the lowest."""


def _thresholds(steps: Steps) -> dict[str, object]:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def _queries(found: Query | str | Sequence[Query], shape: Shape) -> Sequence[Query]:
    if isinstance(found, str):
        return (Query(found, shape=shape),)
    return (found,) if isinstance(found, Query) else found


def stat(
    title: str,
    description: str,
    unit: str,
    query: Query | str,
    *,
    steps: Steps = CALM,
    words: Mapping[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
    none: str = "no data",
    runbook: str = "",
) -> Panel:
    """One figure as it is now. `words` shows values as words with a colour; `none` is shown where there is no value."""
    mappings = [
        {"type": "value", "options": {value: {"text": text, "color": color, "index": index}}}
        for index, (value, (text, color)) in enumerate((words or {}).items())
    ]
    defaults: dict[str, object] = {"mappings": mappings, "thresholds": _thresholds(steps), "noValue": none, "color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "value",
        "wideLayout": True,
    }
    return Panel("stat", title, description, unit, _queries(query, Shape.NOW), 4, 4, options, defaults, runbook=runbook)


def series(
    title: str,
    description: str,
    unit: str,
    queries: Query | Sequence[Query],
    *,
    stacked: str = "none",
    colors: Mapping[str, str] | None = None,
    lines_at: Steps = (),
    dashed: Sequence[str] = (),
    minimum: float | None = 0,
    maximum: float | None = None,
    runbook: str = "",
) -> Panel:
    """Lines over time. `stacked`: none, normal or percent; `lines_at` draws thresholds; `colors` by the name of a series."""
    custom: dict[str, object] = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 10 if stacked == "none" else 60,
        "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": False,
        "axisPlacement": "auto",
        "axisSoftMin": 0,
        "scaleDistribution": {"type": "linear"},
        "stacking": {"group": "A", "mode": stacked},
        "thresholdsStyle": {"mode": "dashed" if lines_at else "off"},
    }
    defaults: dict[str, object] = {
        "custom": custom,
        "color": {"mode": "palette-classic"},
        "thresholds": _thresholds([(None, "transparent"), *lines_at]),
    }
    if minimum is not None:
        defaults["min"] = minimum
    if maximum is not None:
        defaults["max"] = maximum
    overrides = [_override(name, "color", {"mode": "fixed", "fixedColor": color}) for name, color in (colors or {}).items()]
    overrides += [_override(name, "custom.lineStyle", {"fill": "dash", "dash": [8, 8]}) for name in dashed]
    options = {
        "legend": {"calcs": ["mean", "max", "lastNotNull"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    found = _queries(queries, Shape.SERIES)
    return Panel("timeseries", title, description, unit, found, 12, 8, options, defaults, overrides, runbook=runbook)


def heatmap(title: str, description: str, expression: str, unit: str = "s", runbook: str = "") -> Panel:
    """How a histogram is spread over time. The expression keeps `le`."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "YlOrRd",
            "exponent": 0.5,
            "fill": RED,
            "scale": "exponential",
            "steps": 64,
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    query = Query(expression, "{{le}}", Shape.BUCKETS)
    custom = {"custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}}
    return Panel("heatmap", title, description, unit, (query,), 12, 8, options, custom, runbook=runbook, most_points=120)


def history(title: str, description: str, unit: str, query: Query, steps: Steps) -> Panel:
    """One line for each series, a cell for each moment, coloured by the value: a heatmap of things that have names."""
    options = {
        "colWidth": 0.95,
        "rowHeight": 0.9,
        "showValue": "never",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    defaults = {
        "color": {"mode": "thresholds"},
        "custom": {"fillOpacity": 80, "lineWidth": 0},
        "thresholds": _thresholds(steps),
    }
    return Panel("status-history", title, description, unit, (query,), 12, 8, options, defaults, most_points=60)


def table(
    title: str,
    description: str,
    columns: Sequence[tuple[str, str, str]],
    labels: Mapping[str, str],
    *,
    sort: str = "",
    links: Mapping[str, tuple[str, str]] | None = None,
    none: str = "nothing",
    runbook: str = "",
) -> Panel:
    """One line for each label set. `columns`: heading, expression, unit; `labels`: which labels are shown, and as what.

    `links`: for a heading, what its link is called and where it leads.
    """
    queries = [Query(expression, shape=Shape.TABLE) for _, expression, _ in columns]
    letters = [chr(ord("A") + index) for index in range(len(columns))]
    values = ["Value"] if len(columns) == 1 else [f"Value #{letter}" for letter in letters]
    names = {**labels, **{value: heading for value, (heading, _, _) in zip(values, columns, strict=True)}}
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}},
        {"id": "organize", "options": {"indexByName": {name: index for index, name in enumerate(names)}, "renameByName": names}},
    ]
    overrides = [_override(heading, "unit", unit) for heading, _, unit in columns]
    for heading, (name, url) in (links or {}).items():
        overrides.append(_override(heading, "links", [{"title": name, "url": url, "targetBlank": False}]))
    options = {
        "cellHeight": "sm",
        "showHeader": True,
        "footer": {"show": False, "reducer": ["sum"], "countRows": False},
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    defaults = {
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False},
        "noValue": none,
        "color": {"mode": "thresholds"},
        "thresholds": _thresholds(CALM),
    }
    return Panel("table", title, description, "short", queries, 12, 8, options, defaults, overrides, transformations, runbook)


def _override(name: str, key: str, value: object) -> dict[str, object]:
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": key, "value": value}]}
