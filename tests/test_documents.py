"""The documents say what the code does, where they are made from it."""

import re

import pytest

from proxy.core.body_template import NAMES
from tests.documents import DOCS, PARTS, renewed

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


def test_every_value_that_a_body_may_name_is_explained() -> None:
    table = (DOCS / "dialects.md").read_text(encoding="utf-8").partition("| name | value |")[2].partition("\n\n")[0]
    explained = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])]
    assert sorted(explained) == sorted(NAMES)
