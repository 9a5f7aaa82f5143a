"""What one who may not read a resource learns of it by writing: nothing.

A right and a wrong If-Match get the same octets, `Date` apart, on every way that a write can take; and neither the tag nor a byte of the
body is in any answer to him, or in any line of the log.
"""

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiohttp import web

from proxy.errors import StoreUnavailable
from proxy.store.memory import MemoryStore
from tests.gateway.client import Answer
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving, until

SECRET: Final = b"the merger is off, 4711"
NEWER: Final = b"the merger is on again, 4712"
WRONG: Final = b'"AAAAAAAAAAAAAAAAAAAAAA"'
OWNER: Final = b"Authorization: Bearer of-the-owner"
REFUSALS: Final = [401, 403, 404, 429, 500]
STATUSES: Final = [200, *REFUSALS]
METHODS: Final = [b"PUT", b"PATCH", b"DELETE"]
# Who asks besides the owner, and what he shows for it.
PRINCIPALS: Final = {"another user": [b"Authorization: Bearer of-another"], "a guest": [b"Cookie: session=guest"], "nobody": []}
# Fields that differ between any two answers.
UNIQUE: Final = frozenset({b"date", b"x-request-id", b"noclobber-request-id"})


class Guarded(Legacy):
    """Shows and stores for the owner; to anybody else a GET is answered with `status`, and a write is refused."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.documents["/doc"] = SECRET
        self.status = status
        self.going_on = asyncio.Event()
        self.going_on.set()
        self.respond = self._guard

    async def _guard(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.headers.get("Authorization") == OWNER.decode().partition(": ")[2]:
            if request.method == "PUT":
                await self.going_on.wait()
            return None
        if request.method != "GET":
            return web.Response(status=403, text="you may not write this\n")
        if self.status == 200:
            return None
        fields = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "7"}}.get(self.status, {})
        return web.Response(status=self.status, text=f"says the backend: {self.status}\n", headers=fields)


@dataclass
class Scene:
    """A noclobber in front of such a backend, and the owner's tag."""

    door: Door
    backend: Guarded
    log: io.BytesIO
    tag: bytes = b""

    async def ask(self, method: bytes, *lines: bytes, body: bytes | None = b"mine") -> Answer:
        return await self.door.ask(method, b"/doc?token=of-the-query", *lines, body=None if method in (b"GET", b"DELETE") else body)

    async def own(self) -> bytes:
        """Have the owner write, so that the record, and this process, know the tag of what stands."""
        answer = await self.door.ask(b"PUT", b"/doc", OWNER, body=SECRET)
        assert answer.status == 204
        self.tag = answer.etag
        return self.tag


@asynccontextmanager
async def playing(status: int, monkeypatch: pytest.MonkeyPatch, routed: str = "", /, **settings: Any) -> AsyncIterator[Scene]:
    """`routed` is the route as its file has it; empty: one with the defaults."""
    log = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=log, write=lambda _: 0, flush=lambda: None))
    keys: dict[str, Any] = {"log__access": "json", "protocol__lease_wait_seconds": 0.05, **settings}
    async with Guarded(status) as backend, serving(backend.port, routed or route(), **keys) as door:
        yield Scene(door, backend, log)


def octets(answer: Answer) -> tuple[object, ...]:
    """All of an answer but what differs between any two."""
    fields = [field for field in answer.fields if field[0].lower() not in UNIQUE]
    return answer.status, answer.reason, fields, answer.body, answer.is_cut


def text(answer: Answer) -> bytes:
    return b"\n".join([answer.reason, *(name + b": " + value for name, value in answer.fields), answer.body])


async def check(scene: Scene, way: Callable[[bytes], Awaitable[Answer]], caplog: pytest.LogCaptureFixture) -> Answer:
    """Go one way with the right tag and with a wrong one: the same octets, and nothing of the owner's in them or in the log."""
    tag = scene.tag
    # The wrong one last, and first: what the one leaves behind must not show in the other.
    answers = [await way(given) for given in (WRONG, tag, WRONG, tag)]
    first = octets(answers[0])
    assert all(octets(answer) == first for answer in answers)
    secrets = [SECRET, NEWER, tag.strip(b'"'), b"of-the-owner", b"of-another", b"of-the-query", b"session=guest"]
    said = b"\n".join([*map(text, answers), *(record.getMessage().encode() for record in caplog.records)])
    for secret in secrets:
        assert secret not in said
    await asyncio.sleep(0.15)
    for secret in secrets:
        assert secret not in scene.log.getvalue()
    assert scene.log.getvalue().count(b"\n") >= len(answers)
    for line in scene.log.getvalue().splitlines():
        json.loads(line)
    return answers[0]


