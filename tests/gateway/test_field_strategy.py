"""The strategy field: one value of an answer, in its JSON or in its head, is the version."""

import asyncio
import json
import time
from email.utils import formatdate

import pytest
from aiohttp import web

from .client import Answer
from .legacy import Legacy
from .serving import SHORT, Door, route, serving, trips
from .volatile import Volatile

BY_MEMBER = route(strategy="field", field="/meta/version")
BY_HEAD = route(strategy="field", field="header:X-Version")


@pytest.fixture
def volatile(legacy: Legacy) -> Volatile:
    """The backend counts its writes, and looks at no count."""
    volatile = Volatile({"title": "Budget", "total": 100})
    legacy.respond = volatile.respond()
    return volatile


async def put(door: Door, tag: bytes, **state: object) -> Answer:
    return await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, b"Content-Type: application/json", body=json.dumps(state).encode())


@pytest.mark.parametrize("of", [BY_MEMBER, BY_HEAD], ids=["member", "head"])
async def test_the_story_of_two_writers(volatile: Volatile, legacy: Legacy, of: str) -> None:
    async with serving(legacy.port, of) as door:
        tags = {await door.tag() for _ in range(4)}
        assert len(tags) == 1
        for_ann = for_ben = tags.pop()
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + for_ann)).status == 304
        assert (await door.ask(b"HEAD", b"/doc")).etag == for_ann
        saved = await put(door, for_ann, total=250)
        assert saved.status == 200
        refused = await put(door, for_ben, approved=True)
        assert refused.status == 412
        assert refused.etag == saved.etag == await door.tag()
        assert volatile.state == {"total": 250}
        assert (await put(door, saved.etag, total=250, approved=True)).status == 200


@pytest.mark.parametrize("of", [BY_MEMBER, BY_HEAD], ids=["member", "head"])
@pytest.mark.parametrize("source", ["read-back", "response"])
async def test_the_tag_of_a_write_is_that_of_the_next_read(volatile: Volatile, legacy: Legacy, of: str, source: str) -> None:
    async with serving(legacy.port, of + f'after_write = "{source}"\n') as door:
        saved = await put(door, await door.tag(), total=1)
        assert saved.etag == await door.tag()
        assert legacy.methods().count("GET") == (4 if source == "read-back" else 3)


async def test_the_tag_of_a_write_made_from_the_request(legacy: Legacy) -> None:
    async def verbatim(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        return web.Response(body=legacy.documents["/doc"], content_type="application/json") if request.method == "GET" else None

    legacy.respond = verbatim
    legacy.documents["/doc"] = b'{"v": 1}'
    for of, has_tag in ((route(strategy="field", field="/v", after_write="request"), True), (BY_HEAD + 'after_write = "request"\n', False)):
        async with serving(legacy.port, of) as door:
            saved = await door.ask(b"PUT", b"/doc", b"Content-Type: application/json", body=b'{"v": 2}')
            assert saved.status == 204
            assert (b"etag" in saved.names) is has_tag
            assert not has_tag or saved.etag == await door.tag()


async def test_a_head_that_names_the_version_needs_no_body(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, BY_HEAD, limits__max_tagged_body_bytes=10) as door:
        got = await door.ask(b"HEAD", b"/doc")
        assert got.etag == await door.tag()
        assert legacy.methods() == ["HEAD", "GET"]
        assert (await put(door, got.etag, total=1)).status == 200


async def test_a_body_under_a_version_in_the_head_streams(legacy: Legacy) -> None:
    """Its first half is with the client before the backend has made the second."""

    async def in_halves(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        response = web.StreamResponse(headers={"X-Version": "7", "Content-Length": "10", "ETag": 'W/"backend"', "Accept-Ranges": "bytes"})
        await response.prepare(request)
        await response.write(b"first")
        await legacy_goes_on.wait()
        await response.write(b"-half")
        return response

    legacy_goes_on = asyncio.Event()
    legacy.respond = in_halves
    async with serving(legacy.port, BY_HEAD) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.gateway.listen.rpartition(":")[2]))
        writer.write(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(5) == b"first"
        legacy_goes_on.set()
        assert await reader.readexactly(5) == b"-half"
        writer.close()
        lines = [line for line in head.lower().split(b"\r\n") if line.startswith((b"etag:", b"accept-ranges:"))]
        assert len(lines) == 1
        assert b"backend" not in lines[0]


@pytest.mark.parametrize("of", [BY_MEMBER, BY_HEAD], ids=["member", "head"])
async def test_a_tag_of_a_field_cuts_no_range(volatile: Volatile, legacy: Legacy, of: str) -> None:
    async with serving(legacy.port, of) as door:
        tag = await door.tag()
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b"If-Range: " + tag)
        assert (got.status, got.etag) == (200, tag)
        assert json.loads(got.body)["title"] == "Budget"
        assert not got.names & {b"accept-ranges", b"content-range"}
        assert "range" not in legacy.last("GET").fields


