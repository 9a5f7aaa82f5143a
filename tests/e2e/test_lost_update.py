"""The story that noclobber exists for: two users, one document, and the update that is lost without it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.processes import Child, Noclobber

DOCUMENT = {"title": "Budget", "total": 100, "approved": False}


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[int]:
    """A backend that keeps what it is sent last; its port."""
    with Child([sys.executable, "-m", "tests.campaigns.backend", "--delay-seconds", "0"], tmp_path / "backend.log") as child:
        port = int(child.wait_for_line(re.compile(r"listening on (\d+)"))[1])
        ask(port, "PUT", "/budget", DOCUMENT)
        yield port


@pytest.fixture
def noclobber(backend: int, tmp_path: Path) -> Iterator[int]:
    """noclobber in front of it, with nothing configured; its port."""
    with Noclobber(backend, f"sqlite:///{tmp_path}/noclobber.db", tmp_path / "noclobber.log") as process:
        yield process.wait_until_ready().port


def test_without_noclobber_an_update_is_lost(backend: int) -> None:
    for_ann = ask(backend, "GET", "/budget").json()
    for_ben = ask(backend, "GET", "/budget").json()

    assert ask(backend, "PUT", "/budget", {**for_ann, "total": 250}).status == 204
    assert ask(backend, "PUT", "/budget", {**for_ben, "approved": True}).status == 204

    # Ben has approved a hundred, and Ann was told that her 250 were saved.
    assert ask(backend, "GET", "/budget").json() == {**DOCUMENT, "approved": True}


def test_with_noclobber_it_is_refused_and_both_changes_live(backend: int, noclobber: int) -> None:
    for_ann = ask(noclobber, "GET", "/budget")
    for_ben = ask(noclobber, "GET", "/budget")
    assert for_ann.tag == for_ben.tag

    saved = ask(noclobber, "PUT", "/budget", {**for_ann.json(), "total": 250}, if_match=for_ann.tag)
    refused = ask(noclobber, "PUT", "/budget", {**for_ben.json(), "approved": True}, if_match=for_ben.tag)

    assert saved.status == 204
    assert refused.status == 412
    assert ask(backend, "GET", "/budget").json() == {**DOCUMENT, "total": 250}

    # Ben looks again, sees the 250, and decides anew.
    again = ask(noclobber, "GET", "/budget")
    assert again.tag == saved.tag == refused.tag
    assert ask(noclobber, "PUT", "/budget", {**again.json(), "approved": True}, if_match=again.tag).status == 204
    assert ask(backend, "GET", "/budget").json() == {**DOCUMENT, "total": 250, "approved": True}


def test_whoever_names_no_state_still_overwrites(backend: int, noclobber: int) -> None:
    # Allowed unless a route says `missing = "require"`: clients that know nothing of tags go on as they did.
    assert ask(noclobber, "PUT", "/budget", {**DOCUMENT, "total": 1}).status == 204
    assert ask(backend, "GET", "/budget").json() == {**DOCUMENT, "total": 1}
