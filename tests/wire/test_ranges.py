"""Ranges of a held body (RFC 9110 §14): one is cut, several are answered whole."""

import pytest

from tests.gateway.legacy import Legacy
from tests.gateway.serving import serving

RANGES: dict[str, tuple[bytes, int, bytes, bytes | None]] = {
    "from-to": (b"bytes=1-3", 206, b"123", b"bytes 1-3/10"),
    "from-on": (b"bytes=7-", 206, b"789", b"bytes 7-9/10"),
    "suffix": (b"bytes=-2", 206, b"89", b"bytes 8-9/10"),
    "longer suffix": (b"bytes=-99", 206, b"0123456789", b"bytes 0-9/10"),
    "past the end": (b"bytes=10-", 416, b"", b"bytes */10"),
    "suffix of none": (b"bytes=-0", 416, b"", b"bytes */10"),
    "several": (b"bytes=0-1,4-5", 200, b"0123456789", None),
    "backwards": (b"bytes=3-1", 200, b"0123456789", None),
    "another unit": (b"lines=0-1", 200, b"0123456789", None),
}


@pytest.mark.parametrize(("value", "status", "body", "content_range"), RANGES.values(), ids=RANGES)
async def test_ranges(value: bytes, status: int, body: bytes, content_range: bytes | None) -> None:
    async with Legacy() as backend, serving(backend.port) as door:
        backend.documents["/doc"] = b"0123456789"
        got = await door.ask(b"GET", b"/doc", b"Range: " + value)

        assert (got.status, got.body, got.one(b"Content-Range")) == (status, body, content_range)
        assert got.one(b"Accept-Ranges") == b"bytes"
        assert got.etag
