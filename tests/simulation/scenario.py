"""Scenarios: what a seed is about. Drawn so that each kind of misfortune is the theme of some seeds, and some seeds have them all.

A simulation in which everything goes wrong all the time tests nothing: no write gets far enough to be lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import TypeVar

from proxy.gateway.lease import LeaseTimes
from proxy.gateway.points import Point


class Fate(Enum):
    """What becomes of a write that was sent to the backend."""

    ANSWERED = "applied, and answered with a success"
    SLOW = "applied and answered, but much later"
    HANGING = "applied, never answered"
    LOST = "never applied, never answered"
    RESET_BEFORE = "reset, never applied"
    RESET_AFTER = "applied, then reset"
    RESET_EARLY = "reset, and applied later"
    CUT = "applied, and the answer broke off"
    ERROR_BEFORE = "a 5xx, never applied"
    ERROR_AFTER = "a 5xx, applied"
    ERROR_EARLY = "a 5xx, and applied later"
    MOVED = "a 3xx, never applied"
    REFUSED = "a 4xx that proves that nothing was done"
    CONFLICTING = "a 4xx that proves nothing"
    UNREACHABLE = "not sent"


class Look(Enum):
    """What becomes of a GET."""

    SHOWN = "answered"
    SLOW = "answered late, with what stood earlier"
    FAILED = "a 5xx"
    CUT = "the answer broke off"
    RESET = "reset"
    SILENT = "never answered"


class Trouble(Enum):
    """What befalls a process at a fault point."""

    WAIT = "a short wait"
    LONG_WAIT = "a wait longer than the lease"
    RAISE = "a defect"
    CANCEL = "the write is cancelled"
    CRASH = "the process is killed"
    PAUSE = "the process is stopped, for longer than its lease"


class Disaster(Enum):
    """What befalls from outside, at any time."""

    CRASH = "a process is killed"
    EXIT = "a process ends in good order, and cancels its writes"
    PAUSE = "a process is stopped"
    PARTITION = "a process loses the store"
    MUTED = "a process's swaps are lost, its loads are not"
    FAILOVER = "the store fails over to a replica that lags"
    SPLIT = "the store fails over, and one process does not notice for a while"
    RESTART = "the store is restarted"
    EMPTIED = "the store is restarted without its data"
    REFUSING = "the store refuses everything"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens in one run. Rates are chances between 0 and 1; times are in seconds."""

    theme: str
    processes: int
    clients: int
    operations: int
    modes: tuple[str, ...]
    times: LeaseTimes
    apply_delay_seconds: float
    think_seconds: float
    fates: dict[Fate, float]
    looks: dict[Look, float]
    troubles: dict[Trouble, float]
    trouble_rate: float
    focus: tuple[Point, ...]
    focus_rate: float
    disasters: dict[Disaster, float]
    disaster_seconds: float
    lost_rate: float
    late_rate: float
    gate_pause_rate: float
    replica_lag_swaps: int


TOLD = ("json", "member", "head")
REVISED = ("revision", "verified", "numbers", "counted", "group", "group", "pool", "lines", "lines")
MODES = ("content", "content", "auto", "native", "enforcing", "trust", "trust", "request", "response", "none", *TOLD, *REVISED)

_LOOKS = {Look.SHOWN: 80.0, Look.SLOW: 12.0, Look.FAILED: 2.0, Look.CUT: 2.0, Look.RESET: 3.0, Look.SILENT: 1.0}
_PLAIN = {Fate.ANSWERED: 60.0, Fate.SLOW: 6.0}
_FATES = dict.fromkeys(Fate, 1.0) | _PLAIN
_ZOMBIES = {Fate.RESET_EARLY: 12.0, Fate.ERROR_EARLY: 12.0, Fate.SLOW: 12.0, Fate.HANGING: 3.0, Fate.LOST: 2.0, Fate.CONFLICTING: 4.0}
_TROUBLES = {Trouble.WAIT: 6.0, Trouble.LONG_WAIT: 1.0, Trouble.RAISE: 1.0, Trouble.CANCEL: 1.0, Trouble.CRASH: 1.5, Trouble.PAUSE: 1.5}
_DISASTERS = dict.fromkeys(Disaster, 1.0)
_LEASES = LeaseTimes(lease_seconds=3.0, margin_seconds=0.6, grace_seconds=0.0, lease_wait_seconds=1.5, write_timeout_seconds=7.0)
_APPLY_DELAY_SECONDS = 4.0
LAG_SECONDS = 1.0
"""How long an old primary may still take writes (A3)."""


