"""Aliases in front of a backend that has them: every spelling meets one tag and one lock, and goes on as its client wrote it."""

from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving


def place(raw: str) -> str:
    """The one path that the backend keeps a document under."""
    parts = urlsplit(raw)
    path = "/".join(segment.partition(";")[0] for segment in parts.path.lower().split("/")).rstrip("/").removesuffix(".json")
    found = parse_qs(parts.query).get("id")
    return f"{path}/{found[0]}" if found else path


async def aliasing(backend: Legacy, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Answer for a backend that overlooks case, trailing slashes, `.json`, `;` parameters and all of the query but `id`."""
    path = place(request.raw_path)
    if request.method == "GET":
        found = backend.documents.get(path)
        return web.Response(status=404) if found is None else web.Response(body=found)
    backend.documents[path] = body
    return web.Response(status=204)


DECLARED = {"case": "insensitive", "trailing_slash": "ignored", "path_parameters": "strip"}
LISTS = 'suffixes = [".json"]\nquery = ["id"]\n'
SPELLINGS = [b"/Doc", b"/DOC/", b"/doc.json", b"/d%6Fc?_=1", b"/doc;jsessionid=1", b"/DOC.JSON?a&b", b"/doc/?utm=x"]


@pytest.fixture
async def backend() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        backend.respond = partial(aliasing, backend)
        backend.documents["/doc"] = b"old"
        yield backend


@pytest.fixture
async def door(backend: Legacy) -> AsyncIterator[Door]:
    async with serving(backend.port, route("/Doc/{rest*}", **DECLARED) + LISTS, route("/{rest*}", "open", guarded=False)) as door:
        yield door


@pytest.mark.parametrize("spelling", SPELLINGS, ids=[spelling.decode() for spelling in SPELLINGS])
async def test_no_spelling_is_a_way_round(spelling: bytes, backend: Legacy, door: Door) -> None:
    """The tag of one spelling is that of all; once one has written, no other writes with it."""
    tag = await door.tag(b"/doc")
    assert await door.tag(spelling) == tag
    assert (await door.ask(b"PUT", spelling, b"If-Match: " + tag, body=b"new")).status == 204
    assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"lost")).status == 412
    assert backend.documents == {"/doc": b"new"}


async def test_the_spelling_of_the_client_goes_on_but_for_what_is_stripped(backend: Legacy, door: Door) -> None:
    await door.ask(b"GET", b"/DOC.json/?Z=1&a")
    await door.ask(b"GET", b"/Doc;x=1/?q;r")
    assert [asked.target for asked in backend.asked] == ["/DOC.json/?Z=1&a", "/Doc/?q;r"]


async def test_what_the_query_tells_apart_is_two_resources(backend: Legacy, door: Door) -> None:
    backend.documents |= {"/doc/1": b"old", "/doc/2": b"old"}
    first, second = await door.tag(b"/doc?id=1"), await door.tag(b"/doc?id=2")
    assert first != second
    assert await door.tag(b"/doc?x=2&id=1") == first
    assert (await door.ask(b"PUT", b"/doc?id=2", b"If-Match: " + first, body=b"new")).status == 412
    assert (await door.ask(b"PUT", b"/doc?id=2", b"If-Match: " + second, body=b"new")).status == 204
    assert (await door.ask(b"PUT", b"/doc?id=1&id=2", body=b"new")).status == 400


async def test_path_parameters_are_refused_unless_declared(backend: Legacy) -> None:
    async with serving(backend.port) as door:
        assert (await door.ask(b"GET", b"/doc;x=1")).status == 400
    assert backend.asked == []


OVERRIDES = {
    "x-http-method-override": (b"/doc", [b"X-HTTP-Method-Override: DELETE"]),
    "x-http-method": (b"/doc", [b"x-http-method: DELETE"]),
    "x-method-override": (b"/doc", [b"X-Method-Override: DELETE"]),
    "_method": (b"/doc?_method=DELETE", []),
}


@pytest.mark.parametrize(("declared", "asked"), OVERRIDES.items(), ids=OVERRIDES)
async def test_a_declared_override_is_judged_as_what_it_means(declared: str, asked: tuple[bytes, list[bytes]], backend: Legacy) -> None:
    """It goes on as the client wrote it, without the precondition; the GET that looks carries no override."""
    target, lines = asked
    async with serving(backend.port, route(method_override=declared, missing="require")) as door:
        tag = await door.tag()
        assert (await door.ask(b"POST", target, *lines, body=b"")).status == 428
        assert (await door.ask(b"POST", target, *lines, b'If-Match: "stale"', body=b"")).status == 412
        assert (await door.ask(b"POST", target, *lines, b"If-Match: " + tag, body=b"")).status == 204
        others = [name for name in OVERRIDES if name != declared]
        for other in others:
            assert (await door.ask(b"POST", OVERRIDES[other][0], *OVERRIDES[other][1], b"If-Match: " + tag, body=b"")).status == 400
    posts = [each for each in backend.asked if each.method == "POST"]
    assert [each.target for each in posts] == [target.decode()]
    assert posts[0].fields["content-length"] == "0"
    assert [posts[0].fields[line.split(b":")[0].decode().lower()] for line in lines] == ["DELETE"] * len(lines)
    assert not [each for each in backend.asked if each.method == "GET" and set(OVERRIDES) & each.fields.keys()]
