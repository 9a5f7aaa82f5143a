"""deploy/systemd: the unit and its drop-ins are ones, expose little, and what they start is noclobber as it is."""

import re
import shutil
from pathlib import Path

import pytest

from proxy.config import load_config
from tests.e2e.peers import installed

from .cluster import SECRET, SPARE_SECONDS, drain_seconds
from .tools import DEPLOY, mistakes, say

FOLDER = DEPLOY / "systemd"
UNIT = FOLDER / "noclobber.service"
DROP_INS = sorted((FOLDER / "noclobber.service.d").glob("*.conf"))
MOST_EXPOSED = 2.0
PROGRAMS = ("usr/local/bin/noclobber", "bin/kill")
# What the unit and its defaults name, so that verify has nothing else to complain about.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user")


def machine(root: Path, text: str, *drop_ins: Path) -> Path:
    """Lay out as much of a machine below root as systemd-analyze looks at, with this unit and these drop-ins."""
    units = root / "etc/systemd/system"
    (units / "noclobber.service.d").mkdir(parents=True)
    (units / "noclobber.service").write_text(text)
    for drop_in in drop_ins:
        shutil.copy(drop_in, units / "noclobber.service.d")
    for target in TARGETS:
        (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    for program in PROGRAMS:
        (root / program).parent.mkdir(parents=True)
        (root / program).write_text("#!/bin/sh\n")
        (root / program).chmod(0o755)
    return root


def verify(root: Path) -> str:
    """What systemd has to say about the unit: nothing where all is well. Its exit status is 0 also where it ignores a key."""
    return say([installed("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", f"--root={root}", "noclobber.service"])[1]


def exposure(root: Path) -> float:
    said = say([installed("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--root={root}", "noclobber.service"])[1]
    found = re.search(r"Overall exposure level for noclobber\.service: ([\d.]+)", said)
    assert found, said
    return float(found[1])


def test_the_unit_is_one_and_exposes_little(tmp_path: Path) -> None:
    root = machine(tmp_path, UNIT.read_text())
    assert verify(root) == ""
    assert exposure(root) < MOST_EXPOSED


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_so_it_does_with_a_drop_in(drop_in: Path, tmp_path: Path) -> None:
    root = machine(tmp_path, UNIT.read_text(), drop_in)
    assert verify(root) == ""
    assert exposure(root) < MOST_EXPOSED


BROKEN = {
    "a key that does not exist": ("WatchdogSec=30", "WatchdogSecs=30", "Unknown key 'WatchdogSecs'"),
    "a value that does not exist": ("\nType=notify\n", "\nType=notifyy\n", "Failed to parse service type"),
    "a time that is none": ("TimeoutStopSec=60", "TimeoutStopSec=soon", "Failed to parse"),
    "a program that is not there": ("ExecStart=/usr/local/bin/noclobber", "ExecStart=/usr/bin/noclobber", "is not executable"),
    "a section that does not exist": ("[Install]", "[Instal]", "Unknown section"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_systemd_notices(case: str, tmp_path: Path) -> None:
    old, new, complaint = BROKEN[case]
    text = UNIT.read_text()
    assert text.count(old) == 1
    assert complaint in verify(machine(tmp_path, text.replace(old, new)))


def test_a_unit_that_is_not_hardened_is_noticed(tmp_path: Path) -> None:
    text = re.sub(r"^(SystemCall|Protect|CapabilityBounding).*\n", "", UNIT.read_text(), flags=re.MULTILINE)
    assert exposure(machine(tmp_path, text)) > MOST_EXPOSED


def settings(name: str) -> list[str]:
    """The values of a key of the unit, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_there_is_time_to_drain() -> None:
    config = load_config(FOLDER / "config.toml", {}, {})
    assert float(settings("TimeoutStopSec")[0]) >= drain_seconds(config.server) + SPARE_SECONDS
    assert config.server.drain_seconds > config.protocol.write_timeout_seconds
    assert settings("KillMode") == ["mixed"]


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_of_a_drop_in_reaches_noclobber(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SECRET[name])
    drop_in = next(path for path in DROP_INS if f"LoadCredential={name}:/etc/noclobber/{name}" in path.read_text())
    found = dict(re.findall(r"^Environment=(\w+)=(.*)$", drop_in.read_text(), re.MULTILINE))
    environment = {variable: value.replace("%d", str(tmp_path)) for variable, value in found.items()}
    assert mistakes(FOLDER / "config.toml", environment) == []
    config = load_config(FOLDER / "config.toml", environment, {})
    assert SECRET[name].strip() in (config.store.url, config.server.admin_token)
