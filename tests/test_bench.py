"""The benchmark must notice that it measures something else than it says. Slices here are a fraction of a second."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.backend import Documents, Shelf, document
from bench.generator import Load, Measurement, Mode, generate
from bench.plan import SCENARIOS, cells


class ForgetfulShelf(Shelf):
    """Acknowledges every write and keeps none, as a proxy does that answers by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies = Forgetful()


class Forgetful(dict[bytes, bytes]):
    def __setitem__(self, path: bytes, body: bytes) -> None:
        pass


class Empty(Documents):
    """Answers 200 with nothing, as Caddy does for a Host that it does not know."""

    def answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        return super().answer(method, path, body) if path == b"/requests" else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def backend(make: Callable[[], Documents]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def measure(make: Callable[[], Documents], mode: Mode) -> Measurement:
    """Run a real generator, in a thread with a loop of its own: it asks the backend with blocking calls."""
    async with backend(make) as port:
        load = Load(
            port=port,
            backend_port=port,
            body_bytes=1024,
            path="/docs/1k/test-",
            mode=mode,
            connections=2,
            warmup_seconds=0.02,
            seconds=0.1,
            pids=[],
            store_pids=[],
        )
        return await asyncio.to_thread(lambda: asyncio.run(generate(load)))


@pytest.mark.parametrize("mode", [Mode.READ, Mode.WRITE])
async def test_a_sound_backend_is_measured_without_complaint(mode: Mode) -> None:
    shelf = Shelf()
    found = await measure(lambda: Documents(shelf), mode)
    assert found.wrong == {}
    assert found.requests > 0
    assert 0 < found.p50 <= found.p99
    assert found.upstream_requests == 1


WRONG = [
    pytest.param(Empty, Shelf, Mode.READ, "a GET answered with 0 bytes instead of 1024", id="an empty 200"),
    pytest.param(Documents, ForgetfulShelf, Mode.WRITE, "an acknowledged write is not at the backend", id="a write that was dropped"),
    pytest.param(Documents, Shelf, Mode.WRITE_STALE, "status 204", id="a stale write that was let through"),
    pytest.param(Documents, Shelf, Mode.WRITE_GUARDED, "an answer without ETag", id="no tags"),
    pytest.param(Documents, Shelf, Mode.REVALIDATE, "an answer without ETag", id="nothing to revalidate"),
]


@pytest.mark.parametrize(("protocol", "make_shelf", "mode", "complaint"), WRONG)
async def test_what_does_not_do_its_work_is_counted_as_wrong(
    protocol: type[Documents], make_shelf: type[Shelf], mode: Mode, complaint: str
) -> None:
    shelf = make_shelf()
    found = await measure(lambda: protocol(shelf), mode)
    assert complaint in found.wrong


@pytest.mark.parametrize("size", [1024, 65536])
def test_documents_are_json_of_their_size_and_differ(size: int) -> None:
    first, second = document(size, 1), document(size, 2)
    assert len(first) == len(second) == size
    assert json.loads(first) != json.loads(second)


def test_words_choose_scenarios_and_targets() -> None:
    assert len(cells([])) == sum(2 * len(scenario.targets) for scenario in SCENARIOS)
    assert {cell.name for cell in cells(["get-1k", "naive"])} == {"get-1k naive 1", "get-1k naive 32"}
    assert {cell.target for cell in cells(["noclobber", "412"])} == {"noclobber-memory", "noclobber-sqlite", "noclobber-valkey"}
    assert {cell.scenario.name for cell in cells(["put"])} == {"put-plain", "put-default", "put-proxy-only", "put-verbatim"}
    with pytest.raises(ValueError, match="does not know nginx"):
        cells(["nginx"])


def test_no_two_rows_write_to_one_resource() -> None:
    paths = [cell.path for cell in cells([]) if cell.connections == 1]
    assert len(set(paths)) == len(paths)
