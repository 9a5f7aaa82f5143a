"""What the shells complete is what there is."""

import subprocess
from pathlib import Path

import pytest

from proxy import cli
from proxy.help import NAMES, SHELLS
from tests.completion import completions


@pytest.mark.parametrize("file", completions(), ids=lambda file: file.name)
def test_the_files_are_up_to_date(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == completions()[file], "run ./dev docs"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_is_written_with_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert [name for name in NAMES if name not in said] == []


COMPLETED = {
    ("mark",): {"mark-unknown"},
    ("prob",): {"probe-apply-delay", "probe-aliases"},
    ("status", "--"): {"--help", "--json", "--watch", "--admin", "--config", "--token-file"},
    ("completion", ""): set(SHELLS),
    ("check", "thi"): {"this.toml"},
}


@pytest.mark.parametrize(("words", "expected"), COMPLETED.items(), ids=[" ".join(words) for words in COMPLETED])
def test_bash_completes(words: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "this.toml").touch()
    script = next(file for file in completions() if file.suffix == ".bash")
    typed = " ".join(f"'{word}'" for word in ("noclobber", *words))
    asked = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _shtab_noclobber; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert {word.strip() for word in done.stdout.split()} - {"-h"} == expected, done.stderr
