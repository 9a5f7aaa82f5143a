"""Every command of the documents is run, and prints what they show; what cannot be run says why."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.blocks import REASONS, ROOT, Block, blocks, documents, name_of
from tests.docs.playing import complaint, play, require_tools

# A page may start several processes, and one whose ports are the machine's waits for its turn.
pytestmark = pytest.mark.timeout(600)

DOCUMENTS = documents()
ALL = [(document, block) for document in DOCUMENTS for block in blocks(document.read_text(encoding="utf-8"))]
RUNBOOKS = ROOT / "docs" / "runbooks"


def pages() -> list[list[Path]]:
    """What is played in one go: a document by itself, the runbooks together, since all of them look at one running noclobber."""
    played = dict.fromkeys(document for document, block in ALL if block.verb == "run")
    alone = [[document] for document in played if document.parent != RUNBOOKS]
    # Their list says what they need.
    together = [document for document in DOCUMENTS if document.parent == RUNBOOKS]
    return [*alone, together] if together else alone


@pytest.mark.parametrize("page", pages(), ids=lambda page: name_of(page[0]))
def test_the_commands_of_a_page_do_what_it_shows(page: list[Path], tmp_path: Path) -> None:
    require_tools()
    text = "\n".join(document.read_text(encoding="utf-8") for document in page)
    played = play(text, tmp_path)
    assert not played.failure, f"{[name_of(document) for document in page]}: {played.failure}"
    found = blocks(text)
    shows = [(before, block) for before, block in pairwise(found) if block.verb == "prints"]
    wrong = [complaint(block.text, played.printed[before.line]) for before, block in shows]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_something_is_played() -> None:
    assert len(pages()) >= 8


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_is_run_or_says_why_not(document: Path) -> None:
    unmarked = [block.line for block in blocks(document.read_text(encoding="utf-8")) if block.is_shell and not is_accounted_for(block)]
    assert unmarked == [], f"lines of shell blocks with neither `run` nor `norun: REASON`, of {sorted(REASONS)}"


def is_accounted_for(block: Block) -> bool:
    if block.verb == "norun":
        return block.argument in REASONS
    return block.verb == "run" and (not block.argument or block.argument.startswith(("exits ", "serves until ")))


# What a command begins with that a reader would type.
COMMAND = re.compile(r"(?m)^(?:\$ |\./|(?:sudo|curl|noclobber|pip|pipx|python3?|docker|kubectl|helm|systemctl|journalctl|redis-cli|ssh) )")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_command_hides_in_a_block_of_text(document: Path) -> None:
    found = blocks(document.read_text(encoding="utf-8"))
    assert [block.line for block in found if block.language == "text" and block.verb != "prints" and COMMAND.search(block.text)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_shown_was_printed_by_something(document: Path) -> None:
    found = blocks(document.read_text(encoding="utf-8"))
    for before, block in zip([None, *found], found, strict=False):
        if block.verb == "prints":
            assert before is not None, block.line
            assert (before.verb, block.language) == ("run", "text"), block.line
            assert not before.argument.startswith("serves"), f"line {block.line}: what serves may not have printed all of it yet"


@pytest.mark.parametrize("mark", ["", "norun", "norun: no time", "runs", "run: maybe"])
def test_a_command_that_nobody_accounts_for_is_noticed(mark: str) -> None:
    assert not is_accounted_for(Block(1, "sh", "true\n", mark))


def test_what_fails_or_prints_something_else_is_noticed(tmp_path: Path) -> None:
    page = "<!-- run -->\n```sh\necho one; echo two\n```\n\n<!-- run -->\n```sh\nls /absent\necho not reached\n```\n"
    played = play(page, tmp_path)
    assert played.printed[2] == "one\ntwo\n"
    assert "line 7" in played.failure
    assert "not reached" not in played.failure


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a…c\n", "abbc\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("…\nd\n", "d\n", True),
        ("a\n", "a\nb\n", False),
        ("a…c\n", "ab\nc\n", False),
        ("a.c\n", "abc\n", False),
        ("…\nd\n", "a\nb\n", False),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: str, printed: str, *, fits: bool) -> None:
    assert (complaint(shown, printed) == "") is fits
