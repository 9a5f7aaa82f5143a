"""Lag: by how much the event loop is late, which is what every request waits at least."""

import asyncio
from time import monotonic

from .series import Durations, Registry

PAUSE_SECONDS = 0.25


async def watch_lag(lag: Durations, registry: Registry) -> None:
    """Measure, for ever, and sort what the registry has noted. uvloop's timers count whole milliseconds: less than that is no lag."""
    while True:
        due = monotonic() + PAUSE_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
        lag.observe(max(0.0, monotonic() - due))
        registry.sort()
