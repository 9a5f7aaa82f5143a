"""What a dashboard is made of: queries, panels, a dashboard, as data.

An expression is PromQL with shorthands that `layout.py` writes out: `{own}` selects the processes that the variables of the page name,
`{route}` their routes as well (both take further matchers: `{route,kind="stale"}`), and `[i]` is Grafana's `$__rate_interval`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum


class Shape(Enum):
    """What a query gives to its panel."""

    SERIES = "time_series"
    NOW = "instant"
    TABLE = "table"
    BUCKETS = "heatmap"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression. `legend` names its series: `{{route}}`; empty: the whole label set. `exemplars`: single requests are shown too."""

    expression: str
    legend: str = ""
    shape: Shape = Shape.SERIES
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `width` is of 24 columns, `height` in rows of 30 px. `options` and `defaults` are Grafana's own words for its kind."""

    kind: str
    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int
    height: int
    options: Mapping[str, object]
    defaults: Mapping[str, object] = field(default_factory=dict)
    overrides: Sequence[Mapping[str, object]] = ()
    transformations: Sequence[Mapping[str, object]] = ()
    runbook: str = ""
    most_points: int | None = None

    def sized(self, width: int, height: int) -> "Panel":
        """The same panel, of another size."""
        return replace(self, width=width, height=height)


@dataclass(frozen=True, slots=True)
class Row:
    """A heading: what follows it stands below it."""

    title: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page. `uid` is what links name it by: it never changes."""

    uid: str
    title: str
    description: str
    items: Sequence[Panel | Row]
