"""Real processes for the tests: noclobber, and the backends behind it. Each is only ever stopped by its own pid."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 60.0
STOP_SECONDS = 20.0
PAUSE_SECONDS = 0.02
SERVING = re.compile(r"serving \S+ on 127\.0\.0\.1:(\d+), admin on 127\.0\.0\.1:(\d+)")
# Short times: an empty Redis cannot be told from a flushed one, and grants no write before lease, margin and delay have passed.
PROTOCOL = {"LEASE_SECONDS": "2", "MARGIN_SECONDS": "0.5", "APPLY_DELAY_SECONDS": "1", "WRITE_TIMEOUT_SECONDS": "30"}


class Child:
    """One process, with everything that it says in the file `log`."""

    def __init__(self, arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start it. `environment` comes on top of this process's own, from which the settings of noclobber are left out."""
        self.log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOCLOBBER")}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**inherited, **(environment or {})}
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_for_line(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until it has said something that pattern finds."""
        deadline = time.monotonic() + START_SECONDS
        while (found := pattern.search(self.log.read_text(errors="replace"))) is None:
            self._check_alive(deadline, f"said nothing like {pattern.pattern}")
        return found

    def wait_for_port(self, port: int) -> None:
        """Wait until it takes connections on port."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                self._check_alive(deadline, f"does not listen on {port}")
            else:
                return

    def stop(self) -> int:
        """Ask it to stop, insist where that does not help, and return its exit status. Harmless when repeated."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _check_alive(self, deadline: float, complaint: str) -> None:
        if self._process.poll() is not None or time.monotonic() > deadline:
            self.stop()
            raise AssertionError(f"pid {self.pid} {complaint}; it said:\n{self.log.read_text(errors='replace')[-2000:]}")
        time.sleep(PAUSE_SECONDS)


class Noclobber(Child):
    """noclobber as its users run it, on free ports of its own. It serves reads at once, and writes from `wait_until_ready` on."""

    def __init__(
        self,
        upstream_port: int,
        store: str,
        log: Path,
        *,
        config: Path | None = None,
        settings: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> None:
        """Start it in front of upstream_port. `settings` go by SECTION__KEY, and override the short protocol times of the tests."""
        arguments = [sys.executable, "-m", "proxy", "run", "--upstream", f"http://127.0.0.1:{upstream_port}", "--store", store]
        arguments += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        arguments += ["--workers", str(workers)]
        if config is not None:
            arguments += ["--config", str(config)]
        chosen = {"LOG__ACCESS": "off", **{f"PROTOCOL__{key}": value for key, value in PROTOCOL.items()}, **(settings or {})}
        super().__init__(arguments, log, {f"NOCLOBBER__{key}": value for key, value in chosen.items()})
        try:
            found = self.wait_for_line(SERVING)
        except BaseException:
            self.stop()
            raise
        self.port, self.admin_port = int(found[1]), int(found[2])

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that there are at the moment."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    @property
    def worker_pid(self) -> int:
        """The process id of the only worker: that is what serves."""
        (pid,) = self.worker_pids
        return pid

    def wait_until_ready(self) -> Self:
        """Wait until writes are granted."""
        deadline = time.monotonic() + START_SECONDS
        while self.ask_admin("/readyz")[0] != 200:
            self._check_alive(deadline, "does not become ready")
        return self

    def ask_admin(self, path: str) -> tuple[int, str]:
        """GET path from the admin listener: status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=START_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
