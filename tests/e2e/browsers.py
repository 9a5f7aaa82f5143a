"""Real JavaScript clients under node, in a browser each: jsdom, React, axios and React Query as npm has them, in the versions of node/."""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.npm import node_modules
from tests.e2e.peers import installed

HERE = Path(__file__).resolve().parent / "node"
EXAMPLES = HERE.parents[2] / "examples"
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.02


def packages() -> Path:
    """The node_modules of the clients."""
    return node_modules(HERE, "clients")


def site(example: str, directory: Path) -> Path:
    """Put the client of an example into directory, where it finds its packages."""
    directory.mkdir()
    for script in (*HERE.glob("*.js"), HERE / "package.json"):
        shutil.copy(script, directory)
    shutil.copytree(EXAMPLES / example / "client", directory / "client")
    (directory / "node_modules").symlink_to(packages())
    return directory


class Browser:
    """The browser of one user. A verb that fails there is an AssertionError here."""

    def __init__(self, site: Path, page: str, port: int, user: str) -> None:
        """Open it at noclobber's port. The user is known by a cookie."""
        self._log = site / f"{user}.log"
        command = [installed("node"), str(site / "browser.js"), f"http://127.0.0.1:{port}/", f"session={user}", f"./{page}.js"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=site, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self._numbers = count(1)
        self._replies: dict[int, dict[str, Any]] = {}
        self._read = b""
        self.result(0)

    def begin(self, verb: str, *arguments: object) -> int:
        """Have something done; return the number to ask for its result by."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "verb": verb, "arguments": arguments}).encode() + b"\n")
        self._process.stdin.flush()
        return number

    def result(self, number: int) -> Any:
        """Wait for what came of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while number not in self._replies:
            self._take(deadline)
        reply = self._replies.pop(number)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def do(self, verb: str, *arguments: object) -> Any:
        """Have something done, and wait for what came of it."""
        return self.result(self.begin(verb, *arguments))

    def see(self, tab: str, selector: str, wanted: Callable[[Any], bool] = lambda text: text is not None) -> Any:
        """Wait until the tab shows what is wanted under the selector; return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wanted(text := self.do("text", tab, selector)):
            assert time.monotonic() < deadline, f"{tab} shows {text!r} as {selector}; {self._said()}"
            time.sleep(PAUSE_SECONDS)
        return text

    def statuses(self) -> list[int]:
        """The status of every answer that came, in order; 0: none came."""
        return [answer["status"] for answer in self.do("wire")]

    def stop(self) -> None:
        """Close it."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _take(self, deadline: float) -> None:
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(output.fileno(), 65536) if ready else b""
        assert data, f"the browser {'has ended' if ready else 'does not answer'}; {self._said()}"
        *lines, self._read = (self._read + data).split(b"\n")
        for line in lines:
            reply = json.loads(line)
            self._replies[reply["id"]] = reply

    def _said(self) -> str:
        return f"it said:\n{self._log.read_text(errors='replace')[-2000:]}"
