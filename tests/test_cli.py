"""The command line: what is said where, and with which exit status."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import proxy
from proxy import cli
from proxy.config import Config
from proxy.supervisor.reload import Source

ROOT = Path(__file__).parent.parent
GOOD = '[upstream]\nurl = "http://127.0.0.1:9000"\n[store]\nurl = "redis://user:hunter2@127.0.0.1/1"\n'
BAD = '[upstream]\nurl = "nowhere"\n[log]\nlevel = "warn"\n'
# Ends as `noclobber` would, having said which heavy modules it loaded.
PROGRAM = """
import sys
from proxy.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as error:
    status = error.code
print(sorted({"aiohttp", "redis", "uvloop", "asyncio", "proxy.app"} & sys.modules.keys()), file=sys.stderr)
sys.exit(status)
"""
BAD_KEYS = ["bad.toml:2: upstream.url: ", "bad.toml:4: log.level: "]


@pytest.fixture(autouse=True)
def _in_a_directory_of_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NOCLOBBER__")]:
        monkeypatch.delenv(name)
    Path("config.toml").write_text(GOOD, encoding="utf-8")
    Path("bad.toml").write_text(BAD, encoding="utf-8")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations that were served; each ends at once, with status 7."""
    configs: list[Config] = []

    def supervise(config: Config, source: Source, watches: bool) -> int:
        configs.append(config)
        return 7

    parent = ModuleType("proxy.supervisor.parent")
    parent.supervise = supervise  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "proxy.supervisor.parent", parent)
    return configs


def run(*arguments: str, path: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m proxy` in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_says_in_one_line_that_a_file_is_good() -> None:
    done = run("-m", "proxy", "check")
    said = "config.toml: ok: 1 route, upstream http://127.0.0.1:9000, store redis://user:***@127.0.0.1/1\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_check_says_every_mistake_on_standard_error() -> None:
    done = run("-m", "proxy", "check", "bad.toml")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert [line[: len(key)] for line, key in zip(lines, BAD_KEYS, strict=True)] == BAD_KEYS


def test_check_of_a_file_that_is_not_there_fails() -> None:
    done = run("-m", "proxy", "check", "none.toml")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "none.toml: cannot be read: No such file or directory\n")


def test_check_looks_at_the_environment_as_well() -> None:
    done = run("-m", "proxy", "check", NOCLOBBER__SERVER__WORKERS="-1")
    assert done.returncode == 1
    assert done.stderr.startswith("NOCLOBBER__SERVER__WORKERS: server.workers: is out of range, read -1")


@pytest.mark.parametrize("arguments", [["check"], ["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_only_run_loads_what_serves(arguments: list[str]) -> None:
    done = run("-c", PROGRAM, *arguments)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_check_counts_routes(capsys: pytest.CaptureFixture[str]) -> None:
    routes = "".join(f'[[route]]\nname = "{name}"\npath = "/{name}"\n' for name in "ab")
    Path("config.toml").write_text(GOOD + routes, encoding="utf-8")
    assert cli.main(["check", "config.toml"]) == 0
    assert ": ok: 2 routes, upstream " in capsys.readouterr().out


def test_check_in_this_process_tells_mistakes_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "bad.toml"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_run_serves_the_configuration_and_returns_its_status(served: list[Config]) -> None:
    flags = ["--upstream", "http://h", "--listen", "h:1", "--admin", "h:2", "--store", "memory://", "--workers", "1", "--mode", "enforce"]
    assert cli.main(["run", *flags]) == 7
    (config,) = served
    assert (config.upstream.url, config.server.listen, config.server.admin, config.store.url) == ("http://h", "h:1", "h:2", "memory://")


def test_run_reads_no_file_that_is_not_named(served: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run"]) == 2
    assert capsys.readouterr().err.startswith("--upstream: upstream.url: is missing, read nothing, allowed http://HOST[:PORT]")
    assert served == []


def test_flags_override_the_environment_and_that_the_file(served: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOCLOBBER__STORE__URL", "memory://")
    monkeypatch.setenv("NOCLOBBER__UPSTREAM__URL", "http://environment")
    assert cli.main(["run", "--config", "config.toml", "--upstream", "http://flag"]) == 7
    assert (served[0].store.url, served[0].upstream.url) == ("memory://", "http://flag")


def test_run_with_a_bad_configuration_serves_nothing(served: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--config", "bad.toml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert served == []


@pytest.mark.parametrize("arguments", [[], ["serve"], ["run", "--up", "x"], ["check", "a", "b"]], ids=["none", "unknown", "cut", "many"])
def test_wrong_usage_has_a_status_of_its_own(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: int | str | None = cli.main(arguments)
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert "usage: noclobber" in capsys.readouterr().err


def test_help_tells_what_it_is_with_examples_and_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for part in ("reverse proxy", "noclobber run --upstream", "noclobber check config.toml", "on standard error", "exit status: 0"):
        assert part in said


def test_the_version_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"noclobber {proxy.__version__} (Python 3.")
    assert f"aiohttp {importlib.metadata.version('aiohttp')}, redis {importlib.metadata.version('redis')}, SQLite 3." in said


def test_the_version_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def nothing(distribution: str) -> str:
        raise importlib.metadata.PackageNotFoundError(distribution)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    assert cli.main(["--version"]) == 0
    assert "asyncio's loop, aiohttp missing, redis missing" in capsys.readouterr().out


def test_a_package_of_the_same_name_is_refused(tmp_path: Path) -> None:
    mixed = tmp_path / "site" / "proxy"
    shutil.copytree(ROOT / "proxy", mixed, ignore=shutil.ignore_patterns("__pycache__"))
    # What proxy.py on PyPI leaves behind when it is installed over noclobber.
    (mixed / "__init__.py").write_text("__all__ = ['entry_point']\n", encoding="utf-8")
    done = run("-c", "import sys; from proxy.cli import main; sys.exit(main(['check']))", path=mixed.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"noclobber: the package `proxy` in {mixed / '__init__.py'} is not noclobber's.")


def test_a_package_from_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(proxy, "__file__", "/elsewhere/proxy/__init__.py")
    assert cli.main(["check"]) == 2
    assert "the package `proxy` in /elsewhere/proxy/__init__.py is not noclobber's" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
@pytest.mark.parametrize("command", [("conflicts", "--last"), ("probe-apply-delay", "http://h/", "--body={probe}", "--rounds")])
def test_a_count_that_is_none_is_told_in_words(number: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    *words, flag = command
    with pytest.raises(SystemExit) as left:
        cli.main([*words, f"{flag}={number}"])
    assert left.value.code == 2
    assert f"argument {flag}: is not a whole number, 1 or more, read {number!r}" in capsys.readouterr().err
