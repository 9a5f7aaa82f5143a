"""Ask a real Prometheus everything that the dashboards and the rules ask, and say what does not answer as it should.

An expression answers with figures, or is on the list of those that rightly have none while all is well: then there must be none.
Standard library only.
"""

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

WINDOWS = {"$__rate_interval": "20s", "$__range": "1m", "$__interval": "5s"}
ANYTHING = {"$job": ".*", "$instance": ".*", "$route": ".*"}


class Expected(Enum):
    """What an expression is to answer with."""

    FIGURES = "figures"
    ABOVE_0 = "a figure above 0"
    NOTHING = "nothing"
    NOT_ABOVE_0 = "nothing, or 0"
    EITHER = "either"


NO_FIGURES = "no figures"
NO_EXEMPLARS = "no exemplars"
ONLY_0 = "no figure above 0"
WORK = "the editors see to it"
NO_FAILURE = "nothing fails here"
BUSY = "how long things take depends on who else uses this machine"
EXPECTED: Mapping[str, tuple[Expected, str]] = {
    "concurrency / Lost updates prevented": (Expected.ABOVE_0, WORK),
    "concurrency / Conflicts by route and kind": (Expected.ABOVE_0, WORK),
    "concurrency / How old the reads of refused writes were": (Expected.ABOVE_0, WORK),
    "concurrency / Waits for a lease": (Expected.ABOVE_0, WORK),
    "concurrency / Unprotected writes": (Expected.ABOVE_0, "one client knows nothing of tags"),
    "concurrency / Forced writes, by route and kind": (Expected.ABOVE_0, "a manager overwrites what stands there"),
    "concurrency / Forced after a conflict": (Expected.ABOVE_0, "somebody is impatient"),
    "concurrency / Out of band": (Expected.ABOVE_0, "the night job goes around noclobber"),
    "concurrency / Own writes recognised, by route": (Expected.ABOVE_0, "somebody in a train sends everything twice"),
    "concurrency / Tags undone, by what a hop had done": (Expected.ABOVE_0, "a hop compresses"),
    "concurrency / What enforcing would have done": (Expected.ABOVE_0, "the CMS is only observed"),
    "overview / Alerts firing": (Expected.ABOVE_0, "the night job is noticed"),
    "rule NoclobberOutOfBandWriters": (Expected.ABOVE_0, "the night job is noticed"),
    "rule NoclobberUnprotectedWrites": (Expected.ABOVE_0, "half of what the CMS gets names no state"),
    "overview / Errors by answer": (Expected.NOT_ABOVE_0, NO_FAILURE),
    "annotation Worker restarts": (Expected.NOTHING, "no worker dies here"),
    "rule NoclobberAvailabilityBurn": (Expected.NOTHING, NO_FAILURE),
    "rule NoclobberOverheadBurn": (Expected.EITHER, BUSY),
    "rule NoclobberAbsent": (Expected.NOTHING, "both are scraped"),
    "rule NoclobberNotReady": (Expected.NOTHING, "both are ready"),
    "rule NoclobberStoreDown": (Expected.NOTHING, "the store answers"),
    "rule NoclobberGraceActive": (Expected.NOTHING, "the store lost nothing"),
    "rule NoclobberUpstreamDown": (Expected.NOTHING, "the backends answer"),
    "rule NoclobberReloadFailed": (Expected.NOTHING, "nothing was reloaded"),
    "rule NoclobberWorkerRestarts": (Expected.NOTHING, "no worker dies here"),
    "rule NoclobberUnknownOutcomes": (Expected.NOTHING, NO_FAILURE),
    "rule NoclobberLeaseQueueLong": (Expected.NOTHING, "there are fewer editors than that"),
    "rule NoclobberLeaseWaitHigh": (Expected.EITHER, BUSY),
}
"""Where any figures will not do, or none will, and why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression, and where it stands. `shows_requests`: single requests as well (exemplars)."""

    place: str
    expression: str
    shows_requests: bool = False


class Prometheus:
    """Its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: str) -> Any:
        """Return the data of one answer. Raises ValueError with Prometheus' own words when it refuses."""
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise ValueError(json.load(refused)["error"]) from None

    def figures(self, expression: str) -> list[float]:
        """Evaluate now; what is no number is left out."""
        found = [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]
        return [value for value in found if not math.isnan(value)]

    def exemplars(self, expression: str) -> list[object]:
        """The exemplars of the last minutes, by series."""
        now = time.time()
        found: list[object] = self.get("query_exemplars", query=expression, start=str(now - 300), end=str(now))
        return found


