"""The schema for editors: it is one, it takes every file that we ship, and it refuses what `noclobber check` refuses of its kind."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from proxy.cli import main
from proxy.config.json_schema import json_schema
from proxy.config.keys import KEYS

ROOT = Path(__file__).parent.parent
FILES = [ROOT / "config.toml", *sorted(ROOT.glob("examples/**/*.toml"))]
ROUTE = '[[route]]\nname = "a"\npath = "/a"\n'

VALIDATOR = Draft202012Validator(json_schema())


def complaints(text: str) -> list[str]:
    """Where a file is refused."""
    document: dict[str, Any] = tomllib.loads(text)
    return ["/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(ROOT).as_posix() for file in FILES])
def test_every_file_of_ours_fits(file: Path) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []


def test_the_file_of_the_demo_fits_with_every_key_that_it_comments_out() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    whole = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in text.split("\n"))
    assert complaints(whole) == []


def test_every_key_is_in_it_and_says_what_it_does() -> None:
    definitions: Any = json_schema()["$defs"]
    assert {section: list(table["properties"]) for section, table in definitions.items()} == {
        section: list(keys) for section, keys in KEYS.items()
    }
    for section, keys in KEYS.items():
        for name, key in keys.items():
            assert key.note.does in definitions[section]["properties"][name]["description"]


REFUSED = {
    "x = 1": "",
    "[server]\nx = 1": "server",
    "[server]\nlisten = 1": "server/listen",
    "[server]\nmode = 'watch'": "server/mode",
    "[limits]\nmax_fields = 1.5": "limits/max_fields",
    "[limits]\nmax_fields = 0": "limits/max_fields",
    "[protocol]\nlease_seconds = 0": "protocol/lease_seconds",
    "route = 1": "route",
    "[[route]]\nname = 'a'": "route/0",
    f"{ROUTE}guarded = 'no'": "route/0/guarded",
    f"{ROUTE}stale_status = 500": "route/0/stale_status",
    f"{ROUTE}methods = 'GET'": "route/0/methods",
    f"{ROUTE}methods = [1]": "route/0/methods/0",
    f"{ROUTE}query = 'id'": "route/0/query",
    f"{ROUTE}first_version = -1": "route/0/first_version",
    "[[dialect]]\nbase = 'scim'": "dialect/0",
}


@pytest.mark.parametrize(("text", "place"), REFUSED.items())
def test_what_is_wrong_is_refused(text: str, place: str) -> None:
    assert complaints(text) == [place]


def test_the_command_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
