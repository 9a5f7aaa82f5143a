"""redbot, which checks caching, validators, negotiation and ranges, finds no fault with an answer that noclobber has put a tag on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.asking import ask
from tests.e2e.foreign import start_webdav
from tests.e2e.processes import Noclobber

# Long enough for it to ask for a part, and to find compression worth a word.
TEXT = "a line of text that says little\n" * 200
PROGRAM = """
import json, sys, thor
from configparser import ConfigParser
from redbot.resource import HttpResource
config = ConfigParser()
config.read_dict({"redbot": {"enable_local_access": "True"}})
resource = HttpResource(config["redbot"])
resource.set_request(sys.argv[1])
resource.on("check_done", thor.stop)
resource.check()
thor.run()
probes = [resource, *resource.subreqs.values()]
found = [(type(note).__name__, note.level.name, str(note.summary)) for probe in probes for note in probe.response.notes]
asked = {str(name): str(probe.response.status_code) for name, probe in resource.subreqs.items()}
print(json.dumps({"notes": found, "asked": asked}))
"""


@dataclass
class Report:
    """What redbot says: its notes as (name, level, summary), and the status that each of its further requests got."""

    notes: list[tuple[str, str, str]]
    asked: dict[str, str]

    def faults(self) -> list[tuple[str, str, str]]:
        return [note for note in self.notes if note[1] in ("BAD", "WARN")]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """WsgiDAV's, and noclobber's in front of it, which puts its own tags in the place of the other's."""
    directory = tmp_path_factory.mktemp("redbot")
    config = directory / "noclobber.toml"
    config.write_text('[[route]]\nname = "files"\npath = "/{path*}"\nstrategy = "content"\n')
    backend, port = start_webdav(directory)
    with backend, Noclobber(port, f"sqlite:///{directory}/noclobber.db", directory / "noclobber.log", config=config) as noclobber:
        backend.wait_for_port(port)
        assert ask(port, "PUT", "/text.txt", TEXT.encode(), content_type="text/plain").status == 201
        yield port, noclobber.wait_until_ready().port


def report(port: int) -> Report:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{port}/text.txt"], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Report([(name, level, summary) for name, level, summary in found["notes"]], found["asked"])


@pytest.mark.timeout(300)
def test_redbot_finds_nothing_that_it_does_not_find_without_noclobber(ports: tuple[int, int]) -> None:
    direct, through = report(ports[0]), report(ports[1])

    assert through.asked, "redbot has asked for nothing more"
    assert {"RANGE_CORRECT", "INM_304", "IMS_304"} <= {name for name, _, _ in through.notes}
    assert {name for name, _, _ in through.faults()} <= {name for name, _, _ in direct.faults()}
