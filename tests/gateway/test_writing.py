"""Writes up to the gate: what is refused, with which words, on whose authority, and at which cost (protocol §5, W0 to W3)."""

import pytest
from aiohttp import web

from .client import Answer, chunked, request
from .legacy import Legacy, answering
from .serving import Door, route, serving

STALE = b'If-Match: "stale"'


# ---- the round trip ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"PUT", b"PATCH"])
async def test_the_second_of_two_writers_is_told_that_it_is_late(legacy: Legacy, door: Door, method: bytes) -> None:
    seen_by_both = await door.tag()
    first = await door.ask(method, b"/doc", b"If-Match: " + seen_by_both, body=b"first")
    assert first.status in (200, 204)
    assert first.etag != seen_by_both
    second = await door.ask(method, b"/doc", b"If-Match: " + seen_by_both, body=b"second")
    assert (second.status, second.etag) == (412, first.etag)
    assert b"second" not in legacy.documents["/doc"]
    again = await door.ask(method, b"/doc", b"If-Match: " + second.etag, body=b"again")
    assert again.status in (200, 204)
    assert again.etag == await door.tag()


async def test_a_412_tells_what_was_received_what_stands_and_what_to_do(door: Door) -> None:
    tag = await door.tag()
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
    tag = await door.tag()
    legacy.documents["/doc"] = b"new"
    assert (await door.ask(b"DELETE", b"/doc", b"If-Match: " + tag)).status == 412
    done = await door.ask(b"DELETE", b"/doc", b"If-Match: " + await door.tag())
    assert done.status == 204
    assert b"etag" not in done.names
    assert "content-length" not in legacy.last("DELETE").fields
    assert (await door.ask(b"GET", b"/doc")).status == 404


async def test_writes_without_a_precondition_are_let_through_and_counted(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/doc", body=b"new")
    assert (got.status, legacy.documents["/doc"]) == (204, b"new")
    assert got.etag == await door.tag()
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


# ---- W3: what stands, seen with the writer's own eyes --------------------------------------------------------------------------------


async def test_create_only(legacy: Legacy, door: Door) -> None:
    got = await door.ask(b"PUT", b"/new", b"If-None-Match: *", body=b"first")
    assert (got.status, got.etag) == (201, await door.tag(b"/new"))
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
    tag = await door.tag()
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
