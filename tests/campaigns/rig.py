"""What the campaign of store faults plays on: a store that stands, and what can befall it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from tests.servers import RedisServer


class Renewed(NamedTuple):
    """A new lineage: when it can have begun at the earliest, from when on the old one grants nothing, and for which resources it is."""

    since: float
    alone_from: float
    holds_for: Callable[[str], bool] = lambda _: True


FaultOf = Callable[[], Awaitable[Renewed | None]]
"""Strikes, and undoes what would not heal by itself. Says what lineage it renewed; None where it renewed none."""

OUTAGE_SECONDS = 1.5
"""Longer than a lease."""
BLIP_SECONDS = 0.2
POLL_SECONDS = 0.02
SAFE = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1", "--repl-ping-replica-period", "1")
"""What docs/redis.md asks for: a primary that nobody follows grants nothing."""


class Rig:
    """A store that faults can be played on. `faults` by name; each leaves the store working."""

    url: str
    faults: Mapping[str, FaultOf]


def ask(server: RedisServer, *words: str) -> str:
    """The reply; empty where the server is away, or changes its role at this moment."""
    try:
        return server.command(*words)
    except OSError:
        return ""


async def until(holds: Callable[[], bool]) -> None:
    """Poll, on a thread, until holds does."""
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the servers tell nobody
        await asyncio.sleep(POLL_SECONDS)
