"""JSON documents for property tests: values as `read_json` gives them, and many ways to write one down."""

import json
import random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from proxy.core.json_text import Number
from proxy.core.pointer import Pointer

NUMBERS = (
    "0",
    "-0",
    "1",
    "1.0",
    "1e0",
    "1E+0",
    "0.1234567890123456789",
    "0.12345678901234567",
    "1" * 30,
    "1" * 29 + "2",
    "-7",
    "1e999",
    "1e-999",
)
NAMES = ("", "a", "b", "version", "meta", "é", "\U0001f600", "\ud83d", 'q"', "back\\slash", "~", "/", "0", "*", "\u0001")
scalars: SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS).map(Number), st.sampled_from(NAMES), st.text(max_size=5)
)
names: SearchStrategy[str] = st.sampled_from(NAMES)


def _containers(below: SearchStrategy[object]) -> SearchStrategy[object]:
    return st.one_of(st.lists(below, max_size=4), st.dictionaries(names, below, max_size=5))


values: SearchStrategy[object] = st.recursive(scalars, _containers, max_leaves=12)
objects: SearchStrategy[dict[str, object]] = st.dictionaries(names, values, max_size=6)


def write(value: object, chance: random.Random) -> str:
    """Write a value down: any white space, members in any order, any way to escape."""
    match value:
        case Number():
            text = str(value)
        case str():
            text = '"' + "".join(_character(one, chance) for one in value) + '"'
        case dict():
            members = [f"{write(name, chance)}:{write(below, chance)}" for name, below in value.items()]
            chance.shuffle(members)
            text = "{" + (",".join(members) or _space(chance)) + "}"
        case list():
            text = "[" + (",".join(write(below, chance) for below in value) or _space(chance)) + "]"
        case _:
            text = json.dumps(value)
    return _space(chance) + text + _space(chance)


def _space(chance: random.Random) -> str:
    return chance.choice(("", "", "", " ", "\n  ", "\t\r\n"))


def _character(one: str, chance: random.Random) -> str:
    is_plain = one >= " " and one not in '"\\' and not "\ud800" <= one <= "\udfff"
    if is_plain and chance.random() < 0.8:
        return one
    if one in '"\\/' and chance.random() < 0.5:
        return "\\" + one
    units = one.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{chance.choice((units[at : at + 4], units[at : at + 4].upper()))}" for at in range(0, len(units), 4))


def places(value: object) -> list[Pointer]:
    """The pointers to everything in a value, itself first."""
    found: list[Pointer] = [()]
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in below:
        found += [(str(name), *rest) for rest in places(one)]
    return found
