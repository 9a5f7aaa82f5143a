"""`noclobber conflicts`: show what the conflict log keeps in the store, and what comes to it."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .config import MEMORY
from .config import Store as StoreChoice
from .errors import StoreRefused, StoreUnavailable
from .gateway.conflicts import STREAM
from .gateway.text_log import event_text
from .store.port import Entry, Streams
from .stores import SQLITE, open_store

PAGE = 500
FOLLOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Showing:
    """What is asked for. `last` None: all that is kept; `is_json`: as it is kept, one event a line; `follows`: until it is interrupted."""

    store: StoreChoice
    last: int | None
    is_json: bool
    follows: bool


def show_conflicts(showing: Showing, out: Callable[[str], object] = sys.stdout.write) -> None:
    """Show events, oldest first. Raise StoreError where the store cannot be read."""
    url = showing.store.url
    if url == MEMORY:
        raise StoreRefused(
            "memory:// is in the process that serves and nowhere else: its events are in its log, its console and its admin API"
        )
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise StoreRefused(f"{url.removeprefix(SQLITE)} does not exist: name the store that noclobber runs with")
    asyncio.run(_show(showing, out))


async def _show(showing: Showing, out: Callable[[str], object]) -> None:
    store = await open_store(showing.store)
    line = _as_kept if showing.is_json else _as_text
    try:
        kept: deque[Entry] = deque(maxlen=showing.last)
        after = await _read(store, "", kept.append)
        for entry in kept:
            out(line(entry))
        while showing.follows:
            sys.stdout.flush()
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                after = await _read(store, after, lambda entry: out(line(entry)))
            except StoreUnavailable as error:
                # It may be back the next time.
                sys.stderr.write(f"noclobber: {error}\n")
    finally:
        await store.close()


async def _read(store: Streams, after: str, take: Callable[[Entry], object]) -> str:
    """Hand over what came after an entry, and return the id of the last one."""
    while page := await store.tail(STREAM, after, PAGE):
        for entry in page:
            take(entry)
            after = entry.id
    return after


def _as_kept(entry: Entry) -> str:
    return entry.content.decode("utf-8") + "\n"


def _as_text(entry: Entry) -> str:
    try:
        return event_text(json.loads(entry.content)) + "\n"
    except (ValueError, KeyError, TypeError) as error:
        raise StoreRefused(f"an event is damaged: {error}") from error
