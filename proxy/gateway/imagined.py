"""Imagined: a request that nobody sent, in the form that requests arrive in, so that what becomes of it can be found out."""

import re
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http import HttpVersion11

from ..core.fields import Field

# RFC 9110 §5.6.2 "Tokens"
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def imagine(method: str, url: str, fields: Sequence[Field] = (), body: bytes = b"") -> "ImaginedRequest":
    """Imagine a request. `url` is a path, or a URL where the host counts. Raise ValueError for what cannot be sent."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"URL cannot be read ({error}), read {url!r}") from error
    if not url.startswith("/") and parts.scheme not in ("http", "https"):
        raise ValueError(f"URL is neither a path nor an http:// URL, read {url!r}")
    if not TOKEN.fullmatch(method) or not method.isupper():
        raise ValueError(f"METHOD is not in capitals, read {method!r}")
    if not any(name.lower() == b"host" for name, _ in fields):
        fields = [(b"Host", (parts.netloc or "localhost").encode()), *fields]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ImaginedRequest(method, target, fields, body)


class ImaginedRequest:
    """A request as aiohttp would have parsed it, as far as `Arrivals` looks at one. All of its body is there."""

    version = HttpVersion11
    protocol = None
    transport = None

    def __init__(self, method: str, target: str, fields: Sequence[Field], body: bytes) -> None:
        self.method = method
        self.raw_path = target
        self.raw_headers = (*fields, *([(b"Content-Length", b"%d" % len(body))] if body else []))
        self.body_exists = bool(body)
        self.content = _Whole(body)

    @property
    def as_parsed(self) -> web.BaseRequest:
        """Itself, for `Arrivals.judge`."""
        return cast(web.BaseRequest, self)


class _Whole:
    """A body that has arrived."""

    def __init__(self, body: bytes) -> None:
        self._left = body

    def is_eof(self) -> bool:
        """Whether no more is to come."""
        return True

    def read_nowait(self, size: int) -> bytes:
        """Take the next bytes."""
        piece, self._left = self._left[:size], self._left[size:]
        return piece
