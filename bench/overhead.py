"""What noclobber adds in front of the Jobs Manager, whose every answer takes 50 ms: response time and work. `./dev overhead`.

Each of a few users asks the backend straight, then through noclobber and through two plain proxies, over and over, so that what else
happens on the machine meets all alike. Response times are compared by their medians; work is noclobber's processor time a request, held
against the backend's 50 ms. What the plain proxies add shows how much of it is the way of any proxy on this machine.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .processes import Neighbours, cpu_seconds
from .report import machine
from .targets import BIN, HOST, STORES, NotAvailable, caddy, free_port, naive, process, store

EXAMPLE = Path(__file__).parents[1] / "examples" / "jobs-manager"
BACKEND_SECONDS = 0.05
# What the plan of the Jobs Manager allows: under 2 % of response time, under 5 % of work.
MOST_TIME, MOST_WORK = 0.02, 0.05
JOBS = "/job/rest/jobs/"
READY = f"{JOBS}status-choices/"
PATIENCE_SECONDS = 60
DIRECT, NOCLOBBER = "direct", "noclobber"
# Above this share of all cores, what others did is larger than what is measured.
BUSY_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of request came to, in seconds. `work`: noclobber's processor time a request; `peers`: times through other proxies."""

    title: str
    direct: list[float]
    through: list[float]
    work: float
    peers: Mapping[str, list[float]]

    def growth(self, times: list[float]) -> float:
        """By what share the median response time grows."""
        return median(times) / median(self.direct) - 1


class Way:
    """One way to the backend, and a job that is worked on by it. `tag`: the last that was told, empty where that was none."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
        self._saves = 0
        self.tag = ""
        _, content = self._ask("POST", JOBS, {"name": "Gate"})
        self._job = f"{JOBS}{json.loads(content)['job_id']}/"

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: object = None, tag: str = "") -> tuple[float, bytes]:
        """Seconds and content of one answer, which must be a success."""
        fields = {"If-Match": tag} if tag else {}
        content = None if body is None else json.dumps(body)
        if content is not None:
            fields["Content-Type"] = "application/json"
        started = time.perf_counter()
        self._connection.request(method, path, content, fields)
        answer = self._connection.getresponse()
        received = answer.read()
        seconds = time.perf_counter() - started
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {received.decode()}")
        self.tag = answer.headers.get("ETag", "")
        return seconds, received

    def read(self) -> float:
        """GET the job."""
        return self._ask("GET", self._job)[0]

    def save(self) -> float:
        """PATCH the job with the tag of the answer before, where there was one: noclobber's route lets nobody save without."""
        self._saves += 1
        return self._ask("PATCH", self._job, {"notes": f"saved {self._saves} times"}, self.tag)[0]

    def choose(self) -> float:
        """GET what has no route."""
        return self._ask("GET", READY)[0]


KINDS = {"a read of a job": Way.read, "a save with its tag": Way.save, "an endpoint without a route": Way.choose}


@contextmanager
def running(kind: str, work: Path) -> Iterator[tuple[int, int, int]]:
    """Start backend and noclobber as the example's README does. Yields their ports, and noclobber's process id."""
    backend, port, admin = free_port(), free_port(), free_port()
    program = [sys.executable, str(EXAMPLE / "backend.py"), "--port", str(backend), "--render-seconds", str(BACKEND_SECONDS)]
    quiet = work / "noclobber.toml"
    quiet.write_text((EXAMPLE / "config.toml").read_text() + '\n[log]\naccess = "off"\n\n[protocol]\napply_delay_seconds = 1.0\n')
    listeners = ["--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}"]
    with process("backend", program, work, backend, READY), store(kind, work) as (url, _):
        around = ["--upstream", f"http://{HOST}:{backend}", "--store", url, "--workers", "1"]
        command = [str(BIN / "python"), "-m", "proxy", "run", "--config", str(quiet), *listeners, *around]
        with process("noclobber", command, work, admin, "/readyz") as pid:
            yield backend, port, pid


@contextmanager
def plain(backend: int, work: Path) -> Iterator[dict[str, int]]:
    """Start the plain proxies that this machine has. Yields their ports."""
    with ExitStack() as stack:
        peers = {}
        for name, peer in (("Caddy", caddy), ("aiohttp", naive)):
            try:
                peers[name] = stack.enter_context(peer(work, backend, READY)).port
            except NotAvailable as reason:
                print(reason)
        yield peers


def measure(title: str, users: list[dict[str, Way]], pid: int, rounds: int) -> Row:
    """Have all users do one kind of thing at once, so many times by each way."""
    step = KINDS[title]

    def work(user: dict[str, Way]) -> list[dict[str, float]]:
        for way in user.values():
            way.read()
        return [{name: step(way) for name, way in user.items()} for _ in range(rounds)]

    before = cpu_seconds([pid])
    with ThreadPoolExecutor(len(users)) as pool:
        done = [times for found in pool.map(work, users) for times in found]
    spent = cpu_seconds([pid]) - before
    times = {name: [one[name] for one in done] for name in done[0]}
    return Row(title, times.pop(DIRECT), times.pop(NOCLOBBER), spent / (len(done) + len(users)), times)


def show(row: Row) -> bool:
    """Print one row. Returns whether it keeps within the bounds."""
    share, growth = row.work / BACKEND_SECONDS, row.growth(row.through)
    times = f"{median(row.direct) * 1000:9.2f}{median(row.through) * 1000:12.2f}{growth:+10.2%}"
    peers = "".join(f"{row.growth(times):+10.2%} {name:<7}" for name, times in row.peers.items())
    print(f"{row.title:30}{times}{row.work * 1000:14.3f}{share:10.2%}{len(row.through):10}{peers}")
    return growth < MOST_TIME and share < MOST_WORK


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev overhead", description=__doc__)
    parser.add_argument("--store", choices=STORES, default="memory", help="default: memory")
    parser.add_argument("--users", type=int, default=4, help="how many ask at once (default 4)")
    parser.add_argument("--rounds", type=int, default=60, help="how often each asks for each kind (default 60)")
    options = parser.parse_args()
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}. Clients, proxies and backend share these cores.")
    print(f"{'':30}{'direct ms':>9}{'through ms':>12}{'growth':>10}{'processor ms':>14}{'of 50 ms':>10}{'requests':>10}", flush=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noclobber-overhead-")))
        backend, port, pid = stack.enter_context(running(options.store, work))
        ports = {DIRECT: backend, NOCLOBBER: port, **stack.enter_context(plain(backend, work))}
        neighbours = Neighbours()
        users = [{name: stack.enter_context(closing(Way(at))) for name, at in ports.items()} for _ in range(options.users)]
        verdicts = [show(measure(title, users, pid, options.rounds)) for title in KINDS]
        busy = neighbours.share()
    print(f"bounds: {MOST_TIME:.0%} of response time, {MOST_WORK:.0%} of work: {'kept' if all(verdicts) else 'EXCEEDED'}")
    if busy > BUSY_SHARE:
        print(f"NOT QUIET: others used {busy:.0%} of the cores meanwhile.")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
