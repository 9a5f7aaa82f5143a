"""What systemd is told, on a socket such as it names."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.supervisor.notify import Notifier


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(5)
        yield line


def test_each_state_has_its_lines(heard: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": heard.getsockname()})
    notifier.ready("serving")
    assert heard.recv(1000) == b"READY=1\nSTATUS=serving"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = heard.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    name, _, number = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(number) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.alive()
    assert heard.recv(1000) == b"WATCHDOG=1"
    notifier.stopping("draining")
    assert heard.recv(1000) == b"STOPPING=1\nSTATUS=draining"


def test_an_abstract_address_begins_with_an_at(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0noclobber-{os.getpid()}")
        line.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@noclobber-{os.getpid()}"}).alive()
        assert line.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}], ids=["not named", "away"])
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    Notifier(environ).ready("serving")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
    ids=["not watched", "watched", "by its pid", "another process", "never", "unreadable"],
)
def test_the_watchdog_is_told_twice_as_often_as_it_asks(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog_seconds == seconds
