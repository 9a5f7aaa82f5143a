"""What becomes of writes while the store is away, as each route has it (protocol §10)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.servers import RedisServer

from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until


@asynccontextmanager
async def without_store(legacy: Legacy, mode: str, redis_server: RedisServer) -> AsyncIterator[Door]:
    """noclobber whose store has been there, and is gone."""
    settings = {**SHORT, "store__timeout_seconds": 0.3}
    async with serving(legacy.port, route(on_store_loss=mode, strategy="content"), store=redis_server.start().url, **settings) as door:
        await until(door.is_ready)
        redis_server.kill()
        await until(lambda: _is_away(door))
        yield door


async def _is_away(door: Door) -> bool:
    return not await door.is_ready()


async def test_deny_sends_nothing(legacy: Legacy, server: RedisServer) -> None:
    async with without_store(legacy, "deny", server) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"new")
        assert (got.status, got.kind, got.one(b"Retry-After")) == (503, "store-away", b"1")
        assert "PUT" not in legacy.methods()
        assert (await door.ask(b"GET", b"/doc")).status == 200


async def test_verify_only_looks_before_it_writes(legacy: Legacy, server: RedisServer) -> None:
    async with without_store(legacy, "verify-only", server) as door:
        tag = await door.tag()
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"new")
        assert (got.status, got.one(b"Noclobber-Outcome"), got.etag) == (204, b"unprotected", await door.tag())
        stale = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"newer")
        assert (stale.status, legacy.documents["/doc"]) == (412, b"new")
        assert await door.sample("noclobber_store_loss_writes_total", route="r") == 2


async def test_open_passes_every_write_on(legacy: Legacy, server: RedisServer) -> None:
    async with without_store(legacy, "open", server) as door:
        got = await door.ask(b"PUT", b"/doc", b'If-Match: "stale"', body=b"new")
        assert (got.status, got.one(b"Noclobber-Outcome"), legacy.documents["/doc"]) == (204, b"unprotected", b"new")
        assert "if-match" not in legacy.last("PUT").fields
        assert await door.sample("noclobber_store_loss_writes_total", route="r") == 1
        assert await door.sample("noclobber_unprotected_writes_total", route="r") == 1


@pytest.mark.parametrize("mode", ["verify-only", "open"])
async def test_an_unknown_outcome_is_unknown_without_a_store_too(legacy: Legacy, server: RedisServer, mode: str) -> None:
    async with without_store(legacy, mode, server) as door:
        legacy.respond = answering(500, b"", "PUT")
        got = await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"new")
        assert (got.status, got.lines(b"Noclobber-Outcome")) == (500, [b"unknown"])


async def test_a_write_without_a_store_has_its_time_limit(legacy: Legacy, server: RedisServer) -> None:
    never = asyncio.Event()
    legacy.respond = waiting_for(never, "PUT")
    async with without_store(legacy, "open", server) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"new")
        assert (got.status, got.lines(b"Noclobber-Outcome")) == (504, [b"unknown"])
        never.set()


@pytest.mark.parametrize(("mode", "status"), [("deny", 503), ("verify-only", 503), ("open", 204)])
async def test_a_store_that_was_never_there(legacy: Legacy, mode: str, status: int) -> None:
    """Without the salt nothing can be tagged, so nothing can be verified either."""
    async with serving(legacy.port, route(on_store_loss=mode), store="redis://127.0.0.1:1", **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", b'If-Match: "x"', body=b"new")
        assert got.status == status
        assert legacy.methods().count("PUT") == (status == 204)
