"""aiohttp's connection, but that it lasts until what its client has asked is answered, and says nothing of what the client broke."""

from typing import Any

from aiohttp import web


class LastingHandler(web.RequestHandler):
    """`_has_said_all`: the client has half-closed, and no further request will come."""

    _has_said_all = False
    _is_kept = False

    @property
    def _keepalive(self) -> bool:
        """aiohttp's word for whether the next request is read. After a half-close the requests that have come are still served."""
        return self._is_kept and not (self._has_said_all and not self._messages)

    @_keepalive.setter
    def _keepalive(self, keeps: bool) -> None:
        self._is_kept = keeps

    @property
    def has_said_all(self) -> bool:
        """Whether the client has half-closed."""
        return self._has_said_all

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Say nothing of a body that turns out, once its request has been answered, to be framed wrongly: that is the client's fault."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)
