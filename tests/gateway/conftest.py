"""Every test of the gateway runs on the loop that it is served with; `test_wire_count.py` on asyncio's as well."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.servers import RedisServer, valkey_binary

from .legacy import Legacy
from .serving import Door, serving


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.name == "test_wire_count.py":
        loops["asyncio"] = asyncio.new_event_loop
    return loops


@pytest.fixture
async def legacy() -> AsyncIterator[Legacy]:
    """A last-write-wins backend with one document."""
    async with Legacy() as backend:
        backend.documents["/doc"] = b'{"count": 1}'
        yield backend


@pytest.fixture
async def door(legacy: Legacy) -> AsyncIterator[Door]:
    """noclobber as it is without a configuration, in front of `legacy`."""
    async with serving(legacy.port) as door:
        yield door


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, not started yet."""
    server = RedisServer(valkey_binary(), tmp_path / "valkey")
    yield server
    server.kill()
