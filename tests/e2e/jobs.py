"""The Jobs Manager of examples/jobs-manager: its backend, noclobber in front of it, and browsers with its client in them."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "jobs-manager"
PROGRAMS = Path(__file__).with_name("node-jobs")
CACHE = ROOT / ".dev" / "node-jobs"
INSTALL_SECONDS = 200
PATIENCE_SECONDS = 60
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
NO_TAG = "no tag"
VIEWS = ("", "header/", "basic-info/", "costs/summary/", "events/", "invoices/", "quote/")
WHOLE = {"name": "Gate", "client": "Kauri Marine", "notes": "replaced", "status": "in_progress"}
WRITES = {
    "PUT": ("PUT", "", WHOLE),
    "PATCH": ("PATCH", "", {"notes": "changed"}),
    "event": ("POST", "events/create/", {"description": "Steel has come"}),
    "quote": ("POST", "quote/accept/", {}),
    "DELETE": ("DELETE", "", None),
}


def node_binary() -> str:
    """Find node; install Debian's if this is root. The tests fail, and do not skip, where that is impossible."""
    if (shutil.which("node") is None or shutil.which("npm") is None) and os.geteuid() == 0 and shutil.which("apt-get"):
        for step in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "nodejs", "npm"]):
            subprocess.run(step, check=False, capture_output=True, timeout=INSTALL_SECONDS, env={**os.environ, **QUIET})
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.fail("node and npm are missing and could not be installed: apt-get install nodejs npm")
    return node


def packages() -> Path:
    """The directory with the packages that package.json pins, installed once."""
    wanted = (PROGRAMS / "package.json").read_bytes()
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "install.lock", "w") as lock:
        # Two test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = CACHE / "installed.json"
        if not stamp.exists() or stamp.read_bytes() != wanted:
            (CACHE / "package.json").write_bytes(wanted)
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--prefix", str(CACHE)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode != 0:
                pytest.fail(f"npm cannot install what {PROGRAMS / 'package.json'} names: {done.stderr.strip()[-400:]}")
            stamp.write_bytes(wanted)
    return CACHE


def backend(port: int, log: Path) -> Child:
    """Start the example's backend."""
    return Child([sys.executable, EXAMPLE / "backend.py", "--port", str(port)], log)


class Browser:
    """One browser: the client's interceptors, store of tags and job store, in a node of its own. `as_printed`: the composable, too."""

    def __init__(self, port: int, log: Path, *, as_printed: bool = False) -> None:
        settings = {"BASE_URL": f"http://127.0.0.1:{port}", "CLIENT": str(EXAMPLE / "client"), "PACKAGES": str(packages())}
        if as_printed:
            settings["AS_PRINTED"] = "1"
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [node_binary(), PROGRAMS / "browser.mjs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **settings},
            )

    def do(self, command: str, **values: object) -> dict[str, object]:
        """Have the client do something; return what came of it. `sent` are the requests that went out meanwhile."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **values}) + "\n")
        self._process.stdin.flush()
        # A client that reloads for ever would not answer at all.
        watchdog = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        assert line, f"the browser ended, or did not come to an end; it said:\n{self._log.read_text(errors='replace')[-2000:]}"
        outcome = json.loads(line)
        assert isinstance(outcome, dict)
        return outcome

    def request(self, method: str, url: str, data: object = None) -> dict[str, object]:
        """Send a request as the client does."""
        return self.do("request", method=method, url=url, data=data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Killed, and not asked to end: a client in a loop would not listen.
        self._process.kill()
        self._process.communicate()


class Jobs:
    """The backend on `backend_port`, and noclobber on `port`."""

    def __init__(self, backend_port: int, port: int) -> None:
        self.backend_port = backend_port
        self.port = port

    def make(self, **values: object) -> str:
        """Have the backend hold a new job; return its id."""
        return str(ask(self.backend_port, "POST", "/job/rest/jobs/", values).json()["job_id"])

    def make_line(self, job: str) -> str:
        """Have the backend hold a new cost line of a job; return its path. Around noclobber: nothing has read the job yet."""
        line = {"job_id": job, "kind": "time", "desc": "Welding", "quantity": 1.0, "unit_cost": 45.0, "unit_rev": 98.0}
        return f"/job/rest/cost_lines/{ask(self.backend_port, 'POST', '/job/rest/cost_lines/', line).json()['id']}/"

    def stands(self, job: str) -> dict[str, object]:
        """What the backend itself holds of a job."""
        data = ask(self.backend_port, "GET", f"/job/rest/jobs/{job}/").json()["data"]
        assert isinstance(data, dict)
        held = data["job"]
        assert isinstance(held, dict)
        return held

    def tag(self, job: str, view: str = "") -> str:
        """The tag that a read through noclobber shows; `NO_TAG` where it shows none."""
        return ask(self.port, "GET", f"/job/rest/jobs/{job}/{view}").fields.get("etag", NO_TAG)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Jobs]:
    """Start the example as its README does, with a store in memory."""
    port = free_port()
    with backend(port, directory / "backend.log") as child:
        child.wait_for_port(port)
        with noclobber(port, "memory://", directory / "noclobber.log") as guard:
            yield Jobs(port, guard.port)


def noclobber(backend_port: int, store: str, log: Path) -> Noclobber:
    """Start noclobber with the example's configuration, and wait until it grants writes."""
    return Noclobber(backend_port, store, log, config=EXAMPLE / "config.toml").wait_until_ready()


def url(job: str, view: str = "") -> str:
    """Where a job or a view of it is."""
    return f"/job/rest/jobs/{job}/{view}"


def write(jobs: Jobs, job: str, name: str, **fields: str) -> Answer:
    """Send one of WRITES through noclobber."""
    method, view, body = WRITES[name]
    return ask(jobs.port, method, url(job, view), body, **fields)
