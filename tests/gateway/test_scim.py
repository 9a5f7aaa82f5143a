"""SCIM in this process: the provider's config, and Bulk requests with versions."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from proxy.core.scim import BULK_REQUEST, ERROR, MAX_BULK_BYTES, MAX_OPERATIONS
from proxy.gateway.tasks import Tasks

from .client import Answer, Client
from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until

CONFIG = b"/v2/ServiceProviderConfig"
ROUTES = (
    route("/v2/ServiceProviderConfig", "config", dialect="scim", scim="config"),
    route("/v2/Bulk", "bulk", dialect="scim", scim="bulk"),
    route("/v2/{type}/{id}", "resource", dialect="scim"),
    route("/v2/{type}", "resources", dialect="scim", post="create"),
)


def user(name: str, **members: object) -> bytes:
    return json.dumps({"userName": name, **members}).encode()


async def creating(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
    """A provider creates what is POSTed to a type, under its name; what has none is refused."""
    if request.method != "POST":
        return None
    document = json.loads(body)
    if "userName" not in document:
        return web.json_response({"schemas": [ERROR], "status": "400", "detail": "no name"}, status=400)
    made = {**document, "id": document["userName"], "meta": {"location": f"https://scim.example{request.path}/{document['userName']}"}}
    return web.json_response(made, status=201)


@pytest.fixture
async def provider() -> AsyncIterator[Legacy]:
    """A provider with two users and a group."""
    async with Legacy() as backend:
        backend.documents = {
            "/v2/Users/1": user("ann"),
            "/v2/Users/2": user("ben"),
            "/v2/Groups/1": b'{"displayName": "all"}',
            CONFIG.decode(): b'{"etag": {"supported": false}, "bulk": {"supported": true, "maxOperations": 5000}}',
        }
        backend.extra = {"Content-Type": "application/scim+json"}
        backend.respond = creating
        yield backend


@pytest.fixture
async def door(provider: Legacy) -> AsyncIterator[Door]:
    async with serving(provider.port, *ROUTES, **SHORT) as door:
        yield door


async def version(door: Door, path: bytes) -> str:
    answer = await door.ask(b"GET", path)
    assert answer.etag.startswith(b'W/"')
    return answer.etag.decode()


async def post(door: Door, *operations: object, lines: tuple[bytes, ...] = (), **members: object) -> Answer:
    content = json.dumps({"schemas": [BULK_REQUEST], "Operations": operations, **members}).encode()
    return await door.ask(b"POST", b"/v2/Bulk", b"Content-Type: application/scim+json", *lines, body=content)


async def bulk(door: Door, *operations: object, lines: tuple[bytes, ...] = (), **members: object) -> list[Any]:
    """What became of the operations of one request."""
    answer = await post(door, *operations, lines=lines, **members)
    assert answer.status == 200
    assert answer.one(b"Content-Type") == b"application/scim+json"
    results: list[Any] = json.loads(answer.body)["Operations"]
    return results


def put(path: str, name: str, **members: object) -> dict[str, object]:
    return {"method": "PUT", "path": path, "data": {"userName": name}, **members}


# ---- the provider's config ---------------------------------------------------------------------------------------------------------------


async def test_the_provider_is_said_to_support_tags(door: Door) -> None:
    answer = await door.ask(b"GET", CONFIG)
    assert json.loads(answer.body)["etag"] == {"supported": True}
    assert json.loads(answer.body)["bulk"] == {"supported": True, "maxOperations": MAX_OPERATIONS}
    assert answer.one(b"Content-Length") == b"%d" % len(answer.body)
    assert answer.one(b"Accept-Ranges") is None


async def test_its_head_has_the_length_of_what_a_get_shows(door: Door) -> None:
    shown, head = await door.ask(b"GET", CONFIG), await door.ask(b"HEAD", CONFIG)
    assert (head.status, head.body) == (200, b"")
    assert head.one(b"Content-Length") == shown.one(b"Content-Length")
    assert head.etag == shown.etag


async def test_no_range_is_cut_from_it(door: Door) -> None:
    answer = await door.ask(b"GET", CONFIG, b"Range: bytes=0-3")
    assert answer.status == 200
    assert json.loads(answer.body)["etag"] == {"supported": True}


async def test_it_is_not_sent_to_whoever_has_it(door: Door) -> None:
    tag = (await door.ask(b"GET", CONFIG)).etag
    assert (await door.ask(b"GET", CONFIG, b"If-None-Match: " + tag)).status == 304


@pytest.mark.parametrize(
    ("content", "field"),
    [(b"[]", {}), (b"<config/>", {"Content-Type": "text/xml"}), (b'{"etag": {"supported": false}}', {"Cache-Control": "no-transform"})],
)
async def test_what_is_no_config_or_must_not_be_changed_stays(door: Door, provider: Legacy, content: bytes, field: dict[str, str]) -> None:
    provider.documents[CONFIG.decode()] = content
    provider.extra |= field
    assert (await door.ask(b"GET", CONFIG)).body == content


async def test_a_digest_of_what_was_changed_goes(door: Door, provider: Legacy) -> None:
    provider.extra["Content-Digest"] = "sha-256=:AAAA:"
    assert (await door.ask(b"GET", CONFIG)).one(b"Content-Digest") is None


async def test_an_error_of_the_provider_stays(door: Door, provider: Legacy) -> None:
    provider.respond = answering(401, b'{"etag": {"supported": false}}', Content_Type="application/scim+json")
    answer = await door.ask(b"GET", CONFIG)
    assert (answer.status, answer.body) == (401, b'{"etag": {"supported": false}}')


# ---- Bulk: versions ----------------------------------------------------------------------------------------------------------------------


async def test_what_is_stale_is_refused_in_its_place_and_the_rest_is_done(door: Door, provider: Legacy) -> None:
    ann, group = await version(door, b"/v2/Users/1"), await version(door, b"/v2/Groups/1")
    provider.documents["/v2/Users/1"] = user("changed by another")

    stale, created, deleted, unconditional = await bulk(
        door,
        put("/Users/1", "mine", version=ann),
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "eve"}},
        {"method": "DELETE", "path": "/Groups/1", "version": group},
        put("/Users/2", "bert"),
    )

    assert stale["status"] == "412"
    assert stale["response"] == {"schemas": [ERROR], "status": "412", "detail": stale["response"]["detail"]}
    assert stale["location"] == "http://api.example/v2/Users/1"
    assert "version" not in stale
    assert (created["status"], created["bulkId"], created["location"]) == ("201", "a", "https://scim.example/v2/Users/eve")
    assert (deleted["status"], deleted["location"]) == ("204", "http://api.example/v2/Groups/1")
    assert (unconditional["status"], unconditional["method"]) == ("204", "PUT")
    assert json.loads(provider.documents["/v2/Users/1"]) == {"userName": "changed by another"}
    assert json.loads(provider.documents["/v2/Users/2"]) == {"userName": "bert"}
    assert "/v2/Groups/1" not in provider.documents
    # Of the provider's own Bulk endpoint, which knows no versions, nothing was asked.
    assert all(asked.target != "/v2/Bulk" for asked in provider.asked)


async def test_the_version_that_an_operation_tells_is_the_next_one_s(door: Door, provider: Legacy) -> None:
    ann = await version(door, b"/v2/Users/1")
    [first] = await bulk(door, put("/Users/1", "anna", version=ann))
    assert first["version"] == await version(door, b"/v2/Users/1") != ann
    [again] = await bulk(door, put("/Users/1", "anne", version=ann))
    assert again["status"] == "412"
    [second] = await bulk(door, put("/Users/1", "anne", version=first["version"]))
    assert second["status"] == "204"
    assert json.loads(provider.documents["/v2/Users/1"])["userName"] == "anne"


async def test_two_operations_on_one_version_are_one_too_many(door: Door, provider: Legacy) -> None:
    ann = await version(door, b"/v2/Users/1")
    results = await bulk(door, put("/Users/1", "first", version=ann), put("/Users/1", "second", version=ann))
    assert [result["status"] for result in results] == ["204", "412"]
    assert json.loads(provider.documents["/v2/Users/1"])["userName"] == "first"


async def test_a_route_that_requires_a_version_requires_it_here(provider: Legacy) -> None:
    strict = [*ROUTES[:2], route("/v2/{type}/{id}", "resource", dialect="scim", missing="require")]
    async with serving(provider.port, *strict, **SHORT) as door:
        [result] = await bulk(door, put("/Users/1", "mine"))
    assert (result["status"], result["response"]["status"]) == ("428", "428")
    assert json.loads(provider.documents["/v2/Users/1"]) == {"userName": "ann"}


@pytest.mark.parametrize("faulty", ["", " ", 'W/"1', "7", 7, '"1"\r\nX: y'])
async def test_a_faulty_version_is_not_taken_for_none(door: Door, provider: Legacy, faulty: object) -> None:
    [result] = await bulk(door, put("/Users/1", "mine", version=faulty))
    assert result["status"] in ("400", "412")
    assert json.loads(provider.documents["/v2/Users/1"]) == {"userName": "ann"}
    assert "PUT" not in provider.methods()


async def test_a_write_under_way_elsewhere_is_waited_for(door: Door, provider: Legacy) -> None:
    ann = (await version(door, b"/v2/Users/1")).encode()
    event = asyncio.Event()
    provider.respond = waiting_for(event, "PUT")
    async with asyncio.TaskGroup() as group:
        single = group.create_task(door.ask(b"PUT", b"/v2/Users/1", b"If-Match: " + ann, body=user("single")))
        await until(lambda: "PUT" in provider.methods())
        whole = group.create_task(bulk(door, put("/Users/1", "mine", version=ann.decode())))
        event.set()
    assert single.result().status == 204
    [result] = whole.result()
    assert result["status"] == "412"
    assert provider.methods().count("PUT") == 1


async def test_of_writers_that_fight_for_two_counters_none_loses_a_step(door: Door, provider: Legacy) -> None:
    steps, paths = 4, ("/Users/1", "/Users/2")
    for path in paths:
        provider.documents["/v2" + path] = user("0")

    async def count(reverse: bool) -> None:
        """Add steps to both counters, those that were refused once more, in the one order or the other."""
        left = dict.fromkeys(reversed(paths) if reverse else paths, steps)
        while left:
            operations = []
            for path in left:
                answer = await door.ask(b"GET", b"/v2" + path.encode())
                value = int(json.loads(answer.body)["userName"])
                operations.append(put(path, str(value + 1), version=answer.etag.decode()))
            for path, result in zip(list(left), await bulk(door, *operations), strict=True):
                assert result["status"] in ("204", "412")
                left[path] -= result["status"] == "204"
            left = {path: number for path, number in left.items() if number}

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(count(bool(number % 2)))
    assert [json.loads(provider.documents["/v2" + path])["userName"] for path in paths] == [str(4 * steps)] * 2


# ---- Bulk: what becomes of operations ----------------------------------------------------------------------------------------------------


async def test_references_to_created_resources_are_resolved(door: Door, provider: Legacy) -> None:
    group = {"method": "PUT", "path": "/Groups/1", "data": {"members": [{"value": "bulkId:a"}, {"value": "2"}]}}
    results = await bulk(door, group, {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "eve"}})
    assert [(result["method"], result["status"]) for result in results] == [("PUT", "204"), ("POST", "201")]
    assert json.loads(provider.documents["/v2/Groups/1"]) == {"members": [{"value": "eve"}, {"value": "2"}]}


async def test_what_refers_to_what_could_not_be_created_is_not_sent(door: Door, provider: Legacy) -> None:
    failed, referring, circular = await bulk(
        door,
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}},
        {"method": "PUT", "path": "/Groups/1", "data": {"owner": "bulkId:a"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bulkId:b"}},
    )
    assert failed["response"]["detail"] == "no name"
    assert (failed["status"], referring["status"], circular["status"]) == ("400", "409", "409")
    assert "location" not in failed
    assert json.loads(provider.documents["/v2/Groups/1"]) == {"displayName": "all"}


async def test_no_more_is_done_after_as_many_errors_as_are_allowed(door: Door, provider: Legacy) -> None:
    wrong = {"method": "PUT", "path": "/Users/1", "version": '"no"', "data": {}}
    results = await bulk(door, wrong, put("/Users/2", "second"), wrong, put("/Users/2", "fourth"), failOnErrors=2)
    assert [result["status"] for result in results] == ["412", "204", "412"]
    assert json.loads(provider.documents["/v2/Users/2"])["userName"] == "second"


async def test_what_nobody_knows_is_said_to_be_unknown(door: Door, provider: Legacy) -> None:
    async def breaking(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT" and request.path == "/v2/Users/1":
            transport = request.transport
            assert transport is not None
            transport.abort()
        return None

    provider.respond = breaking
    unknown, done = await bulk(door, put("/Users/1", "mine"), put("/Users/2", "mine"))
    assert (unknown["status"], unknown["response"]["status"]) == ("504", "504")
    assert done["status"] == "204"


@pytest.mark.parametrize(
    "operation",
    [
        {"method": "PUT", "path": "/Bulk/1", "data": {}},
        {"method": "POST", "path": "/ServiceProviderConfig", "data": {}},
        {"method": "PUT", "path": "/Users/../Bulk", "data": {}},
        {"method": "PUT", "path": "/Users/%2e%2e/Bulk", "data": {}},
        {"method": "PUT", "path": "/Users/1 HTTP/1.1", "data": {}},
        {"method": "GET", "path": "/Users/1"},
        {"path": "/Users/1"},
        "DELETE /Users/1",
    ],
)
async def test_what_is_no_operation_is_refused_alone(door: Door, provider: Legacy, operation: object) -> None:
    refused, done = await bulk(door, operation, put("/Users/2", "mine"))
    assert refused["status"] == "400"
    assert (refused["response"]["schemas"], refused["response"]["status"]) == ([ERROR], "400")
    assert done["status"] == "204"
    assert {asked.target for asked in provider.asked} == {"/v2/Users/2"}


async def test_each_operation_is_sent_for_the_client_and_as_what_it_is(door: Door, provider: Legacy) -> None:
    lines = (b"Authorization: Bearer t", b"Cookie: a=b", b"X-Request-ID: req-1", b'If-Match: "whole"', b"Range: bytes=0-1", b"X-Tenant: t1")
    results = await bulk(door, put("/Users/1", "mine"), {"method": "DELETE", "path": "/Users/2"}, lines=lines)
    assert [result["status"] for result in results] == ["204", "204"]
    for asked in provider.asked:
        assert (asked.fields["authorization"], asked.fields["cookie"], asked.fields["x-tenant"]) == ("Bearer t", "a=b", "t1")
        assert asked.fields["x-request-id"] == "req-1"
        assert not {"if-match", "range"} & asked.fields.keys()
    sent = provider.last("PUT")
    assert sent.fields["content-type"] == "application/scim+json"
    assert sent.body == b'{"userName":"mine"}'
    assert "content-type" not in provider.last("DELETE").fields


async def test_a_location_has_the_scheme_that_the_client_speaks(provider: Legacy) -> None:
    async with serving(provider.port, *ROUTES, **SHORT, server__trusted_proxies="127.0.0.1") as door:
        [result] = await bulk(door, put("/Users/1", "mine"), lines=(b"X-Forwarded-Proto: https",))
    assert result["location"] == "https://api.example/v2/Users/1"


async def test_operations_are_counted_as_requests_of_their_routes(door: Door, provider: Legacy) -> None:
    await bulk(door, put("/Users/1", "mine"), put("/Users/1", "mine", version='"no"'))
    assert await door.sample("noclobber_requests_total", route="resource", method="PUT") == 2
    assert await door.sample("noclobber_requests_total", route="bulk", method="POST") == 1
    assert await door.sample("noclobber_conflicts_total", route="resource") == 1


async def test_a_retry_under_an_idempotency_key_does_nothing_twice(door: Door, provider: Legacy) -> None:
    ann, ben = await version(door, b"/v2/Users/1"), await version(door, b"/v2/Users/2")
    operations = (put("/Users/1", "anna", version=ann), put("/Users/2", "bert", version=ben))
    lines = (b'Idempotency-Key: "k1"', b"Authorization: Bearer t")
    first = await bulk(door, *operations, lines=lines)
    assert [result["status"] for result in first] == ["204", "204"]
    assert await bulk(door, *operations, lines=lines) == first
    assert provider.methods().count("PUT") == 2


async def test_two_operations_on_one_resource_are_two_under_an_idempotency_key(door: Door, provider: Legacy) -> None:
    for key in (b"k1", b'"k2"'):
        results = await bulk(door, put("/Users/1", "a"), put("/Users/1", "b"), lines=(b"Idempotency-Key: " + key,))
        assert [result["status"] for result in results] == ["204", "204"]
    assert json.loads(provider.documents["/v2/Users/1"])["userName"] == "b"


# ---- Bulk: the whole ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "invalidSyntax"),
        (b"{}", 400, "invalidSyntax"),
        (b"[1", 400, "invalidSyntax"),
        (json.dumps({"schemas": [BULK_REQUEST], "Operations": [{}] * (MAX_OPERATIONS + 1)}).encode(), 413, None),
        (b" " * (MAX_BULK_BYTES + 1), 413, None),
    ],
)
async def test_what_is_no_bulk_request_gets_an_error_of_scim(
    door: Door, provider: Legacy, body: bytes, status: int, kind: str | None
) -> None:
    answer = await door.ask(b"POST", b"/v2/Bulk", body=body)
    error = json.loads(answer.body)
    assert (answer.status, error["status"], error.get("scimType")) == (status, str(status), kind)
    assert error["schemas"] == [ERROR]
    assert answer.one(b"Content-Type") == b"application/scim+json"
    assert provider.asked == []


async def test_the_operations_of_a_client_that_leaves_are_done(door: Door, provider: Legacy) -> None:
    event = asyncio.Event()
    provider.respond = waiting_for(event, "PUT")
    content = json.dumps({"schemas": [BULK_REQUEST], "Operations": [put("/Users/1", "one"), put("/Users/2", "two")]}).encode()
    client = await Client.connect(door.gateway.listen)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(client.ask(b"POST", b"/v2/Bulk", body=content))
        await until(lambda: "PUT" in provider.methods())
        asking.cancel()
    client.leave()
    event.set()
    await until(lambda: json.loads(provider.documents["/v2/Users/2"])["userName"] == "two")
    assert provider.methods().count("PUT") == 2


async def cancel_newest_first(tasks: Tasks) -> None:
    """As `Tasks.cancel`, which has no order of its own: what a task has started ends before it."""
    running = sorted(tasks._running, key=lambda task: int(task.get_name().rpartition("-")[2]), reverse=True)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize("cancel", [Tasks.cancel, cancel_newest_first])
async def test_a_bulk_request_that_is_stopped_has_an_unknown_outcome(
    provider: Legacy, monkeypatch: pytest.MonkeyPatch, cancel: Callable[[Tasks], Awaitable[None]]
) -> None:
    monkeypatch.setattr(Tasks, "cancel", cancel)
    event = asyncio.Event()
    provider.respond = waiting_for(event, "PUT")
    content = json.dumps({"schemas": [BULK_REQUEST], "Operations": [put("/Users/1", "one"), put("/Users/2", "two")]}).encode()
    async with asyncio.TaskGroup() as group:
        async with serving(provider.port, *ROUTES, **SHORT, server__drain_seconds=0.1) as door:
            asking = group.create_task(door.ask(b"POST", b"/v2/Bulk", body=content))
            await until(lambda: "PUT" in provider.methods())
        event.set()
    answer = asking.result()
    assert answer.status == 504
    assert answer.one(b"Noclobber-Outcome") == b"unknown"
    assert json.loads(answer.body)["schemas"] == [ERROR]
    assert provider.methods().count("PUT") == 1


async def test_anything_but_a_post_is_the_provider_s(door: Door, provider: Legacy) -> None:
    provider.respond = answering(405, b"no", Allow="POST")
    assert (await door.ask(b"GET", b"/v2/Bulk")).status == 405
