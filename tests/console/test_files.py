"""What the console is made from: the vendored library is unchanged, all files are in the wheel, and nothing is loaded from elsewhere."""

import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "proxy" / "admin" / "console"
FILES = sorted(file for file in CONSOLE.rglob("*") if file.is_file())
OURS = [file for file in FILES if file.parent.name != "uplot"]
# uPlot 1.6.32 as npm has it, file by file.
VENDORED = {
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def test_the_vendored_library_is_as_npm_has_it() -> None:
    assert {file.name: sha256(file.read_bytes()).hexdigest() for file in (CONSOLE / "uplot").iterdir()} == VENDORED


def test_every_file_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("proxy/admin/console/")}
    assert held == {file.relative_to(ROOT).as_posix(): file.read_bytes() for file in FILES}


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_no_file_of_ours_names_another_host_or_makes_code_or_markup_from_text(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"""(?:https?:)?//[\w.]+\.[a-z]+""", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|cssText", text) == []


def test_the_page_has_neither_script_nor_style_nor_listener_in_it() -> None:
    page = (CONSOLE / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    assert all('src="console/' in tag for tag in re.findall(r"<script[^>]*>", page))
