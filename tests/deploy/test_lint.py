"""All YAML and every shell script of the repository, to yamllint and shellcheck."""

import subprocess
from pathlib import Path

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from .tools import ROOT, SECONDS, of_a_wheel, say


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository, those that are new too."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS, check=True)
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def yamllint(file: Path) -> list[str]:
    rules = YamlLintConfig((ROOT / ".yamllint").read_text(encoding="utf-8"))
    return [f"{file.name}:{problem}" for problem in linter.run(file.read_text(encoding="utf-8"), rules, str(file.relative_to(file.anchor)))]


def shellcheck(*files: Path) -> tuple[int, str]:
    # What is to be pasted says for which shell in its first line, in words.
    return say([of_a_wheel("shellcheck"), "--color=never", "--shell=bash", *files])


def test_yamllint_says_nothing() -> None:
    # Templates of Helm are YAML once they are rendered.
    files = [file for file in tracked("*.yaml", "*.yml") if file.parent.name != "templates"]
    assert files
    assert [problem for file in files for problem in yamllint(file)] == []


def test_shellcheck_says_nothing() -> None:
    files = tracked("*.sh", ".ci/run")
    assert files
    assert shellcheck(*files) == (0, "")


@pytest.mark.parametrize("broken", ["a: 1\na: 2\n", "a:\n   - 1\n  - 2\n", "a: yes\n", "a: 1 \n", "a: [\n"])
def test_yamllint_notices(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(broken)
    assert yamllint(file)


@pytest.mark.parametrize("broken", ["echo $1\n", "cd $(pwd)\n", "if [ $a = b ]\nthen\n"])
def test_shellcheck_notices(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.sh"
    file.write_text(f"#!/bin/sh\n{broken}")
    assert shellcheck(file)[0] != 0
