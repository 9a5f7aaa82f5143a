"""The programs that judge what stands in deploy/, and what they said. One that is missing fails the test: nothing is skipped in silence."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from proxy.config import check_config
from proxy.errors import ConfigError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECONDS = 50.0


def of_a_wheel(name: str) -> str:
    """Find a program that a wheel of the dev extra has brought along."""
    found = Path(sys.executable).parent / name
    if not os.access(found, os.X_OK):
        pytest.fail(f"{name} is missing: ./dev install")
    return str(found)


def say(command: Sequence[str | Path], environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> tuple[int, str]:
    """Run a program to its end: its exit status, and all that it said. None of our own settings reach it but those in `environment`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOCLOBBER")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**inherited, **(environment or {})},
    )
    return done.returncode, done.stdout


def mistakes(config: Path, environment: Mapping[str, str] | None = None) -> list[str]:
    """Everything that `noclobber check` says of a file in this environment. A warning counts: what we ship has none."""
    try:
        _, cautions = check_config(config, environment or {}, {})
    except ConfigError as error:
        return [str(mistake) for mistake in error.mistakes]
    return [str(caution) for caution in cautions]
