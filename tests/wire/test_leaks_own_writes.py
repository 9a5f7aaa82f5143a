"""What one who may not read a resource learns where writes are known without a key: nothing, though they send the owner's very bytes."""

import asyncio

import pytest
from aiohttp import web

from tests.gateway.serving import route, until

from .test_leaks import NEWER, OWNER, check, playing, principals, refusals

OWN = route(own_write="principal+body+tag")


@principals
@refusals
async def test_with_the_owners_bytes_and_tag(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(status, monkeypatch, OWN) as scene:
        tag = await scene.own()
        for outcome in (None, b"replayed"):
            done = await scene.door.ask(b"PUT", b"/doc?token=of-the-query", OWNER, b"If-Match: " + tag, body=b"mine")
            assert (done.status, done.one(b"Noclobber-Outcome")) == (204, outcome)

        # `check` has the right tag and a wrong one sent; here the right one is that of the owner's write.
        answer = await check(scene, lambda given: scene.ask(b"PUT", *principal, b"If-Match: " + given), caplog)
        assert answer.one(b"Noclobber-Outcome") is None
    assert scene.backend.methods().count("PUT") == 2


@principals
@refusals
async def test_while_the_owners_write_is_under_way(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(status, monkeypatch, OWN) as scene:
        tag = await scene.own()
        scene.backend.going_on.clear()
        held = asyncio.get_running_loop().create_task(scene.door.ask(b"PUT", b"/doc", OWNER, b"If-Match: " + tag, body=NEWER))
        await until(lambda: scene.backend.methods().count("PUT") == 2)
        try:
            await check(scene, lambda given: scene.ask(b"PUT", *principal, b"If-Match: " + given, body=NEWER), caplog)
        finally:
            scene.backend.going_on.set()
        assert (await held).status == 204


@principals
@refusals
async def test_after_the_owners_write_of_unknown_outcome(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"protocol__apply_delay_seconds": 0.1, "protocol__write_timeout_seconds": 5, "protocol__lease_wait_seconds": 5}
    async with playing(status, monkeypatch, OWN, **settings) as scene:
        tag = await scene.own()
        guard = scene.backend.respond
        assert guard is not None

        async def fail(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            is_owners = request.headers.get("Authorization", "").endswith("of-the-owner")
            return web.Response(status=502) if request.method == "PUT" and is_owners else await guard(request, body)

        scene.backend.respond = fail
        unknown = await scene.door.ask(b"PUT", b"/doc", OWNER, b"If-Match: " + tag, body=NEWER)
        assert unknown.one(b"Noclobber-Outcome") == b"unknown"

        await check(scene, lambda given: scene.ask(b"PUT", *principal, b"If-Match: " + given, body=NEWER), caplog)
