"""A noclobber whose metrics can be switched off and on while it serves: for `bench/metrics_cost.py`, and for nothing else.

Reads one word a line on standard input, `on` or `off`, and answers each with a line: the processor seconds so far, before it switched and
after it.
Off, nothing is counted or timed for a request: what is left of the metrics costs nothing.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from proxy.app import running
from proxy.config import load_config
from proxy.gateway.handler import Handler
from proxy.telemetry.series import Count, Durations


def _nothing(*_: object) -> None:
    return


REPLACED: tuple[tuple[type, str, Callable[..., Any]], ...] = ((Handler, "_account", _nothing), (Count, "inc", _nothing))
ORIGINALS = tuple(getattr(owner, name) for owner, name, _ in REPLACED)


def turn(word: str, histograms: Sequence[Durations]) -> None:
    """Switch the metrics on or off. Either way is the same work, as the runs are short enough to feel the difference."""
    for (owner, name, instead), original in zip(REPLACED, ORIGINALS, strict=True):
        setattr(owner, name, original if word == "on" else instead)
    for histogram in histograms:
        histogram.observe = histogram._noted.append if word == "on" else _nothing


async def serve(config: Path) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    async with running(load_config(config, {}, {})) as gateway:
        print(gateway.listen, flush=True)
        histograms = [each for each in gc.get_objects() if isinstance(each, Durations)]
        while word := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            before = time.process_time()
            turn(word, histograms)
            print(before, time.process_time(), flush=True)


if __name__ == "__main__":
    # As `app.serve` has it.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    uvloop.run(serve(Path(sys.argv[1])))
