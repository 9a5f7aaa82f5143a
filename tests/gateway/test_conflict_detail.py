"""What a stale writer is told of the present state, on routes that say so: what stands, and what has changed since it looked."""

import json
from typing import Any

import jsonpatch
import pytest
from aiohttp import web

from proxy.gateway.copies import KEPT_SECONDS, LARGEST_BYTES, MOST_BYTES, Copies, Shown

from .client import Answer
from .legacy import Legacy
from .serving import Door, route, serving

ANN, BOB = b"Authorization: Bearer ann", b"Authorization: Bearer bob"
OLD: dict[str, Any] = {"title": "old", "count": 1, "tags": ["a", "b"]}
NEW: dict[str, Any] = {"title": "new", "count": 1, "tags": ["a", "c", "b"]}
CHANGES = route(conflict_detail="changes")


async def read(door: Door, *lines: bytes) -> bytes:
    return (await door.ask(b"GET", b"/doc", *lines)).etag


async def write(door: Door, tag: bytes, *lines: bytes, body: bytes = b"{}") -> Answer:
    return await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, *lines, body=body)


@pytest.fixture(autouse=True)
def _one_document(legacy: Legacy) -> None:
    legacy.documents["/doc"] = json.dumps(OLD).encode()
    legacy.extra["Content-Type"] = "application/json"


async def test_by_default_nothing_is_told(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await read(door)
        assert not {"current", "changes"} & (await write(door, b'"x"')).problem.keys()


async def test_what_stands_is_told(legacy: Legacy) -> None:
    async with serving(legacy.port, route(conflict_detail="current")) as door:
        tag = await read(door)
        legacy.documents["/doc"] = b"\xef\xbb\xbf" + json.dumps(NEW).encode()
        got = await write(door, tag)
        assert got.status == 412
        assert got.problem["current"] == NEW
        assert "changes" not in got.problem
        assert got.problem["currentTag"] == (await read(door)).decode()


async def test_what_has_changed_is_told_to_who_read_it(legacy: Legacy) -> None:
    async with serving(legacy.port, CHANGES) as door:
        tag = await read(door, ANN)
        legacy.documents["/doc"] = json.dumps(NEW).encode()
        got = (await write(door, tag, ANN)).problem
        assert got["current"] == NEW
        assert jsonpatch.apply_patch(OLD, got["changes"]) == NEW
        assert len(got["changes"]) == 2
        # Bob has not been shown that version: what he would be told of it is hers.
        his = (await write(door, tag, BOB)).problem
        assert his["current"] == NEW
        assert "changes" not in his
        assert "changes" not in (await write(door, b'"unknown"', ANN)).problem


async def test_what_one_has_written_counts_as_read(legacy: Legacy) -> None:
    async with serving(legacy.port, CHANGES) as door:
        tag = (await write(door, await read(door, ANN), ANN, body=json.dumps(OLD | {"mine": 1}).encode())).etag
        assert (await write(door, tag, BOB, body=json.dumps(NEW).encode())).status == 204
        got = (await write(door, tag, ANN)).problem
        assert jsonpatch.apply_patch(OLD | {"mine": 1}, got["changes"]) == NEW


async def test_it_works_where_tags_are_revisions(legacy: Legacy) -> None:
    async with serving(legacy.port, route(conflict_detail="changes", strategy="revision")) as door:
        mine = OLD | {"mine": 1}
        tag = (await write(door, await read(door, ANN), ANN, body=json.dumps(mine).encode())).etag
        assert (await write(door, tag, BOB, body=json.dumps(NEW).encode())).status == 204
        got = (await write(door, tag, ANN)).problem
        assert got["current"] == NEW
        assert jsonpatch.apply_patch(mine, got["changes"]) == NEW


async def test_a_template_may_name_the_changes(legacy: Legacy) -> None:
    keys = 'stale_status = 409\nstale_body = \'{"now": ${representation}, "since": ${changes}}\'\n'
    async with serving(legacy.port, CHANGES + keys) as door:
        tag = await read(door, ANN)
        legacy.documents["/doc"] = json.dumps(NEW).encode()
        got = await write(door, tag, ANN)
        assert got.status == 409
        told = json.loads(got.body)
        assert told["now"] == NEW
        assert jsonpatch.apply_patch(OLD, told["since"]) == NEW
        assert json.loads((await write(door, tag, BOB)).body)["since"] is None


async def test_what_is_no_json_is_not_told(legacy: Legacy) -> None:
    legacy.documents["/doc"], legacy.extra["Content-Type"] = b"plain", "text/plain"
    async with serving(legacy.port, CHANGES) as door:
        tag = await read(door, ANN)
        legacy.documents["/doc"] = b"plainer"
        assert not {"current", "changes"} & (await write(door, tag, ANN)).problem.keys()


async def test_who_may_not_read_is_told_nothing(legacy: Legacy) -> None:
    async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        allowed = request.headers.get("Authorization") == "Bearer ann"
        return None if allowed else web.Response(status=403, text="no")

    async with serving(legacy.port, CHANGES) as door:
        tag = await read(door, ANN)
        legacy.respond = respond
        answers = [await write(door, named, BOB) for named in (tag, b'"x"')]
        assert {(got.status, got.body) for got in answers} == {(403, b"no")}


# ---- the copies by themselves -----------------------------------------------------------------------------------------------------


def test_copies_are_bounded_in_size_and_time() -> None:
    now = 0.0
    copies = Copies(lambda: now)
    first = Shown("who", b"/0", b"t")
    copies.keep(first, b"x" * (LARGEST_BYTES + 1))
    assert copies.find(first) is None
    for number in range(2 * MOST_BYTES // LARGEST_BYTES):
        copies.keep(Shown("who", b"/%d" % number, b"t"), b"x" * LARGEST_BYTES)
        assert copies.size_bytes <= MOST_BYTES
    assert copies.find(first) is None
    last = Shown("who", b"/%d" % number, b"t")
    copies.keep(last, b"again")
    assert copies.find(last) == b"again"
    assert copies.size_bytes == MOST_BYTES - LARGEST_BYTES + 5
    for other in (last._replace(who=""), last._replace(target=b"/x"), last._replace(tag=b"u")):
        assert copies.find(other) is None
    now = KEPT_SECONDS
    assert copies.find(last) == b"again"
    now += 1
    assert copies.find(last) is None
    copies.keep(first, b"y")
    assert copies.size_bytes == 1
