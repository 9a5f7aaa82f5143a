"""noclobber with one fault: `python -m tests.campaigns.faulty run --fault COMMIT:kill:3 ...`, and otherwise as its users run it.

The product has the points (`proxy/gateway/points.py`), and does nothing there. What goes wrong at them is written here.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from proxy.app import serve
from proxy.config import FLAGS, load_config
from proxy.errors import StoreUnavailable
from proxy.gateway.points import AFTER, BEFORE, Faults, Point

STORE_POINTS = frozenset({*BEFORE.values(), *AFTER.values()})


class Action(Enum):
    """What is done."""

    KILL = "kill"
    STOP = "stop"
    DELAY = "delay"
    RAISE = "raise"


class Fault(NamedTuple):
    """Do action at the reach-th time that point is reached, once.

    `seconds` is how long a DELAY takes; for KILL and STOP, how much later than the point they come. RAISE is StoreUnavailable where the
    store is asked (a reply that was lost), and a defect elsewhere.
    """

    point: Point
    action: Action
    reach: int = 1
    seconds: float = 0.0

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.point.name}:{self.action.value}:{self.reach}:{self.seconds}"


def parse(text: str) -> Fault:
    """Read POINT:ACTION[:REACH[:SECONDS]]; ValueError or KeyError for what is not a fault."""
    given = text.split(":")
    point, action, reach, seconds = (*given, *("", "", "1", "0")[len(given) :])
    return Fault(Point[point], Action(action), int(reach), float(seconds))


class Once:
    """The faults of a process that has one."""

    def __init__(self, fault: Fault) -> None:
        """Nothing happens before the point is reached."""
        self._fault = fault
        self._reached = 0

    async def reach(self, point: Point) -> None:
        """Do it here, if this is the place and the time."""
        if not self._is_due(point):
            return
        fault = self._fault
        match fault.action:
            case Action.DELAY:
                await asyncio.sleep(fault.seconds)
            case Action.RAISE if point in STORE_POINTS:
                raise StoreUnavailable("a fault of the campaign's")
            case Action.RAISE:
                raise RuntimeError("a fault of the campaign's")
            case Action.KILL | Action.STOP:
                self._strike()

    def reach_gate(self) -> None:
        """The same at the gate, where the loop is held."""
        if not self._is_due(Point.GATE):
            return
        match self._fault.action:
            case Action.DELAY:
                time.sleep(self._fault.seconds)
            case Action.RAISE:
                raise RuntimeError("a fault of the campaign's")
            case Action.KILL | Action.STOP:
                self._strike()

    def _is_due(self, point: Point) -> bool:
        if point is not self._fault.point:
            return False
        self._reached += 1
        return self._reached == self._fault.reach

    def _strike(self) -> None:
        number = signal.SIGKILL if self._fault.action is Action.KILL else signal.SIGSTOP
        if not self._fault.seconds:
            os.kill(os.getpid(), number)
            return
        asyncio.get_running_loop().call_later(self._fault.seconds, os.kill, os.getpid(), number)


_: type[Faults] = Once


def main(argv: Sequence[str] | None = None) -> int:
    """Serve as argv says (None: that of the process); without --fault nothing goes wrong."""
    parser = argparse.ArgumentParser(prog="faulty", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--fault", metavar="POINT:ACTION[:REACH[:SECONDS]]")
    parser.add_argument("--config", type=Path)
    for flag in FLAGS:
        parser.add_argument(f"--{flag}")
    options = parser.parse_args(argv)
    flags = {flag: text for flag in FLAGS if (text := getattr(options, flag)) is not None}
    config = load_config(options.config, os.environ, flags)
    return serve(config, None if options.fault is None else Once(parse(options.fault)))


if __name__ == "__main__":
    sys.exit(main())
