"""Writes up to the gate: what is refused, with which words, on whose authority, and at which cost (protocol §5, W0 to W3)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from .client import Answer, chunked, request
from .legacy import Legacy, answering
from .serving import Door, route, serving

STALE = b'If-Match: "stale"'


@pytest.fixture
async def door(legacy: Legacy) -> AsyncIterator[Door]:
    async with serving(legacy.port) as door:
        yield door


async def tag_of(door: Door, target: bytes = b"/doc") -> bytes:
    return (await door.ask(b"GET", target)).etag


# ---- the round trip ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"PUT", b"PATCH"])
async def test_the_second_of_two_writers_is_told_that_it_is_late(legacy: Legacy, door: Door, method: bytes) -> None:
    seen_by_both = await tag_of(door)
    first = await door.ask(method, b"/doc", b"If-Match: " + seen_by_both, body=b"first")
    assert first.status in (200, 204)
    assert first.etag != seen_by_both
    second = await door.ask(method, b"/doc", b"If-Match: " + seen_by_both, body=b"second")
    assert (second.status, second.etag) == (412, first.etag)
    assert b"second" not in legacy.documents["/doc"]
    again = await door.ask(method, b"/doc", b"If-Match: " + second.etag, body=b"again")
    assert again.status in (200, 204)
    assert again.etag == await tag_of(door)


async def test_a_412_tells_what_was_received_what_stands_and_what_to_do(door: Door) -> None:
    tag = await tag_of(door)
    got = await door.ask(b"PUT", b"/doc?a=b", b'If-Match: "a"', b'If-Match: W/"b"', body=b"x")
    assert (got.status, got.reason, got.etag) == (412, b"Precondition Failed", tag)
    assert got.one(b"Cache-Control") == b"no-store"
    assert got.problem == {
        "type": "urn:noclobber:problem:stale",
        "title": "The resource has changed since you read it",
        "status": 412,
        "detail": got.problem["detail"],
        "instance": "/doc",
        "next": "Read it again, repeat your change on what you find, and send the new tag.",
        "received": {"field": "If-Match", "value": '"a", W/"b"'},
        "currentTag": tag.decode(),
    }


async def test_a_delete_needs_the_current_state_too(legacy: Legacy, door: Door) -> None:
    tag = await tag_of(door)
    legacy.documents["/doc"] = b"new"
    assert (await door.ask(b"DELETE", b"/doc", b"If-Match: " + tag)).status == 412
    done = await door.ask(b"DELETE", b"/doc", b"If-Match: " + await tag_of(door))
    assert done.status == 204
    assert b"etag" not in done.names
    assert "content-length" not in legacy.last("DELETE").fields
    assert (await door.ask(b"GET", b"/doc")).status == 404


async def test_writes_without_a_precondition_are_let_through_and_counted(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/doc", body=b"new")
    assert (got.status, legacy.documents["/doc"]) == (204, b"new")
    assert got.etag == await tag_of(door)
    assert await door.sample("noclobber_unprotected_writes_total", route="default") == 1
    await door.ask(b"PUT", b"/doc", b"If-Match: " + got.etag, body=b"newer")
    assert await door.sample("noclobber_unprotected_writes_total", route="default") == 1


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_the_body_arrives_as_it_was_sent(legacy: Legacy, door: Door, framing: str) -> None:
    lines = [b"Content-Type: text/x", b"Content-Encoding: gzip", b"Prefer: return=minimal", b"Accept-Encoding: br", b"X-Own: 1"]
    client = await door.connect()
    if framing == "chunked":
        client.send(request(b"PUT", b"/doc?q=1", *lines, b"Transfer-Encoding: chunked") + chunked(b"gzip", b"ped"))
        assert (await client.answer(b"PUT")).status == 204
    else:
        assert (await client.ask(b"PUT", b"/doc?q=1", *lines, body=b"gzipped")).status == 204
    put, read_back = legacy.last("PUT"), legacy.last("GET")
    assert (put.target, put.body, put.fields["content-length"]) == ("/doc?q=1", b"gzipped", "7")
    assert {"content-type": "text/x", "content-encoding": "gzip", "prefer": "return=minimal", "x-own": "1"}.items() <= put.fields.items()
    assert put.fields["accept-encoding"] == "identity"
    assert put.fields["host"] == "api.example"
    # What a GET on behalf of the writer carries: its own fields, and nothing of the body's.
    assert (read_back.target, read_back.fields["x-own"], read_back.fields["host"]) == ("/doc?q=1", "1", "api.example")
    assert not read_back.fields.keys() & {"content-type", "content-encoding", "content-length", "prefer"}


@pytest.mark.parametrize("method", [b"PUT", b"POST", b"PATCH"])
async def test_an_empty_body_is_announced(legacy: Legacy, door: Door, method: bytes) -> None:
    """RFC 9110 §8.6."""
    await door.ask(method, b"/doc", body=b"")
    assert legacy.last(method.decode()).fields["content-length"] == "0"


# ---- W0: judged by the head alone ----------------------------------------------------------------------------------------------------

REQUIRED = {
    "nothing": ([], 428),
    "13.1.3 If-Modified-Since counts on reads only": ([b"If-Modified-Since: Mon, 01 Jun 2026 10:00:00 GMT"], 428),
    "13.1.4 a date that is none": ([b"If-Unmodified-Since: now"], 428),
    "13.1.4 a date that nothing can be held against": ([b"If-Unmodified-Since: Mon, 01 Jun 2026 10:00:00 GMT"], 428),
    "If-Match": ([STALE], 412),
    "If-None-Match": ([b"If-None-Match: *"], 412),
}


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE", b"POST", b"MOVE"])
@pytest.mark.parametrize(("lines", "status"), REQUIRED.values(), ids=REQUIRED)
async def test_a_route_may_require_a_precondition(legacy: Legacy, lines: list[bytes], status: int, method: bytes) -> None:
    """RFC 6585 §3."""
    async with serving(legacy.port, route(missing="require")) as door:
        got = await door.ask(method, b"/doc", *lines, body=None if method == b"DELETE" else b"x")
        assert got.status == status
        if status == 428:
            assert got.kind == "required"
            assert "If-Match" in got.problem["next"]
            assert got.one(b"Cache-Control") == b"no-store"
            assert await door.sample("noclobber_conflicts_total", kind="missing") == 1
    assert method.decode() not in legacy.methods()


MODIFIED = "Mon, 01 Jun 2026 10:00:00 GMT"
DATES = {
    "13.1.4 the date itself": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 11:00:00 GMT", 204),
    "13.1.4 modified since": ("Mon, 01 Jun 2026 09:59:59 GMT", MODIFIED, "Mon, 01 Jun 2026 11:00:00 GMT", 412),
    "8.8.2.2 too young to prove anything": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 10:00:01 GMT", 412),
    "8.8.2.2 old enough": (MODIFIED, MODIFIED, "Mon, 01 Jun 2026 10:00:02 GMT", 204),
}


@pytest.mark.parametrize(("sent", "modified", "made", "status"), DATES.values(), ids=DATES)
async def test_if_unmodified_since_alone(legacy: Legacy, sent: str, modified: str, made: str, status: int) -> None:
    legacy.extra = {"Last-Modified": modified, "Date": made}
    async with serving(legacy.port, route(missing="require")) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Unmodified-Since: " + sent.encode(), body=b"x")
        assert got.status == status
        if status == 412:
            assert got.problem["received"] == {"field": "If-Unmodified-Since", "value": sent}


async def test_a_young_date_does_not_spoil_a_tag_beside_it(legacy: Legacy, door: Door) -> None:
    legacy.extra = {"Last-Modified": MODIFIED, "Date": MODIFIED}
    lines = [b"If-Match: " + await tag_of(door), b"If-Unmodified-Since: " + MODIFIED.encode()]
    assert (await door.ask(b"PUT", b"/doc", *lines, body=b"x")).status == 204


@pytest.mark.parametrize("value", [b"", b"abc", b'"a" "b"', b'*, "a"', b'"a', b'w/"a"', b"W/*", b'"' + b"a" * 10 + b'\x7f"'])
@pytest.mark.parametrize("field", [b"If-Match", b"If-None-Match"])
async def test_malformed_is_never_absent(legacy: Legacy, door: Door, field: bytes, value: bytes) -> None:
    got = await door.ask(b"PUT", b"/doc", field + b": " + value, body=b"x")
    assert got.status == 400
    assert legacy.asked == []
    if b"\x7f" not in value:  # The parser in front of us has its own words for that one.
        assert got.kind == "malformed"
        assert got.problem["received"]["field"] == field.decode()


async def test_a_put_of_a_part_is_refused(legacy: Legacy, door: Door) -> None:
    """RFC 9110 §14.5: it must not be taken for the whole."""
    got = await door.ask(b"PUT", b"/doc", b"Content-Range: bytes 0-1/5", body=b"ab")
    assert (got.status, got.kind) == (400, "bad-request")
    assert legacy.asked == []


EARLY = {
    "428": (b"Content-Length: 5", 428),
    "400": (b"Content-Length: 5\r\nIf-Match: a", 400),
    "413": (b"Content-Length: 101\r\nIf-Match: *", 413),
    "400 part": (b"Content-Length: 5\r\nIf-Match: *\r\nContent-Range: bytes 0-4/9", 400),
}


@pytest.mark.parametrize("expectation", [b"\r\nExpect: 100-continue", b""], ids=["expects 100", "does not"])
@pytest.mark.parametrize(("lines", "status"), EARLY.values(), ids=EARLY)
async def test_what_the_head_tells_is_said_before_the_body_is_asked_for(
    legacy: Legacy, lines: bytes, status: int, expectation: bytes
) -> None:
    """RFC 9110 §10.1.1: no 100, and no wait for a body that will not come."""
    async with serving(legacy.port, route(missing="require"), limits__max_body_bytes=100) as door:
        client = await door.connect()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\n" + lines + expectation + b"\r\n\r\n")
        got = await asyncio.wait_for(client.answer(b"PUT"), 2)
        client.leave()
    assert (got.status, got.interims) == (status, [])
    assert got.one(b"Connection") == b"close"


async def test_a_body_over_the_cap_is_refused_when_it_turns_out_to_be(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_body_bytes=100, limits__spool_memory_bytes=10) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", b"Transfer-Encoding: chunked") + chunked(bytes(60), bytes(60)))
        got = await client.answer(b"PUT")
    assert (got.status, got.kind) == (413, "too-large")
    assert legacy.asked == []


CONTINUES = {"HTTP/1.1": (b"1.1", b"100-continue", [100]), "any case": (b"1.1", b"100-CONTINUE", [100]), "HTTP/1.0": (b"1.0", b"100-continue", [])}


@pytest.mark.parametrize(("version", "value", "interims"), CONTINUES.values(), ids=CONTINUES)
async def test_a_client_that_waits_is_told_to_go_on(legacy: Legacy, door: Door, version: bytes, value: bytes, interims: list[int]) -> None:
    """RFC 9110 §15.2: never to HTTP/1.0."""
    client = await door.connect()
    client.send(b"PUT /doc HTTP/" + version + b"\r\nHost: a\r\nContent-Length: 3\r\nExpect: " + value + b"\r\n\r\n")
    if interims:
        assert (await client.head())[0] == 100
    assert legacy.asked == []
    client.send(b"new")
    got = await client.answer(b"PUT")
    assert (got.status, got.interims, legacy.documents["/doc"]) == (204, [], b"new")
    assert "expect" not in legacy.last("PUT").fields


async def test_a_body_that_is_there_already_needs_no_100(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/doc", b"Expect: 100-continue", body=b"")
    assert (got.status, got.interims) == (204, [])


@pytest.mark.parametrize("data", [b"zz\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n"])
async def test_a_body_that_is_framed_wrongly_goes_nowhere(legacy: Legacy, door: Door, data: bytes) -> None:
    client = await door.connect()
    client.send(request(b"PUT", b"/doc", b"Transfer-Encoding: chunked") + data)
    assert (await client.answer(b"PUT")).status == 400
    assert legacy.asked == []


async def test_a_client_that_leaves_within_its_body_has_sent_nothing(legacy: Legacy, door: Door) -> None:
    client = await door.connect()
    client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    await asyncio.sleep(0.05)
    assert door.gateway.handler.in_flight == 1
    client.leave()
    while door.gateway.handler.in_flight:
        await asyncio.sleep(0.01)
    assert legacy.asked == []
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + await tag_of(door), body=b"x")).status == 204


# ---- W3: what stands, seen with the writer's own eyes --------------------------------------------------------------------------------


async def test_create_only(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/new", b"If-None-Match: *", body=b"first")
    assert (got.status, got.etag) == (201, await tag_of(door, b"/new"))
    late = await door.ask(b"PUT", b"/new", b"If-None-Match: *", body=b"second")
    assert (late.status, late.kind, late.etag) == (412, "exists", got.etag)
    assert late.problem["received"] == {"field": "If-None-Match", "value": "*"}
    assert legacy.documents["/new"] == b"first"
    assert await door.sample("noclobber_conflicts_total", kind="exists") == 1


async def test_if_match_any_asks_for_anything(legacy: Legacy, door: Door) -> None:
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"x")).status == 204
    got = await door.ask(b"PUT", b"/none", b"If-Match: *", body=b"x")
    assert (got.status, got.kind) == (412, "gone")
    assert "/none" not in legacy.documents


# Method, setting -> status, whether it is the backend's own answer (RFC 9110 §13.2.1).
ABSENT = {
    ("PUT", "rfc"): (412, False),
    ("PATCH", "rfc"): (404, True),
    ("DELETE", "rfc"): (404, True),
    ("POST", "rfc"): (404, True),
    ("PUT", "404"): (404, True),
    ("PATCH", "404"): (404, True),
    ("PUT", "412"): (412, False),
    ("PATCH", "412"): (412, False),
    ("DELETE", "412"): (412, False),
}


@pytest.mark.parametrize("value", [b'"a"', b"*"])
@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(("method", "absent"), ABSENT)
async def test_an_absent_target(legacy: Legacy, method: str, absent: str, value: bytes, status: int) -> None:
    if status == 410:
        legacy.respond = answering(410, b"gone\n", "GET", X_From="backend")
    expected, is_backends = ABSENT[method, absent]
    async with serving(legacy.port, route(absent=absent)) as door:
        got = await door.ask(method.encode(), b"/none", b"If-Match: " + value, body=None if method == "DELETE" else b"x")
    assert got.status == (status if is_backends else expected)
    assert (got.one(b"X-From") == b"backend") == is_backends
    if not is_backends:
        assert got.kind == "gone"
    assert method not in legacy.methods()


REFUSALS = [301, 302, 401, 403, 405, 406, 429]


@pytest.mark.parametrize("line", [b"If-Match: TAG", STALE, b"If-Match: *", b"If-None-Match: *"], ids=["right", "wrong", "any", "none"])
@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_of_the_backends_wins_and_no_tag_leaks(legacy: Legacy, door: Door, status: int, line: bytes) -> None:
    """http.md §4: right and wrong If-Match look the same to one who may not read."""
    tag = await tag_of(door)
    legacy.respond = answering(status, b"no entry", WWW_Authenticate="Basic", Location="/login")
    got = await door.ask(b"PUT", b"/doc", line.replace(b"TAG", tag), b"Authorization: Basic abc", body=b"x")
    assert (got.status, got.body, got.one(b"WWW-Authenticate")) == (status, b"no entry", b"Basic")
    assert tag.strip(b'"') not in got.body + b"".join(value for _, value in got.fields)
    assert legacy.methods() == ["GET", "GET"]
    assert legacy.last("GET").fields["authorization"] == "Basic abc"


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_backend_that_cannot_show_what_stands_leaves_nothing_in_doubt(legacy: Legacy, door: Door, status: int) -> None:
    """A 500 of the verifying GET would leave the client in doubt about its write; 503 says that nothing was done."""
    legacy.respond = answering(status, b"oops", "GET")
    got = await door.ask(b"PUT", b"/doc", STALE, body=b"x")
    assert (got.status, got.kind) == (503, "not-sent")
    assert got.one(b"Retry-After") == b"1"
    assert "PUT" not in legacy.methods()


@pytest.mark.parametrize("status", [202, 204])
async def test_a_success_that_shows_nothing_matches_no_tag(legacy: Legacy, door: Door, status: int) -> None:
    legacy.respond = answering(status, b"", "GET")
    got = await door.ask(b"PUT", b"/doc", STALE, body=b"x")
    assert got.status == 412
    assert b"etag" not in got.names
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"x")).status == 204


async def test_a_refusal_of_any_size_is_passed_on_or_cut_off_whole(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__spool_memory_bytes=1000) as door:
        for size, passed in ((0, 0), (5_000, 5_000), (2 << 20, 0)):
            legacy.respond = answering(403, bytes(size))
            got = await door.ask(b"PUT", b"/doc", STALE, body=b"x")
            assert (got.status, len(got.body), got.is_cut) == (403, passed, False)


async def test_a_change_around_us_is_found_and_counted(legacy: Legacy, door: Door) -> None:
    """The second floor: what cannot be prevented is detected."""
    tag = (await door.ask(b"PUT", b"/doc", body=b"ours")).etag
    legacy.documents["/doc"] = b"theirs"
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"lost update")).status == 412
    assert legacy.documents["/doc"] == b"theirs"
    assert await door.sample("noclobber_out_of_band_changes_total") == 1


async def refuse_everything(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
    raise AssertionError("the backend was asked")


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override"])
async def test_a_method_in_disguise_is_refused(legacy: Legacy, door: Door, name: bytes) -> None:
    legacy.respond = refuse_everything
    got: Answer = await door.ask(b"POST", b"/doc", name + b": PUT", body=b"x")
    assert (got.status, got.kind) == (400, "bad-request")
