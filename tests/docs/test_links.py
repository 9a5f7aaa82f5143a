"""No link of the documents is dead, and no page of the site is lost."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, documents, name_of
from tests.docs.links import Link, anchor, anchors, complaint, links

DOCUMENTS = documents()
README = ROOT / "README.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    found = links(document.read_text(encoding="utf-8"))
    assert [said for link in found if (said := complaint(document, link))] == []


def test_there_are_links() -> None:
    assert sum(len(links(document.read_text(encoding="utf-8"))) for document in DOCUMENTS) > 100


@pytest.mark.parametrize(
    ("link", "says"),
    [
        (Link("docs/none.md", ""), "no such file"),
        (Link("docs/redis.md", "none"), "no such heading"),
        (Link("docs/redis.md", "the-user"), ""),
        (Link("", "five-minutes"), ""),
        (Link("LICENSE", ""), ""),
    ],
)
def test_a_dead_link_is_noticed(link: Link, says: str) -> None:
    said = complaint(README, link)
    assert says in said if says else said == ""


def test_a_page_of_the_site_links_to_the_site_alone() -> None:
    assert "not part of the site" in complaint(ROOT / "docs" / "redis.md", Link("../README.md", ""))


KINDS = {".py", ".toml", ".yml", ".yaml", ".service", ".conf", ".cfg", ".sh", ".json", ""}


def test_every_page_that_a_file_names_exists() -> None:
    """Configurations, programs and their messages send readers to pages by name."""
    folders = [ROOT / name for name in ("proxy", "deploy", "grafana", "examples", "bench")]
    files = [ROOT / "dev", ROOT / "config.toml", *(path for folder in folders for path in folder.rglob("*") if path.is_file())]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in KINDS and "node_modules" not in path.parts}
    named = {(name_of(path), page) for path, text in texts.items() for page in re.findall(r"\bdocs/[\w/-]+\.md\b", text)}
    assert len(named) > 10
    assert sorted((path, page) for path, page in named if not (ROOT / page).is_file()) == []


def test_what_is_code_is_no_link() -> None:
    assert links("`[a](b)` [c](d.md#e) [f](https://example.org)\n\n```text\n[g](h)\n```\n") == [Link("d.md", "e")]


def test_anchors_are_made_of_headings() -> None:
    assert anchor("How to choose D, L and W") == "how-to-choose-d-l-and-w"
    assert anchor("`body-version`") == "body-version"
    assert anchors("# One\n\n```text\n# none\n```\n\n## [Two](x.md)\n") == {"one", "two"}
