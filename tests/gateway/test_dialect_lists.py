"""Dialects: lists, whose members have versions of their own, and what a POST is: a creation, or a search."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from proxy.gateway.listing import MAX_SEARCH_BYTES

from .client import Answer
from .legacy import Legacy, answering
from .serving import route, serving

JSON = b"Content-Type: application/json"
ITEMS = route("/items/{id}", name="item", dialect="body-version")
LIST = route("/items", name="items", dialect="body-version", members="@", member_key="/items/{body:/id}", post="create")
SEARCH = route("/search", name="search", dialect="body-version", post="safe")


class Shop(Legacy):
    """Items by number; the last save of one wins. `before_list` runs when a list has been made, and not sent yet."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "a"}, 2: {"id": 2, "name": "b"}}
        self.before_list: Callable[[], Awaitable[None]] | None = None
        self.fields: dict[str, str] = {}
        self.respond = self._shop

    async def _shop(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        _, kind, *rest = request.path.split("/")
        if kind == "search":
            return web.json_response({"hits": list(self.items.values())})
        if not rest:
            return await self._list(request, body)
        number = int(rest[0])
        if number not in self.items:
            return web.json_response({"error": "none"}, status=404)
        if request.method == "PUT":
            self.items[number] = {**json.loads(body), "id": number}
        return web.json_response(self.items[number])

    async def _list(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            number = max(self.items, default=0) + 1
            self.items[number] = {**json.loads(body), "id": number}
            return web.json_response(self.items[number], status=201, headers={"Location": f"/items/{number}"})
        content = json.dumps(list(self.items.values())).encode()
        if self.before_list is not None:
            hook, self.before_list = self.before_list, None
            await hook()
        return web.Response(body=content, headers={"Content-Type": "application/json", "ETag": '"own"', **self.fields})


@pytest.fixture
async def shop() -> Any:
    async with Shop() as backend:
        yield backend


def said(answer: Answer) -> Any:
    return json.loads(answer.body)


def versions(answer: Answer) -> dict[int, int | None]:
    return {item["id"]: item.get("version") for item in said(answer)}


def save(number: int, version: int, name: str = "x") -> tuple[bytes, bytes, bytes]:
    return b"/items/%d" % number, JSON, json.dumps({"name": name, "version": version}).encode()


async def test_each_member_has_its_own_version(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST) as door:
        assert versions(await door.ask(b"GET", b"/items")) == {1: 1, 2: 1}
        target, line, body = save(2, 1)
        assert said(await door.ask(b"PUT", target, line, body=body))["version"] == 2
        listed = await door.ask(b"GET", b"/items")
        assert versions(listed) == {1: 1, 2: 2}
        assert said(listed)[1] == said(await door.ask(b"GET", b"/items/2"))

        target, line, body = save(2, versions(listed)[2] or 0)
        assert (await door.ask(b"PUT", target, line, body=body)).status == 200
    # What is known already is listed by one GET.
    assert [asked.target for asked in shop.asked if asked.method == "GET"].count("/items") == 3


async def test_a_member_that_is_saved_while_the_list_is_on_its_way_keeps_its_old_version(shop: Shop) -> None:
    """The list shows it as it was, so its number must be that of then: with the new one, a save based on it would lose an update."""
    async with serving(shop.port, ITEMS, LIST) as door:
        for _ in range(2):

            async def interfere(number: int) -> None:
                target, line, body = save(1, number, f"saved over {number}")
                assert (await door.ask(b"PUT", target, line, body=body)).status == 200

            number = said(await door.ask(b"GET", b"/items/1"))["version"]
            shop.before_list = lambda number=number: interfere(number)
            listed = said(await door.ask(b"GET", b"/items"))
            shown = next(item for item in listed if item["id"] == 1)
            target, line, body = save(1, shown["version"], "based on the list")
            answer = await door.ask(b"PUT", target, line, body=body)
            if shown["name"] != f"saved over {number}":
                assert answer.status == 409


async def test_a_list_has_no_tag_and_is_never_not_modified(shop: Shop) -> None:
    """A member's version may have changed where the list has not, byte for byte."""
    async with serving(shop.port, ITEMS, LIST) as door:
        for line in (b'If-None-Match: "own"', b"If-None-Match: *", b'If-Match: "other"', b"Range: bytes=0-3"):
            got = await door.ask(b"GET", b"/items", line)
            assert (got.status, got.one(b"ETag"), versions(got)) == (200, None, {1: 1, 2: 1})
        head = await door.ask(b"HEAD", b"/items")
        assert head.one(b"Content-Length") == b"%d" % len(got.body)


async def test_members_of_which_nobody_can_say_what_they_are_go_without(shop: Shop) -> None:
    shop.items[3] = {"name": "no id"}
    shop.items[4] = {"id": None, "name": "none either"}
    async with serving(shop.port, ITEMS, LIST) as door:
        listed = said(await door.ask(b"GET", b"/items"))
        assert [item.get("version") for item in listed] == [1, 1, None, None]


async def test_versions_that_are_not_counted_are_not_guessed(shop: Shop) -> None:
    """Those of `content` come from the bytes of each member's own GET: a number from the store would be stale for ever."""
    listing = route("/items", name="items", dialect="scim", members="@", member_key="/items/{body:/id}")
    async with serving(shop.port, route("/items/{id}", name="item", dialect="scim"), listing) as door:
        assert said(await door.ask(b"GET", b"/items")) == list(shop.items.values())


UNCHANGED: dict[str, tuple[bytes, dict[str, str]]] = {
    "no list": (b'{"error": "x"}', {}),
    "no JSON": (b"[1", {}),
    "members that are no objects": (b'["1", 2, null]', {}),
    "an empty list": (b"[]", {}),
    "no-transform": (b'[{"id": 1}]', {"Cache-Control": "no-transform"}),
    "not said to be JSON": (b'[{"id": 1}]', {"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize(("content", "fields"), UNCHANGED.values(), ids=UNCHANGED)
async def test_what_has_no_place_for_versions_goes_out_as_it_came(shop: Shop, content: bytes, fields: dict[str, str]) -> None:
    shop.respond = answering(
        200, content, **{"Content_Type": "application/json"} | {name.replace("-", "_"): fields[name] for name in fields}
    )
    async with serving(shop.port, ITEMS, LIST) as door:
        got = await door.ask(b"GET", b"/items")
        assert (got.status, got.body) == (200, content)


async def test_an_error_of_the_backends_is_its_own(shop: Shop) -> None:
    shop.respond = answering(503, b"{}", **{"Content-Type": "application/json"})
    async with serving(shop.port, ITEMS, LIST) as door:
        assert (await door.ask(b"GET", b"/items")).status == 503


async def test_a_list_that_is_too_large_goes_out_as_it_came(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.items = {number: {"id": number, "name": "x" * 100} for number in range(100)}
    async with serving(shop.port, ITEMS, LIST, limits__max_tagged_body_bytes=4096) as door:
        got = await door.ask(b"GET", b"/items")
        assert said(got) == list(shop.items.values())
        assert (await door.ask(b"HEAD", b"/items")).status == 200
    assert any("its version is not written into it" in record.getMessage() for record in caplog.records)


async def test_a_long_list(shop: Shop) -> None:
    """Long enough that it is read and changed in a thread."""
    shop.items = {number: {"id": number, "name": "x" * 200} for number in range(1000)}
    async with serving(shop.port, ITEMS, LIST) as door:
        assert set(versions(await door.ask(b"GET", b"/items")).values()) == {1}


async def test_members_within_a_document_and_a_group(shop: Shop) -> None:
    """As SCIM has it: the array is a member of the answer, and the resources are known by a group."""
    shop.respond = answering(200, b'{"total": 1, "Resources": [{"id": "u1", "meta": {"a": 1}}]}', Content_Type="application/scim+json")
    item = route("/v2/{type}/{id}", name="resource", dialect="scim", strategy="revision", group="scim")
    members = {"members": "/Resources", "member_key": "scim/{type}/{body:/id}"}
    listing = route("/v2/{type}", name="resources", dialect="scim", strategy="revision", **members)
    async with serving(shop.port, item, listing) as door:
        listed = said(await door.ask(b"GET", b"/v2/Users"))
        tag = (await door.ask(b"GET", b"/v2/Users/u1")).etag.decode()
        assert listed == {"total": 1, "Resources": [{"id": "u1", "meta": {"version": tag, "a": 1}}]}


# ---- POST ------------------------------------------------------------------------------------------------------------------------------


async def test_a_creation_has_the_first_version(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST) as door:
        made = await door.ask(b"POST", b"/items", JSON, body=b'{"name": "new", "version": 7}')
        assert (made.status, said(made), made.etag) == (201, {"id": 3, "name": "new", "version": 1}, b'"1"')
        assert json.loads(shop.last("POST").body) == {"name": "new"}
        assert shop.methods() == ["POST"]
        target, line, body = save(3, 1)
        assert said(await door.ask(b"PUT", target, line, body=body))["version"] == 2
        assert await door.sample("noclobber_unprotected_writes_total") == 0


async def test_a_creation_is_known_by_its_location_too(shop: Shop) -> None:
    by_location = route("/items", name="items", dialect="body-version", post="create")
    async with serving(shop.port, ITEMS, by_location) as door:
        made = await door.ask(b"POST", b"/items", JSON, body=b'{"name": "new"}')
        assert said(made) == {"id": 3, "name": "new", "version": 1}


async def test_creations_run_side_by_side(shop: Shop) -> None:
    """Each waits until all are at the backend: with a lease on the collection the second would never come."""
    arrived, everybody = [], asyncio.Event()
    shop_as_it_is = shop.respond
    assert shop_as_it_is is not None

    async def together(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        arrived.append(request)
        if len(arrived) == 3:
            everybody.set()
        await everybody.wait()
        return await shop_as_it_is(request, body)

    shop.respond = together
    async with serving(shop.port, ITEMS, LIST) as door:
        made = await asyncio.gather(*(door.ask(b"POST", b"/items", JSON, body=b'{"name": "new"}') for _ in range(3)))
        assert {said(answer)["id"] for answer in made} == {3, 4, 5}


async def test_the_maker_of_what_has_been_written_to_since_is_refused(shop: Shop) -> None:
    """The answer to a creation may come later than the first save of what it made: its version must not be that of the save."""
    shop_as_it_is = shop.respond
    assert shop_as_it_is is not None
    async with serving(shop.port, ITEMS, LIST) as door:

        async def late(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            answer = await shop_as_it_is(request, body)
            if request.method == "POST":
                target, line, content = save(3, 1, "somebody else")
                assert (await door.ask(b"PUT", target, line, body=content)).status == 200
            return answer

        shop.respond = late
        made = said(await door.ask(b"POST", b"/items", JSON, body=b'{"name": "new"}'))
        assert made == {"id": 3, "name": "new", "version": 1}
        target, line, content = save(3, made["version"], "mine")
        assert (await door.ask(b"PUT", target, line, body=content)).status == 409
    assert shop.items[3]["name"] == "somebody else"


async def test_a_creation_is_not_asked_for_a_version(shop: Shop) -> None:
    required = route(
        "/items", name="items", dialect="body-version", members="@", member_key="/items/{body:/id}", post="create", missing="require"
    )
    async with serving(shop.port, ITEMS, required) as door:
        assert (await door.ask(b"POST", b"/items", JSON, body=b'{"name": "new"}')).status == 201


async def test_a_creation_under_a_key_is_made_once(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST) as door:
        first = await door.ask(b"POST", b"/items", JSON, b"Idempotency-Key: k", body=b'{"name": "new"}')
        again = await door.ask(b"POST", b"/items", JSON, b"Idempotency-Key: k", body=b'{"name": "new"}')
        assert (first.status, said(first), first.etag) == (201, {"id": 3, "name": "new", "version": 1}, b'"1"')
        assert again.one(b"Noclobber-Outcome") == b"replayed"
        assert (again.status, said(again), again.etag) == (201, said(first), first.etag)
    assert shop.methods().count("POST") == 1


async def test_a_creation_that_the_backend_turns_away(shop: Shop) -> None:
    shop.respond = answering(400, b'{"error": "no name"}', Content_Type="application/json")
    async with serving(shop.port, ITEMS, LIST) as door:
        got = await door.ask(b"POST", b"/items", JSON, body=b"{}")
        assert (got.status, said(got), got.one(b"ETag")) == (400, {"error": "no name"}, None)
        assert got.one(b"Noclobber-Outcome") is None


async def test_a_creation_of_unknown_outcome_says_so(shop: Shop) -> None:
    async def break_off(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        assert request.transport is not None
        request.transport.abort()
        return None

    shop.respond = break_off
    async with serving(shop.port, ITEMS, LIST) as door:
        got = await door.ask(b"POST", b"/items", JSON, body=b"{}")
        assert (got.status, got.one(b"Noclobber-Outcome")) == (504, b"unknown")
        assert set(said(got)) == {"error", "message"}
        assert await door.sample("noclobber_unknown_outcomes_total") == 1
    async with serving(1, ITEMS, LIST) as door:
        got = await door.ask(b"POST", b"/items", JSON, body=b"{}")
        assert (got.status, got.one(b"Noclobber-Outcome")) == (503, None)


async def test_a_search_is_a_read_without_a_tag(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST, SEARCH) as door:
        body = b'{"version": "whatever"}'
        got = await door.ask(b"POST", b"/search", JSON, body=body)
        assert (got.status, got.one(b"ETag"), said(got)) == (200, None, {"hits": list(shop.items.values())})
        assert shop.last("POST").body == body
        assert await door.sample("noclobber_unprotected_writes_total") == 0


HITS = route("/search", name="search", dialect="body-version", members="/hits", member_key="/items/{body:/id}", post="safe")


async def test_what_a_search_finds_has_versions(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST, HITS) as door:
        assert (await door.ask(b"PUT", b"/items/1", JSON, body=b'{"name": "c", "version": 1}')).status == 200
        answer = await door.ask(b"POST", b"/search", JSON, body=b'{"q": 1.50}')
    assert [hit["version"] for hit in json.loads(answer.body)["hits"]] == [2, 1]
    assert b"etag" not in answer.names
    sent = shop.last("POST")
    assert (sent.body, sent.fields["content-type"]) == (b'{"q": 1.50}', "application/json")


async def test_what_a_search_finds_while_it_is_changed_has_its_old_version(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST, HITS) as door:
        usual = shop.respond
        assert usual is not None
        is_open = True

        async def saving_on_the_way(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            nonlocal is_open
            made = await usual(request, body)
            if request.method == "POST" and is_open and shop.methods().count("POST") > 1:
                is_open = False
                assert (await door.ask(b"PUT", b"/items/1", JSON, body=b'{"name": "c", "version": 1}')).status == 200
            return made

        shop.respond = saving_on_the_way
        await door.ask(b"POST", b"/search", JSON, body=b"{}")
        hits = json.loads((await door.ask(b"POST", b"/search", JSON, body=b"{}")).body)["hits"]
        assert not is_open
        assert all(hit["version"] == 1 for hit in hits if hit["name"] == "a")
        refused = await door.ask(b"PUT", b"/items/1", JSON, body=b'{"name": "d", "version": 1}')
    assert refused.status == 409


async def test_a_search_that_fails_says_so(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST, HITS) as door:
        too_large = await door.ask(b"POST", b"/search", JSON, body=b" " * (MAX_SEARCH_BYTES + 1))
        assert too_large.status == 413
        shop.respond = answering(400, b'{"error": "no query"}', Content_Type="application/json")
        refused = await door.ask(b"POST", b"/search", JSON, body=b"{}")
        assert (refused.status, refused.body) == (400, b'{"error": "no query"}')


async def test_different_searches_of_one_url_are_different_lists(shop: Shop) -> None:
    async with serving(shop.port, ITEMS, LIST, HITS) as door:
        for query in (b'{"q": 1}', b'{"q": 2}', b'{"q": 1}'):
            hits = json.loads((await door.ask(b"POST", b"/search", JSON, body=query)).body)["hits"]
            assert [hit["version"] for hit in hits] == [1, 1]
    # What was found the last time was asked of the store in advance; what was not is fetched twice.
    assert [asked.body for asked in shop.asked] == [b'{"q": 1}', b'{"q": 1}', b'{"q": 2}', b'{"q": 2}', b'{"q": 1}']
