"""Tags as compressing hops return them, and contents that a backend has coded although identity was asked for (RFC 9110 §8.8.3.3)."""

import gzip
from typing import Final

import pytest
from aiohttp import web

from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving
from tests.gateway.test_native import Native

MARKED: Final = {
    "weakened": (b'W/"%b"', "weak"),
    "-gzip": (b'"%b-gzip"', "gzip-suffix"),
    "--gzip": (b'"%b--gzip"', "gzip-suffix"),
    ";gzip": (b'"%b;gzip"', "gzip-suffix"),
    "-br": (b'"%b-br"', "br-suffix"),
    "two hops": (b'W/"%b-gzip"', "weak"),
}
marks = pytest.mark.parametrize(("form", "kind"), MARKED.values(), ids=MARKED)


def marked(form: bytes, tag: bytes) -> bytes:
    return form % tag.strip(b'"')


async def undone(door: Door, kind: str) -> float:
    return await door.sample("noclobber_tags_undone_total", route="r", kind=kind)


@marks
async def test_a_write_with_a_marked_tag_passes_once_and_is_counted(form: bytes, kind: str) -> None:
    async with Legacy() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"one"
        tag = marked(form, await door.tag())

        first = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")
        second = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"three")

        assert (first.status, second.status) == (204, 412)
        assert second.problem["received"] == {"field": "If-Match", "value": tag.decode()}
        assert backend.documents["/doc"] == b"two"
        assert (await undone(door, kind), await door.sample("noclobber_tags_undone_total")) == (1, 1)
        assert await door.sample("noclobber_preconditions_total", verdict="proceed") == 1


@marks
async def test_a_cached_read_with_a_marked_tag_is_a_304(form: bytes, kind: str) -> None:
    async with Legacy() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"one"
        tag = await door.tag()
        got = await door.ask(b"GET", b"/doc", b"If-None-Match: " + marked(form, tag))

        assert (got.status, got.etag) == (304, tag)
        assert await door.sample("noclobber_tags_undone_total", kind=kind) == 1


@marks
async def test_a_write_that_excludes_a_marked_tag_is_refused(form: bytes, kind: str) -> None:
    async with Legacy() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"one"
        tag = marked(form, await door.tag())

        assert (await door.ask(b"PUT", b"/doc", b"If-None-Match: " + tag, body=b"two")).status == 412


@marks
async def test_no_range_is_cut_for_what_was_cut_by_a_hop(form: bytes, kind: str) -> None:
    """The part that the client has is of the hop's bytes: another part of ours would not fit."""
    async with Legacy() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"hello"
        tag = await door.tag()
        ranged = await door.ask(b"GET", b"/doc", b"Range: bytes=1-2", b"If-Range: " + tag)
        whole = await door.ask(b"GET", b"/doc", b"Range: bytes=1-2", b"If-Range: " + marked(form, tag))
        refused = await door.ask(b"GET", b"/doc", b"Range: bytes=1-2", b"If-Match: " + marked(form, tag))

        assert (ranged.status, ranged.body) == (206, b"el")
        assert (whole.status, whole.body) == (200, b"hello")
        assert refused.status == 412


async def test_a_route_may_compare_tags_as_they_come() -> None:
    async with Legacy() as backend, serving(backend.port, route(hop_tags="exact")) as door:
        backend.documents["/doc"] = b"one"
        tag = marked(b'"%b-gzip"', await door.tag())

        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 412
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 200


@pytest.mark.parametrize("settings", [{}, {"writers": "proxy-only"}], ids=["verified", "store trusted"])
async def test_a_tag_marked_anew_by_each_answer_goes_on_working(settings: dict[str, str]) -> None:
    async with Legacy() as backend, serving(backend.port, route(**settings)) as door:
        backend.documents["/doc"] = b"0"
        tag = await door.tag()
        for number in range(1, 4):
            answer = await door.ask(b"PUT", b"/doc", b"If-Match: " + marked(b'W/"%b"', tag), body=b"%d" % number)
            assert answer.status == 204
            assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + marked(b'W/"%b"', tag), body=b"x")).status == 412
            tag = answer.etag
        assert backend.documents["/doc"] == b"3"
        assert await undone(door, "weak") == 3


# ---- a backend's own tags -------------------------------------------------------------------------------------------------------------


@marks
@pytest.mark.parametrize("strategy", ["auto", "native"])
async def test_a_backend_that_enforces_its_tags_is_told_its_own(strategy: str, form: bytes, kind: str) -> None:
    async with Native(enforces=True) as backend, serving(backend.port, route(strategy=strategy)) as door:
        tag = marked(form, await door.tag())
        first = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")
        second = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"three")

        assert (first.status, second.status) == (204, 412)
        assert backend.last("PUT").fields["if-match"] == '"one"'
        assert backend.documents["/doc"] == b"two"
        assert await undone(door, kind) == 1


@marks
async def test_a_native_read_with_a_marked_tag_is_judged_here(form: bytes, kind: str) -> None:
    async with Native() as backend, serving(backend.port, route()) as door:
        tag = marked(form, await door.tag())
        got = await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)

        assert (got.status, got.etag) == (304, b'"one"')
        assert "if-none-match" not in backend.last("GET").fields


async def test_a_backend_whose_own_tags_end_like_that_is_believed() -> None:
    """`"v1-gzip"` was given out by the backend itself, so it is another state than `"v1"`."""
    async with Native() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"v1-gzip"
        tag = await door.tag()
        backend.documents["/doc"] = b"v1"

        assert tag == b'"v1-gzip"'
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"mine")).status == 412
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 200
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "v1"', body=b"mine")).status == 204


