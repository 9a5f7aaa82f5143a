"""The data plane's edge: heads that are refused, versions of HTTP, connections, and what happens to a defect of our own."""

import asyncio

import pytest

from tests.origin.scripted import ScriptedBackend, ok, serve

from .client import request
from .legacy import Legacy
from .serving import route, serving, until

# Raw requests that are refused by us with a problem document, and their status.
REFUSED = {
    "3.2 dot segments": (b"GET /a/../doc HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "3.2 encoded slash": (b"GET /a%2Fdoc HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "3.2 empty segment": (b"PUT //doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    "3.2.2 another authority": (b"GET http://b/doc HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "3.2 no Host in 1.0": (b"GET /doc HTTP/1.0\r\n\r\n", 400),
    "3.2 empty Host": (b"GET /doc HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "3.2 Host with a path": (b"GET /doc HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "underscore": (b"PUT /doc HTTP/1.1\r\nHost: a\r\nIf_Match: x\r\nContent-Length: 0\r\n\r\n", 400),
    "Connection names a condition": (
        b'PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: "a"\r\nConnection: If-Match\r\nContent-Length: 0\r\n\r\n',
        400,
    ),
    "6.1 another coding": (b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "6.1 chunks in 1.0": (b"PUT /doc HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "2.3 version 2.0": (b"GET /doc HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    "9.3.6 CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED.values(), ids=REFUSED)
async def test_heads_that_cannot_be_handled_safely(legacy: Legacy, raw: bytes, status: int) -> None:
    async with serving(legacy.port) as door:
        client = await door.connect()
        client.send(raw)
        got = await client.answer(raw.split(b" ", 1)[0])
        assert got.status == got.problem["status"] == status
        assert got.one(b"Connection") == b"close"
        assert await client.rest() == b""
        assert await door.sample("noclobber_requests_total", code=str(status), route="unrouted") == 1
    assert legacy.asked == []


FORWARDED = {
    b"/doc": b"/doc",
    b"/doc?": b"/doc?",
    b"/doc?a=%2f&b=%zz": b"/doc?a=%2f&b=%zz",
    b"/%64oc": b"/doc",
    b"/d%C3%b6c?x": b"/d%C3%B6c?x",
    b"http://api.example/doc?x": b"/doc?x",
}


@pytest.mark.parametrize(("sent", "forwarded"), FORWARDED.items(), ids=[sent.decode() for sent in FORWARDED])
async def test_the_target_goes_on_as_the_key_has_it(sent: bytes, forwarded: bytes) -> None:
    """Twice: what is remembered of a target is what was read."""
    async with ScriptedBackend(serve(ok(), 2)) as backend, serving(backend.port) as door:
        for _ in range(2):
            assert (await door.ask(b"GET", sent)).status == 200
    assert backend.heard.count(b"GET " + forwarded + b" HTTP/1.1\r\n") == 2


async def test_an_absolute_target_is_held_against_each_host_anew(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        for _ in range(2):
            assert (await door.ask(b"GET", b"http://a/doc", b"Host: a")).status == 200
            assert (await door.ask(b"GET", b"http://a/doc", b"Host: b")).status == 400


async def test_more_targets_than_are_remembered(legacy: Legacy) -> None:
    async with serving(legacy.port, route("/docs/{id}", name="docs")) as door:
        client = await door.connect()
        legacy.documents["/docs/7"] = b"seven"
        for start in range(0, 4500, 500):
            client.send(b"".join(request(b"OPTIONS", b"/docs/%d" % number) for number in range(start, start + 500)))
            for _ in range(500):
                assert (await client.answer(b"OPTIONS")).status == 200
        assert (await client.ask(b"GET", b"/docs/7")).etag
        assert await door.sample("noclobber_requests_total", route="docs") == 4501


@pytest.mark.parametrize(("version", "via"), [(b"1.1", "1.1 noclobber"), (b"1.0", "1.0 noclobber")])
async def test_via_names_the_version_that_came(legacy: Legacy, version: bytes, via: str) -> None:
    """RFC 9110 §7.6.3. Those of other hops stay."""
    async with serving(legacy.port) as door:
        await door.ask(b"GET", b"/doc", version=version)
    assert legacy.last("GET").fields["via"] == via


async def test_a_refused_body_does_not_become_the_next_request(legacy: Legacy) -> None:
    """The body that follows a refusal is not read as a request."""
    smuggled = request(b"DELETE", b"/doc")
    async with serving(legacy.port) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", b"If-Match: malformed", body=smuggled))
        assert (await client.answer(b"PUT")).status == 400
        client.leave()
    assert legacy.asked == []


async def test_a_defect_of_our_own_is_a_500_that_tells_nothing(
    legacy: Legacy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the secret of the defect")

    async with serving(legacy.port) as door:
        monkeypatch.setattr(door.gateway.handler._reading, "read", fail)
        got = await door.ask(b"GET", b"/doc")
        assert (got.status, got.kind, got.one(b"Connection")) == (500, "internal", b"close")
        assert b"secret" not in got.body
        assert await door.sample("noclobber_requests_total", code="500") == 1
    assert "the secret of the defect" in caplog.text


async def test_a_slow_client_does_not_make_us_hold_all_of_it(legacy: Legacy) -> None:
    """Backpressure: what is on disk stays there until the client takes it."""
    legacy.documents["/doc"] = bytes(20_000_000)
    async with serving(legacy.port, limits__spool_memory_bytes=10_000) as door:
        client = await door.connect()
        client.send(request(b"GET", b"/doc"))
        assert (await client.head())[0] == 200
        await asyncio.sleep(0.05)
        assert door.gateway.handler.in_flight == 1
        assert len(await client.rest_of(20_000_000)) == 20_000_000
        await until(lambda: door.gateway.handler.in_flight == 0)
