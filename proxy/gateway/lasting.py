"""aiohttp's connection, but that it lasts until what its client has asked is answered, and says nothing of what the client broke."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, cast

from aiohttp import web


class _InPlace:
    """The loop, as a connection is to see it that serves: what it starts as a task runs where it awaits that.

    aiohttp gives each request a task for its context variables, and there are none. A task more is two turns of the loop more.
    """

    __slots__ = ("_loop", "call_at", "create_future", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.call_at = loop.call_at
        self.create_future = loop.create_future
        self.time = loop.time

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def create_task(self, work: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Start nothing yet."""
        return work


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

    def start(self) -> Coroutine[Any, Any, None]:
        """Serve the requests of this connection, one after the other."""
        # From 3.12 on aiohttp does not ask the loop for a task, but makes one that begins at once.
        if sys.version_info < (3, 12):
            self._loop = cast(asyncio.AbstractEventLoop, _InPlace(self._loop))
        return super().start()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Say nothing of a body that turns out, once its request has been answered, to be framed wrongly: that is the client's fault."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)
