"""What the backend of the campaigns does with one request: a script of steps, as words.

    X-Script: wait:0.05 apply half-head reset

The steps are done in their order once the request has been read whole; after the last one the connection serves on, unless it was ended.
"""

import math
import random
from typing import NamedTuple

FIELD = "x-script"
"""The request field of a write that carries its script. On reads it says nothing: noclobber's verifying GET carries it too."""


class Step(NamedTuple):
    """One step. `argument` is a number of seconds, or a status; None where the step takes none, or its default holds."""

    name: str
    argument: float | None = None


STEPS = {
    "wait": "do nothing for so many SECONDS",
    "apply": "apply the write",
    "late": "apply the write so many SECONDS from now, whatever becomes of the connection",
    "hint": "send 103 Early Hints",
    "answer": "send a whole answer, of STATUS or of the one that says what became of the write",
    "half-head": "send an answer as far as the middle of its head",
    "half-body": "send an answer of STATUS, or 200, as far as the middle of its body",
    "surplus": "send an answer whose body is longer than its Content-Length",
    "two-lengths": "send an answer with two Content-Lengths",
    "nonsense": "send what is not HTTP",
    "hold": "say nothing until the other side leaves",
    "close": "end the connection by FIN",
    "reset": "end the connection by RST",
}
NEEDS_SECONDS = frozenset({"wait", "late"})
TAKES_STATUS = frozenset({"answer", "half-body"})

PLAIN = (Step("apply"), Step("answer"))

MIX = (
    "reset",
    "apply reset",
    "apply close",
    "apply half-head reset",
    "apply half-body close",
    "apply answer close",
    "apply nonsense close",
    "apply two-lengths",
    "apply surplus",
    "hint close",
    "apply hint answer",
    "answer:422",
    "answer:503",
    "answer:409",
    "apply answer:500",
    "half-body:400 close",
    "wait:{some} apply answer",
    "apply wait:{some} answer",
    "wait:{some} apply reset",
    "late:{some} reset",
    "late:{some} close",
    "late:{some} answer:502",
)
"""Writes that go wrong, each in its own way. `{some}` is a number of seconds that chance chooses, up to a longest one."""
READ_MIX = ("reset", "close", "half-head reset", "half-body close", "answer:500", "answer:503", "wait:{some} answer")


def parse(text: str) -> tuple[Step, ...]:
    """Read a script; ValueError for what is not one."""
    return tuple(_step(word) for word in text.split())


def _step(word: str) -> Step:
    name, colon, argument = word.partition(":")
    if name not in STEPS or bool(colon) > (name in NEEDS_SECONDS | TAKES_STATUS) or (name in NEEDS_SECONDS and not colon):
        raise ValueError(f"not a step of a script: {word!r}")
    if not colon:
        return Step(name)
    number = float(argument)
    if not 0 <= number < math.inf or (name in TAKES_STATUS and not (number.is_integer() and 200 <= number <= 599)):
        raise ValueError(f"not a step of a script: {word!r}")
    return Step(name, number)


class Chance:
    """Draw scripts: PLAIN for most requests, one that goes wrong for a share of them."""

    def __init__(self, share: float, longest_seconds: float, seed: int) -> None:
        """share is between 0 (nothing goes wrong) and 1; nothing takes longer than longest_seconds."""
        self._share = share
        self._longest_seconds = longest_seconds
        self._random = random.Random(seed)

    def draw(self, mix: tuple[str, ...]) -> tuple[Step, ...] | None:
        """A script of mix, or None where nothing goes wrong."""
        if not self._share or self._random.random() >= self._share:
            return None
        return parse(self._random.choice(mix).format(some=f"{self._random.uniform(0, self._longest_seconds):.4f}"))
