"""A Dockerfile carried out without Docker: its COPY and RUN on this machine, each path of the image below a folder.

What this shows: that the files it copies suffice, that its commands work, and that what comes out serves. What it cannot: the base image.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from .tools import ROOT, SECONDS

# Places of the image that RUN, ENV and the like name.
PLACES = ("/opt/noclobber", "/var/lib/noclobber", "/etc/noclobber", "/state", "/src")


class Instruction(NamedTuple):
    """One instruction, with its lines joined."""

    word: str
    rest: str


def instructions(dockerfile: Path) -> list[Instruction]:
    """Read a Dockerfile. Comments are left out, also between joined lines."""
    kept = "\n".join(line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n", " ", kept).splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line.strip()]


def stages(dockerfile: Path) -> list[list[Instruction]]:
    """Cut what was read at each FROM."""
    found: list[list[Instruction]] = []
    for instruction in instructions(dockerfile):
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def context(ignore: Path) -> list[Path]:
    """The files that a build sees, relative to the root: the last line of .dockerignore that fits a file or a folder above it decides."""
    lines = [line for line in ignore.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, timeout=SECONDS, check=True
    )
    return [Path(name) for name in tracked.stdout.decode().split("\0") if name and not _is_ignored(Path(name), lines)]


def _is_ignored(file: Path, lines: list[str]) -> bool:
    ignored = False
    for line in lines:
        pattern = line.removeprefix("!")
        places = [file.as_posix(), *(folder.as_posix() for folder in file.parents)]
        if any(fnmatch(place, pattern) or (pattern.startswith("**/") and fnmatch(Path(place).name, pattern[3:])) for place in places):
            ignored = not line.startswith("!")
    return ignored


class Image:
    """What a Dockerfile makes, below `root`."""

    def __init__(self, dockerfile: Path, root: Path, python: str) -> None:
        """Carry out all of it, with `python` as that of the base image. Raises CalledProcessError where a command fails."""
        self.root = root
        self._python = python
        self._environment: dict[str, str] = {}
        self._seen = context(ROOT / ".dockerignore")
        self.stages = stages(dockerfile)
        for stage in self.stages:
            self._workdir, self._environment = "/", {}
            for instruction in stage:
                self._carry_out(instruction)

    def here(self, text: str) -> str:
        """The same text with each place of the image below `root`."""
        return re.sub("|".join(rf"(?<![\w/]){place}\b" for place in PLACES), lambda found: f"{self.root}{found[0]}", text)

    def exec_form(self, word: str) -> list[str]:
        """The words of the last stage's ENTRYPOINT, CMD or the like, with places as they are here."""
        rest = next(instruction.rest for instruction in self.stages[-1] if instruction.word == word)
        return [self.here(part) for part in re.findall(r'"([^"]*)"', rest)]

    def environment(self) -> dict[str, str]:
        """What ENV of the last stage sets, with places as they are here."""
        return {name: self.here(value) for name, value in self._environment.items()}

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction.word:
            case "WORKDIR":
                self._workdir = instruction.rest
                Path(self.here(self._workdir)).mkdir(parents=True, exist_ok=True)
            case "ENV":
                pairs = (word.split("=", 1) for word in shlex.split(instruction.rest))
                self._environment |= {name: value.replace("$PATH", os.environ["PATH"]) for name, value in pairs}
            case "COPY":
                self._copy(shlex.split(instruction.rest))
            case "RUN":
                self._run(instruction.rest)
            case _:
                return

    def _copy(self, words: list[str]) -> None:
        options, (*sources, target) = [w for w in words if w.startswith("--")], [w for w in words if not w.startswith("--")]
        place = self.here(os.path.join(self._workdir, target) + ("/" if target.endswith("/") else ""))
        for source in sources:
            if any(option.startswith("--from=") for option in options):
                # Both stages are in one place here; what moves is moved.
                if source != target:
                    shutil.copytree(self.here(source), place, dirs_exist_ok=True)
                continue
            wanted = [file for file in self._seen if file == Path(source) or Path(source) in file.parents]
            if not wanted:
                raise FileNotFoundError(f"COPY {source}: the build does not see it")
            for file in wanted:
                into = Path(place, file.name) if target.endswith("/") else Path(place, file.relative_to(source))
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, into)

    def _run(self, command: str) -> None:
        script = self.here(re.sub(r"--mount=\S+ ", "", command))
        tools = self.root / "tools"
        tools.mkdir(exist_ok=True)
        # uv is installed here already, and nothing is installed beside it.
        (tools / "pip").write_text("#!/bin/sh\ngrep -q '^uv==' uv.txt\n")
        (tools / "pip").chmod(0o755)
        environment = {**os.environ, **self.environment(), "UV_PYTHON": self._python}
        environment["PATH"] = os.pathsep.join((str(tools), str(Path(sys.executable).parent), os.environ["PATH"]))
        subprocess.run(["sh", "-ec", script], cwd=self.here(self._workdir), env=environment, timeout=SECONDS, check=True)
