"""`noclobber conflicts`, as an operator has it: beside the noclobber that serves, on the same store."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RedisServer, valkey_binary

from .processes import Child

SERVING = re.compile(r"serving \S+ on 127\.0\.0\.1:(\d+)")
PROTOCOL = {"NOCLOBBER__PROTOCOL__LEASE_SECONDS": "1", "NOCLOBBER__PROTOCOL__MARGIN_SECONDS": "0.1"}
EVENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d missing +guarded PUT key=[\w-]{24} principal=[0-9a-f]{16} request=(r\d)\n")


@pytest.fixture(params=["sqlite", "valkey"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    server = RedisServer(valkey_binary(), tmp_path / "valkey").start()
    try:
        yield server.url
    finally:
        server.kill()


@pytest.fixture
def port(store: str, tmp_path: Path) -> Iterator[int]:
    """A noclobber that refuses every unconditional write. No backend is needed for that."""
    config = tmp_path / "config.toml"
    config.write_text(
        '[server]\nworkers = 1\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
        f'[upstream]\nurl = "http://127.0.0.1:9"\n[store]\nurl = "{store}"\n'
        '[[route]]\nname = "guarded"\npath = "/{path*}"\nmissing = "require"\n',
        encoding="utf-8",
    )
    with Child([sys.executable, "-m", "proxy", "run", "--config", config], tmp_path / "log", PROTOCOL) as child:
        yield int(child.wait_for_line(SERVING)[1])


def refuse(port: int, request_id: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("PUT", "/doc", b"x", {"X-Request-ID": request_id, "Authorization": "Bearer secret"})
    assert connection.getresponse().status == 428
    connection.close()


def conflicts(*arguments: str) -> list[str]:
    """Run the command, and return its lines."""
    command = [sys.executable, "-m", "proxy", "conflicts", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines(keepends=True)


def test_the_log_is_shown(port: int, store: str, tmp_path: Path) -> None:
    assert conflicts("--store", store) == []
    for number in range(4):
        refuse(port, f"r{number}")
    deadline = time.monotonic() + 30
    while len(shown := conflicts("--config", str(tmp_path / "config.toml"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    matches = [EVENT.fullmatch(line) for line in shown]
    assert [found and found[1] for found in matches] == ["r0", "r1", "r2", "r3"], shown
    last = [json.loads(line) for line in conflicts("--store", store, "--json", "--last", "2")]
    assert [event["requestId"] for event in last] == ["r2", "r3"]
    # The same events are lines of the process's own log.
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if '"kind":"conflict"' in line]
    assert lines[2:] == last


def test_it_follows(port: int, store: str, tmp_path: Path) -> None:
    refuse(port, "r1")
    with Child([sys.executable, "-m", "proxy", "conflicts", "--store", store, "--follow"], tmp_path / "followed") as following:
        following.wait_for_line(re.compile("request=r1\n"))
        refuse(port, "r2")
        following.wait_for_line(re.compile("request=r2\n"))
    assert [found[1] for found in EVENT.finditer((tmp_path / "followed").read_text())] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--store", "memory://"], 1, "memory:// is in the process that serves"),
        (["--store", "sqlite:///nowhere.db"], 1, "nowhere.db does not exist"),
        (["--store", "redis://127.0.0.1:1"], 1, "noclobber: "),
        (["--store", "ftp://x"], 2, "store"),
        (["--last", "0"], 2, "--last"),
    ],
)
def test_what_cannot_be_shown_is_said(tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    command = [sys.executable, "-m", "proxy", "conflicts", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
