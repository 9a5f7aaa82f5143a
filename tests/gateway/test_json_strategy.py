"""The strategy json: one tag for one state, whatever volatile members and layout an answer has."""

import json
import threading

import pytest
from aiohttp import web

from proxy.core.etag import EntityTag
from proxy.core.state import JsonDigest

from .client import Answer
from .legacy import Legacy
from .serving import SHORT, Door, route, serving, trips
from .volatile import Volatile

IGNORE = ["/serverTime", "/meta/lastViewed"]
ROUTE = route(strategy="json", ignore=IGNORE)


@pytest.fixture
def volatile(legacy: Legacy) -> Volatile:
    """The backend shows a document that changes with every look."""
    volatile = Volatile({"title": "Budget", "total": 100})
    legacy.respond = volatile.respond()
    return volatile


async def put(door: Door, tag: bytes, **state: object) -> Answer:
    return await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, b"Content-Type: application/json", body=json.dumps(state).encode())


async def test_a_state_keeps_its_tag_however_it_is_shown(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, ROUTE) as door:
        shown = [await door.ask(b"GET", b"/doc") for _ in range(8)]
        assert len({answer.body for answer in shown}) > 1
        assert len({answer.etag for answer in shown}) == 1
        assert (await door.ask(b"HEAD", b"/doc")).etag == shown[0].etag
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + shown[0].etag)).status == 304


async def test_without_ignore_every_look_has_a_tag_of_its_own(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="json")) as door:
        assert await door.tag() != await door.tag()


async def test_the_story_of_two_writers(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, ROUTE) as door:
        for_ann = for_ben = await door.tag()
        saved = await put(door, for_ann, title="Budget", total=250)
        assert saved.status == 200
        refused = await put(door, for_ben, title="Budget", approved=True)
        assert refused.status == 412
        assert refused.etag == saved.etag == await door.tag()
        assert volatile.state == {"title": "Budget", "total": 250}
        assert (await put(door, saved.etag, title="Budget", total=250, approved=True)).status == 200
        assert await door.sample("noclobber_out_of_band_changes_total") == 0


async def test_numbers_that_a_parser_would_collapse_are_two_states(legacy: Legacy) -> None:
    async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        return web.Response(body=legacy.documents["/doc"], content_type="application/json") if request.method == "GET" else None

    legacy.respond = respond
    async with serving(legacy.port, ROUTE) as door:
        tags = set()
        for text in (b"0.1234567890123456789", b"0.12345678901234567", b"1" * 30, b"1" * 29 + b"2", b"1.0", b"1"):
            legacy.documents["/doc"] = b'{"total": %b}' % text
            tags.add(await door.tag())
        assert len(tags) == 6


@pytest.mark.parametrize("source", ["read-back", "response"])
async def test_the_tag_of_a_write_is_that_of_the_next_read(volatile: Volatile, legacy: Legacy, source: str) -> None:
    async with serving(legacy.port, route(strategy="json", ignore=IGNORE, after_write=source)) as door:
        saved = await put(door, await door.tag(), total=1)
        assert saved.etag == await door.tag()
        assert legacy.methods().count("GET") == (4 if source == "read-back" else 3)


