"""Which store a URL names. What those need that are not chosen is not imported."""

import logging
from pathlib import Path

from .config import MEMORY
from .config import Store as StoreChoice
from .store.memory import MemoryStore
from .store.port import History, StreamingStore

_logger = logging.getLogger("noclobber")

SQLITE = "sqlite:///"


async def open_store(chosen: StoreChoice) -> StreamingStore:
    """Open the store, or get ready for one that comes later. StoreRefused: it cannot be used."""
    history = History(chosen.history.value)
    if chosen.url == MEMORY:
        _logger.warning("memory://: nothing is shared with other processes, and nothing survives a restart")
        return MemoryStore()
    if chosen.url.startswith(SQLITE):
        from .store.sqlite import SqliteStore

        return await SqliteStore.open(Path(chosen.url.removeprefix(SQLITE)), timeout_seconds=chosen.timeout_seconds, history=history)
    from .store.redis import RedisStore

    return await RedisStore.open(chosen.url, chosen.timeout_seconds, history)
