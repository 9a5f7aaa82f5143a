"""The links of the documents, and where they lead. Anchors are made as the site and the usual viewers of repositories make them."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.docs.blocks import ROOT

_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
DOCS = ROOT / "docs"


class Link(NamedTuple):
    """What a document points at: a path as it is written, and an anchor; either may be empty."""

    path: str
    anchor: str


def links(text: str) -> list[Link]:
    """Every link of a document to something here, in order. Code is no link."""
    plain = _CODE.sub(lambda code: "x" * len(code[0]), _FENCED.sub("", text))
    found = (target for target in _LINK.findall(plain) if not re.match(r"[a-z]+:", target))
    return [Link(*target.partition("#")[::2]) for target in found]


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings. The second of the same name has `_1` on the site and `-1` elsewhere: link to neither."""
    return {anchor(heading) for heading in _HEADING.findall(_FENCED.sub("", text))}


def anchor(heading: str) -> str:
    """What a heading is called in a URL."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    kept = re.sub(r"[^\w\- ]", "", plain.lower())
    return re.sub(r" ", "-", kept.strip())


def complaint(document: Path, link: Link) -> str:
    """Say what is wrong with a link; empty where nothing is."""
    target = document if not link.path else (document.parent / link.path).resolve()
    if not target.exists():
        return f"{link.path}: there is no such file"
    if document.is_relative_to(DOCS) and not target.is_relative_to(DOCS):
        return f"{link.path}: it is not part of the site"
    if document.is_relative_to(DOCS) and target.is_dir():
        return f"{link.path}: a folder has no page: name its index.md"
    if not link.anchor:
        return ""
    known = anchors(target.read_text(encoding="utf-8")) if target.suffix == ".md" else set()
    return "" if link.anchor in known else f"{link.path}#{link.anchor}: there is no such heading"
