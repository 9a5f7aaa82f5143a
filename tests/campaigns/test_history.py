"""The judge of the campaigns is judged: a story that cannot be is told from one that can."""

import pytest

from tests.campaigns.history import SEED, History, Outcome, Read, Write, violations

OK, STALE, BUSY, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.STALE, Outcome.BUSY, Outcome.UNKNOWN


def write(value: str, seen: str, tag: str, outcome: Outcome, ended: float = 1.0) -> Write:
    return Write("/1", value, seen, tag, outcome, ended)


A, B = write("a", SEED, "t0", OK, 1.0), write("b", "a", "ta", OK, 2.0)

GOOD = {
    "nothing happened": (History(), []),
    "a chain of two": (History([A, B], [Read("/1", "a", "ta", 1.5), Read("/1", "b", "tb", 2.5)]), ["a", "b"]),
    "a read may see what is not acknowledged yet": (History([A, B], [Read("/1", "b", "tb", 0.5)]), ["a", "b"]),
    "a refused write stands nowhere": (History([A, write("x", SEED, "t0", STALE), write("y", "a", "ta", BUSY)]), ["a"]),
    "an unknown write was applied": (History([A, write("x", "a", "ta", UNKNOWN)]), ["a", "x"]),
    "an unknown write was not applied": (History([A, write("x", "a", "ta", UNKNOWN)]), ["a"]),
}

BAD = {
    "I1: a lost update": (History([A, write("x", SEED, "t0'", OK)]), ["a", "x"], "made from seed and applied on a"),
    "I1: two on one tag": (History([A, write("x", SEED, "t0", OK)]), ["a", "x"], "both acknowledged on t0"),
    "I1: an unknown write on another value": (History([A, write("x", SEED, "t9", UNKNOWN)]), ["a", "x"], "applied on a"),
    "I2: one tag for two values": (History([A], [Read("/1", SEED, "t", 0.1), Read("/1", "a", "t", 2.0)]), ["a"], "t names a, seed"),
    "I3: acknowledged, not applied": (History([A]), [], "acknowledged and never applied"),
    "I3: refused as stale, and applied": (History([write("x", SEED, "t0", STALE)]), ["x"], "refused (stale) and applied"),
    "I3: refused as busy, and applied": (History([write("x", SEED, "t0", BUSY)]), ["x"], "refused (busy) and applied"),
    "I4: applied twice": (History([A]), ["a", "a"], "applied 2 times"),
    "a write out of nowhere": (History([A]), ["a", "z"], "nobody wrote it"),
    "a stale read": (History([A, B], [Read("/1", "a", "ta", 2.5)]), ["a", "b"], "after a later value"),
    "a read of nothing that was": (History([A], [Read("/1", "q", "tq", 2.5)]), ["a"], "read and never applied"),
}


@pytest.mark.parametrize(("history", "log"), GOOD.values(), ids=GOOD.keys())
def test_a_possible_story_is_accepted(history: History, log: list[str]) -> None:
    assert violations(history, {"/1": log}) == []


@pytest.mark.parametrize(("history", "log", "named"), BAD.values(), ids=BAD.keys())
def test_an_impossible_story_is_named(history: History, log: list[str], named: str) -> None:
    assert any(named in what for what in violations(history, {"/1": log}))
