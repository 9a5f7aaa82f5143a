"""Reads: which tag goes with what, what is passed on untouched, and what becomes of answers that fail (protocol §6)."""

import asyncio
from typing import Any

import pytest

from tests.origin.scripted import Close, Hear, Reset, Say, Script, ScriptedBackend, Wait, WaitFor, ok, serve
from tests.servers import free_port

from .legacy import Legacy
from .serving import serving

# ---- the tag -----------------------------------------------------------------------------------------------------------------------


async def test_a_get_carries_a_strong_tag_that_stays_while_the_content_does(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        first, again = await door.ask(b"GET", b"/doc"), await door.ask(b"GET", b"/doc")
        assert (first.status, first.body) == (200, b'{"count": 1}')
        assert first.etag == again.etag
        assert first.etag.startswith(b'"')
        legacy.documents["/doc"] = b'{"count": 2}'
        assert (await door.ask(b"GET", b"/doc")).etag != first.etag


async def test_equal_contents_of_two_resources_have_different_tags(legacy: Legacy) -> None:
    legacy.documents["/other"] = legacy.documents["/doc"]
    async with serving(legacy.port) as door:
        assert (await door.ask(b"GET", b"/doc")).etag != (await door.ask(b"GET", b"/other")).etag


async def test_no_tag_is_made_without_a_salt_of_its_own(legacy: Legacy) -> None:
    """Two that do not share a store do not share tags: the salt keeps contents from being guessed."""
    async with serving(legacy.port) as one, serving(legacy.port) as other:
        assert (await one.ask(b"GET", b"/doc")).etag != (await other.ask(b"GET", b"/doc")).etag


async def test_a_head_sends_what_the_get_would_without_the_body(legacy: Legacy) -> None:
    """RFC 9110 §9.3.2."""
    legacy.extra = {"X-Kept": "yes", "Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT"}
    async with serving(legacy.port) as door:
        client = await door.connect()
        got, head = await client.ask(b"GET", b"/doc"), await client.ask(b"HEAD", b"/doc")
        again = await client.ask(b"GET", b"/doc")
    assert (head.status, head.body) == (200, b"")
    differing = (b"Date", b"X-Request-ID")
    assert [each for each in head.fields if each[0] not in differing] == [each for each in got.fields if each[0] not in differing]
    assert head.one(b"Content-Length") == b"12"
    assert again.body == got.body


async def test_identity_coding_is_asked_for_and_nothing_of_the_conditions(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await door.ask(b"GET", b"/doc", b"Accept-Encoding: gzip, br", b'If-None-Match: "a"', b"Range: bytes=0-1", b"X-Own: 1")
    fields = legacy.last("GET").fields
    assert fields["accept-encoding"] == "identity"
    assert fields["x-own"] == "1"
    assert fields["host"] == "api.example"
    assert fields["via"] == "1.1 noclobber"
    assert not fields.keys() & {"if-none-match", "range"}


@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"br"])
async def test_codings_that_a_backend_forces_on_us_have_tags_of_their_own(coding: bytes) -> None:
    """RFC 9110 §8.8.3.3: two codings never share a strong tag, even with the same bytes."""
    plain, coded = ok(b"bytes"), ok(b"bytes", b"Content-Encoding: " + coding)
    async with ScriptedBackend([Hear(), Say(plain), Hear(), Say(coded), Hear(), Say(coded)]) as backend, serving(backend.port) as door:
        tags = [(await door.ask(b"GET", b"/doc")).etag for _ in range(3)]
    assert tags[0] != tags[1]
    assert tags[1] == tags[2]


