"""litmus, the WebDAV conformance suite, through noclobber: line by line what it says of the same server without.

noclobber is as it is without a configuration: every path a resource, and every method but the safe ones a write under a lease. COPY and
MOVE lock what they are sent to; what their Destination names is another resource, and is not locked.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.foreign import start_webdav
from tests.e2e.peers import apache_dav, installed
from tests.e2e.processes import Child, Noclobber

SUITES = ["basic", "copymove", "props", "locks", "http"]
BACKENDS: dict[str, Callable[[Path], tuple[Child, int]]] = {"wsgidav": start_webdav, "Apache": apache_dav}
LITMUS_SECONDS = 200
VERDICT = re.compile(r"^ *\d+\. (\S+?)\.{2,} (pass|FAIL|SKIPPED|WARNING)", re.MULTILINE)


@dataclass
class Servers:
    """The ports of a WebDAV server and of the noclobber in front of it."""

    direct: int
    through: int


@pytest.fixture(scope="module", params=BACKENDS)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp(f"{request.param}-litmus")
    backend, port = BACKENDS[request.param](directory)
    with backend, Noclobber(port, f"sqlite:///{directory}/noclobber.db", directory / "noclobber.log") as noclobber:
        backend.wait_for_port(port)
        yield Servers(port, noclobber.wait_until_ready().port)


def verdicts(suite: str, port: int, directory: Path) -> list[tuple[str, str]]:
    """What litmus says of each test of a suite, in order."""
    directory.mkdir()
    program = Path("/usr/libexec/litmus", suite)
    installed("litmus")
    done = subprocess.run(
        [program, "--htdocs", "/usr/share/litmus/htdocs", f"http://127.0.0.1:{port}/"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LITMUS_SECONDS,
        check=False,
    )
    # It writes a line anew with a carriage return once it knows more.
    return VERDICT.findall(done.stdout.replace("\r", "\n"))


@pytest.mark.timeout(500)
@pytest.mark.parametrize("suite", SUITES)
def test_litmus_says_the_same_line_by_line(suite: str, servers: Servers, tmp_path: Path) -> None:
    direct = verdicts(suite, servers.direct, tmp_path / "direct")
    through = verdicts(suite, servers.through, tmp_path / "through")

    assert len(direct) > 3, "litmus did not run"
    assert through == direct
    assert ("init", "pass") in through
