"""The code blocks of the documents, and the mark above each that says what the tests do with it.

A mark is an HTML comment on the line before the fence, so that readers see none of it:

    run                     a shell block: it is run, in the order of its page, and every command must succeed
    run: exits 2            the same, and the last command ends with that status
    run: serves until TEXT  it goes on beside what follows; the page waits until it has printed TEXT
    prints                  what the block before it prints; `…` stands for anything in a line, alone for any lines
    norun: REASON           it cannot be run in a test; the reason is one of REASONS
    file: NAME              the block is written to that file when its turn comes
    part                    a part of a configuration: it is one without mistakes where the backend is named
    part: files are absent  the same, and the files that it names are on the reader's machine

`<!-- needs: THING -->` anywhere in a page starts that before its first block: one of THINGS in playing.py.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELLS = ("sh", "bash", "shell", "console")
LANGUAGES = (*SHELLS, "toml", "json", "text", "http", "yaml", "promql", "mermaid", "javascript", "nginx", "ini")
REASONS = frozenset(
    {
        "needs Docker",
        "needs a Kubernetes cluster",
        "needs systemd",
        "needs Grafana",
        "needs your backend",
        "needs your Redis",
        "needs packages from elsewhere",
        "needs somebody at the keyboard",
        "takes minutes",
        "is a test of its own",
    }
)
# An opening fence with the mark above it, if there is one; and what it holds, up to a fence as deep.
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n+)?^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_NEEDS = re.compile(r"^<!-- needs: (\w+) -->$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it begins, its language, what it holds, and its mark (empty: none)."""

    line: int
    language: str
    text: str
    mark: str

    @property
    def verb(self) -> str:
        """The first word of the mark."""
        return self.mark.partition(":")[0]

    @property
    def argument(self) -> str:
        """What the mark says after it."""
        return self.mark.partition(":")[2].strip()

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS


def blocks(text: str) -> list[Block]:
    """Every fenced block of a document, in order."""
    return list(_found(text))


def _found(text: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        depth = len(found["indent"])
        held = "".join(line[depth:] if line[:depth].isspace() else line for line in found["text"].splitlines(keepends=True))
        yield Block(text.count("\n", 0, found.start("language")) + 1, found["language"].strip(), held, found["mark"] or "")


def needs(text: str) -> Sequence[str]:
    """What a page wants to be there before its first block."""
    return list(dict.fromkeys(_NEEDS.findall(text)))


def documents() -> list[Path]:
    """Every document for readers: README, docs, and what stands beside the examples, the deployments and the dashboards."""
    folders = [ROOT / name for name in ("docs", "examples", "deploy", "grafana")]
    found = [path for folder in folders for path in folder.rglob("*.md") if "node_modules" not in path.parts]
    return [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted(found)]


def name_of(document: Path) -> str:
    """A document as the tests name it."""
    return document.relative_to(ROOT).as_posix()
