"""The tag of what a write left behind, and what is remembered of it (protocol §5, W6 and W7)."""

import pytest
from aiohttp import web

from .legacy import Legacy, answering
from .serving import Door, route, serving

TRUSTING = {"writers": "proxy-only", "verify": "trust-store"}


# ---- where the tag comes from --------------------------------------------------------------------------------------------------------

# after_write -> what the backend was asked for by an unconditional PUT.
SOURCES = {"read-back": ["PUT", "GET"], "response": ["PUT"], "request": ["PUT"]}


@pytest.mark.parametrize("size", [5, 5_000])
@pytest.mark.parametrize("source", SOURCES)
async def test_the_tag_is_the_one_that_a_get_will_show(legacy: Legacy, source: str, size: int) -> None:
    async def store_and_show(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT":
            legacy.documents[request.path] = body
            return web.Response(body=body)
        return None

    legacy.respond = store_and_show
    async with serving(legacy.port, route(after_write=source), limits__spool_memory_bytes=1_000) as door:
        got = await door.ask(b"PUT", b"/doc", body=bytes(size))
        assert legacy.methods() == SOURCES[source]
        assert (got.status, got.body, got.etag) == (200, bytes(size), await door.tag())


async def test_an_empty_representation_has_a_tag_too(legacy: Legacy) -> None:
    async with serving(legacy.port, route(after_write="request")) as door:
        assert (await door.ask(b"PUT", b"/doc", body=b"")).etag == await door.tag()


async def test_no_tag_where_none_is_asked_for(legacy: Legacy) -> None:
    async with serving(legacy.port, route(after_write="none")) as door:
        tag = await door.tag()
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")
        assert got.status == 204
        assert b"etag" not in got.names
        assert legacy.methods() == ["GET", "GET", "PUT"]
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"y")).status == 412


async def test_a_body_too_large_to_be_tagged_leaves_no_tag(legacy: Legacy) -> None:
    for source in SOURCES:
        async with serving(legacy.port, route(after_write=source), limits__max_tagged_body_bytes=10) as door:
            legacy.respond = answering(200, bytes(11), "PUT") if source == "response" else None
            got = await door.ask(b"PUT", b"/doc", body=bytes(11))
            assert got.status in (200, 204)
            assert b"etag" not in got.names


@pytest.mark.parametrize("method", [b"PUT", b"PATCH"])
async def test_strict_withholds_the_tag_of_a_put_only(legacy: Legacy, method: bytes) -> None:
    """RFC 9110 §9.3.4 forbids it on a PUT whose body may not have been stored as it was; of other methods it says nothing."""
    async with serving(legacy.port, route(put_etag="strict")) as door:
        got = await door.ask(method, b"/doc", b"If-Match: " + await door.tag(), body=b"x")
        assert got.status in (200, 204)
        assert (b"etag" in got.names) == (method == b"PATCH")
        assert (await door.ask(method, b"/doc", b"If-Match: " + await door.tag(), body=b"x")).status in (200, 204)


async def test_a_backend_that_cannot_be_read_back_leaves_no_tag_and_no_doubt(legacy: Legacy) -> None:
    async def only_writes(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method != "GET":
            return None
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(legacy.port, protocol__apply_delay_seconds=60) as door:
        legacy.respond = only_writes
        got = await door.ask(b"PUT", b"/doc", body=b"x")
        assert got.status == 204
        assert not got.names & {b"etag", b"noclobber-outcome"}
        legacy.respond = None
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"y")).status == 204


async def test_the_created_resource_of_a_post_is_another_one(legacy: Legacy) -> None:
    """RFC 9110 §15.3.2: a tag of the collection on a 201 would be taken for that of what was made."""
    legacy.documents["/list"] = b"[]"
    async with serving(legacy.port) as door:
        got = await door.ask(b"POST", b"/list", b"If-Match: " + await door.tag(b"/list"), body=b"x")
        assert (got.status, got.one(b"Location")) == (201, b"/list/2")
        assert b"etag" not in got.names
        assert legacy.methods() == ["GET", "GET", "POST"]


