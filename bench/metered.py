"""A noclobber whose metrics can be switched off and on while it serves: for `bench/metrics_cost.py`, and for nothing else.

Reads one word a line on standard input, `on` or `off`, and answers each with a line: the processor seconds so far, before it switched and
after it.
Off, nothing is counted or timed for a request: what is left of the metrics costs nothing.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvloop

from proxy.app import running
from proxy.config import load_config
from proxy.gateway.handler import Handler
from proxy.gateway.timed_store import TimedStore
from proxy.telemetry.series import Count, Durations


def _nothing(*_: object) -> int:
    return 0


def _straight(name: str) -> Callable[..., Any]:
    """An operation of the store, without its time."""

    def ask(timed: TimedStore, *arguments: object) -> object:
        return getattr(timed._store, name)(*arguments)

    return ask


REPLACED: tuple[tuple[type, str, Callable[..., Any]], ...] = (
    (Handler, "_account", _nothing),
    (Durations, "observe", _nothing),
    (Count, "inc", _nothing),
    (TimedStore, "load", _straight("load")),
    (TimedStore, "swap", _straight("swap")),
)


class Switch:
    """Metrics off, or on."""

    def __init__(self) -> None:
        self._off = ExitStack()

    def turn(self, word: str) -> None:
        """Obey a word."""
        self._off.close()
        if word == "off":
            for owner, name, instead in REPLACED:
                self._off.enter_context(patch.object(owner, name, instead))


async def serve(config: Path) -> None:
    """Serve until standard input ends."""
    switch = Switch()
    loop = asyncio.get_running_loop()
    async with running(load_config(config, {}, {})) as gateway:
        print(gateway.listen, flush=True)
        while word := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            before = time.process_time()
            switch.turn(word)
            print(before, time.process_time(), flush=True)


if __name__ == "__main__":
    # As `app.serve` has it.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    uvloop.run(serve(Path(sys.argv[1])))
