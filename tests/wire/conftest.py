"""Every test of the wire runs on the loop that it is served with, in front of a backend of its own."""

from tests.gateway.conftest import door, legacy, pytest_asyncio_loop_factories

__all__ = ["door", "legacy", "pytest_asyncio_loop_factories"]
