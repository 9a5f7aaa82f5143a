"""Patterns: what the matcher of an older Python gets wrong stands in none of them.

Before Python 3.11.5 (Debian 12 has 3.11.2) a possessive repetition of more than one character goes on from wherever its last, failed round
was given up: gh-106052, gh-100061. So each round of such a one must fail at its first character or not at all.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants as codes
from re import _parser as parser

import pytest

import proxy
from proxy.core.json_edit import _others_than

# Their rounds are a run of plain characters, a string, or an escape, which has a second character unless the text ends there.
SAFE = {
    "proxy.core.json_edit._MEMBER",
    "proxy.core.json_edit._ITEM",
    "proxy.core.json_parse._NO_BRACKETS",
    "proxy.core.body_template._STRING",
}


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """Every pattern that a module keeps, by its name."""
    for found in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


def risky(pattern: str | bytes, flags: int = 0) -> list[str]:
    """The possessive repetitions of more than one character, as the parser shows them."""

    def walk(items: object) -> Iterator[str]:
        if isinstance(items, parser.SubPattern | list | tuple):
            for item in items:
                if isinstance(item, tuple) and item and item[0] is codes.POSSESSIVE_REPEAT and _is_long(item[1][2]):
                    yield repr(item[1][2])
                yield from walk(item)

    return list(walk(parser.parse(pattern, flags)))


def _is_long(repeated: parser.SubPattern) -> bool:
    return len(repeated) != 1 or repeated[0][0] not in (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)


SHORT = ("a*+", "[ab]*+", ".?+", "(?:ab)*", "(?:ab)*?")
LONG = ("(?:ab)*+", "(a)?+", "x(?:y|(?:z(?:ab)++))", rb"(?:a|bc)*+")


@pytest.mark.parametrize(("pattern", "count"), [*((each, 0) for each in SHORT), *((each, 1) for each in LONG)])
def test_the_check_finds_them(pattern: str | bytes, count: int) -> None:
    assert len(risky(pattern)) == count


def test_none_stands_where_it_is_not_known_to_be_safe() -> None:
    found = dict(patterns())
    assert len(found) > 30
    assert found.keys() >= SAFE
    assert {name for name, pattern in found.items() if risky(pattern.pattern, pattern.flags & ~re.DEBUG)} == SAFE


def test_a_run_of_members_ends_before_one_that_is_none_of_it() -> None:
    """What went wrong: the space and the comma before the member that ends the run were taken along."""
    run = _others_than(frozenset({"a"})).match('"b": 1 , "c": 2 , "a": 3}')
    assert run is not None
    assert run[0] == '"b": 1 , "c": 2'