async def test_a_weak_tag_of_the_backends_own_is_never_taken_for_a_strong_one() -> None:
    """It names what will do for each other (RFC 9110 §8.8.1): a body may have told a client of it."""
    async with Legacy() as backend, serving(backend.port, route()) as door:
        backend.documents["/doc"] = b"one"
        backend.extra = {"ETag": 'W/"x"'}
        await door.tag()
        backend.extra = {"ETag": '"x"'}

        assert (await door.ask(b"PUT", b"/doc", b'If-Match: W/"x"', body=b"two")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "x"', body=b"two")).status == 204


# ---- a backend that compresses though identity was asked for ----------------------------------------------------------------------------


class Compressing(Legacy):
    """Codes its answers to GET with `coding` ("": not at all), whatever was asked for."""

    coding = ""

    def __init__(self) -> None:
        super().__init__()
        self.documents["/doc"] = b"one"
        self.respond = self._compress
        self._stamp = 0

    async def _compress(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method != "GET" or not self.coding:
            return None
        self._stamp += 1
        content = gzip.compress(self.documents["/doc"], mtime=self._stamp)
        fields = {"Content-Encoding": self.coding, "Vary": "Accept-Encoding", "Cache-Control": "private, no-transform"}
        return web.Response(body=content, headers=fields)


async def test_gzip_and_identity_never_share_a_strong_tag_and_either_is_good_for_a_write() -> None:
    async with Compressing() as backend, serving(backend.port, route()) as door:
        plain = await door.ask(b"GET", b"/doc")
        backend.coding = "gzip"
        zipped, again = await door.ask(b"GET", b"/doc", b"Accept-Encoding: gzip"), await door.ask(b"GET", b"/doc")

        # The stamp in the gzip header differs: the same state, other octets.
        assert len({plain.etag, zipped.etag, again.etag}) == 3
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + plain.etag, body=b"two")).status == 204
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + zipped.etag, body=b"three")).status == 412
        newer = (await door.ask(b"GET", b"/doc")).etag
        backend.coding = ""
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + newer, body=b"three")).status == 204
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + newer, body=b"four")).status == 412
        assert backend.documents["/doc"] == b"three"
        # None of these bore the mark of a hop.
        assert await door.sample("noclobber_tags_undone_total") == 0


async def test_a_coding_that_changes_is_no_change_out_of_band() -> None:
    async with Compressing() as backend, serving(backend.port, route()) as door:
        tag = (await door.ask(b"PUT", b"/doc", body=b"two")).etag
        backend.coding = "gzip"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"three")).status == 204
        assert await door.sample("noclobber_out_of_band_changes_total") == 0


async def test_a_cached_variant_is_not_confirmed_by_another() -> None:
    async with Compressing() as backend, serving(backend.port, route()) as door:
        plain = await door.tag()
        backend.coding = "gzip"
        got = await door.ask(b"GET", b"/doc", b"If-None-Match: " + plain)

        assert (got.status, got.one(b"Content-Encoding")) == (200, b"gzip")


async def test_coding_vary_and_cache_control_go_through_and_no_octet_is_changed() -> None:
    async with Compressing() as backend, serving(backend.port, route()) as door:
        backend.coding = "gzip"
        got = await door.ask(b"GET", b"/doc")

        assert gzip.decompress(got.body) == b"one"
        assert (got.one(b"Vary"), got.one(b"Cache-Control")) == (b"Accept-Encoding", b"private, no-transform")
        assert got.one(b"Content-Encoding") == b"gzip"
        assert got.one(b"Content-Length") == b"%d" % len(got.body)


async def test_a_304_of_a_coded_answer_carries_vary_and_cache_control() -> None:
    async with Compressing() as backend, serving(backend.port, route()) as door:
        backend.coding = "br"
        backend.respond = None
        backend.extra = {"Vary": "Accept-Encoding, Origin", "Cache-Control": "no-transform", "Content-Encoding": "br"}
        tag = await door.tag()
        got = await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)

        assert (got.status, got.etag) == (304, tag)
        assert (got.one(b"Vary"), got.one(b"Cache-Control")) == (b"Accept-Encoding, Origin", b"no-transform")


# ---- a backend whose tags are not always good enough ----------------------------------------------------------------------------------


async def test_a_head_has_the_tag_of_the_get_though_the_backends_has_become_weak() -> None:
    """RFC 9110 §9.3.2. Apache's tags are weak in the first second of a file."""
    async with Native() as backend, serving(backend.port, route()) as door:
        assert await door.tag() == b'"one"'
        backend.respond = None
        backend.extra = {"ETag": 'W/"one"'}
        head = await door.ask(b"HEAD", b"/doc")

        assert head.etag == await door.tag() != b'"one"'
        assert (head.status, head.body, head.one(b"Content-Length")) == (200, b"", b"3")


@pytest.mark.parametrize("own", ['W/"x"', '"x"'])
async def test_a_tag_of_ours_in_an_if_of_webdav_is_put_as_the_backends_own(own: str) -> None:
    """RFC 4918 §10.4: only the backend knows the locks, and it knows no tag of ours."""
    async with Legacy() as backend, serving(backend.port, route(strategy="content")) as door:
        backend.documents["/doc"] = b"one"
        backend.extra = {"ETag": own}
        tag = (await door.tag()).decode()
        await door.ask(b"PUT", b"/doc", f'If: (<urn:lock> [{tag}]) (Not <DAV:no-lock> ["other"])'.encode(), body=b"two")
        assert "if" not in backend.last("GET").fields
        assert backend.last("PUT").fields["if"] == f'(<urn:lock> [{own}]) (Not <DAV:no-lock> ["other"])'

        await door.ask(b"PUT", b"/doc", f"If: ([{tag}])".encode(), body=b"three")
        assert backend.last("PUT").fields["if"] == f"([{tag}])"
