"""The servers that the store tests share. Each starts once for a whole run."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from proxy.store.redis import RedisStore
from tests.servers import RedisServer, makes, valkey_binary

BINARIES = makes()

OpenAt = Callable[..., Awaitable[RedisStore]]
"""Opens a store at a URL, with a timeout in seconds."""


@pytest.fixture(scope="session", params=BINARIES)
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of each make."""
    server = RedisServer(BINARIES[request.param](), tmp_path_factory.mktemp("server")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey, for tests that need any one shared store."""
    server = RedisServer(valkey_binary(), tmp_path_factory.mktemp("valkey")).start()
    yield server
    server.kill()


@pytest.fixture
async def opened() -> AsyncIterator[OpenAt]:
    """Opens stores at a URL, and closes them at the end."""
    stores: list[RedisStore] = []

    async def open_at(url: str, timeout_seconds: float = 5.0) -> RedisStore:
        stores.append(await RedisStore.open(url, timeout_seconds))
        return stores[-1]

    yield open_at
    for store in stores:
        await store.close()


@pytest.fixture(params=BINARIES)
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of each make that a test may harm."""
    started: list[RedisServer] = []

    def start(*arguments: str) -> RedisServer:
        started.append(RedisServer(BINARIES[request.param](), tmp_path / f"server{len(started)}", *arguments).start())
        return started[-1]

    yield start
    for server in started:
        server.kill()