def draw(chance: Random, modes: Sequence[str] = MODES) -> Scenario:
    """Make the scenario of a seed, on routes of these modes."""
    theme = chance.choice(sorted(_THEMES))
    grace_seconds = _LEASES.lease_seconds + _LEASES.margin_seconds + _APPLY_DELAY_SECONDS + LAG_SECONDS + 1.0
    base = Scenario(
        theme=theme,
        processes=chance.choice((2, 2, 3)),
        clients=chance.choice((3, 4, 5)),
        operations=chance.choice((8, 10, 12)),
        modes=tuple(chance.choice(modes) for _ in range(chance.choice((1, 1, 2)))),
        times=replace(_LEASES, grace_seconds=grace_seconds),
        apply_delay_seconds=_APPLY_DELAY_SECONDS,
        think_seconds=chance.choice((0.02, 0.2, 2.0)),
        fates=_FATES,
        looks=_LOOKS,
        troubles=_TROUBLES,
        trouble_rate=0.004,
        focus=tuple(chance.choice(list(Point)) for _ in range(2)),
        focus_rate=chance.choice((0.0, 0.05, 0.3)),
        disasters=_DISASTERS,
        disaster_seconds=60.0,
        lost_rate=chance.choice((0.0, 0.01)),
        late_rate=chance.choice((0.0, 0.01)),
        gate_pause_rate=chance.choice((0.0, 0.05)),
        replica_lag_swaps=chance.choice((0, 2, 5)),
    )
    return replace(base, **_THEMES[theme])  # type: ignore[arg-type]


_THEMES: dict[str, dict[str, object]] = {
    "crowd": {
        "fates": _PLAIN, "trouble_rate": 0.0, "focus_rate": 0.0, "disaster_seconds": 1e9, "think_seconds": 0.02, "operations": 14,
        "looks": {Look.SHOWN: 60.0, Look.SLOW: 40.0},
    },
    "refusals": {"fates": dict.fromkeys(Fate, 3.0) | _PLAIN, "trouble_rate": 0.0},
    "zombies": {"fates": _PLAIN | _ZOMBIES, "disaster_seconds": 1e9},
    "crashes": {
        "fates": _PLAIN | {Fate.SLOW: 40.0}, "trouble_rate": 0.02, "troubles": {Trouble.CRASH: 1.0}, "disaster_seconds": 8.0,
        "disasters": {Disaster.CRASH: 1.0, Disaster.EXIT: 2.0},
    },
    "pauses": {
        "fates": _PLAIN | {Fate.SLOW: 20.0}, "trouble_rate": 0.03, "troubles": {Trouble.PAUSE: 1.0}, "disaster_seconds": 12.0,
        "disasters": {Disaster.PAUSE: 1.0}, "gate_pause_rate": 0.2,
    },
    "losses": {
        "fates": _PLAIN | {Fate.SLOW: 40.0}, "lost_rate": 0.06, "late_rate": 0.06, "disaster_seconds": 8.0,
        "disasters": {Disaster.PARTITION: 1.0, Disaster.REFUSING: 1.0, Disaster.MUTED: 3.0},
    },
    "renewals": {
        "fates": {Fate.ANSWERED: 20.0, Fate.SLOW: 60.0}, "trouble_rate": 0.0, "focus_rate": 0.0, "disaster_seconds": 5.0,
        "disasters": {Disaster.MUTED: 1.0}, "operations": 12, "processes": 3,
    },
    "histories": {
        "fates": _PLAIN | {Fate.SLOW: 40.0, Fate.ERROR_EARLY: 10.0}, "disaster_seconds": 15.0, "operations": 14,
        "disasters": {Disaster.FAILOVER: 3.0, Disaster.SPLIT: 2.0, Disaster.RESTART: 1.0, Disaster.EMPTIED: 2.0},
    },
    "everything": {"fates": _FATES | _ZOMBIES, "trouble_rate": 0.01, "disaster_seconds": 15.0, "lost_rate": 0.03, "late_rate": 0.02},
}  # fmt: skip


K = TypeVar("K")


def pick(chance: Random, weights: Mapping[K, float]) -> K:
    """Draw one of weights' keys."""
    return chance.choices(list(weights), list(weights.values()))[0]
