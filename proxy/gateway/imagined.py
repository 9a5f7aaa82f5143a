"""Imagined: a request that nobody sent, in the form that requests arrive in, so that what becomes of it can be found out."""

from collections.abc import Sequence
from typing import cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from ..core.fields import Field


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
