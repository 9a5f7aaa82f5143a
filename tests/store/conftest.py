"""The servers that the store tests share. Each starts once for a whole run."""

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer, redis_binary, valkey_binary

# The contract is not a test module by name, and its assertions are to explain themselves all the same.
pytest.register_assert_rewrite("tests.store.contract")

BINARIES = {"valkey": valkey_binary, "redis-server": redis_binary}


@pytest.fixture(scope="session", params=BINARIES)
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of each make."""
    server = RedisServer(BINARIES[request.param](), tmp_path_factory.mktemp(request.param)).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey, for tests that need any one shared store."""
    server = RedisServer(valkey_binary(), tmp_path_factory.mktemp("valkey")).start()
    yield server
    server.kill()