def filled(expression: str) -> str:
    """Put values into the variables, as Grafana does."""
    for name, value in {**WINDOWS, **ANYTHING}.items():
        expression = re.sub(re.escape(name) + r"\b", value, expression)
    return expression


def of_dashboards(folder: Path) -> Iterator[Asked]:
    """Yield every expression of every panel, annotation and variable."""
    for path in sorted(folder.glob("*.json")):
        page = json.loads(path.read_text(encoding="utf-8"))
        for panel in page["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(f"{path.stem} / {panel['title']}", filled(target["expr"]), target["exemplar"])
        for annotation in page["annotations"]["list"]:
            yield Asked(f"annotation {annotation['name']}", filled(annotation["target"]["expr"]))
        for variable in page["templating"]["list"]:
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", str(variable.get("definition", "")))
            if asked is not None:
                yield Asked(f"variable {variable['name']}", filled(f"count by ({asked[2]}) ({asked[1]})"))


def of_rules(prometheus: Prometheus) -> Iterator[Asked]:
    """Yield the expression of every rule that Prometheus has loaded."""
    for group in prometheus.get("rules")["groups"]:
        for rule in group["rules"]:
            yield Asked(f"rule {rule['name']}", rule["query"])


def judge(place: str, figures: list[float]) -> str:
    """Say what is wrong with an answer; empty when nothing is."""
    expected, why = EXPECTED.get(place, (Expected.FIGURES, ""))
    if expected is Expected.FIGURES and not figures:
        return NO_FIGURES
    if expected is Expected.ABOVE_0 and not any(value > 0 for value in figures):
        return f"{ONLY_0}, though {why}"
    # An alert on `something == 0` fires with the value 0.
    if (expected is Expected.NOTHING and figures) or (expected is Expected.NOT_ABOVE_0 and any(figures)):
        return f"{figures[:3]}, though {why}"
    return ""


def unknown_metrics(expression: str, metadata: Mapping[str, object]) -> list[str]:
    """The metrics of noclobber that no page of metrics has shown: an expression that is rightly empty must still ask for what exists."""
    names = set(re.findall(r"\b(?<!:)noclobber_\w+", expression))
    bases = {name: re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
    return sorted(name for name, base in bases.items() if not {name, base, name.removesuffix("_total")} & set(metadata))


def ask(prometheus: Prometheus, folder: Path) -> tuple[str, list[str], bool]:
    """Ask everything once: a line about it, what is not as it should be, and whether asking again later could help."""
    metadata = prometheus.get("metadata")
    asked = [*dict.fromkeys((*of_dashboards(folder), *of_rules(prometheus)))]
    faults: list[str] = []
    empty, is_early = 0, False
    for each in asked:
        try:
            figures = prometheus.figures(each.expression)
            has_dots = not each.shows_requests or bool(prometheus.exemplars(each.expression))
        except ValueError as refused:
            faults.append(f"{each.place}: {refused}\n    {each.expression}")
            continue
        empty += not figures
        fault = judge(each.place, figures) or ("" if has_dots else NO_EXEMPLARS)
        is_early = is_early or fault.startswith((NO_FIGURES, ONLY_0, NO_EXEMPLARS))
        fault = fault or ", ".join(f"{name} does not exist" for name in unknown_metrics(each.expression, metadata))
        if fault:
            faults.append(f"{each.place}: {fault}\n    {each.expression}")
    faults += [f"{place}: is expected, and does not exist" for place in sorted(EXPECTED.keys() - {each.place for each in asked})]
    return f"{len(asked)} expressions asked, {empty} of them rightly or wrongly empty", faults, is_early


def report(url: str, folder: Path, patience_seconds: float = 30.0) -> int:
    """Ask everything, again while figures are missing, and print what is not as it should be. Returns an exit status."""
    prometheus = Prometheus(url)
    until = time.monotonic() + patience_seconds
    told, faults, is_early = ask(prometheus, folder)
    while is_early and time.monotonic() < until:
        time.sleep(2)
        told, faults, is_early = ask(prometheus, folder)
    for line in (*faults, f"{told}, {len(faults)} not as they should be"):
        print(line, flush=True)
    return 1 if faults else 0
