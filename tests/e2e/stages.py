"""An example on stage: its backend, noclobber with its configuration, and the browsers of its users, as real processes."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.browsers import EXAMPLES, Browser, site
from tests.e2e.processes import Child, Noclobber

_LISTENING = re.compile(r"on http://127\.0\.0\.1:(\d+)/")
_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Stage:
    """What is played on. `site` is what the browsers show."""

    directory: Path
    backend: Child
    backend_port: int
    noclobber: Noclobber
    site: Path
    page: str
    browsers: dict[str, Browser] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def browser(self, user: str, port: int | None = None) -> Browser:
        """The browser of a user, opened at noclobber (or at port) when it is first asked for."""
        if user not in self.browsers:
            self.browsers[user] = Browser(self.site, self.page, port or self.noclobber.port, user)
        return self.browsers[user]

    def backend_saw(self, method: str, path: str) -> list[int]:
        """The status of every request of this method for this path that reached the backend, in order."""
        lines = re.findall(r'"(\S+) (\S+) HTTP/1\.1" (\d+)', self.backend.log.read_text())
        return [int(status) for seen, target, status in lines if (seen, target) == (method, path)]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name that have these labels."""
        total = 0.0
        for sample in _SAMPLE.finditer(self.noclobber.ask_admin("/metrics")[1]):
            found = dict(_LABEL.findall(sample["labels"] or ""))
            if sample["name"] == name and labels.items() <= found.items():
                total += float(sample["value"])
        return total

    def new_statuses(self) -> set[int]:
        """The status of every answer that any browser got since this was asked last."""
        found: set[int] = set()
        for user, browser in self.browsers.items():
            statuses = browser.statuses()
            found.update(statuses[self._told.get(user, 0) :])
            self._told[user] = len(statuses)
        return found


def start_backend(example: str, directory: Path) -> tuple[Child, int]:
    """Start the example's backend on a free port."""
    child = Child([sys.executable, EXAMPLES / example / "backend.py", "--port", "0"], directory / "backend.log")
    return child, int(child.wait_for_line(_LISTENING)[1])


@contextmanager
def staged(example: str, page: str, directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Play an example with its own configuration on a store of its own."""
    backend, port = start_backend(example, directory)
    config = EXAMPLES / example / "config.toml"
    store = f"sqlite:///{directory}/noclobber.db"
    with backend, Noclobber(port, store, directory / "noclobber.log", config=config, settings=settings) as noclobber:
        stage = Stage(directory, backend, port, noclobber.wait_until_ready(), site(example, directory / "site"), page)
        try:
            yield stage
        finally:
            for browser in stage.browsers.values():
                browser.stop()
