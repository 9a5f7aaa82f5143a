"""./dev, .ci/run, constraints.txt and the demo: what a fresh clone meets first. Offline; nothing is installed here."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / "dev"
JOURNEYS = ROOT / "examples" / "journeys"
EVERYDAY = ("run", "demo", "test", "lint", "check", "docs", "bench", "dashboards", "install", "lock")
COMMANDS = (
    *EVERYDAY,
    "crash",
    "fuzz",
    "metrics-cost",
    "overhead",
    "race",
    "routes",
    "rss",
    "scale",
    "screenshots",
    "simulate",
    "site",
    "sizing",
    "slow",
    "storefaults",
    "throughput",
)


def load(name: str, path: Path) -> ModuleType:
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load("dev", DEV)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(JOURNEYS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load("serve", JOURNEYS / "serve.py")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load("play", JOURNEYS / "play.py")


def run(*command: str, cwd: Path = ROOT, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_help_names_every_command() -> None:
    done = run(sys.executable, str(DEV), "--help")
    assert done.returncode == 0
    listed = done.stdout.partition("\ncommands:\n")[2].splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(COMMANDS)


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("lint", "--fix"), ("install", "everything")])
def test_wrong_usage_is_refused_before_anything_is_installed(arguments: tuple[str, ...], tmp_path: Path) -> None:
    shutil.copy(DEV, tmp_path / "dev")
    done = run(sys.executable, str(tmp_path / "dev"), *arguments)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "dev"]


def test_arguments_go_to_pytest_and_replace_the_default(dev: ModuleType) -> None:
    assert dev.pytest_arguments([]) == ["-n", "2"]
    assert dev.pytest_arguments(["-x", "tests/core"]) == ["-x", "tests/core"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("aiohttp==3.14.5\n")
    return tmp_path


def test_the_same_checkout_has_the_same_digest(dev: ModuleType, checkout: Path) -> None:
    assert dev.digest(checkout, "3.11.7") == dev.digest(checkout, "3.11.7")


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "python", "place"])
def test_whatever_the_environment_depends_on_changes_the_digest(dev: ModuleType, checkout: Path, changed: str) -> None:
    before = dev.digest(checkout, "3.11.7")
    python = "3.12.1" if changed == "python" else "3.11.7"
    if changed == "place":
        checkout = shutil.copytree(checkout, checkout / "elsewhere")
    elif changed != "python":
        with open(checkout / changed, "a") as file:
            file.write("# more\n")
    assert dev.digest(checkout, python) != before


STAMPS = [
    pytest.param(None, set(), id="no stamp"),
    pytest.param("", set(), id="an empty stamp"),
    pytest.param("other dev", set(), id="made from something else"),
    pytest.param("same dev", {"dev"}, id="current"),
    pytest.param("same bench dev", {"bench", "dev"}, id="current, with more"),
]


@pytest.mark.parametrize(("text", "extras"), STAMPS)
def test_a_stamp_tells_the_extras_only_of_what_it_was_made_from(
    dev: ModuleType, tmp_path: Path, text: str | None, extras: set[str]
) -> None:
    stamp = tmp_path / "stamp"
    if text is not None:
        stamp.write_text(text)
    assert dev.installed_extras(stamp, "same") == extras


def test_an_install_with_a_current_stamp_does_nothing(dev: ModuleType, checkout: Path) -> None:
    shutil.copy(DEV, checkout / "dev")
    # Were it started, it would leave a trace and fail.
    script(checkout / ".venv" / "bin" / "python", f"#!/bin/sh\ntouch {checkout}/started\nexit 1\n")
    stamp = checkout / ".venv" / "noclobber-stamp"
    stamp.write_text(f"{dev.digest(checkout.resolve(), sys.version)} dev\n")
    before = stamp.read_text()
    done = run(sys.executable, str(checkout / "dev"), "install")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stamp.read_text() == before
    assert not (checkout / "started").exists()


def as_if_too_old(folder: Path, known: str) -> Path:
    text = DEV.read_text()
    assert "OLDEST = (3, 11)\n" in text
    start = text.index("KNOWN = ")
    text = text[:start] + f"KNOWN = {known}\n" + text[text.index("\n", start) + 1 :]
    return script(folder / "dev", text.replace("OLDEST = (3, 11)\n", "OLDEST = (99, 0)\n"))


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    done = run(sys.executable, str(as_if_too_old(tmp_path, "()")), "test")
    assert done.returncode == 1
    assert done.stderr.startswith("dev: Python 99.0 or newer is needed, this is 3.")


def test_a_newer_python_on_the_path_is_used_and_a_dead_shim_is_not(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "python99.1", "#!/bin/sh\nexit 127\n")
    script(tmp_path / "bin" / "python99.0", '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "newer: $2 $3"\n')
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = run(sys.executable, str(as_if_too_old(tmp_path, '("python99.1", "python99.0")')), "test", "-x", PATH=path)
    assert (done.returncode, done.stdout) == (0, "newer: test -x\n")


def test_ci_run_is_an_executable_bash_script() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(DEV, os.X_OK)
    assert run("bash", "-n", str(ROOT / ".ci" / "run")).returncode == 0


CI = [
    pytest.param(0, 0, 0, id="all well"),
    pytest.param(1, 0, 1, id="lint failed"),
    pytest.param(0, 5, 5, id="no test ran"),
    pytest.param(1, 2, 2, id="both failed"),
]


@pytest.mark.parametrize(("lint", "tests", "status"), CI)
def test_ci_run_fails_with_either_and_always_ends_with_the_tests(tmp_path: Path, lint: int, tests: int, status: int) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    script(tmp_path / "dev", f'#!/bin/sh\necho "$@"\n[ "$1" = lint ] && exit {lint}\nexit {tests}\n')
    done = run(str(tmp_path / ".ci" / "run"), "-x", cwd=tmp_path.parent)
    assert (done.returncode, done.stdout) == (status, "lint\ntest -x\n")


def test_constraints_pin_every_dependency_and_hold_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert "--" not in text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("==" in line for line in lines)
    pinned = {line.split("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    assert {re.split(r"[;>\[]", name)[0].strip() for name in wanted} - pinned == set()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_in_use_is_named_with_its_way_out(serve: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(serve.Failed, match=rf"port {port} for noclobber is not free .*--port PORT"):
            serve.require_free(port, "noclobber", "--port PORT")
    serve.require_free(port, "noclobber", "--port PORT")


def test_the_session_parses_and_follows_the_ports(serve: ModuleType) -> None:
    text = serve.session_text(9101, 8101)
    assert run("bash", "-n", stdin=text).returncode == 0
    assert "127.0.0.1:9101" in text
    assert "127.0.0.1:8101" in text
    assert "9000" not in text
    assert "8080" not in text


@pytest.fixture
def demo(serve: ModuleType, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The demo's backend, and noclobber in front of it with the demo's own configuration. Yields their two ports."""
    backend, proxy, admin = free_port(), free_port(), free_port()
    listeners = ["--listen", f"127.0.0.1:{proxy}", "--admin", f"127.0.0.1:{admin}"]
    around = ["--upstream", f"http://127.0.0.1:{backend}", "--store", f"sqlite:///{tmp_path}/demo.db"]
    commands = [
        [sys.executable, str(JOURNEYS / "backend.py"), "--port", str(backend)],
        [sys.executable, "-m", "proxy", "run", "--config", "config.toml", *listeners, *around],
    ]
    with open(tmp_path / "log", "wb") as log:
        children = [subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) for command in commands]
    try:
        deadline = time.monotonic() + 60
        while serve.status_of(backend, "/api/journeys") != 200 or serve.status_of(admin, "/readyz") != 200:
            assert all(child.poll() is None for child in children), (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield backend, proxy
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(20)


def test_the_demo_loses_an_update_without_noclobber_and_keeps_it_with_it(play: ModuleType, demo: tuple[int, int]) -> None:
    backend, proxy = demo
    assert play.race(f"127.0.0.1:{backend}", f"127.0.0.1:{proxy}") == 0
    # Without protection, or in front of what does not lose updates, it has to say so.
    assert play.race(f"127.0.0.1:{backend}", f"127.0.0.1:{backend}") == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed session is made of curl commands")
def test_the_printed_session_shows_what_it_says_also_when_pasted_twice(serve: ModuleType, demo: tuple[int, int]) -> None:
    text = serve.session_text(*demo)
    for _ in range(2):
        lines = run("bash", stdin=text).stdout.replace("\r", "").splitlines()
        assert lines[:2] == ["Ana saves: 200", "Ben saves: 200"]
        written, there = (line.split(":", 1)[1].strip() for line in lines[2:4])
        assert written.startswith('"notes": "Ana, ')
        # Also in the second turn within one second: what is there is not what Ana has just written.
        assert there.startswith('"notes": ')
        assert there != written
        assert [line.split()[1] for line in lines if line.startswith("HTTP/1.1 ")] == ["200", "412", "200"]
        assert "Content-Type: application/problem+json" in lines
        kept = [line for line in lines if line.startswith("Both edits are there: ")]
        assert len(kept) == 1
        assert '"status": "active"' in kept[0]
        assert '"notes": "Ana, ' in kept[0]
