"""Preconditions and ranges on GET and HEAD (RFC 9110 §13, §14), judged here against the tag that was made here."""

import time

import pytest

from proxy.core.cors import EXPOSE_LINE
from proxy.core.dates import format_http_date
from tests.origin.scripted import ScriptedBackend, ok, serve

from .legacy import Legacy
from .serving import route, serving

MODIFIED = "Mon, 01 Jun 2026 10:00:00 GMT"
MADE = "Mon, 01 Jun 2026 11:00:00 GMT"
READS = [b"GET", b"HEAD"]

# ---- If-None-Match, If-Modified-Since ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", READS)
async def test_a_304_carries_what_it_must_and_nothing_else(method: bytes) -> None:
    """RFC 9110 §15.4.5; a browser applies the CORS check to the 304 itself."""
    kept = [b"Cache-Control: max-age=5", b"Content-Location: /d", b"Vary: Accept", b"Vary: Cookie", b"Expires: 0"]
    kept += [b"Access-Control-Allow-Origin: *", b"Date: " + MADE.encode()]
    lost = [b"Content-Type: text/plain", b"Content-Language: de", b"Last-Modified: " + MODIFIED.encode(), b"Set-Cookie: a=b", b"X-Own: 1"]
    async with ScriptedBackend(serve(ok(b"hello", *kept, *lost), 2)) as backend, serving(backend.port) as door:
        client = await door.connect()
        tag = (await client.ask(b"GET", b"/doc")).etag
        got = await client.ask(method, b"/doc", b"If-None-Match: " + tag)
        await client.check_boundary()
    assert (got.status, got.body) == (304, b"")
    assert got.names >= {b"x-request-id"}
    fields = [each for each in got.fields if each[0] != b"X-Request-ID"]
    kept.append(EXPOSE_LINE.removesuffix(b"\r\n"))
    assert sorted(fields) == sorted([*((name, value) for name, _, value in (line.partition(b": ") for line in kept)), (b"ETag", tag)])


# A line of "TAG" stands for the current tag.
NONE_MATCH = {
    "13.1.2 the tag": ([b"TAG"], 304),
    "13.1.2 weak comparison": ([b"W/TAG"], 304),
    "13.1.2 among others": ([b'"a", TAG, W/"b"'], 304),
    "13.1.2 any": ([b"*"], 304),
    "5.3 on the second line": ([b'"a"', b"TAG"], 304),
    "5.6.1.2 among empty members": ([b", ,TAG,"], 304),
    "13.1.2 another": ([b'"a"'], 200),
    "8.8.3 the tag with another case": ([b"w/TAG"], 400),
    "5.6.1 unquoted": ([b"abc"], 400),
    "empty is malformed": ([b""], 400),
    "13.1.2 any beside a tag": ([b"*, TAG"], 400),
    "13.1.2 any on a second line": ([b"TAG", b"*"], 400),
}


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize(("values", "status"), NONE_MATCH.values(), ids=NONE_MATCH)
async def test_if_none_match(legacy: Legacy, values: list[bytes], status: int, method: bytes) -> None:
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        got = await door.ask(method, b"/doc", *(b"If-None-Match: " + value.replace(b"TAG", tag) for value in values))
    assert got.status == status
    if status == 400 and method == b"GET":
        assert got.kind == "malformed"
        assert got.problem["received"] == {"field": "If-None-Match", "value": b", ".join(values).replace(b"TAG", tag).decode()}


SINCE = {
    "13.1.3 the date itself": ([f"If-Modified-Since: {MODIFIED}"], 304),
    "13.1.3 later": (["If-Modified-Since: Mon, 01 Jun 2026 10:00:01 GMT"], 304),
    "13.1.3 earlier": (["If-Modified-Since: Mon, 01 Jun 2026 09:59:59 GMT"], 200),
    "13.1.3 no date": (["If-Modified-Since: yesterday"], 200),
    "13.1.3 twice": ([f"If-Modified-Since: {MODIFIED}"] * 2, 200),
    "13.1.3 beside If-None-Match": ([f"If-Modified-Since: {MODIFIED}", 'If-None-Match: "a"'], 200),
    "13.1.4 unmodified": ([f"If-Unmodified-Since: {MODIFIED}"], 200),
    "13.1.4 modified": (["If-Unmodified-Since: Mon, 01 Jun 2026 09:59:59 GMT"], 412),
}


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize(("lines", "status"), SINCE.values(), ids=SINCE)
async def test_dates_are_the_backends(legacy: Legacy, lines: list[str], status: int, method: bytes) -> None:
    legacy.extra = {"Last-Modified": MODIFIED, "Date": MADE}
    async with serving(legacy.port) as door:
        got = await door.ask(method, b"/doc", *(line.encode() for line in lines))
    assert got.status == status


@pytest.mark.parametrize("line", [b"If-Modified-Since: " + MODIFIED.encode(), b"If-Unmodified-Since: Mon, 01 Jun 2020 09:59:59 GMT"])
async def test_a_date_is_ignored_where_none_is_known(legacy: Legacy, line: bytes) -> None:
    async with serving(legacy.port) as door:
        assert (await door.ask(b"GET", b"/doc", line)).status == 200


