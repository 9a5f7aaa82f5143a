"""Reloading: the configuration read anew, and whether the one that runs can give way to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..config import MEMORY, Config
from ..errors import ConfigError

_logger = logging.getLogger("noclobber")

WATCH_SECONDS = 1.0
"""How often a watched file is looked at. It must look the same twice: who writes it may not be done."""
FIXED = ("listen", "admin", "socket_mode")
"""The keys of [server] that the parent's own sockets are made from."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from: `read` reads it anew. `path` None: no file was named."""

    path: Path | None
    read: Callable[[], Config]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload. `errors` is empty exactly when the new configuration is in use."""

    at: datetime
    errors: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the new configuration is in use."""
        return not self.errors


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def read_successor(source: Source, present: Config) -> Config:
    """Read the configuration that is to follow the present one. Raise ConfigError with all that is wrong with it."""
    new = source.read()
    errors = [
        f"server.{name}: cannot change while noclobber runs, read {getattr(new.server, name)!r}, allowed {getattr(present.server, name)!r}"
        for name in FIXED
        if getattr(new.server, name) != getattr(present.server, name)
    ]
    if new.store != present.store:
        errors.append("store: cannot change while noclobber runs: it alone knows what is under way; stop noclobber, and start it again")
    if present.store.url == MEMORY:
        errors.append("store.url: memory:// cannot be handed on to other processes; stop noclobber, and start it again")
    if errors:
        raise ConfigError(errors)
    return new


async def watch(path: Path, reload: Callable[[], Awaitable[object]]) -> None:
    """Reload whenever the content of a file has changed, for ever."""
    known = seen = await asyncio.to_thread(_content, path)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        before, seen = seen, await asyncio.to_thread(_content, path)
        if seen == before and seen != known:
            known = seen
            await reload()


def _content(path: Path) -> bytes:
    """What a file holds; nothing where it cannot be read, as in the moment in which another takes its place."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
