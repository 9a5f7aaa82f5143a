"""The admin application is tested over its socket, on the loop that it is served with."""

from tests.gateway.conftest import legacy, pytest_asyncio_loop_factories, server

__all__ = ["legacy", "pytest_asyncio_loop_factories", "server"]
