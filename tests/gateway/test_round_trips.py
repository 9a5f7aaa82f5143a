"""How often the store is asked: not at all for a read, twice for a write of what is remembered, three times for another (protocol §4)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RedisServer, redis_binary, valkey_binary

from .legacy import Legacy
from .serving import SHORT, Door, serving, until


@pytest.fixture(params=["memory", "sqlite", "valkey", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store of each kind. Nobody but the requests asks it: the watch is looked in on only until all is well."""
    monkeypatch.setattr("proxy.gateway.readiness.WATCH_SECONDS", 3600.0)
    match request.param:
        case "memory":
            yield "memory://"
        case "sqlite":
            yield f"sqlite:///{tmp_path}/store.db"
        case kind:
            server = RedisServer(valkey_binary() if kind == "valkey" else redis_binary(), tmp_path / kind)
            try:
                yield server.start().url
            finally:
                server.kill()


async def trips(door: Door) -> dict[str, float]:
    """How often the store has been asked so far, by operation."""
    return {name: await door.sample("noclobber_store_duration_seconds_count", operation=name) for name in ("load", "swap", "settle")}


async def test_how_often_the_store_is_asked(legacy: Legacy, url: str) -> None:
    async with serving(legacy.port, store=url, **SHORT) as door, serving(legacy.port, store=url, **SHORT) as other:
        await until(door.is_ready)
        await until(other.is_ready) if url != "memory://" else None
        before = await trips(door)
        tag = await door.tag()
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        assert (await door.ask(b"HEAD", b"/doc")).status == 200
        assert await trips(door) == before
        for loads, lines in ((1, [b"If-Match: " + tag]), (0, [])):
            # The first write of a process has to look at the record; the next ones begin with the swap.
            assert (await door.ask(b"PUT", b"/doc", *lines, body=b"new")).status == 204
            after = await trips(door)
            assert after == {"load": before["load"] + loads, "swap": before["swap"] + 2, "settle": before["settle"]}
            before = after
        if url != "memory://":
            # Another process has written: what is remembered does not match, and the failed swap shows what stands.
            assert (await other.ask(b"PUT", b"/doc", body=b"others")).status == 204
            assert (await door.ask(b"PUT", b"/doc", body=b"new")).status == 204
            assert await trips(door) == {"load": before["load"], "swap": before["swap"] + 3, "settle": before["settle"]}
