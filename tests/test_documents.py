"""The documents say what the code does, where they are made from it."""

import re
from pathlib import Path

import pytest

from proxy.config import load_config
from proxy.core.body_template import NAMES
from tests.documents import DOCS, PARTS, renewed

# A fence, and what it holds.
_TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("name", [document.relative_to(DOCS).as_posix() for document in DOCUMENTS])
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert renewed(text) == text, "run ./dev docs"


@pytest.mark.parametrize("part", PARTS)
def test_each_part_stands_somewhere(part: str) -> None:
    assert any(f"<!-- begin {part} -->" in document.read_text(encoding="utf-8") for document in DOCUMENTS)


def test_a_part_that_has_changed_is_noticed() -> None:
    assert renewed("<!-- begin points -->\nold\n<!-- end points -->") == f"<!-- begin points -->\n{PARTS['points']()}<!-- end points -->"


EXAMPLES = [
    pytest.param(found[1], id=f"{name}-{number}")
    for name in ("dialects.md", "routes.md")
    for number, found in enumerate(_TOML.finditer((DOCS / name).read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_in_the_documents_is_a_configuration_without_mistakes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert load_config(file, {}, {}).routes


def test_every_value_that_a_body_may_name_is_explained() -> None:
    table = (DOCS / "dialects.md").read_text(encoding="utf-8").partition("| name | value |")[2].partition("\n\n")[0]
    explained = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])]
    assert sorted(explained) == sorted(NAMES)
