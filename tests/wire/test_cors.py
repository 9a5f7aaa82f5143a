"""CORS: what a page of another origin may read and send, where the backend lets it in; and nothing where it does not."""

import asyncio
from typing import Any, Final

import pytest
from aiohttp import web

from tests.gateway.client import Answer
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving, until

ORIGIN: Final = "https://app.example"
FROM: Final = b"Origin: " + ORIGIN.encode()
ELSEWHERE: Final = b"Origin: https://evil.example"


class Shared(Legacy):
    """Lets ORIGIN in, as rs/cors and its like do: a preflight that asks for a field it does not know gets no grant at all."""

    def __init__(self) -> None:
        super().__init__()
        self.documents["/doc"] = b"one"
        self.respond = self._share
        self.lets_in = True
        self.going_on = asyncio.Event()
        self.going_on.set()

    async def _share(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        is_known = self.lets_in and request.headers.get("Origin") == ORIGIN
        grant = {"Access-Control-Allow-Origin": ORIGIN, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"} if is_known else {}
        if request.method == "OPTIONS":
            asked = {name.strip().lower() for name in request.headers.get("Access-Control-Request-Headers", "").split(",")} - {""}
            if not asked <= {"content-type"}:
                return web.Response(status=403)
            return web.Response(status=204, headers={**grant, "Access-Control-Allow-Headers": "content-type"})
        if request.method == "PUT":
            await self.going_on.wait()
        answer = self._answer(request, body)
        answer.headers.update(grant)
        return answer


def exposed(answer: Answer) -> set[str]:
    return {name.strip().lower() for line in answer.lines(b"Access-Control-Expose-Headers") for name in line.decode().split(",")}


def assert_readable(answer: Answer) -> None:
    assert answer.one(b"Access-Control-Allow-Origin") == ORIGIN.encode()
    assert answer.one(b"Access-Control-Allow-Credentials") == b"true"
    assert {"etag", "retry-after", "noclobber-outcome"} <= exposed(answer)
    assert b"Origin" in answer.lines(b"Vary")


def assert_closed(answer: Answer) -> None:
    assert not [name for name in answer.names if name.startswith(b"access-control-")]


async def test_the_tag_can_be_read_from_every_answer_that_has_one() -> None:
    async with Shared() as backend, serving(backend.port) as door:
        got = await door.ask(b"GET", b"/doc", FROM)
        tag = got.etag
        answers = {
            200: got,
            304: await door.ask(b"GET", b"/doc", FROM, b"If-None-Match: " + tag),
            204: await door.ask(b"PUT", b"/doc", FROM, b"If-Match: " + tag, body=b"two"),
            412: await door.ask(b"PUT", b"/doc", FROM, b"If-Match: " + tag, body=b"three"),
            206: await door.ask(b"GET", b"/doc", FROM, b"Range: bytes=0-0"),
            416: await door.ask(b"GET", b"/doc", FROM, b"Range: bytes=9-"),
        }
        for status, answer in answers.items():
            assert answer.status == status
            assert_readable(answer)
            assert answer.one(b"ETag") is not None


async def test_a_refusal_without_the_backend_carries_what_it_last_granted() -> None:
    async with Shared() as backend, serving(backend.port, route(missing="require")) as door:
        assert_closed(await door.ask(b"PUT", b"/doc", FROM, body=b"two"))
        await door.ask(b"GET", b"/other", FROM)
        refused = await door.ask(b"PUT", b"/doc", FROM, body=b"two")

        assert refused.status == 428
        assert_readable(refused)
        assert_closed(await door.ask(b"PUT", b"/doc", ELSEWHERE, body=b"two"))
        assert_closed(await door.ask(b"PUT", b"/doc", body=b"two"))


async def test_a_503_can_be_read() -> None:
    async with Shared() as backend, serving(backend.port, protocol__lease_wait_seconds=0.05) as door:
        await door.ask(b"GET", b"/doc", FROM)
        backend.going_on.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(door.ask(b"PUT", b"/doc", body=b"two"))
            await until(lambda: "PUT" in backend.methods())
            busy = await door.ask(b"PUT", b"/doc", FROM, body=b"three")
            backend.going_on.set()

        assert busy.status == 503
        assert_readable(busy)


async def test_a_504_and_a_replay_can_be_read() -> None:
    settings: dict[str, Any] = {"protocol__write_timeout_seconds": 1, "protocol__lease_seconds": 1, "protocol__margin_seconds": 0.2}
    async with Shared() as backend, serving(backend.port, **settings) as door:
        key = b"Idempotency-Key: k"
        await door.ask(b"PUT", b"/doc", FROM, key, body=b"two")
        replayed = await door.ask(b"PUT", b"/doc", FROM, key, body=b"two")
        backend.going_on.clear()
        unknown = await door.ask(b"PUT", b"/doc", FROM, body=b"three")
        backend.going_on.set()

        assert (replayed.one(b"Noclobber-Outcome"), unknown.status) == (b"replayed", 504)
        assert_readable(unknown)
        assert "noclobber-outcome" in exposed(replayed)


async def test_a_412_carries_nothing_where_the_look_was_granted_nothing() -> None:
    """The resource that was looked at decides, not what the origin was granted elsewhere."""
    async with Shared() as backend, serving(backend.port) as door:
        await door.ask(b"GET", b"/doc", FROM)
        backend.lets_in = False
        refused = await door.ask(b"PUT", b"/doc", FROM, b'If-Match: "no"', body=b"two")

        assert refused.status == 412
        assert_closed(refused)


async def preflight(door: Door, *asked: str, origin: bytes = FROM) -> Answer:
    names = ", ".join(asked).encode()
    lines = [b"Access-Control-Request-Headers: " + names] if names else []
    return await door.ask(b"OPTIONS", b"/doc", origin, b"Access-Control-Request-Method: PUT", *lines)


@pytest.mark.parametrize("asked", [["if-match"], ["content-type", "if-match"], ["idempotency-key", "if-none-match"], []])
async def test_a_preflight_allows_conditions_that_the_backend_has_never_heard_of(asked: list[str]) -> None:
    async with Shared() as backend, serving(backend.port) as door:
        answer = await preflight(door, *asked)
        allowed = {name.strip().lower() for line in answer.lines(b"Access-Control-Allow-Headers") for name in line.decode().split(",")}

        assert answer.status == 204
        assert {"if-match", "if-none-match", "idempotency-key", "content-type"} <= allowed
        assert backend.last("OPTIONS").fields.get("access-control-request-headers", "") == ", ".join(set(asked) & {"content-type"})


async def test_a_preflight_is_allowed_nothing_that_the_backend_refuses() -> None:
    async with Shared() as backend, serving(backend.port) as door:
        assert (await preflight(door, "if-match", "x-other")).status == 403
        stranger = await preflight(door, "if-match", origin=ELSEWHERE)
        assert stranger.one(b"Access-Control-Allow-Origin") is None
        assert stranger.lines(b"Access-Control-Allow-Headers") == [b"content-type"]


async def test_an_options_that_is_no_preflight_goes_through_as_it_is() -> None:
    async with Shared() as backend, serving(backend.port) as door:
        answer = await door.ask(b"OPTIONS", b"/doc", FROM)
        assert answer.lines(b"Access-Control-Allow-Headers") == [b"content-type"]


@pytest.mark.parametrize("keys", [{"cors": "off"}, {"guarded": False}], ids=["off", "unguarded"])
async def test_a_route_may_leave_it_to_the_backend(keys: dict[str, Any]) -> None:
    async with Shared() as backend, serving(backend.port, route(**keys)) as door:
        got = await door.ask(b"GET", b"/doc", FROM)
        asked = await preflight(door, "content-type")

        assert exposed(got) == set()
        assert asked.lines(b"Access-Control-Allow-Headers") == [b"content-type"]
        assert (await preflight(door, "if-match")).status == 403


async def test_without_a_grant_nothing_is_added() -> None:
    async with Legacy() as backend, serving(backend.port) as door:
        backend.documents["/doc"] = b"one"
        assert_closed(await door.ask(b"GET", b"/doc", FROM))
        assert_closed(await door.ask(b"PUT", b"/doc", FROM, b'If-Match: "no"', body=b"two"))