async def test_the_backends_weak_tag_is_a_field_like_any_other(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="field", field="header:ETag")) as door:
        volatile.head["ETag"] = 'W/"1"'
        tag = await door.tag()
        assert tag.startswith(b'"')
        assert tag == await door.tag()
        volatile.head["ETag"] = 'W/"2"'
        assert (await put(door, tag, total=1)).status == 412
        saved = await put(door, await door.tag(), total=1)
        assert saved.status == 200
        assert "if-match" not in legacy.last("PUT").fields


@pytest.mark.parametrize("of", [route(strategy="field", field="/meta/none"), route(strategy="field", field="header:X-None")])
async def test_without_the_field_there_is_no_tag_and_no_state_to_name(volatile: Volatile, legacy: Legacy, of: str) -> None:
    async with serving(legacy.port, of) as door:
        got = await door.ask(b"GET", b"/doc")
        assert got.status == 200
        assert b"etag" not in got.names
        assert json.loads(got.body)["title"] == "Budget"
        assert (await door.ask(b"HEAD", b"/doc")).status == 200
        assert (await put(door, b'"x"', total=1)).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b'{"total": 2}')).status == 200
        assert volatile.state == {"total": 2}


def http_date(age: float) -> str:
    return formatdate(time.time() - age, usegmt=True)


def rfc3339(age: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))


async def test_a_date_in_whole_seconds_is_waited_for(volatile: Volatile, legacy: Legacy) -> None:
    """Two writes in one second would leave it as it is: as long as its second may go on, it names nothing."""
    routes = (route("/head", "h", strategy="field", field="header:Last-Modified"), route("/doc", "d", strategy="field", field="/updatedAt"))
    async with serving(legacy.port, *routes) as door:
        for age, has_tag in ((0, False), (5, True)):
            volatile.head["Last-Modified"], volatile.state["updatedAt"] = http_date(age), rfc3339(age)
            for target in (b"/head", b"/doc"):
                got = await door.ask(b"GET", target)
                assert (b"etag" in got.names) is has_tag
                assert json.loads(got.body)["title"] == "Budget"
        tag = await door.tag()
        volatile.state["updatedAt"] = rfc3339(0)
        assert (await put(door, tag, total=1)).status == 412
        assert volatile.state["title"] == "Budget"


async def test_a_write_leaves_no_tag_while_its_date_is_young(volatile: Volatile, legacy: Legacy) -> None:
    volatile.state["updatedAt"] = rfc3339(5)
    async with serving(legacy.port, route(strategy="field", field="/updatedAt")) as door:
        tag = await door.tag()
        saved = await put(door, tag, updatedAt=rfc3339(0))
        assert saved.status == 200
        assert b"etag" not in saved.names
        assert (await put(door, tag, updatedAt=rfc3339(0))).status == 412


async def test_a_date_is_held_against_the_clock_of_the_backend(volatile: Volatile, legacy: Legacy) -> None:
    """Its dates are of its own clock, which may be an hour off."""
    volatile.head["Date"] = http_date(3600)
    async with serving(legacy.port, route(strategy="field", field="/updatedAt")) as door:
        volatile.state["updatedAt"] = rfc3339(3600)
        assert b"etag" not in (await door.ask(b"GET", b"/doc")).names
        volatile.state["updatedAt"] = rfc3339(3605)
        assert b"etag" in (await door.ask(b"GET", b"/doc")).names


async def test_the_remembered_version_saves_the_look(volatile: Volatile, legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="field", field="/meta/version", writers="proxy-only", verify="trust-store")) as door:
        saved = await put(door, await door.tag(), total=1)
        looks = volatile.heard["GET"]
        assert (await put(door, saved.etag, total=2)).status == 200
        assert volatile.heard["GET"] == looks + 1  # That of the read-back.
        assert (await put(door, saved.etag, total=3)).status == 412


@pytest.mark.parametrize("of", [route(strategy="field", field="/total"), route(strategy="field", field="header:X-Kind")])
async def test_a_field_that_a_write_leaves_as_it_was_is_told_of_once(
    volatile: Volatile, legacy: Legacy, of: str, caplog: pytest.LogCaptureFixture
) -> None:
    volatile.head["X-Kind"] = "note"
    async with serving(legacy.port, of) as door:
        for title in ("a", "b", "c"):
            assert (await put(door, await door.tag(), title=title, total=100)).status == 200
    assert caplog.text.count("left its version field as it was") == 1


@pytest.mark.parametrize("of", [BY_MEMBER, BY_HEAD], ids=["member", "head"])
async def test_a_field_that_moves_is_not_told_of(volatile: Volatile, legacy: Legacy, of: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(legacy.port, of) as door:
        for title in ("a", "b"):
            assert (await put(door, await door.tag(), title=title)).status == 200
    assert "version field" not in caplog.text


@pytest.mark.parametrize("of", [BY_MEMBER, BY_HEAD], ids=["member", "head"])
async def test_a_read_asks_the_store_nothing(volatile: Volatile, legacy: Legacy, of: str) -> None:
    async with serving(legacy.port, of, **SHORT) as door:
        before = await trips(door)
        tag = await door.tag()
        await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)
        await door.ask(b"HEAD", b"/doc")
        assert await trips(door) == before
        assert (await put(door, tag, total=1)).status == 200
        assert await trips(door) > before