async def test_the_tag_of_a_write_made_from_the_request(volatile: Volatile, legacy: Legacy) -> None:
    async def verbatim(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method != "GET":
            return None
        document = {**json.loads(legacy.documents["/doc"]), "serverTime": legacy.methods().count("GET")}
        return web.Response(body=json.dumps(document), content_type="application/json")

    legacy.respond = verbatim
    async with serving(legacy.port, route(strategy="json", ignore=IGNORE, after_write="request")) as door:
        saved = await put(door, await door.tag(), b=1, a=[2])
        assert saved.status == 204
        assert saved.etag == await door.tag()


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/Problem+JSON", "text/json"])
async def test_the_media_types_of_json(volatile: Volatile, legacy: Legacy, media_type: str) -> None:
    volatile.media_type = media_type
    async with serving(legacy.port, ROUTE) as door:
        assert await door.tag() == await door.tag()


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", "application/jsonlines"])
async def test_anything_else_is_tagged_by_its_octets(volatile: Volatile, legacy: Legacy, media_type: str) -> None:
    volatile.media_type = media_type
    async with serving(legacy.port, ROUTE) as door:
        assert await door.tag() != await door.tag()
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1")
        assert (got.status, len(got.body)) == (206, 2)


async def test_a_tag_of_a_state_cuts_no_range(volatile: Volatile, legacy: Legacy) -> None:
    """Parts of two answers under one strong tag would be put together (RFC 9110 §15.3.7.3), and are of two bodies."""
    async with serving(legacy.port, ROUTE) as door:
        tag = await door.tag()
        for lines in ([b"Range: bytes=0-1"], [b"Range: bytes=0-1", b"If-Range: " + tag], [b"Range: bytes=99999-"]):
            got = await door.ask(b"GET", b"/doc", *lines)
            assert got.status == 200
            assert json.loads(got.body)["title"] == "Budget"
            assert not got.names & {b"accept-ranges", b"content-range"}
            assert "range" not in legacy.last("GET").fields


async def test_the_backends_own_tag_goes(volatile: Volatile, legacy: Legacy) -> None:
    volatile.head["ETag"] = '"backend"'
    async with serving(legacy.port, ROUTE) as door:
        got = await door.ask(b"GET", b"/doc")
        assert len(got.lines(b"etag")) == 1
        assert got.etag not in (b'"backend"', b"")
        assert (await put(door, b'"backend"', total=1)).status == 412
        assert (await put(door, got.etag, total=1)).status == 200
        assert not legacy.last("PUT").fields.keys() & {"if-match"}


async def test_what_was_changed_around_noclobber_is_noticed(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, ROUTE) as door:
        saved = await put(door, await door.tag(), total=1)
        volatile.state["total"] = 2
        assert (await put(door, saved.etag, total=3)).status == 412
        assert await door.sample("noclobber_out_of_band_changes_total") == 1


async def test_the_remembered_version_saves_the_look(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="json", ignore=IGNORE, writers="proxy-only", verify="trust-store")) as door:
        saved = await put(door, await door.tag(), total=1)
        looks = volatile.heard["GET"]
        assert (await put(door, saved.etag, total=2)).status == 200
        assert volatile.heard["GET"] == looks + 1  # That of the read-back.
        assert (await put(door, saved.etag, total=3)).status == 412


async def test_a_read_asks_the_store_nothing(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, ROUTE, **SHORT) as door:
        before = await trips(door)
        tag = await door.tag()
        await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)
        await door.ask(b"HEAD", b"/doc")
        assert await trips(door) == before
        assert (await put(door, tag, total=1)).status == 200
        assert await trips(door) > before


async def test_a_document_that_is_too_large_is_not_tagged(volatile: Volatile, legacy: Legacy) -> None:
    volatile.state["note"] = "x" * 2000
    async with serving(legacy.port, ROUTE, limits__max_tagged_body_bytes=1000) as door:
        got = await door.ask(b"GET", b"/doc")
        assert b"etag" not in got.names
        assert json.loads(got.body)["note"] == "x" * 2000


async def test_a_large_document_is_parsed_beside_the_loop(volatile: Volatile, legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    original = JsonDigest.tag

    def tag(digest: JsonDigest) -> EntityTag:
        threads.add(threading.current_thread().name)
        return original(digest)

    monkeypatch.setattr(JsonDigest, "tag", tag)
    async with serving(legacy.port, ROUTE) as door:
        await door.tag()
        assert threads == {threading.main_thread().name}
        threads.clear()
        volatile.state["note"] = "x" * 100_000
        saved = await put(door, await door.tag(), total=1, note="y" * 100_000)
        assert saved.etag == await door.tag()
        assert threading.main_thread().name not in threads


async def test_a_document_that_is_held_on_disk_is_tagged_as_well(volatile: Volatile, legacy: Legacy) -> None:
    volatile.state["note"] = "x" * 5000
    async with serving(legacy.port, ROUTE, limits__spool_memory_bytes=1000) as door:
        got = await door.ask(b"GET", b"/doc")
        assert json.loads(got.body)["note"] == "x" * 5000
        assert (await put(door, got.etag, total=1)).status == 200
        assert b"range" not in {name for name in got.names if b"accept" in name}