async def test_a_post_that_changed_its_target_tells_the_new_tag(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        legacy.respond = answering(200, b"done", "POST")
        assert (await door.ask(b"POST", b"/doc", body=b"x")).etag == await door.tag()


async def test_the_backends_own_tag_does_not_go_with_ours(legacy: Legacy) -> None:
    """Tags of two makers never mix: a weak one on a PUT names no state."""
    legacy.respond = answering(200, b"done", "PUT", ETag='W/"theirs"')
    async with serving(legacy.port, route(after_write="none")) as door:
        assert b"etag" not in (await door.ask(b"PUT", b"/doc", body=b"x")).names


# ---- trust-store ---------------------------------------------------------------------------------------------------------------------


async def test_a_match_with_the_store_needs_no_verifying_get(legacy: Legacy) -> None:
    async with serving(legacy.port, route(after_write="request", **TRUSTING)) as door:
        tag = (await door.ask(b"PUT", b"/doc", body=b"one")).etag
        for body in (b"two", b"three"):
            got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=body)
            assert got.status == 204
            tag = got.etag
        assert legacy.methods() == ["PUT"] * 3
        assert tag == await door.tag()
        assert await door.sample("noclobber_preconditions_total", verdict="proceed") == 2


async def test_a_mismatch_with_the_store_is_verified(legacy: Legacy) -> None:
    """Else a change around us would mean 412 for ever."""
    async with serving(legacy.port, route(after_write="request", **TRUSTING)) as door:
        old = (await door.ask(b"PUT", b"/doc", body=b"one")).etag
        legacy.documents["/doc"] = b"theirs"
        new = await door.tag()
        legacy.asked.clear()
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + new, body=b"two")).status == 204
        assert "GET" in legacy.methods()
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + old, body=b"three")).status == 412


VERIFIED = {
    "what the store cannot know": (b"If-None-Match: *", b"/doc", 412),
    "any state": (b"If-Match: *", b"/doc", 204),
    "a query, which may show a part": (b"If-Match: TAG", b"/doc?part=1", 204),
}


@pytest.mark.parametrize(("line", "target", "status"), VERIFIED.values(), ids=VERIFIED)
async def test_the_store_is_trusted_with_what_it_knows_only(legacy: Legacy, line: bytes, target: bytes, status: int) -> None:
    async with serving(legacy.port, route(after_write="request", **TRUSTING)) as door:
        tag = (await door.ask(b"PUT", b"/doc", body=b"one")).etag
        got = await door.ask(b"PUT", target, line.replace(b"TAG", tag), body=b"two")
        assert got.status == status
        assert "GET" in legacy.methods()


async def test_a_write_with_a_query_leaves_no_version_of_the_whole(legacy: Legacy) -> None:
    """What `?part=1` shows is no version of the resource: the next trusting writer must look."""
    async with serving(legacy.port, route(after_write="request", **TRUSTING)) as door:
        tag = (await door.ask(b"PUT", b"/doc?part=1", body=b"one")).etag
        legacy.documents["/doc"] = b"the whole"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 412


async def test_what_is_not_in_the_store_is_verified(legacy: Legacy) -> None:
    async with serving(legacy.port, route(**TRUSTING)) as door:
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "a"', body=b"x")).status == 412
        assert legacy.methods() == ["GET"]


# ---- a refusal needs no lease --------------------------------------------------------------------------------------------------------


async def swaps(door: Door) -> float:
    return await door.sample("noclobber_store_duration_seconds_count", operation="swap")


async def test_a_tag_that_is_known_to_be_old_is_refused_without_a_lease(legacy: Legacy) -> None:
    """W1: so a storm of contenders stays cheap. One GET proves it, and no store is asked."""
    async with serving(legacy.port) as door:
        old = await door.tag()
        new = (await door.ask(b"PUT", b"/doc", b"If-Match: " + old, body=b"new")).etag
        before, asked = await swaps(door), len(legacy.asked)
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + old, body=b"lost update")
        assert (got.status, got.etag) == (412, new)
        assert (await swaps(door), len(legacy.asked)) == (before, asked + 1)
        assert await door.sample("noclobber_conflicts_total", kind="stale") == 1


async def test_a_tag_that_is_not_the_remembered_one_may_be_the_current_one(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await door.ask(b"PUT", b"/doc", body=b"ours")
        legacy.documents["/doc"] = b"theirs"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"x")).status == 204


async def test_a_hot_write_costs_two_swaps(legacy: Legacy) -> None:
    """Protocol §4: begin and commit."""
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"PUT", b"/doc", body=b"one")).etag
        before = await swaps(door)
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 204
        assert await swaps(door) == before + 2
