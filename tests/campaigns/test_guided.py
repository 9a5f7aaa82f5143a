"""The readers of the guided campaign on what it began with and on what it found, and a moment of it."""

import importlib.util
import platform
import sys
from pathlib import Path

import pytest

from tests.campaigns.guided import READERS, fuzz

FOUND = {
    "tags": [b'"" ', b'\t""\t'],
    "target": [b"/;aa;;", b"/;aa;%3b", b"/a/;x/b", b"/..;", b"/%3f.json/"],
    "fields": [b"Host:a\nContent_Length:5", b"RangE:\xc3"],
    "configuration": [b"\xff", b"[[route]]\nquery = [1]", b"[[route]]\nquery = {}", b"[[route]]\nsuffixes = 'x'"],
}
HAS_WHEEL = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)


@pytest.mark.parametrize("name", READERS)
def test_what_was_found_once(name: str) -> None:
    reader, seeds = READERS[name]
    for data in (*seeds, *FOUND[name]):
        reader(data)


def test_what_a_reader_promises_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.campaigns.guided.HOP_BY_HOP", frozenset((b"x",)))
    with pytest.raises(AssertionError):
        READERS["fields"][0](b"Host:a\nX:1")


@pytest.mark.skipif(not HAS_WHEEL, reason="atheris has no wheel for this platform")
@pytest.mark.timeout(300)
def test_a_moment_of_it(tmp_path: Path) -> None:
    assert importlib.util.find_spec("atheris") is not None
    assert fuzz("target", 2, tmp_path).startswith("Done ")