async def test_a_weak_tag_of_the_backends_is_replaced(legacy: Legacy) -> None:
    legacy.extra = {"ETag": 'W/"theirs"', "Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT"}
    async with serving(legacy.port) as door:
        got = await door.ask(b"GET", b"/doc")
    assert b"theirs" not in got.etag
    assert got.one(b"Last-Modified") == b"Mon, 01 Jun 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    "line", [b'ETag: "a"\r\nETag: "b"', b'ETag: "a"\r\netag: "a"', b"ETag: a", b'ETag: "a", "b"', b'ETag: "a b"', b"ETag:"]
)
async def test_what_is_no_single_well_formed_tag_is_no_tag_of_the_backends(line: bytes) -> None:
    async with ScriptedBackend(serve(ok(b"hello", line), 2)) as backend, serving(backend.port) as door:
        got, again = await door.ask(b"GET", b"/doc"), await door.ask(b"GET", b"/doc")
    assert got.etag == again.etag
    assert len(got.etag) == 24


# ---- size ----------------------------------------------------------------------------------------------------------------------------

SIZES = {"empty": 0, "in memory": 90, "just in memory": 100, "on disk": 101, "at the cap": 1000}


@pytest.mark.parametrize("framing", ["Content-Length", "chunked", "until the end"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_bodies_up_to_the_cap_are_tagged_and_come_whole(size: int, framing: str) -> None:
    body = bytes(range(256)) * 4
    body = body[:size]
    async with (
        ScriptedBackend(_giving(body, framing)) as backend,
        serving(backend.port, limits__max_tagged_body_bytes=1000, limits__spool_memory_bytes=100) as door,
    ):
        got = await door.ask(b"GET", b"/doc")
        head = await door.ask(b"HEAD", b"/doc")
    assert (got.status, got.body, got.is_cut) == (200, body, False)
    assert head.etag == got.etag
    assert head.one(b"Content-Length") == got.one(b"Content-Length") == b"%d" % size


@pytest.mark.parametrize("framing", ["Content-Length", "chunked", "until the end"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_larger_bodies_stream_through_untagged(version: bytes, framing: str) -> None:
    body = bytes(1001)
    settings: dict[str, Any] = {"limits__max_tagged_body_bytes": 1000, "limits__spool_memory_bytes": 100}
    async with ScriptedBackend(_giving(body, framing, b'ETag: W/"weak"')) as backend, serving(backend.port, **settings) as door:
        client = await door.connect()
        got = await client.ask(b"GET", b"/doc", version=version)
        if version == b"1.0" and framing != "Content-Length":
            assert await client.rest() == b""
    assert (got.status, got.body, got.is_cut) == (200, body, False)
    assert b"etag" not in got.names
    expected = {"Content-Length": b"content-length"}.get(framing, b"transfer-encoding" if version == b"1.1" else b"connection")
    assert expected in got.names
    assert (b"transfer-encoding" in got.names) == (version == b"1.1" and framing != "Content-Length")


async def test_a_large_body_streams_before_it_has_ended() -> None:
    """Neither memory nor time of a large download is spent here."""
    goes_on = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n" + bytes(1500) + b"\r\n"
    script: Script = [Hear(), Say(head), WaitFor(goes_on), Say(b"3\r\nend\r\n0\r\n\r\n")]
    async with ScriptedBackend(script) as backend, serving(backend.port, limits__max_tagged_body_bytes=1000) as door:
        client = await door.connect()
        client.send(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.head())[0] == 200
        goes_on.set()


async def test_the_head_of_a_large_body_is_answered_without_it() -> None:
    async with (
        ScriptedBackend([Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")]) as backend,
        serving(backend.port, limits__max_tagged_body_bytes=1000) as door,
    ):
        head = await door.ask(b"HEAD", b"/doc")
        await backend.settle()
    assert head.one(b"Content-Length") == b"1001"
    assert b"etag" not in head.names


def _giving(body: bytes, framing: str, *lines: bytes) -> Script:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines)
    match framing:
        case "Content-Length":
            return [Hear(), Say(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)] * 2
        case "chunked":
            halves = [half for half in (body[: len(body) // 2], body[len(body) // 2 :]) if half]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves) + b"0\r\n\r\n"
            return [Hear(), Say(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)] * 2
        case _:
            return [Hear(), Say(head + b"\r\n" + body), Close()]


# ---- what is passed on ---------------------------------------------------------------------------------------------------------------

STATUSES = [201, 202, 204, 301, 304, 400, 401, 403, 404, 405, 410, 416, 429, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_whatever_is_no_representation_is_passed_on_as_it_is(method: bytes, status: int) -> None:
    """RFC 9110 §13.2.1: no precondition counts there. The backend's own validators stay as they are, and none is added."""
    body = b"" if status in (204, 304) else b"why"
    length = b"" if status in (204, 304) else b"Content-Length: 3\r\n"
    answer = b'HTTP/1.1 %d Own Words\r\nX-A: 1\r\nETag: "theirs"\r\nx-a: 2\r\nWWW-Authenticate: Basic\r\n%b\r\n%b' % (status, length, body)
    async with ScriptedBackend([Hear(), Say(answer)]) as backend, serving(backend.port) as door:
        got = await door.ask(method, b"/doc", b'If-Match: "other"')
    assert (got.status, got.reason) == (status, b"Own Words")
    assert got.body == (body if method == b"GET" else b"")
    assert got.lines(b"x-a") == [b"1", b"2"]
    assert got.lines(b"etag") == [b'"theirs"']
    assert got.one(b"WWW-Authenticate") == b"Basic"


async def test_lines_are_never_joined_reordered_or_repaired() -> None:
    """http.md §2: Set-Cookie twice, the case of names, and bytes that are not UTF-8, in both directions."""
    lines = [b"Set-Cookie: a=1, b", b"set-cookie: b=2", b"X-Obs: \xe9\xff\x80", b"X-Empty:", b"X-ODD-case: y"]
    async with ScriptedBackend(serve(ok(b"hello", *lines))) as backend, serving(backend.port) as door:
        got = await door.ask(b"GET", b"/doc", b"X-Sent: \xfc\xfe", b"X-TWICE: 1", b"x-twice: 2", b"Cookie: \xa0")
    named = [field for field in got.fields if field[0].lower() in (b"set-cookie", b"x-obs", b"x-empty", b"x-odd-case")]
    assert named == [
        (b"Set-Cookie", b"a=1, b"),
        (b"set-cookie", b"b=2"),
        (b"X-Obs", b"\xe9\xff\x80"),
        (b"X-Empty", b""),
        (b"X-ODD-case", b"y"),
    ]
    assert b"X-Sent: \xfc\xfe\r\nX-TWICE: 1\r\nx-twice: 2\r\nCookie: \xa0\r\n" in backend.heard


async def test_fields_of_the_hop_end_here() -> None:
    """RFC 9110 §7.6.1."""
    lines = [b"Connection: X-Secret, keep-alive", b"X-Secret: s", b"Keep-Alive: timeout=3", b"Upgrade: h2c", b"Trailer: X-T", b"X-Kept: k"]
    async with ScriptedBackend(serve(ok(b"hello", *lines))) as backend, serving(backend.port) as door:
        sent = [b"Connection: X-Mine", b"X-Mine: m", b"TE: trailers", b"Proxy-Connection: keep-alive", b"X-Yours: y"]
        got = await door.ask(b"GET", b"/doc", *sent)
    assert got.names == {b"x-kept", b"etag", b"accept-ranges", b"date", b"content-length", b"x-request-id"}
    heard = backend.heard.lower()
    assert b"x-yours: y\r\n" in heard
    assert not [name for name in (b"x-mine", b"te:", b"proxy-connection", b"\r\nconnection") if name in heard]


async def test_a_date_is_kept_and_made_where_there_is_none() -> None:
    """RFC 9110 §6.6.1."""
    date = b"Mon, 01 Jun 2026 10:00:00 GMT"
    async with ScriptedBackend([Hear(), Say(ok(b"a", b"Date: " + date)), Hear(), Say(ok(b"a"))]) as backend, serving(backend.port) as door:
        assert (await door.ask(b"GET", b"/doc")).one(b"Date") == date
        made = (await door.ask(b"GET", b"/doc")).one(b"Date")
    assert made is not None
    assert made != date
    assert made.endswith(b" GMT")


async def test_a_connection_serves_one_request_after_the_other(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        client = await door.connect()
        client.send(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        assert [(await client.answer(b"GET")).body for _ in range(3)] == [b'{"count": 1}'] * 3
        old = await client.ask(b"GET", b"/doc", b"Connection: keep-alive", version=b"1.0")
        assert (old.status, old.one(b"Connection")) == (200, b"keep-alive")
        last = await client.ask(b"GET", b"/doc", version=b"1.0")
        assert (last.status, last.one(b"Connection")) == (200, b"close")
        assert await client.rest() == b""


# ---- failures ------------------------------------------------------------------------------------------------------------------------

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
HALF_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
BROKEN = {
    "nothing": [Hear(), Close()],
    "a reset": [Hear(), Reset()],
    "half a head": [Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-"), Close()],
    "no HTTP": [Hear(), Say(b"SSH-2.0-OpenSSH_9.2\r\n"), Close()],
    "half a body": [Hear(), Say(HALF), Close()],
    "half a body, reset": [Hear(), Say(HALF), Reset()],
    "half a chunked body": [Hear(), Say(HALF_CHUNKED), Close()],
}


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_half_an_answer_is_a_502_without_a_tag(script: Script, method: bytes) -> None:
    async with ScriptedBackend(script) as backend, serving(backend.port) as door:
        client = await door.connect()
        got = await client.ask(method, b"/doc")
        await client.check_boundary()
    assert got.status == 502
    assert b"etag" not in got.names
    if method == b"GET":
        assert got.kind == "backend-nonsense"
        assert got.problem["instance"] == "/doc"


async def test_a_backend_that_is_not_there_is_a_502() -> None:
    async with serving(free_port()) as door:
        got = await door.ask(b"GET", b"/doc")
    assert (got.status, got.kind) == (502, "backend-nonsense")


@pytest.mark.parametrize(
    "script", [[Hear()], [Hear(), Say(HALF)], [Hear(), Say(b"HTTP/1.1 200 OK\r\n")]], ids=["mute", "half", "half a head"]
)
async def test_a_backend_that_is_too_slow_is_a_504(script: Script) -> None:
    async with (
        ScriptedBackend(script) as backend,
        serving(backend.port, upstream__first_byte_seconds=0.2, upstream__idle_seconds=0.2) as door,
    ):
        got = await door.ask(b"GET", b"/doc")
    assert (got.status, got.kind) == (504, "backend-slow")
    assert b"noclobber-outcome" not in got.names


@pytest.mark.parametrize("framing", [b"Content-Length: 3000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("end", [Close(), Reset(), Wait(5)], ids=["closed", "reset", "stuck"])
async def test_a_stream_that_is_cut_is_cut_for_the_client(end: Close | Reset | Wait, version: bytes, framing: bytes) -> None:
    """It must not take a part for the whole."""
    piece = bytes(2000) if framing.startswith(b"Content") else b"7d0\r\n" + bytes(2000) + b"\r\n"
    script: Script = [Hear(), Say(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + piece), Wait(0.1), end]
    async with (
        ScriptedBackend(script) as backend,
        serving(backend.port, limits__max_tagged_body_bytes=1000, upstream__idle_seconds=0.3) as door,
    ):
        got = await door.ask(b"GET", b"/doc", version=version)
    assert got.status == 200
    assert got.is_cut


async def test_a_read_is_sent_again_when_a_used_connection_was_closed_before_a_byte() -> None:
    """Protocol §6: reads only, once, and on a fresh connection."""
    async with ScriptedBackend([*serve(ok(b"one")), Hear(), Close()], serve(ok(b"two"))) as backend, serving(backend.port) as door:
        assert (await door.ask(b"GET", b"/doc")).body == b"one"
        assert (await door.ask(b"GET", b"/doc")).body == b"two"
        assert backend.requests == 3


async def test_a_client_that_leaves_frees_the_connection_to_the_backend() -> None:
    async with ScriptedBackend([Hear(), Say(HALF)]) as backend, serving(backend.port, upstream__idle_seconds=0.3) as door:
        client = await door.connect()
        client.send(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        client.leave()
        await backend.settle()
        assert backend.conversations[0].end is not None
