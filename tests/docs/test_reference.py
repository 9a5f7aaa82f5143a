"""The reference leaves nothing out."""

import contextlib
import io
import re
import shlex

import pytest

from proxy.arguments import EXAMPLES, parser
from proxy.config.keys import KEYS, label
from tests.docs.blocks import ROOT
from tests.documents import subcommands

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("section", KEYS)
def test_every_key_of_the_configuration_is_explained(section: str) -> None:
    table = page("configuration.md").partition(f"\n## {label(section)}\n")[2].partition("\n## ")[0]
    assert [name for name in KEYS[section] if f"\n| `{name}` |" not in table] == []


def test_every_command_is_explained() -> None:
    assert re.findall(r"(?m)^## noclobber ([\w-]+)$", page("commands.md")) == list(subcommands())


def examples() -> list[str]:
    """Every command line that the help shows."""
    shown = [(command.epilog or "").removeprefix("example: ") for command in subcommands().values()]
    return [*shown, *re.findall(r"(?m)^  .*?(noclobber .+?)(?:   .*)?$", EXAMPLES)]


@pytest.mark.parametrize("example", examples())
def test_every_example_of_the_help_is_understood(example: str) -> None:
    line = re.split(r" (?:&&|>|\|) ", example.partition("noclobber ")[2])[0]
    complaints = io.StringIO()
    with contextlib.redirect_stderr(complaints):
        try:
            parser().parse_args(shlex.split(line))
        except SystemExit:
            pytest.fail(complaints.getvalue())
