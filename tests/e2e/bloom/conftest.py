"""One stage for all tests of BLOOM, and a journey for each of them."""

from collections.abc import Iterator

import pytest

from tests.e2e.browsers import Browser
from tests.e2e.stages import Stage, staged

from .journeys import new_journey


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged("bloom-journeys", "bloom", tmp_path_factory.mktemp("bloom")) as stage:
        yield stage


@pytest.fixture
def ann(stage: Stage) -> Browser:
    return stage.browser("ann")


@pytest.fixture
def ben(stage: Stage) -> Browser:
    return stage.browser("ben")


@pytest.fixture(autouse=True)
def no_412_reaches_the_interceptors(stage: Stage) -> Iterator[None]:
    """They would send the save again three times, and show no dialog."""
    yield
    assert 412 not in stage.new_statuses()


@pytest.fixture
def journey(stage: Stage) -> str:
    """The id of a journey that the backend has had all along."""
    return new_journey(stage.backend_port)
