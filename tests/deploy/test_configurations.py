"""Every configuration that is shipped: `noclobber check` has nothing to say, the published schema fits, and so does a linter of TOML."""

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from .tools import DEPLOY, ROOT, SECONDS, mistakes, of_a_wheel, say

UPSTREAM = {"NOCLOBBER__UPSTREAM__URL": "http://app:9000"}
# What is left for the environment to say, where the file is for any backend.
COMPLETED = {"deploy/docker/config.toml": UPSTREAM, "deploy/kubernetes/base/config.toml": UPSTREAM}
CONFIGURATIONS = [ROOT / "config.toml", *sorted(ROOT.glob("examples/*/*.toml")), *sorted(DEPLOY.rglob("*.toml"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in CONFIGURATIONS]


@cache
def schema() -> dict[str, object]:
    """What `noclobber schema` prints."""
    done = subprocess.run([sys.executable, "-m", "proxy", "schema"], capture_output=True, timeout=SECONDS, check=True, cwd=ROOT)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def misfits(text: str) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(tomllib.loads(text))]


def tombi(*files: Path) -> tuple[int, str]:
    return say([of_a_wheel("tombi"), "lint", "--offline", "--error-on-warnings", *files])


def test_there_is_something_to_look_at() -> None:
    assert {"config.toml", "deploy/docker/config.toml", "deploy/systemd/config.toml"} <= set(NAMES)
    assert set(COMPLETED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_noclobber_has_nothing_to_say(name: str) -> None:
    assert mistakes(ROOT / name, COMPLETED.get(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_fits(name: str) -> None:
    assert misfits((ROOT / name).read_text(encoding="utf-8")) == []


def test_a_linter_of_toml_has_nothing_to_say() -> None:
    status, said = tombi(*CONFIGURATIONS)
    assert status == 0, said


BROKEN = {
    "a key that does not exist": ("drain_seconds", "drain_second"),
    "a wrong type": ("drain_seconds = 30.0", 'drain_seconds = "30"'),
    "a value that is not allowed": ('mode = "enforce"', 'mode = "enforced"'),
    "a time below zero": ("drain_seconds = 30.0", "drain_seconds = -1.0"),
}
WHOLE = '[server]\nmode = "enforce"\ndrain_seconds = 30.0\n[upstream]\nurl = "http://app:9000"\n'


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_noticed_by_both(case: str, tmp_path: Path) -> None:
    broken = WHOLE.replace(*BROKEN[case])
    file = tmp_path / "config.toml"
    file.write_text(WHOLE)
    assert (misfits(WHOLE), mistakes(file)) == ([], [])
    file.write_text(broken)
    assert misfits(broken)
    assert mistakes(file)


def test_a_warning_counts(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(WHOLE + '[[route]]\nname = "all"\npath = "/{p*}"\nstrategy = "revision"\non_store_loss = "open"\n')
    assert [": warning: " in said for said in mistakes(file)] == [True]


@pytest.mark.parametrize("broken", ["[server]\nmode = \n", "[server]\na = 1\na = 2\n", "[server]\n[server]\n"])
def test_what_is_not_toml_is_noticed(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(broken)
    assert tombi(file)[0] != 0
