"""The stores that a campaign can be run on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers import RedisServer, redis_binary, valkey_binary

STORES = ("valkey", "redis", "sqlite")


@contextlib.contextmanager
def open_store(name: str, directory: Path) -> Iterator[str]:
    """Have the store of that name stand, with its data in directory; yields its URL."""
    if name == "sqlite":
        yield f"sqlite:///{directory}/store.db"
        return
    server = RedisServer(valkey_binary() if name == "valkey" else redis_binary(), directory / name)
    try:
        yield server.start().url
    finally:
        server.kill()