# ---- If-Match ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", READS)
async def test_a_stale_if_match_on_a_read_is_a_412(legacy: Legacy, method: bytes) -> None:
    async with serving(legacy.port) as door:
        client = await door.connect()
        tag = (await client.ask(b"GET", b"/doc")).etag
        assert (await client.ask(method, b"/doc", b"If-Match: " + tag)).status == 200
        assert (await client.ask(method, b"/doc", b"If-Match: *")).status == 200
        stale = await client.ask(method, b"/doc", b'If-Match: "a", W/' + tag)
        await client.check_boundary()
    assert (stale.status, stale.etag) == (412, tag)
    if method == b"GET":
        assert stale.kind == "stale"
        assert stale.problem["currentTag"] == tag.decode()


async def test_an_if_match_that_passes_leaves_if_none_match_to_be_judged(legacy: Legacy) -> None:
    """RFC 9110 §13.2.2."""
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert (await door.ask(b"GET", b"/doc", b"If-Match: " + tag, b"If-None-Match: " + tag)).status == 304


async def test_a_route_may_ignore_preconditions_on_safe_methods(legacy: Legacy) -> None:
    """Protocol §6: neither 412 nor 304. The preconditions of writes stay what they are."""
    async with serving(legacy.port, route(safe_methods="ignore")) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        for line in (b'If-Match: "a"', b"If-None-Match: " + tag, b"If-None-Match: *"):
            got = await door.ask(b"GET", b"/doc", line)
            assert (got.status, got.etag) == (200, tag)
        assert (await door.ask(b"GET", b"/doc", b"If-Match: a")).status == 400
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "a"', body=b"x")).status == 412


async def test_a_body_too_large_to_be_tagged_matches_nothing(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_tagged_body_bytes=5) as door:
        assert (await door.ask(b"GET", b"/doc", b'If-Match: "a"')).status == 412
        assert (await door.ask(b"GET", b"/doc", b'If-None-Match: "a"')).status == 200
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: *")).status == 304
        assert (await door.ask(b"HEAD", b"/doc", b"If-None-Match: *")).status == 304
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1")).status == 200


# ---- Range ---------------------------------------------------------------------------------------------------------------------------

CONTENT = bytes(range(200))
# Name: value of Range, status, Content-Range, slice of the body.
RANGES: dict[str, tuple[bytes, int, bytes | None, slice]] = {
    "14.1.2 a range": (b"bytes=10-19", 206, b"bytes 10-19/200", slice(10, 20)),
    "14.1.2 open": (b"bytes=150-", 206, b"bytes 150-199/200", slice(150, 200)),
    "14.1.2 suffix": (b"bytes=-20", 206, b"bytes 180-199/200", slice(180, 200)),
    "14.1.2 past the end": (b"bytes=190-500", 206, b"bytes 190-199/200", slice(190, 200)),
    "14.1.2 everything": (b"bytes=0-", 206, b"bytes 0-199/200", slice(0, 200)),
    "15.5.17 unsatisfiable": (b"bytes=200-", 416, b"bytes */200", slice(0, 0)),
    "14.2 several are ignored": (b"bytes=0-1, 5-6", 200, None, slice(0, 200)),
    "14.2 another unit is ignored": (b"lines=0-1", 200, None, slice(0, 200)),
}


@pytest.mark.parametrize("memory", [10, 1000], ids=["on disk", "in memory"])
@pytest.mark.parametrize(("value", "status", "place", "part"), RANGES.values(), ids=RANGES)
async def test_ranges(legacy: Legacy, value: bytes, status: int, place: bytes | None, part: slice, memory: int) -> None:
    legacy.documents["/doc"] = CONTENT
    async with serving(legacy.port, limits__spool_memory_bytes=memory) as door:
        client = await door.connect()
        whole = await client.ask(b"GET", b"/doc")
        got = await client.ask(b"GET", b"/doc", b"Range: " + value)
        head = await client.ask(b"HEAD", b"/doc", b"Range: " + value)
        await client.check_boundary()
    assert whole.one(b"Accept-Ranges") == b"bytes"
    assert (got.status, got.one(b"Content-Range"), got.body) == (status, place, CONTENT[part])
    assert got.etag == whole.etag
    assert (head.status, head.one(b"Content-Length")) == (200, b"200")


IF_RANGE = {
    "13.1.5 the tag": (b"TAG", 206),
    "13.1.5 another tag": (b'"a"', 200),
    "13.1.5 a weak tag": (b"W/TAG", 200),
    "13.1.5 a list": (b"TAG, TAG", 200),
    "13.1.5 the date": (MODIFIED.encode(), 206),
    "13.1.5 a later date": (b"Mon, 01 Jun 2026 10:00:01 GMT", 200),
    "13.1.5 no date": (b"today", 200),
}


@pytest.mark.parametrize(("value", "status"), IF_RANGE.values(), ids=IF_RANGE)
async def test_if_range(legacy: Legacy, value: bytes, status: int) -> None:
    legacy.extra = {"Last-Modified": MODIFIED, "Date": MADE}
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b"If-Range: " + value.replace(b"TAG", tag))
    assert got.status == status
    assert len(got.body) == (2 if status == 206 else 12)


async def test_a_date_of_this_second_proves_nothing_to_if_range(legacy: Legacy) -> None:
    """RFC 9110 §8.8.2.2."""
    now = format_http_date(time.time() // 1).decode()
    legacy.extra = {"Last-Modified": now, "Date": now}
    async with serving(legacy.port) as door:
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b"If-Range: " + now.encode())).status == 200


async def test_preconditions_come_before_the_range(legacy: Legacy) -> None:
    """RFC 9110 §13.2.2, step 5."""
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Match: "a"')).status == 412
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=500-", b"If-None-Match: " + tag)).status == 304
