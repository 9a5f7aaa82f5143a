"""1xx answers and trailers: what comes before the head and after the body (RFC 9110 §15.2, §6.5)."""

import asyncio

import pytest

from tests.gateway.client import chunked, request
from tests.gateway.serving import route, serving
from tests.origin.scripted import Hear, Say, Script, ScriptedBackend, WaitFor, ok, serve

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>\r\nConnection: X-Hop\r\nX-Hop: gone\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GUARDED = {"guarded": route(), "unguarded": route(guarded=False), "native": route(strategy="native")}


@pytest.mark.parametrize("config", GUARDED.values(), ids=GUARDED)
async def test_hints_reach_the_client_before_the_answer(config: str) -> None:
    """§15.2: they are of use only while the answer is still being made, so each is passed on as it comes."""
    goes_on = asyncio.Event()
    async with ScriptedBackend([Hear(), Say(HINTS), WaitFor(goes_on), Say(HINTS + ok())]) as backend, serving(backend.port, config) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/doc"))
        status, reason, fields = await client.head()
        assert (status, reason) == (103, b"Early Hints")
        assert fields == [(b"Link", b"</a.css>; rel=preload"), (b"link", b"</b.js>")]
        goes_on.set()
        got = await client.answer(b"GET")
    assert (got.status, got.interims, got.body) == (200, [103], b"hello")


async def test_hints_on_a_guarded_write() -> None:
    """The GETs on behalf of the writer are ours: what hints they get is nobody else's business."""
    get: Script = [Hear(), Say(HINTS + ok(b"old"))]
    put: Script = [Hear(), Say(HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + ok(b"done"))]
    back: Script = [Hear(), Say(HINTS + ok(b"new"))]
    async with ScriptedBackend([*get, *get, *put, *back]) as backend, serving(backend.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"new")
    assert (got.status, got.body, got.interims) == (200, b"done", [103, 102])
    assert backend.requests == 4


@pytest.mark.parametrize("config", GUARDED.values(), ids=GUARDED)
async def test_a_1_0_client_is_told_nothing_before_the_answer(config: str) -> None:
    """§15.2: a 1xx MUST NOT be sent to an HTTP/1.0 client."""
    async with ScriptedBackend([Hear(), Say(HINTS + CONTINUE + ok())]) as backend, serving(backend.port, config) as door:
        got = await door.ask(b"GET", b"/doc", version=b"1.0")
    assert (got.status, got.interims, got.body) == (200, [], b"hello")


@pytest.mark.parametrize("config", GUARDED.values(), ids=GUARDED)
async def test_the_100_of_the_backend_is_not_passed_on_beside_ours(config: str) -> None:
    script: Script = [Hear(), Say(CONTINUE + ok())]
    async with ScriptedBackend([*script, *script]) as backend, serving(backend.port, config) as door:
        client = await door.connect()
        client.send(b"POST /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.head())[0] == 100
        client.send(b"hi")
        got = await client.answer(b"POST")
    assert (got.status, got.interims) == (200, [])


# ---- Expect: 100-continue, judged before the body -------------------------------------------------------------------------------------


STALE = {"If-Match": b'If-Match: "stale"', "If-None-Match": b"If-None-Match: *"}


@pytest.mark.parametrize("condition", STALE.values(), ids=STALE)
async def test_a_stale_write_is_refused_before_its_body_is_asked_for(condition: bytes) -> None:
    """RFC 9110 §10.1.1: the client waits so that a refusal may spare it the body."""
    async with ScriptedBackend(serve(ok(b"old"), 2)) as backend, serving(backend.port) as door:
        client = await door.connect()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n" + condition + b"\r\n\r\n")
        got = await client.answer(b"PUT")
        assert (got.status, got.interims, got.one(b"Connection")) == (412, [], b"close")
    assert b"PUT " not in backend.heard


async def test_a_good_write_is_asked_for_its_body_and_judged_again_under_the_lease() -> None:
    async with ScriptedBackend(serve(ok(b"old"), 5)) as backend, serving(backend.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        client = await door.connect()
        client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nIf-Match: " + tag + b"\r\n\r\n")
        assert (await client.head())[0] == 100
        assert backend.heard.count(b"GET /doc ") == 2
        client.send(b"hi")
        assert (await client.answer(b"PUT")).status == 200
    assert backend.heard.count(b"PUT /doc ") == 1
    assert backend.heard.count(b"GET /doc ") == 4


# ---- trailers -------------------------------------------------------------------------------------------------------------------------


TRAILERS = b'Digest: abc\r\nX-Took: 1\r\nETag: "late"\r\nDate: now\r\n'
WITH_TRAILERS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n"
    + chunked(b"hel", b"lo").removesuffix(b"\r\n")
    + TRAILERS
    + b"\r\n"
)


async def raw_answer(
    config: str, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1", max_tagged_body_bytes: int = 1 << 20
) -> tuple[bytes, bytes]:
    """The head and all the rest that a client gets from a backend that sends trailers."""
    script: Script = [Hear(), Say(WITH_TRAILERS)]
    async with (
        ScriptedBackend(script, script) as backend,
        serving(backend.port, config, limits__max_tagged_body_bytes=max_tagged_body_bytes) as door,
    ):
        client = await door.connect()
        body = None if method == b"GET" else b"x"
        client.send(request(method, b"/doc", b"Connection: close", *lines, body=body, version=version))
        head, _, rest = (await asyncio.wait_for(client.rest(), 30)).partition(b"\r\n\r\n")
        return head, rest


PASSING = {
    "unguarded": (route(guarded=False), b"GET", [], 1 << 20),
    "too large to be tagged": (route(), b"GET", [], 3),
    "held to be tagged, asked for": (route(), b"GET", [b"TE: gzip, trailers"], 1 << 20),
    "the answer to a write, asked for": (route(after_write="none"), b"POST", [b"TE: Trailers"], 1 << 20),
}


@pytest.mark.parametrize(("config", "method", "lines", "most"), PASSING.values(), ids=PASSING)
async def test_trailers_follow_a_body_in_chunks(config: str, method: bytes, lines: list[bytes], most: int) -> None:
    """§6.5.1: and none among them that would frame or validate what was sent."""
    head, rest = await raw_answer(config, *lines, method=method, max_tagged_body_bytes=most)
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"hel" in rest
    assert rest.endswith(b"\r\n0\r\nDigest: abc\r\nX-Took: 1\r\n\r\n")
    assert not [name for name in (b"ETag", b"Date") if name in rest]


DROPPING = {
    "held to be tagged": (route(), [], b"1.1", b"hello"),
    "HTTP/1.0": (route(), [b"TE: trailers"], b"1.0", b"hello"),
    "HTTP/1.0, unguarded": (route(guarded=False), [b"TE: trailers"], b"1.0", b"hello"),
}


@pytest.mark.parametrize(("config", "lines", "version", "body"), DROPPING.values(), ids=DROPPING)
async def test_trailers_are_dropped_where_there_is_no_place_for_them(config: str, lines: list[bytes], version: bytes, body: bytes) -> None:
    _, rest = await raw_answer(config, *lines, version=version)
    assert rest == body
