"""What is wrong with an expression: held against the catalogue of metrics, and against the rules for counters and gauges."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import promql_parser as promql
import yaml

from proxy.telemetry.catalogue import FAMILIES
from proxy.telemetry.family import Kind

RULES = Path(__file__).parents[1] / "deploy" / "prometheus" / "rules.yml"
TARGET = {"job": (), "instance": ()}
"""The labels that Prometheus gives to whatever it scrapes."""
OVER_TIME = frozenset({"rate", "increase"})
Windows = Callable[[str, float], bool]
"""Whether a function of counters may look at so many seconds."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One series name. `labels`: their closed sets of values; empty: any."""

    is_counter: bool
    labels: Mapping[str, tuple[str, ...]]


def any_window(function: str, seconds: float) -> bool:
    """Let every window be right."""
    return True


def known_metrics() -> dict[str, Metric]:
    """Every series that can be asked for: noclobber's own, what rules record, and Prometheus' own."""
    known = {
        "up": Metric(False, TARGET),
        "ALERTS": Metric(False, {**TARGET, "alertname": (), "alertstate": ("pending", "firing"), "severity": ("page", "ticket")}),
    }
    for family in FAMILIES:
        labels = {**TARGET, **{label.name: label.values for label in family.labels}}
        if family.kind is Kind.HISTOGRAM:
            bounds = (*(str(float(bound)) for bound in family.buckets), "+Inf")
            known[f"{family.name}_bucket"] = Metric(True, {**labels, "le": bounds})
            known[f"{family.name}_count"] = known[f"{family.name}_sum"] = Metric(True, labels)
        else:
            known[family.name] = Metric(family.kind is Kind.COUNTER, labels)
    for rule in rules():
        if "record" in rule:
            known[rule["record"]] = Metric(False, {"job": ()})
    return known


def rules() -> list[dict[str, str]]:
    """The rules of deploy/prometheus/rules.yml, in their order."""
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


class Expression:
    """One expression, parsed. `faults` is empty when nothing is wrong with it; `labels` are what its series can have."""

    def __init__(self, text: str, known: Mapping[str, Metric], is_right: Windows, wanted: Mapping[str, tuple[str, ...]]) -> None:
        """`wanted`: the matchers that each selector must have, where its metric has that label; any of the values will do."""
        self._known = known
        self._is_right = is_right
        self._wanted = wanted
        self.faults: list[str] = []
        try:
            parsed = promql.parse(text)
        except ValueError as problem:
            self.faults.append(f"is no PromQL: {problem}")
            self.labels: frozenset[str] = frozenset()
            return
        self.labels = self._visit(parsed, "")

    def _visit(self, part: promql.Expr, function: str) -> frozenset[str]:
        """Judge a part; `function` is what it is an argument of. Return the labels that its series can have."""
        match part:
            case promql.VectorSelector():
                return self._selector(part, function)
            case promql.MatrixSelector():
                seconds = part.range.total_seconds()
                if function in OVER_TIME and not self._is_right(function, seconds):
                    self.faults.append(f"{function} over a window that is not Grafana's own ({seconds:.0f} s)")
                return self._selector(part.vector_selector, function)
            case promql.AggregateExpr():
                return self._aggregate(part)
            case promql.Call():
                return self._call(part)
            case promql.BinaryExpr():
                return self._visit(part.lhs, "") | self._visit(part.rhs, "")
            case promql.ParenExpr() | promql.UnaryExpr():
                return self._visit(part.expr, function)
            case promql.NumberLiteral() | promql.StringLiteral():
                return frozenset()
            case _:
                self.faults.append(f"holds what is not judged here: {type(part).__name__}")
                return frozenset()

    def _aggregate(self, part: promql.AggregateExpr) -> frozenset[str]:
        below = self._visit(part.expr, "")
        by = frozenset(part.modifier.labels) if part.modifier is not None else frozenset()
        self.faults.extend(f"groups by {label}, which nothing below has" for label in sorted(by - below))
        return by

    def _call(self, part: promql.Call) -> frozenset[str]:
        name = part.func.name
        labels = frozenset[str]().union(*(self._visit(argument, name) for argument in part.args))
        if name == "label_replace":
            made = part.args[1]
            return labels | ({made.val} if isinstance(made, promql.StringLiteral) else set())
        if name == "histogram_quantile":
            if "le" not in labels:
                self.faults.append("histogram_quantile without le")
            return labels - {"le"}
        return labels

    def _selector(self, part: promql.VectorSelector, function: str) -> frozenset[str]:
        name = part.name or ""
        metric = self._known.get(name)
        if metric is None:
            self.faults.append(f"asks for {name or 'no metric by its name'}, which does not exist")
            return frozenset()
        if metric.is_counter and function not in OVER_TIME:
            self.faults.append(f"{name} is a counter: only rate and increase say something of it")
        if not metric.is_counter and function in OVER_TIME:
            self.faults.append(f"{name} is a gauge: {function} is for counters")
        self.faults.extend(f"{name}: {fault}" for fault in self._matchers(part, metric))
        return frozenset(metric.labels)

    def _matchers(self, part: promql.VectorSelector, metric: Metric) -> Iterator[str]:
        found: dict[str, list[str]] = {}
        for matcher in part.matchers.matchers:
            found.setdefault(matcher.name, []).append(matcher.value)
            values = metric.labels.get(matcher.name)
            if values is None:
                yield f"has no label {matcher.name}"
            elif values and not all(_fits(each, values) for each in matcher.value.split("|")):
                yield f"{matcher.name} is never {matcher.value}, only {', '.join(values)}"
        for label, wanted in self._wanted.items():
            if label in metric.labels and not set(wanted) & set(found.get(label, ())):
                yield f"is not narrowed by the variable {label}"


def _fits(pattern: str, values: tuple[str, ...]) -> bool:
    return pattern in values or any(re.fullmatch(pattern, value) for value in values)
