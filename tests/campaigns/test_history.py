"""The judge of the campaigns is judged: a story that cannot be is told from one that can, rule by rule."""

import time

import pytest

from tests.campaigns.history import ABSENT, SEED, History, Outcome, Read, Write, violations

OK, STALE, BUSY, REFUSED, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.STALE, Outcome.BUSY, Outcome.REFUSED, Outcome.UNKNOWN


def write(value: str, seen: str, tag: str, outcome: Outcome, ended: float = 1.0, *, is_delete: bool = False) -> Write:
    return Write("/1", value, seen, tag, outcome, ended, is_delete)


def read(value: str, tag: str, began: float) -> Read:
    return Read("/1", value, tag, began)


A, B = write("a", SEED, "t0", OK, 1.0), write("b", "a", "ta", OK, 2.0)
GONE = write("d", "a", "ta", OK, 2.0, is_delete=True)
BACK = write("c", ABSENT, "", OK, 3.0)

GOOD = {
    "nothing happened": (History(), []),
    "1, 2, 3: a chain of two": (History([A, B]), ["a", "b"]),
    "1: told in another order than applied": (History([B, A]), ["a", "b"]),
    "3: a refused write and an acknowledged one on one tag": (History([A, write("x", SEED, "t0", STALE)]), ["a"]),
    "3: an unknown write and an acknowledged one on one tag": (History([write("x", SEED, "t0", UNKNOWN), A]), ["a"]),
    "4: refused writes stand nowhere": (
        History([A, write("x", SEED, "t0", STALE), write("y", "a", "ta", BUSY), write("z", "a", "ta", REFUSED)]),
        ["a"],
    ),
    "5: an unknown write was applied": (History([A, write("x", "a", "ta", UNKNOWN)]), ["a", "x"]),
    "5: an unknown write was not applied": (History([A, write("x", "a", "ta", UNKNOWN)]), ["a"]),
    "6: a read sees the last acknowledged write": (History([A, B], [read("a", "ta", 1.5), read("b", "tb", 2.5)]), ["a", "b"]),
    "6: a read may see what is not acknowledged yet": (History([A, B], [read("b", "tb", 0.5)]), ["a", "b"]),
    "6: a read of the seed, before anything": (History([A], [read(SEED, "t0", 0.5)]), ["a"]),
    "6: an unknown write is seen": (History([A, write("x", "a", "ta", UNKNOWN)], [read("x", "tx", 0.5)]), ["a", "x"]),
    "7: a tag is seen twice on one state": (History([A], [read("a", "ta", 1.5), read("a", "ta", 1.6)]), ["a"]),
    "7: no tag is not a tag": (History([A], [read(SEED, "", 0.1), read("a", "", 1.5)]), ["a"]),
    "7: two resources may share a tag": (History([A, Write("/2", "x", SEED, "t0", STALE, 1.0)], [Read("/2", SEED, "ta", 0.1)]), ["a"]),
    "a delete, and a create on it": (History([A, GONE, BACK], [read(ABSENT, "", 2.5), read("c", "tc", 3.5)]), ["a", "d", "c"]),
    "a create on another delete than the one that was seen": (
        History([A, GONE, BACK, write("e", "c", "tc", OK, 4.0, is_delete=True), write("f", ABSENT, "", OK, 5.0)]),
        ["a", "d", "c", "e", "f"],
    ),
}

BAD = {
    "1: acknowledged, not applied": (History([A]), [], "a was acknowledged and never applied"),
    "1: applied twice": (History([A]), ["a", "a"], "a was applied 2 times"),
    "1: a write out of nowhere": (History([A]), ["a", "z"], "z was applied, and nobody wrote it"),
    "2: a lost update": (History([A, write("x", SEED, "t1", OK)]), ["a", "x"], "x was made from seed and applied on a"),
    "3: two on one tag": (History([A, write("x", SEED, "t0", OK)]), ["a", "x"], "a and x were both acknowledged on t0"),
    "4: stale, and applied": (History([write("x", SEED, "t0", STALE)]), ["x"], "x was refused (stale) and applied"),
    "4: busy, and applied": (History([write("x", SEED, "t0", BUSY)]), ["x"], "x was refused (busy) and applied"),
    "4: refused, and applied": (History([write("x", SEED, "t0", REFUSED)]), ["x"], "x was refused (refused) and applied"),
    "5: unknown, on another value": (History([A, write("x", SEED, "t9", UNKNOWN)]), ["a", "x"], "x was made from seed and applied on a"),
    "5: unknown, applied twice": (History([write("x", SEED, "t0", UNKNOWN)]), ["x", "x"], "x was applied 2 times"),
    "6: a stale read": (History([A, B], [read("a", "ta", 2.5)]), ["a", "b"], "a was read after a later value had been acknowledged"),
    "6: the seed, after a write": (History([A], [read(SEED, "t0", 1.5)]), ["a"], "seed was read after a later value"),
    "6: a read of nothing that was": (History([A], [read("q", "tq", 2.5)]), ["a"], "q was read and never applied"),
    "7: a tag on two states": (History([A], [read(SEED, "t", 0.1), read("a", "t", 2.0)]), ["a"], "t names seed and a"),
    "7: a tag that two writers saw on two states": (
        History([A, write("x", SEED, "t", STALE), write("y", "a", "t", STALE)]),
        ["a"],
        "t names seed and a",
    ),
    "6: absent, and never deleted": (History([A], [read(ABSENT, "", 2.0)]), ["a"], "absent was read and never applied"),
    "6: absent, after a create": (History([A, GONE, BACK], [read(ABSENT, "", 3.5)]), ["a", "d", "c"], "absent was read after a later"),
    "2: a create over what is there": (History([A, BACK]), ["a", "c"], "c was made from absent and applied on a"),
    "2: a delete of what nobody saw": (
        History([A, B, write("d", "a", "ta1", OK, is_delete=True)]),
        ["a", "b", "d"],
        "d was made from a and applied on b",
    ),
}


@pytest.mark.parametrize(("history", "log"), GOOD.values(), ids=GOOD.keys())
def test_a_possible_story_is_accepted(history: History, log: list[str]) -> None:
    assert violations(history, {"/1": log}) == []


@pytest.mark.parametrize(("history", "log", "named"), BAD.values(), ids=BAD.keys())
def test_an_impossible_story_is_named(history: History, log: list[str], named: str) -> None:
    found = violations(history, {"/1": log})

    assert all(what.startswith("/1: ") for what in found)
    assert any(named in what for what in found), found


def chain(resources: int, length: int) -> tuple[History, dict[str, list[str]]]:
    """A long story in which all is well: each write of a chain is acknowledged, and read."""
    history = History()
    logs = {f"/{n}": [f"{n}-{serial}" for serial in range(length)] for n in range(resources)}
    for resource, log in logs.items():
        for place, value in enumerate(log):
            seen = log[place - 1] if place else SEED
            history.writes.append(Write(resource, value, seen, f"t-{seen}", OK, place + 0.5))
            history.reads.append(Read(resource, value, f"t-{value}", place + 0.7))
    return history, logs


def test_many_resources_cost_no_more_than_one() -> None:
    """A checker that goes through the whole story once for each resource would take half an hour here."""
    started = time.monotonic()
    history, logs = chain(20_000, 2)

    assert violations(history, logs) == []
    history.writes.append(Write("/7", "x", SEED, "t-seed", OK, 9.0))
    assert violations(history, logs) != []
    assert time.monotonic() - started < 30
