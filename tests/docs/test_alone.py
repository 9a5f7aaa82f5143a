"""Where the commands of the documents run: alone with their ports, or one page at a time."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import alone

PROGRAM = "import json, socket; print(json.dumps([name for _, name in socket.if_nameindex()]))"


def interfaces(*command: str) -> list[str]:
    done = subprocess.run([*command, sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_command_has_a_network_of_its_own_where_the_kernel_allows_it() -> None:
    assert interfaces(sys.executable, alone.__file__) in (["lo"], interfaces())


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(alone, "WAIT_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(alone, "PORTS", (port,))
        with pytest.raises(SystemExit, match=rf"\[{port}\]"):
            alone.claim()


def test_without_a_network_of_ones_own_it_is_one_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(alone, "PORTS", ())
    alone.claim()
    lock = next(tmp_path.glob("*.lock"))
    done = subprocess.run(["flock", "--nonblock", lock, "true"], check=False, timeout=60)
    assert done.returncode == 1
