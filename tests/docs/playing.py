"""A page that is played: its blocks become one shell script, which runs where a reader would stand, and what it printed is kept."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks, needs
from tests.servers import redis_binary
from tests.test_dev import load

ALONE = Path(__file__).with_name("alone.py")
PLAY_SECONDS = 200.0
STOP_SECONDS = 20.0
CLONE = ("dev", "pyproject.toml", "constraints.txt", "config.toml")
HEAD = r"""
set -e
await() { # FILE TEXT: until the file has the text, or whoever writes it has ended
    until grep -qF -- "$2" "$1"; do
        kill -0 $! 2>/dev/null || { sleep 0.2; grep -qF -- "$2" "$1" && return; echo "ended without: $2" >>"$1"; return 1; }
        sleep 0.05
    done
}
"""
THINGS = {
    "demo": ("./dev run", "Ctrl-C stops both"),
    "backend": ("python examples/journeys/backend.py --port 9000", "journeys on"),
    "noclobber": ("noclobber run --config config.toml", "serving"),
    "redis": ("redis-server --bind 127.0.0.1 --port 6379 --save '' --maxmemory-policy noeviction", "Ready to accept connections"),
}
"""What a page may need: how it is started, and what it says when it is there."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a page: what each block printed, by its line; and where it stopped, if it did."""

    printed: dict[int, str]
    failure: str


def checkout(directory: Path) -> Path:
    """What a fresh clone looks like after `./dev install`: `.venv` leads to the environment of these tests, and to the code at hand."""
    for name in CLONE:
        shutil.copy(ROOT / name, directory / name)
    shutil.copytree(ROOT / "examples", directory / "examples", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    bin_directory = directory / ".venv" / "bin"
    bin_directory.mkdir(parents=True)
    for name in ("python", "python3", "noclobber", "scim2-server"):
        target = Path(sys.executable).with_name(name.removesuffix("3") if name == "python3" else name)
        script = bin_directory / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(target))} "$@"\n')
        script.chmod(0o755)
    (bin_directory / "activate").write_text(f"PATH={shlex.quote(str(bin_directory))}:$PATH\n")
    dev = load("dev", ROOT / "dev")
    (directory / ".venv" / "noclobber-stamp").write_text(f"{dev.digest(directory.resolve(), sys.version)} dev\n")
    return directory


def play(text: str, directory: Path) -> Played:
    """Run every block of a page that is to be run, in order, in one shell, in a clone of its own. It stops at the first that fails."""
    steps = directory / "steps"
    steps.mkdir()
    clone = directory / "noclobber"
    clone.mkdir()
    script = steps / "page.sh"
    script.write_text("\n".join(_script(text, steps)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(ALONE), "bash", str(script)],
        cwd=checkout(clone),
        env=_environment(clone),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=PLAY_SECONDS)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        said = f"it went on for more than {PLAY_SECONDS:.0f} s"
    finally:
        _stop(process)
    printed = {int(path.stem): path.read_text(errors="replace") for path in steps.glob("*.out") if path.stem.isdecimal()}
    if process.returncode == 0 and (steps / "done").exists():
        return Played(printed, "")
    things = "".join(f"\n{path.name}:\n{path.read_text(errors='replace')[-2000:]}" for path in steps.glob("*.thing"))
    last = max(printed, default=0)
    return Played(printed, f"stopped in the block of line {last}, which printed:\n{printed.get(last, '')[-3000:]}\n{said}{things}")


def _script(text: str, steps: Path) -> Iterator[str]:
    yield HEAD
    for thing in needs(text):
        if thing == "redis":
            redis_binary()
        command, ready = THINGS[thing]
        yield from _started(command, steps / f"{thing}.thing", ready)
    for block in blocks(text):
        output = steps / f"{block.line:05}.out"
        if block.verb == "file":
            yield f"cat >{shlex.quote(block.argument)} <<'END-OF-FILE'\n{block.text}END-OF-FILE"
        elif block.verb == "run":
            yield from _run(block, output)
    yield f"touch {steps}/done"


def _run(block: Block, output: Path) -> Iterator[str]:
    if block.argument.startswith("serves until "):
        yield from _started(block.text, output, block.argument.removeprefix("serves until "))
        return
    status = int(block.argument.removeprefix("exits ") or 0)
    if status:
        yield f"set +e\n{{\n{block.text}}} >{output} 2>&1\nstatus=$?; set -e; [ $status = {status} ]"
    else:
        yield f"{{\n{block.text}}} >{output} 2>&1"


def _started(command: str, output: Path, text: str) -> Iterator[str]:
    # The file is there before anybody looks into it.
    yield f": >{output}\n{{\n{command}\n}} >{output} 2>&1 &\nawait {output} {shlex.quote(text)}"


def _environment(clone: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOCLOBBER", "PYTEST"))}
    path = os.pathsep.join([str(clone / ".venv" / "bin"), inherited["PATH"]])
    return {**inherited, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(clone), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the shell, and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        if number is signal.SIGTERM:
            _wait_for_group(process.pid)
    process.wait(STOP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def _wait_for_group(group: int) -> None:
    """Wait until no process of a group is left, or its time is over."""
    for _ in range(int(STOP_SECONDS / 0.05)):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        signal.sigtimedwait([], 0.05)


def complaint(shown: str, printed: str) -> str:
    """Say how what was printed differs from what a document shows; empty where it does not."""
    pattern = "".join(_line(line) for line in shown.rstrip("\n").splitlines())
    text = "".join(f"{line.rstrip()}\n" for line in printed.rstrip("\n").splitlines())
    return "" if re.fullmatch(pattern, text) else f"shown:\n{shown}\nprinted:\n{printed}"


def _line(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"


def require_tools() -> None:
    """Fail where a page cannot be played at all."""
    for tool in ("bash", "curl", "grep"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing, and the documents' commands use it: apt-get install {tool}")
