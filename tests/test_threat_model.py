"""The threat model names a test for each threat, and each of them exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"), re.MULTILINE)
REFERENCE = re.compile(r"`(tests/[\w./]+)(?:::(\w+))?`")


def references(row: str) -> list[tuple[str, str]]:
    return REFERENCE.findall(row.rpartition("|")[2])


def exists(path: str, name: str) -> bool:
    """Whether there is such a file or folder with tests in it, and in a file a test of that name."""
    place = ROOT / path
    if place.is_dir():
        return not name and any(place.glob("test_*.py"))
    if not place.is_file():
        return False
    functions = {node.name for node in ast.walk(ast.parse(place.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return name in functions if name else any(function.startswith("test_") for function in functions)


def test_the_threats_are_numbered_from_one_on() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 28


@pytest.mark.parametrize(("number", "row"), ROWS, ids=[number for number, _ in ROWS])
def test_each_threat_has_a_test_that_exists(number: str, row: str) -> None:
    found = references(row)
    assert found, "no test is named"
    assert [reference for reference in found if not exists(*reference)] == []


@pytest.mark.parametrize(
    "missing", [("tests/none.py", ""), ("tests/core/test_hops.py", "test_none"), ("tests/core", "test_none"), ("docs", "")]
)
def test_a_reference_to_nothing_is_noticed(missing: tuple[str, str]) -> None:
    assert not exists(*missing)