principals = pytest.mark.parametrize("principal", PRINCIPALS.values(), ids=PRINCIPALS)
refusals = pytest.mark.parametrize("status", REFUSALS)


@principals
@refusals
@pytest.mark.parametrize("method", METHODS)
async def test_with_and_without_memory_the_refusal_is_the_same(
    principal: list[bytes], status: int, method: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a lease (this process knows the tag) for the wrong one, under the lease for the right one."""
    caplog.set_level(logging.DEBUG)
    async with playing(status, monkeypatch) as scene:
        scene.tag = (await scene.door.ask(b"GET", b"/doc", OWNER)).etag
        cold = await check(scene, lambda tag: scene.ask(method, *principal, b"If-Match: " + tag), caplog)
        await scene.own()
        warm = await check(scene, lambda tag: scene.ask(method, *principal, b"If-Match: " + tag), caplog)

        assert octets(cold) == octets(warm)
        expected = {500: 503, 404: 412 if method == b"PUT" else 404}.get(status, status)
        assert warm.status == expected
        assert scene.backend.documents["/doc"] == SECRET
        assert b"says the backend" in warm.body or expected in (503, 412)


@pytest.mark.parametrize("principal", PRINCIPALS.values(), ids=PRINCIPALS)
async def test_who_may_read_is_told_the_difference(principal: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side: with a 200 the two differ, so what is compared above is what decides."""
    async with playing(200, monkeypatch) as scene:
        tag = await scene.own()
        right = await scene.ask(b"PUT", *principal, b"If-Match: " + tag)
        wrong = await scene.ask(b"PUT", *principal, b"If-Match: " + WRONG)

        assert (right.status, wrong.status) == (403, 412)
        assert wrong.etag == tag


@principals
@refusals
async def test_while_another_write_is_under_way(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(status, monkeypatch) as scene:
        await scene.own()
        scene.backend.going_on.clear()
        held = asyncio.get_running_loop().create_task(scene.door.ask(b"PUT", b"/doc", OWNER, body=NEWER))
        await until(lambda: scene.backend.methods().count("PUT") == 2)
        try:
            await check(scene, lambda tag: scene.ask(b"PUT", *principal, b"If-Match: " + tag), caplog)
        finally:
            scene.backend.going_on.set()
        assert (await held).status == 204


@principals
@refusals
async def test_while_another_process_holds_the_lease(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """This process remembers the version, and has heard nothing of the other's write."""
    settings: dict[str, Any] = {"store": f"sqlite:///{tmp_path}/noclobber.db"}
    async with playing(status, monkeypatch, **settings) as scene, serving(scene.backend.port, route(), **settings) as other:
        await scene.own()
        scene.backend.going_on.clear()
        held = asyncio.get_running_loop().create_task(other.ask(b"PUT", b"/doc", OWNER, body=NEWER))
        await until(lambda: scene.backend.methods().count("PUT") == 2)
        try:
            await check(scene, lambda tag: scene.ask(b"PUT", *principal, b"If-Match: " + tag), caplog)
        finally:
            scene.backend.going_on.set()
        assert (await held).status == 204


@principals
@refusals
async def test_while_the_store_is_away(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(status, monkeypatch) as scene:
        await scene.own()

        async def refuse(*_: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(MemoryStore, "swap", refuse)
        monkeypatch.setattr(MemoryStore, "load", refuse)
        await check(scene, lambda tag: scene.ask(b"PUT", *principal, b"If-Match: " + tag), caplog)


@refusals
async def test_while_too_many_wait(status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"limits__max_waiters_per_key": 1, "protocol__lease_wait_seconds": 20}
    async with playing(status, monkeypatch, **settings) as scene:
        await scene.own()
        scene.backend.going_on.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(scene.door.ask(b"PUT", b"/doc", OWNER, body=NEWER))
            try:
                await until(lambda: scene.door.gateway.handler.in_flight == 2)
                await until(lambda: scene.backend.methods().count("PUT") == 2)
                await check(scene, lambda tag: scene.ask(b"PUT", b"If-Match: " + tag), caplog)
            finally:
                scene.backend.going_on.set()


@principals
@refusals
async def test_with_the_owners_idempotency_key(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer that is kept for the owner's retry is the owner's alone."""
    async with playing(status, monkeypatch) as scene:
        tag = await scene.own()
        key = b"Idempotency-Key: k-1"
        done = await scene.door.ask(b"PUT", b"/doc?token=of-the-query", OWNER, key, b"If-Match: " + tag, body=b"mine")
        scene.tag = done.etag
        scene.backend.documents["/doc"] = b"mine"
        again = await scene.door.ask(b"PUT", b"/doc?token=of-the-query", OWNER, key, b"If-Match: " + tag, body=b"mine")
        assert again.one(b"Noclobber-Outcome") == b"replayed"

        answer = await check(scene, lambda tag: scene.ask(b"PUT", *principal, key, b"If-Match: " + tag), caplog)
        assert answer.one(b"Noclobber-Outcome") is None


@refusals
async def test_after_a_write_of_unknown_outcome(status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"protocol__apply_delay_seconds": 0.1, "protocol__write_timeout_seconds": 5, "protocol__lease_wait_seconds": 5}
    async with playing(status, monkeypatch, **settings) as scene:
        await scene.own()

        guard = scene.backend.respond
        assert guard is not None

        async def fail(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            is_owners = request.headers.get("Authorization", "").endswith("of-the-owner")
            return web.Response(status=502) if request.method == "PUT" and is_owners else await guard(request, body)

        scene.backend.respond = fail
        unknown = await scene.door.ask(b"PUT", b"/doc", OWNER, body=NEWER)
        assert unknown.one(b"Noclobber-Outcome") == b"unknown"

        await check(scene, lambda tag: scene.ask(b"PUT", b"If-Match: " + tag), caplog)


@principals
@refusals
async def test_reads_are_the_backends_own_refusal(
    principal: list[bytes], status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(status, monkeypatch) as scene:
        await scene.own()
        for name in (b"If-Match: ", b"If-None-Match: ", b"Range: bytes=0-3\r\nIf-Range: "):
            answer = await check(scene, lambda tag, name=name: scene.ask(b"GET", *principal, name + tag), caplog)  # type: ignore[misc]
            assert answer.status == status
            assert b"says the backend" in answer.body


# ---- the log ----------------------------------------------------------------------------------------------------------------------------

HOSTILE: Final = {
    "a name with a control": b"PUT /doc HTTP/1.1\r\nHost: a\r\nX-\x01: of-the-owner\r\n\r\n",
    "no name": b"PUT /doc HTTP/1.1\r\nHost: a\r\nAuthorization Bearer of-the-owner\r\n\r\n",
    "a second host": b"PUT /doc HTTP/1.1\r\nHost: of-the-owner\r\nHost: b\r\n\r\n",
    "both framings": b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    b"Cookie: of-the-owner\r\n\r\n0\r\n\r\n",
    "a long field": b"PUT /doc HTTP/1.1\r\nHost: a\r\nCookie: " + b"of-the-owner" * 2000 + b"\r\n\r\n",
    "no request": b"of-the-owner\r\n\r\n",
    "a broken chunk": b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nof-the-owner\r\n",
    "a condition that is none": b"PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: of-the-owner\r\nContent-Length: 0\r\n\r\n",
    "an open proxy": b"CONNECT of-the-owner.example:443 HTTP/1.1\r\nHost: of-the-owner.example:443\r\n\r\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_what_cannot_be_read_is_not_in_the_log(
    data: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with playing(200, monkeypatch) as scene:
        client = await scene.door.connect()
        client.send(data)
        answer = await client.answer(b"PUT")
        await asyncio.sleep(0.15)

        assert answer.status in (400, 405, 413, 431)
        said = "\n".join(f"{record.getMessage()} {record.exc_info}" for record in caplog.records if record.name != "asyncio")
        assert "of-the-owner" not in said
        assert b"of-the-owner" not in scene.log.getvalue()


async def test_a_path_is_escaped_and_cut_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(200, monkeypatch) as scene:
        await scene.door.ask(b"GET", b'/a"b%0d%0aforged' + b"x" * 1000 + b"end?key=of-the-query")
        await scene.door.ask(b"GET", b"/a'b%0d%0aforged" + b"x" * 1000 + b"end?key=of-the-query")
        await asyncio.sleep(0.15)
        lines = scene.log.getvalue().splitlines()

        assert len(lines) == 2
        assert [json.loads(line)["status"] for line in lines] == [400, 404]
        assert all(len(line) < 600 for line in lines)
        assert b"end" not in scene.log.getvalue()
        assert b"of-the-query" not in scene.log.getvalue()
