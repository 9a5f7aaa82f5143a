"""The admin listener: a handful of paths, never on the data port."""

import json

import pytest

from proxy import __version__
from proxy.gateway.metrics import CONTENT_TYPE

from .legacy import Legacy
from .serving import serving

PAGES = {
    b"/healthz": (200, b"application/json"),
    b"/readyz": (200, b"application/json"),
    b"/metrics": (200, CONTENT_TYPE.encode()),
    b"/": (200, b"text/plain; charset=utf-8"),
    b"/doc": (404, b"text/plain; charset=utf-8"),
}


@pytest.mark.parametrize(("path", "expected"), PAGES.items(), ids=[path.decode() for path in PAGES])
async def test_pages(legacy: Legacy, path: bytes, expected: tuple[int, bytes]) -> None:
    async with serving(legacy.port) as door:
        got, head = await door.ask_admin(path), await door.ask_admin(path, b"HEAD")
    assert (got.status, head.status, head.body) == (expected[0], expected[0], b"")
    assert got.one(b"Content-Type") == head.one(b"Content-Type") == expected[1]
    assert legacy.asked == []


async def test_what_they_say(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert json.loads((await door.ask_admin(b"/healthz")).body) == {"status": "alive", "version": __version__}
        ready = await door.ask_admin(b"/readyz")
        assert json.loads(ready.body) == {"ready": True, "reasons": []}
        assert ready.one(b"Cache-Control") == b"no-store"
        assert __version__.encode() in (await door.ask_admin(b"/")).body


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS"])
async def test_nothing_can_be_changed(legacy: Legacy, method: bytes) -> None:
    async with serving(legacy.port) as door:
        got = await door.ask_admin(b"/readyz", method)
    assert (got.status, got.one(b"Allow")) == (405, b"GET, HEAD")


async def test_the_data_port_has_none_of_it(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert (await door.ask(b"GET", b"/metrics")).status == 404
        assert legacy.last("GET").target == "/metrics"
