"""A browser, and a noclobber in front of the demo's backend: once for the tests of a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.chromium import chromium
from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port

BACKEND = Path(__file__).resolve().parents[2] / "examples" / "journeys" / "backend.py"
TOKEN = "what-only-operators-know"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def backend_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with Child([sys.executable, BACKEND, "--port", str(port)], tmp_path_factory.mktemp("backend") / "log") as child:
        child.wait_for_port(port)
        yield port


@pytest.fixture(scope="module")
def noclobber(tmp_path_factory: pytest.TempPathFactory, backend_port: int) -> Iterator[Noclobber]:
    directory = tmp_path_factory.mktemp("noclobber")
    settings = {"SERVER__ADMIN_TOKEN": TOKEN, "LOG__CONFLICTS": "off"}
    with Noclobber(backend_port, f"sqlite:///{directory}/noclobber.db", directory / "log", settings=settings) as running:
        yield running.wait_until_ready()
