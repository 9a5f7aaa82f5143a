"""The reference leaves nothing out."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from proxy.arguments import parser
from proxy.config.keys import KEYS, label
from proxy.help import EXAMPLES
from proxy.telemetry.catalogue import CATALOGUE
from tests.docs.blocks import ROOT, blocks, documents, name_of
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


METRICS = set(CATALOGUE)
# What a histogram is called in a query.
SAMPLES = METRICS | {f"{name}_{part}" for name in METRICS for part in ("bucket", "count", "sum")}


def test_every_metric_is_explained_and_no_other() -> None:
    listed = re.findall(r"(?m)^### `(\w+)`$", page("metrics.md"))
    assert len(listed) == len(set(listed))
    assert set(listed) == METRICS


def strange(text: str) -> list[str]:
    """The names of metrics in a text that no metric has. Commands are left out: they look for parts of names, and are run."""
    for block in blocks(text):
        if block.is_shell:
            text = text.replace(block.text, "")
    return sorted({name for name in re.findall(r"(?<![:\w/])noclobber_[a-z_]*[a-z]\b(?!\.)", text) if name not in SAMPLES})


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_metric_that_a_document_names_exists(document: Path) -> None:
    assert strange(document.read_text(encoding="utf-8")) == []


def test_a_metric_that_does_not_exist_is_noticed() -> None:
    assert strange("`noclobber_requests_total`, `noclobber_requests`, `job:noclobber_errors:ratio_rate1h`") == ["noclobber_requests"]
