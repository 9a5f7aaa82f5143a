"""Which requests share a lock: told by what the backend is doing for one of them while the other is asked for."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from .legacy import Legacy
from .serving import Door, route, serving, until

JSON = b"Content-Type: application/json"


@pytest.fixture
async def legacy() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        yield backend


JOBS = (
    route("/jobs/{id:int}/", "job", group="job"),
    route("/jobs/{id:int}/{view}/", "view", group="job", key="{id}"),
    route("/by-query", "by-query", group="job", key="{query:job}"),
    route("/by-header", "by-header", group="job", key="{header:X-Job}"),
    route("/by-body", "by-body", group="job", key="{body:/job}"),
    route("/costs/{id}", "costs", changes=["job/{body:/job}"], methods=["PUT", "PATCH"]),
    route("/costs/{id}", "other-costs"),
    route("/notes/{id:int}", "note"),
    route("/alone", "alone", key="{query:job}"),
    route("/blind", "blind", group="job", key="{query:job}", case="insensitive"),
)

Request = tuple[bytes, bytes, tuple[bytes, ...], bytes]


def put(target: bytes, *lines: bytes, body: object = "x", method: bytes = b"PUT") -> Request:
    """A write."""
    return method, target, (JSON, *lines), json.dumps(body).encode()


# A write that the backend keeps waiting, another one -> whether the other has to wait for it.
PAIRS = {
    "one path": (put(b"/jobs/1/"), put(b"/jobs/1/"), True),
    "one number in two spellings": (put(b"/jobs/1/"), put(b"/jobs/01/"), True),
    "another number": (put(b"/jobs/1/"), put(b"/jobs/10/"), False),
    "a view of it": (put(b"/jobs/1/"), put(b"/jobs/001/header/"), True),
    "a view of another": (put(b"/jobs/1/"), put(b"/jobs/2/header/"), False),
    "named by the query": (put(b"/jobs/1/"), put(b"/by-query?x=2&job=1"), True),
    "named by the query in capitals": (put(b"/jobs/1/"), put(b"/blind?JOB=1"), True),
    "another by the query": (put(b"/jobs/1/"), put(b"/by-query?x=1&job=2"), False),
    "named by a field": (put(b"/jobs/1/"), put(b"/by-header", b"x-job:  1 "), True),
    "another by a field": (put(b"/jobs/1/"), put(b"/by-header", b"X-Job: 2"), False),
    "named by the body": (put(b"/jobs/1/"), put(b"/by-body", body={"job": 1}), True),
    "named by the body as a text": (put(b"/jobs/1/"), put(b"/by-body", body={"job": "1"}), True),
    "another by the body": (put(b"/jobs/1/"), put(b"/by-body", body={"job": 2}), False),
    "a name of the group that is a path": (put(b"/notes/1"), put(b"/by-query?job=/notes/1"), False),
    "the group's value by a key of its own": (put(b"/alone?job=1"), put(b"/jobs/1/"), False),
    "a path in two spellings": (put(b"/notes/1"), put(b"/notes/01"), True),
}


async def is_kept_waiting(door: Door, legacy: Legacy, first: Request, second: Request) -> bool:
    """Whether the second write is told to wait while the backend has the first."""
    release = asyncio.Event()
    writes: list[str] = []

    async def hold(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method != "GET":
            writes.append(request.raw_path)
            if len(writes) == 1:
                await release.wait()
            return web.Response(status=204)
        return None

    legacy.respond = hold
    async with asyncio.TaskGroup() as group:
        held = group.create_task(door.ask(first[0], first[1], *first[2], body=first[3]))
        await until(lambda: len(writes) == 1)
        answer = await door.ask(second[0], second[1], *second[2], body=second[3])
        release.set()
    assert held.result().status == 204
    assert answer.status in (204, 503)
    assert len(writes) == (2 if answer.status == 204 else 1)
    return answer.status == 503


@pytest.mark.parametrize(("first", "second", "waits"), PAIRS.values(), ids=PAIRS)
async def test_one_resource_has_one_lock(legacy: Legacy, first: Request, second: Request, waits: bool) -> None:
    async with serving(legacy.port, *JOBS, protocol__lease_wait_seconds=0) as door:
        assert await is_kept_waiting(door, legacy, first, second) is waits
        assert await is_kept_waiting(door, legacy, second, first) is waits


# A request that does not say which resource it is about -> what its refusal says.
UNNAMED = {
    "no parameter": (put(b"/by-query"), 'The parameter "job" of the query is missing'),
    "two parameters": (put(b"/by-query?job=1&job=1"), 'The parameter "job" of the query stands more than once'),
    "no field": (put(b"/by-header"), "The field X-Job is missing"),
    "two fields": (put(b"/by-header", b"X-Job: 1", b"x-job: 1"), "The field X-Job stands more than once"),
    "no member": (put(b"/by-body", body={"jobs": 1}), "The member /job of the body is missing"),
    "no JSON": ((b"PUT", b"/by-body", (), b"job=1"), "The member /job of the body is missing"),
    "no body": ((b"DELETE", b"/by-body", (), b""), "The member /job of the body is missing"),
    "a member of another kind": (put(b"/by-body", body={"job": [1]}), "The member /job of the body is neither a text nor a number"),
    "a member twice": ((b"PUT", b"/by-body", (), b'{"job": 1, "job": 2}'), "An object in the body has a name twice"),
    "no member that is changed": (put(b"/costs/1", body={}), "The member /job of the body is missing"),
}


@pytest.mark.parametrize(("request_", "why"), UNNAMED.values(), ids=UNNAMED)
async def test_a_write_that_names_no_resource_is_refused_and_not_sent(legacy: Legacy, request_: Request, why: str) -> None:
    async with serving(legacy.port, *JOBS) as door:
        method, target, lines, body = request_
        answer = await door.ask(method, target, *lines, body=body)
    assert (answer.status, answer.kind) == (400, "bad-request")
    assert answer.problem["detail"].startswith(why)
    assert "PUT" not in legacy.methods()


async def test_a_read_that_names_no_resource_passes_untouched(legacy: Legacy) -> None:
    for path in ("/by-query", "/by-header", "/by-body"):
        legacy.documents[path] = b"here"
    async with serving(legacy.port, *JOBS) as door:
        assert (await door.ask(b"GET", b"/by-query?job=1")).one(b"ETag") is not None
        assert (await door.ask(b"GET", b"/by-header", b"X-Job: 1")).one(b"ETag") is not None
        for target in (b"/by-query", b"/by-header", b"/by-body"):
            answer = await door.ask(b"GET", target)
            assert (answer.status, answer.body, answer.one(b"ETag")) == (200, b"here", None)


async def test_the_first_route_that_takes_method_and_host_holds(legacy: Legacy) -> None:
    legacy.documents["/doc"] = b"here"
    routes = (
        route("/doc", "writes", methods=["PUT"], missing="require", method_override="x-http-method-override"),
        route("/doc", "elsewhere", host="*.elsewhere", guarded=False),
        route("/doc", "posts", methods=["POST"], method_override="x-http-method-override"),
        route("/doc", "rest", put_etag="strict"),
    )
    async with serving(legacy.port, *routes) as door:
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 428
        assert (await door.ask(b"POST", b"/doc", body=b"x")).status != 428
        # Judged by what it means: the route for PUT holds for it.
        assert (await door.ask(b"POST", b"/doc", b"X-HTTP-Method-Override: PUT", body=b"x")).status == 428
        assert (await door.ask(b"DELETE", b"/doc")).status == 204
        assert await door.sample("noclobber_requests_total", route="writes") == 2
        assert await door.sample("noclobber_requests_total", route="posts") == 1
        assert await door.sample("noclobber_requests_total", route="rest") == 1
        async with await door.connect() as client:
            legacy.documents["/doc"] = b"here"
            client.send(b"GET /doc HTTP/1.1\r\nHost: a.elsewhere:80\r\n\r\n")
            assert (await client.answer(b"GET")).one(b"ETag") is None
            client.send(b"GET /doc HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
            assert (await client.answer(b"GET")).one(b"ETag") is not None


async def test_a_method_that_leads_to_a_route_without_that_override_is_refused(legacy: Legacy) -> None:
    routes = (
        route("/doc", "posts", methods=["POST"], method_override="x-http-method-override"),
        route("/doc", "puts", methods=["PUT"]),
    )
    async with serving(legacy.port, *routes) as door:
        answer = await door.ask(b"POST", b"/doc", b"X-HTTP-Method-Override: PUT", body=b"x")
    assert answer.status == 400
    assert legacy.methods() == []
