"""Workers under one parent, as processes: who serves, what goes on when one dies, and how all end."""

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.processes import SERVING, Child, Noclobber

PATIENCE_SECONDS = 60.0
SERVING_WORKERS = 'noclobber_workers{state="serving"}'
TOKEN = "0123456789abcdef"
BACKEND = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(b"something")
    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("writing", flush=True)
        time.sleep(float(self.headers.get("X-Seconds", "0")))
        self.answer(b"")
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if "Origin" in self.headers:
            self.send_header("Access-Control-Allow-Origin", self.headers["Origin"])
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print("listening on", server.server_port, flush=True)
server.serve_forever()
"""


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, seen by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def sample(process: Noclobber, series: str) -> float:
    """The value of a series; 0 where it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", process.ask_admin("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A backend that takes as long for a write as it is told to."""
    log = tmp_path_factory.mktemp("backend") / "log"
    with Child([sys.executable, "-c", BACKEND], log) as child:
        yield child


@pytest.fixture
def start(backend: Child, tmp_path: Path) -> Iterator[Callable[..., Noclobber]]:
    """Start noclobbers, and stop them in the end."""
    port = int(backend.wait_for_line(re.compile(r"listening on (\d+)"))[1])
    started: list[Noclobber] = []

    def run(workers: int = 2, store: str = f"sqlite:///{tmp_path}/store.db", config: Path | None = None, **settings: str) -> Noclobber:
        log = tmp_path / f"log-{len(started)}"
        started.append(Noclobber(port, store, log, config=config, workers=workers, settings=settings))
        return started[-1]

    yield run
    for each in started:
        each.stop()


def writing(process: Noclobber, backend: Child, seconds: float) -> "tuple[threading.Thread, list[Answer]]":
    """Begin a write that takes the backend so long."""
    answers: list[Answer] = []
    before = backend.log.read_text().count("writing")
    thread = threading.Thread(target=lambda: answers.append(ask(process.port, "PUT", f"/{before}", b"new", x_seconds=str(seconds))))
    thread.start()
    until(lambda: backend.log.read_text().count("writing") > before)
    return thread, answers


def test_a_worker_that_is_killed_is_replaced_and_nobody_notices(start: Callable[..., Noclobber]) -> None:
    noclobber = start().wait_until_ready()
    for _ in range(10):
        assert ask(noclobber.port, "GET", "/doc").status == 200
    series = 'noclobber_requests_total{code="200",method="GET",route="default"}'
    assert sample(noclobber, series) == 10
    before = set(noclobber.worker_pids)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    # Those who come meanwhile meet the other one.
    for _ in range(10):
        assert ask(noclobber.port, "GET", "/doc").status == 200
    until(lambda: len(set(noclobber.worker_pids) - before) == 1 and sample(noclobber, SERVING_WORKERS) == 2)
    assert sample(noclobber, series) == 20
    assert sample(noclobber, "noclobber_worker_restarts_total") == 1
    assert f"(pid {min(before)}) killed by SIGKILL; a new one starts" in noclobber.log.read_text()


def test_a_worker_that_keeps_ending_is_told_of(start: Callable[..., Noclobber]) -> None:
    noclobber = start().wait_until_ready()
    for _ in range(3):
        (pid,) = noclobber.worker_pids[-1:]
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: pid not in noclobber.worker_pids)  # type: ignore[misc]
        status, text = noclobber.ask_admin("/readyz")
        assert status == 200
        assert f"(pid {pid}) killed by SIGKILL" in text
        until(lambda: len(noclobber.worker_pids) == 2)
    pauses = re.findall(r"a new one starts in (\S+) s", noclobber.log.read_text())
    assert pauses == ["0.2", "0.4", "0.8"]


def test_what_is_in_flight_is_finished_before_all_end(start: Callable[..., Noclobber], backend: Child) -> None:
    noclobber = start().wait_until_ready()
    pids = [noclobber.pid, *noclobber.worker_pids]
    thread, answers = writing(noclobber, backend, 2.0)
    os.kill(noclobber.pid, signal.SIGTERM)
    until(lambda: "draining: 1 requests in flight" in noclobber.log.read_text())
    assert noclobber.ask_admin("/readyz")[0] == 503
    with pytest.raises(ConnectionRefusedError):
        ask(noclobber.port, "GET", "/doc")
    thread.join()
    assert [answer.status for answer in answers] == [200]
    assert noclobber.stop() == 0
    assert all(map(is_gone, pids))


def test_clients_are_let_in_until_the_delay_is_over(start: Callable[..., Noclobber]) -> None:
    noclobber = start(SERVER__DRAIN_DELAY_SECONDS="3").wait_until_ready()
    os.kill(noclobber.pid, signal.SIGTERM)
    until(lambda: noclobber.ask_admin("/readyz")[0] == 503)
    last = ask(noclobber.port, "GET", "/doc")
    assert (last.status, last.fields["connection"]) == (200, "close")
    assert noclobber.stop() == 0


def test_a_second_signal_marks_what_is_left(start: Callable[..., Noclobber], backend: Child) -> None:
    noclobber = start().wait_until_ready()
    thread, answers = writing(noclobber, backend, 15.0)
    os.kill(noclobber.pid, signal.SIGTERM)
    until(lambda: "draining: 1 requests in flight" in noclobber.log.read_text())
    os.kill(noclobber.pid, signal.SIGINT)
    thread.join()
    assert [(answer.status, answer.fields["noclobber-outcome"]) for answer in answers] == [(504, "unknown")]
    assert noclobber.stop() == 0


def test_workers_end_with_their_parent(start: Callable[..., Noclobber]) -> None:
    noclobber = start()
    pids = noclobber.worker_pids
    assert len(pids) == 2
    os.kill(noclobber.pid, signal.SIGKILL)
    until(lambda: all(map(is_gone, pids)))


def test_what_lives_in_memory_has_one_worker(start: Callable[..., Noclobber]) -> None:
    noclobber = start(workers=0, store="memory://").wait_until_ready()
    assert len(noclobber.worker_pids) == 1


def test_a_start_that_fails_leaves_nobody(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = ["run", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2"]
    with Child([sys.executable, "-m", "proxy", *arguments, "--store", f"sqlite:///{tmp_path}/none/store.db"], log) as child:
        until(lambda: is_gone(child.pid))
        assert child.stop() == 1
    assert log.read_text().count("cannot start: ") == 1
    assert "Traceback" not in log.read_text()


def asked(process: Noclobber, path: str) -> Any:
    """A document of the admin API."""
    status, text = process.ask_admin(f"/api/v1{path}")
    assert status == 200, text
    return json.loads(text)


def test_one_speaks_for_all(start: Callable[..., Noclobber]) -> None:
    noclobber = start().wait_until_ready()
    for number in range(12):
        assert ask(noclobber.port, "PUT", f"/doc{number % 2}", b"x").status == 200
        assert ask(noclobber.port, "PUT", "/doc0", b"x", if_match='"stale"').status == 412
    status = asked(noclobber, "/status")
    assert (status["ready"], status["reasons"], status["config"]["path"]) == (True, [], None)
    assert (status["totals"]["requests"], status["totals"]["conflicts"]) == (24, {"stale": 12})
    assert [(worker["worker"], worker["state"]) for worker in status["workers"]] == [(0, "serving"), (1, "serving")]
    assert {worker["pid"] for worker in status["workers"]} == set(noclobber.worker_pids)
    assert [route["totals"]["requests"] for route in asked(noclobber, "/routes")] == [24, 0]
    assert [(hot["writes"], hot["conflicts"]) for hot in asked(noclobber, "/hottest?limit=1")] == [(18, 12)]
    assert asked(noclobber, "/doubts") == []
    assert len(asked(noclobber, "/conflicts")["events"]) == 12
    status_code, text = noclobber.ask_admin("/api/v1/hottest?limit=x")
    assert (status_code, "is not a whole number" in text) == (400, True)
    # What one of them had counted is not forgotten with it.
    os.kill(noclobber.worker_pids[0], signal.SIGKILL)
    assert asked(noclobber, "/status")["totals"]["requests"] == 24
    assert [route["totals"]["requests"] for route in asked(noclobber, "/routes")] == [24, 0]


def test_what_one_has_heard_of_an_origin_the_others_know(start: Callable[..., Noclobber], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[route]]\nname = "all"\npath = "/{path*}"\nmissing = "require"\n', encoding="utf-8")
    noclobber = start(config=config).wait_until_ready()
    # One worker hears it, and each connection goes to either.
    assert ask(noclobber.port, "GET", "/doc", origin="https://app.example").status == 200
    before = noclobber.worker_pids

    def all_know() -> bool:
        refusals = [ask(noclobber.port, "PUT", "/doc", b"x", origin="https://app.example") for _ in range(16)]
        assert {refused.status for refused in refusals} == {428}
        return all(refused.fields.get("access-control-allow-origin") == "https://app.example" for refused in refusals)

    until(all_know)
    # So do those that come later.
    for pid in before:
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: pid not in noclobber.worker_pids and sample(noclobber, SERVING_WORKERS) == 2)  # type: ignore[misc]
    refused = ask(noclobber.port, "PUT", "/doc", b"x", origin="https://app.example")
    assert (refused.status, refused.fields.get("access-control-allow-origin")) == (428, "https://app.example")


def test_a_reload_is_for_who_has_the_token(start: Callable[..., Noclobber], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    route = '[[route]]\nname = "all"\npath = "/{path*}"\n'
    config.write_text(route, encoding="utf-8")
    noclobber = start(workers=1, config=config, SERVER__ADMIN_TOKEN=TOKEN).wait_until_ready()
    (pid,) = noclobber.worker_pids
    assert ask(noclobber.admin_port, "POST", "/api/v1/reload", {}).status == 401
    assert ask(noclobber.admin_port, "POST", "/api/v1/reload", {}, authorization="Bearer wrong").status == 403
    assert noclobber.worker_pids == [pid]
    config.write_text(route.replace("all", "A L L"), encoding="utf-8")
    refused = ask(noclobber.admin_port, "POST", "/api/v1/reload", {}, authorization=f"Bearer {TOKEN}")
    assert (refused.status, refused.json()["ok"]) == (200, False)
    assert asked(noclobber, "/status")["config"]["reload"]["errors"] == refused.json()["errors"]
    assert f"{config}:2: route[0].name: has other characters" in noclobber.log.read_text()
    config.write_text(route.replace("all", "others"), encoding="utf-8")
    assert ask(noclobber.admin_port, "POST", "/api/v1/reload", {}, authorization=f"Bearer {TOKEN}").json()["ok"] is True
    assert [each["name"] for each in asked(noclobber, "/routes")] == ["others", "unrouted"]
    until(lambda: len(noclobber.worker_pids) == 1 and noclobber.worker_pids != [pid])
    assert "127.0.0.1" in noclobber.log.read_text().partition("reloading, asked for by ")[2].partition("\n")[0]
    assert ask(noclobber.port, "PUT", "/doc", b"x").status == 200


def test_a_watched_file_is_loaded_when_it_changes(backend: Child, tmp_path: Path) -> None:
    port = int(backend.wait_for_line(re.compile(r"listening on (\d+)"))[1])
    config = tmp_path / "config.toml"
    text = f'[upstream]\nurl = "http://127.0.0.1:{port}"\n[server]\nworkers = 1\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
    config.write_text(text, encoding="utf-8")
    store = f"sqlite:///{tmp_path}/store.db"
    with Child([sys.executable, "-m", "proxy", "run", "--config", config, "--watch", "--store", store], tmp_path / "log") as child:
        child.wait_for_line(SERVING)
        config.write_text(text + '[store]\nurl = "sqlite:///elsewhere.db"\n', encoding="utf-8")
        child.wait_for_line(re.compile("reloaded: 1 routes"))
        config.write_text(text.replace('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:9"'), encoding="utf-8")
        child.wait_for_line(re.compile("not reloaded: server.listen: cannot change while noclobber runs"))
        assert child.stop() == 0


def test_the_console_and_what_else_one_worker_knows_is_passed_on(start: Callable[..., Noclobber]) -> None:
    noclobber = start(workers=1)
    connection = http.client.HTTPConnection("127.0.0.1", noclobber.admin_port, timeout=PATIENCE_SECONDS)
    for path, status in (("/", 200), ("/nowhere", 404), ("/healthz", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()
