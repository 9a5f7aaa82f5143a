"""What noclobber adds in front of the Jobs Manager, whose every answer takes 50 ms: response time and work. `./dev overhead`.

Each of a few users asks the backend straight, then through noclobber, over and over, so that what else happens on the machine meets both
alike. Response times are compared by their medians; work is noclobber's processor time a request, held against the backend's 50 ms.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .processes import Neighbours, cpu_seconds
from .report import machine
from .targets import BIN, HOST, STORES, free_port, process, store

EXAMPLE = Path(__file__).parents[1] / "examples" / "jobs-manager"
BACKEND_SECONDS = 0.05
# What the plan of the Jobs Manager allows: under 2 % of response time, under 5 % of work.
MOST_TIME, MOST_WORK = 0.02, 0.05
JOBS = "/job/rest/jobs/"
READY = f"{JOBS}status-choices/"
PATIENCE_SECONDS = 60
# Above this share of all cores, what others did is larger than what is measured.
BUSY_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of request came to, in seconds. `work`: noclobber's processor time a request."""

    title: str
    direct: list[float]
    through: list[float]
    work: float

    @property
    def growth(self) -> float:
        """By what share the median response time grows."""
        return median(self.through) / median(self.direct) - 1


class User:
    """One user, who works on a job straight at the backend and on another one through noclobber."""

    def __init__(self, backend: int, noclobber: int) -> None:
        self._straight = http.client.HTTPConnection(HOST, backend, timeout=PATIENCE_SECONDS)
        self._guarded = http.client.HTTPConnection(HOST, noclobber, timeout=PATIENCE_SECONDS)
        self._jobs = [self._new(), self._new()]
        self._tag = ""
        self._saves = 0

    def close(self) -> None:
        """Give the connections back."""
        self._straight.close()
        self._guarded.close()

    def _new(self) -> str:
        _, _, content = self._ask(self._straight, "POST", JOBS, {"name": "Gate"})
        return f"{JOBS}{json.loads(content)['job_id']}/"

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object = None, tag: str = ""
    ) -> tuple[float, str, bytes]:
        """Seconds, tag and content of one answer, which must be a success."""
        fields = {"If-Match": tag} if tag else {}
        content = None if body is None else json.dumps(body)
        if content is not None:
            fields["Content-Type"] = "application/json"
        started = time.perf_counter()
        connection.request(method, path, content, fields)
        answer = connection.getresponse()
        received = answer.read()
        seconds = time.perf_counter() - started
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {received.decode()}")
        return seconds, answer.headers.get("ETag", ""), received

    def read(self) -> tuple[float, float]:
        """GET a job."""
        direct, _, _ = self._ask(self._straight, "GET", self._jobs[0])
        through, self._tag, _ = self._ask(self._guarded, "GET", self._jobs[1])
        return direct, through

    def save(self) -> tuple[float, float]:
        """PATCH a job: straight without a condition, through noclobber with the tag of the answer before."""
        if not self._tag:
            self.read()
        self._saves += 1
        notes = {"notes": f"saved {self._saves} times"}
        direct, _, _ = self._ask(self._straight, "PATCH", self._jobs[0], notes)
        through, self._tag, _ = self._ask(self._guarded, "PATCH", self._jobs[1], notes, self._tag)
        return direct, through

    def choose(self) -> tuple[float, float]:
        """GET what has no route."""
        direct, _, _ = self._ask(self._straight, "GET", READY)
        through, _, _ = self._ask(self._guarded, "GET", READY)
        return direct, through


KINDS = {"a read of a job": User.read, "a save with its tag": User.save, "an endpoint without a route": User.choose}


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


def measure(title: str, users: list[User], pid: int, rounds: int) -> Row:
    """Have all users do one kind of thing at once, so many times each."""
    step = KINDS[title]

    def work(user: User) -> list[tuple[float, float]]:
        step(user)
        return [step(user) for _ in range(rounds)]

    before = cpu_seconds([pid])
    with ThreadPoolExecutor(len(users)) as pool:
        pairs = [pair for found in pool.map(work, users) for pair in found]
    spent = cpu_seconds([pid]) - before
    return Row(title, [direct for direct, _ in pairs], [through for _, through in pairs], spent / (len(pairs) + len(users)))


def show(row: Row) -> bool:
    """Print one row. Returns whether it keeps within the bounds."""
    share = row.work / BACKEND_SECONDS
    times = f"{median(row.direct) * 1000:9.2f}{median(row.through) * 1000:12.2f}{row.growth:+10.2%}"
    print(f"{row.title:30}{times}{row.work * 1000:14.3f}{share:10.2%}{len(row.through):10}")
    return row.growth < MOST_TIME and share < MOST_WORK


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev overhead", description=__doc__)
    parser.add_argument("--store", choices=STORES, default="memory", help="default: memory")
    parser.add_argument("--users", type=int, default=4, help="how many ask at once (default 4)")
    parser.add_argument("--rounds", type=int, default=60, help="how often each asks for each kind (default 60)")
    options = parser.parse_args()
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}. Clients, noclobber and backend share these cores.")
    print(f"{'':30}{'direct ms':>9}{'through ms':>12}{'growth':>10}{'processor ms':>14}{'of 50 ms':>10}{'requests':>10}", flush=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noclobber-overhead-")))
        backend, port, pid = stack.enter_context(running(options.store, work))
        neighbours = Neighbours()
        users = [stack.enter_context(closing(User(backend, port))) for _ in range(options.users)]
        verdicts = [show(measure(title, users, pid, options.rounds)) for title in KINDS]
        busy = neighbours.share()
    print(f"bounds: {MOST_TIME:.0%} of response time, {MOST_WORK:.0%} of work: {'kept' if all(verdicts) else 'EXCEEDED'}")
    if busy > BUSY_SHARE:
        print(f"NOT QUIET: others used {busy:.0%} of the cores meanwhile.")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
