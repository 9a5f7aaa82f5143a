"""What the crash campaign goes through: every fault point, each way to go, every method, on every route; and how a write gets there."""

import random
from collections.abc import Collection
from enum import Enum
from typing import NamedTuple

from proxy.gateway.points import Point
from tests.campaigns.faulty import Action, Fault
from tests.campaigns.routes import STRATEGIES

METHODS = ("PUT", "PATCH", "POST", "DELETE")
UNDER_WAY_SECONDS = (0.001, 0.04)
"""How long after the gate a fault comes that is to fall between the bytes of the request and its answer."""
NEEDS_BODY = frozenset({Point.PIECE})
NEEDS_STATE = frozenset({Point.READ_BACK, Point.READ})
"""Where a DELETE never comes: it has no body to leave in pieces, and nothing to read back."""
LARGE_BYTES = 5_000
"""More than is held in memory of a body (SPOOL_MEMORY_BYTES), so that it leaves in pieces."""
SPOOL_MEMORY_BYTES = 1_000

PLAIN = ""
SLOW = "wait:0.3 apply answer"
"""Longer than a third of a lease, so that it is renewed."""
UNDER_WAY = ("wait:0.02 apply wait:0.03 answer", "late:0.3 hold", "late:0.7 hold")
IN_DOUBT = ("reset", "apply reset", "late:0.2 reset", "late:0.4 reset", "apply half-head reset")
"""What is applied late is applied within the apply delay. The latest comes when the lease of a process that was struck is over: then only
the quarantine protects it."""


class Way(Enum):
    """How a process goes. STOP is for longer than its lease, then it goes on.

    A stop at the gate itself, between the look at the clock and the bytes, is the one pause that the protocol does not survive when it
    is longer than the margin (assumption A2): it is not among the cells.
    """

    KILL = "kill"
    KILL_LATER = "kill, a moment later"
    STOP = "stop"
    STOP_LATER = "stop, a moment later"

    @property
    def action(self) -> Action:
        """What the runner is told."""
        return Action.KILL if self in (Way.KILL, Way.KILL_LATER) else Action.STOP


LATER = (Way.KILL_LATER, Way.STOP_LATER)


class Cell(NamedTuple):
    """One thing to try."""

    point: Point
    way: Way
    strategy: str
    method: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.point.name}: {self.way.value}, {self.method} on {self.strategy}"

    def fault(self, chance: random.Random) -> Fault:
        """The fault to start a process with."""
        reach = 1 if self.point in _RARE or self.way in LATER else chance.randint(1, 3)
        later = chance.uniform(*UNDER_WAY_SECONDS) if self.way in LATER else 0.0
        return Fault(self.point, self.way.action, reach, later)

    def victims_script(self, chance: random.Random) -> str:
        """What the backend does with the writes through the process that is struck: such that they come to the point."""
        match self.point:
            case Point.RENEW | Point.RENEWED:
                return SLOW
            case Point.ABORT | Point.ABORTED:
                return "answer:422"
            case Point.MARK | Point.MARKED:
                return chance.choice(IN_DOUBT)
            case Point.GATE if self.way is not Way.KILL:
                return chance.choice(UNDER_WAY)
            case _:
                return PLAIN

    def partners_script(self, chance: random.Random) -> str:
        """The same for the writes through the other process: where a doubt must be met, these leave one."""
        return chance.choice(IN_DOUBT) if self.point in _DOUBTS else PLAIN

    @property
    def padding_bytes(self) -> int:
        """What makes a body as large as it has to be."""
        return LARGE_BYTES if self.point in NEEDS_BODY else 0


_DOUBTS = frozenset({Point.QUARANTINE, Point.CONFIRM, Point.CONFIRMED})
_RARE = frozenset({*_DOUBTS, Point.RENEW, Point.RENEWED, Point.MARK, Point.MARKED})


def _is_possible(cell: Cell) -> bool:
    if cell.method == "DELETE" and cell.point in NEEDS_BODY | NEEDS_STATE:
        return False
    if cell.way in LATER:
        return cell.point is Point.GATE
    return not (cell.way is Way.STOP and cell.point is Point.GATE)


CELLS = tuple(
    cell
    for point in Point
    for way in Way
    for strategy in STRATEGIES
    for method in METHODS
    if _is_possible(cell := Cell(point, way, strategy, method))
)


def schedule(kills: int, stops: int, chance: random.Random, strategies: Collection[str] = STRATEGIES) -> list[Cell]:
    """So many cells that kill and so many that stop, every cell as often as any other of its kind, give or take one; in no order."""
    chosen: list[Cell] = []
    for action, count in ((Action.KILL, kills), (Action.STOP, stops)):
        cells = [cell for cell in CELLS if cell.way.action is action and cell.strategy in strategies]
        # Shuffled by point: a short campaign goes through as many points as it can.
        chance.shuffle(cells)
        by_point = {point: [cell for cell in cells if cell.point is point] for point in Point}
        turns = [cell for turn in range(len(cells)) for of_point in by_point.values() for cell in of_point[turn : turn + 1]]
        chosen += [turns[n % len(turns)] for n in range(count)]
    chance.shuffle(chosen)
    return chosen
