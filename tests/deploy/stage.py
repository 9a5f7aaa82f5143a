"""What the deployments are tried with: the backend of the demo, and two people who save what both have read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.asking import ask
from tests.e2e.processes import Child
from tests.servers import free_port

from .tools import ROOT

PATH = "/api/journeys/claim"
# A store that is new grants writes after the sum of these, and a second.
QUICK = {"PROTOCOL__LEASE_SECONDS": "1", "PROTOCOL__MARGIN_SECONDS": "0.2", "PROTOCOL__APPLY_DELAY_SECONDS": "0.2"}


@contextmanager
def journeys(directory: Path) -> Iterator[int]:
    """Run the backend of the demo. Yields its port."""
    port = free_port()
    command = [sys.executable, str(ROOT / "examples" / "journeys" / "backend.py"), "--port", str(port)]
    with Child(command, directory / "journeys.log") as backend:
        backend.wait_for_port(port)
        yield port


def saves_once(port: int, **fields: str) -> list[int]:
    """Two people save what both have read: the statuses they get."""
    seen = ask(port, "GET", PATH, **fields)
    assert seen.status == 200, seen
    return [ask(port, "PATCH", PATH, {"owner": name}, if_match=seen.tag, **fields).status for name in ("Ana", "Ben")]


def least_rights() -> str:
    """The rights of the user that docs/redis.md shows, and that a test of the store proves to be enough and needed."""
    page = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
    return page.partition("ACL SETUSER noclobber on >PASSWORD ")[2].partition("\n")[0]
