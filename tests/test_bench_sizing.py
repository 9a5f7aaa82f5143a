"""The guide to sizing says what is counted."""

import re
from pathlib import Path

import pytest

from bench.sizing import KINDS, counts, stand

GUIDE = Path(__file__).parents[1] / "docs" / "sizing.md"


def documented() -> list[tuple[int, int]]:
    """The figures of the guide's first table, row by row."""
    table = GUIDE.read_text(encoding="utf-8").partition("| request | round trips |")[2].partition("\n\n")[0]
    return [(int(trips), int(requests)) for trips, requests in re.findall(r"\| (\d)[^|]*\| (\d)[^|]*\|$", table, re.MULTILINE)]


@pytest.mark.timeout(120)
def test_the_guide_says_what_is_counted(tmp_path: Path) -> None:
    found = []
    with stand(tmp_path, 1) as noclobber:
        for name, trips, requests in counts(noclobber, 10):
            before = (0, 0) if "before it" not in name else (1, 1) if "counted" in name else (0, 1)
            found.append((round(trips - before[0]), round(requests - before[1])))
    assert len(found) == len(KINDS)
    assert found == documented()
