"""The admin listener: a handful of paths, never on the data port."""

import json

import pytest

from proxy import __version__
from proxy.telemetry.exposition import Form
from tests.gateway.legacy import Legacy
from tests.gateway.serving import serving

from .asking import ask, problem

PAGES = {
    b"/healthz": (200, b"application/json"),
    b"/readyz": (200, b"application/json"),
    b"/metrics": (200, Form.TEXT.value.encode()),
    b"/": (200, b"text/html; charset=utf-8"),
    b"/console/main.js": (200, b"text/javascript; charset=utf-8"),
    b"/console/index.html": (404, b"application/problem+json"),
    b"/api/v1/openapi.json": (200, b"application/json"),
    b"/doc": (404, b"application/problem+json"),
}


@pytest.mark.parametrize(("path", "expected"), PAGES.items(), ids=[path.decode() for path in PAGES])
async def test_pages(legacy: Legacy, path: bytes, expected: tuple[int, bytes]) -> None:
    async with serving(legacy.port) as door:
        got, head = await ask(door, path.decode()), await ask(door, path.decode(), method=b"HEAD")
    assert (got.status, head.status, head.body) == (expected[0], expected[0], b"")
    assert got.one(b"Content-Type") == head.one(b"Content-Type") == expected[1]
    assert legacy.asked == []


async def test_what_they_say(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert json.loads((await door.ask_admin(b"/healthz")).body) == {"status": "alive", "version": __version__}
        ready = await door.ask_admin(b"/readyz")
        assert json.loads(ready.body) == {"ready": True, "reasons": []}
        assert ready.one(b"Cache-Control") == b"no-store"


async def test_the_console_is_sent_once_and_may_load_nothing_from_elsewhere(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        page = await ask(door, "/")
        again = await ask(door, "/", b"If-None-Match: " + (page.one(b"ETag") or b""))
    assert b"<title>" in page.body
    assert (again.status, again.body) == (304, b"")
    policy = page.one(b"Content-Security-Policy") or b""
    assert policy.startswith(b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert b"unsafe" not in policy


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE"])
async def test_other_methods_are_refused(legacy: Legacy, method: bytes) -> None:
    async with serving(legacy.port) as door:
        got = await door.ask_admin(b"/readyz", method)
    assert (got.status, got.one(b"Allow")) == (405, b"GET, HEAD, OPTIONS")


async def test_options_tells_what_is_possible(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        got = await ask(door, "/api/v1/status", method=b"OPTIONS")
        nowhere = await ask(door, "/api/v1/nothing", method=b"OPTIONS")
    assert (got.status, got.one(b"Allow"), got.body) == (204, b"GET, HEAD, OPTIONS", b"")
    assert problem(nowhere)[0] == 404


async def test_the_data_port_has_none_of_it(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert (await door.ask(b"GET", b"/metrics")).status == 404
        assert legacy.last("GET").target == "/metrics"
