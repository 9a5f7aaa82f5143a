"""The demo stack: real processes, a real Prometheus, and every expression of the dashboards and rules asked of it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .servers import promtool_binary
from .test_dev import load

ROOT = Path(__file__).parents[1]
JOURNEYS = ROOT / "examples" / "journeys"
DASHBOARDS = ROOT / "grafana" / "dashboards"
START_SECONDS = 90
PATIENCE_SECONDS = 90
STOP_SECONDS = 60


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


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The demo stack, as `./dev demo` starts it. Yields it, and the URLs of its Prometheus and of a console."""
    # The package that promtool is from.
    promtool_binary()
    command = [sys.executable, str(JOURNEYS / "stack.py"), "--any-ports", "--pace", "3"]
    # Its own group: Ctrl-C of whoever runs the tests is not its business.
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    guard = threading.Timer(START_SECONDS, running.terminate)
    guard.start()
    assert running.stdout is not None
    lines: list[str] = []
    try:
        for line in running.stdout:
            lines.append(line)
            if "Ctrl-C stops everything" in line:
                break
        guard.cancel()
        found = re.search(r"Prometheus +(http://127\.0\.0\.1:\d+)/", "".join(lines))
        assert found is not None, "".join(lines)
        console = re.search(r"console +(http://127\.0\.0\.1:\d+/)", "".join(lines))
        assert console is not None, "".join(lines)
        yield running, found[1], console[1]
    finally:
        guard.cancel()
        if running.poll() is None:
            running.terminate()
        running.communicate(timeout=STOP_SECONDS)


def children_of(pid: int) -> set[int]:
    """The processes that one has started, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child), *children_of(int(child))}
    return found


@pytest.mark.timeout(START_SECONDS + PATIENCE_SECONDS + STOP_SECONDS + 300)
def test_every_expression_has_its_answer_in_the_stack_and_ctrl_c_leaves_nothing(
    check: ModuleType, stack: tuple[subprocess.Popen[str], str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running, prometheus, console = stack
    started = children_of(running.pid)
    assert len(started) >= 7
    commands = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in started).decode()
    written = {ROOT / ".dev" / name for name in re.findall(r"/\.dev/(stack-\w+)/", commands)}
    assert len(written) == 1
    status = check.report(prometheus, DASHBOARDS, PATIENCE_SECONDS)
    assert status == 0, capsys.readouterr().out
    with urllib.request.urlopen(console, timeout=30) as answer:
        assert b"<html" in answer.read()

    # The same check refuses a page that asks for what nobody has, and one without what it expects.
    page = json.loads((DASHBOARDS / "store.json").read_text(encoding="utf-8"))
    page["panels"][0]["targets"][0]["expr"] = "noclobber_magic"
    (tmp_path / "store.json").write_text(json.dumps(page), encoding="utf-8")
    assert check.report(prometheus, tmp_path, 0) == 1
    told = capsys.readouterr().out
    assert "store / Store: no figures" in told
    assert "overview / Errors by answer: is expected, and does not exist" in told

    os.kill(running.pid, signal.SIGINT)
    assert running.wait(STOP_SECONDS) == 0
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert not any(folder.exists() for folder in written)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(prometheus.rpartition(":")[2])), 1)
