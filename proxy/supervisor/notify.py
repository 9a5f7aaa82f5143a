"""Notifying systemd of how the service does: datagrams to the socket that it names, and nothing where it names none (sd_notify(3))."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Tell systemd."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_microseconds = environ.get("WATCHDOG_USEC", "")
        self._watchdog_pid = environ.get("WATCHDOG_PID", "")

    @property
    def watchdog_seconds(self) -> float | None:
        """How often to say that all is well: half as long as systemd waits. None: it does not watch this process."""
        if self._watchdog_pid not in ("", str(os.getpid())) or not self._watchdog_microseconds.isdecimal():
            return None
        return int(self._watchdog_microseconds) / 2_000_000 or None

    def ready(self, status: str) -> None:
        """Say that it serves: after the start, and after a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a new configuration is being loaded."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Say that it ends."""
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Say how it does."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Say that it is not stuck."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # An "@" stands for the NUL byte that an abstract address begins with.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, suppress(OSError):
            line.sendto("\n".join(lines).encode(), address)
