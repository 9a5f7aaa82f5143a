"""The HTTP/1.1 client of one backend: what is retried, and what never is.

Only `fetch` ever sends a request a second time. `reserve` and `send` may replace a connection that was found closed, but only before
the first byte: then nothing was sent, and the gate has not been asked yet.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ..errors import OriginBroken, OriginUnreachable
from .connection import Connection
from .failures import Failure
from .options import Address, OriginOptions
from .pool import Pool
from .port import Interim, Origin, OriginAnswer, OriginRequest, ReservedConnection, StreamedBody, Upstream
from .switching import Switching, SwitchingConnection

__all__ = ["Address", "HttpOrigin", "OriginOptions"]


class HttpOrigin:
    """One backend over HTTP/1.1. `pool` may be read for its figures."""

    __slots__ = ("pool",)

    def __init__(self, address: Address, options: OriginOptions | None = None) -> None:
        self.pool = Pool(address, options or OriginOptions())

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send a safe request; once more, on a fresh connection, when a reused one ended before any byte of the answer came.

        A streamed body cannot be sent twice, so such a request is sent as `send` would.
        """
        if isinstance(request.body, StreamedBody):
            return await self.send(request, interim)
        pool = self.pool
        connection = pool.take() or await pool.acquire()
        may_be_stale = connection.was_used
        try:
            return await connection.exchange(request, None, interim)
        except (OriginBroken, OriginUnreachable) as error:
            if not may_be_stale or connection.has_begun_answer:
                raise
            if isinstance(error, OriginBroken):
                pool.failures.forgive(error)
        connection = await pool.acquire_fresh()
        return await connection.exchange(request, None, interim)

    async def reserve(self) -> ReservedConnection:
        """Take a connection for a write; OriginUnreachable when none can be had in time. `send` looks once more whether it is live."""
        return Reserved(self.pool, self.pool.take() or await self.pool.acquire())

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send request exactly once, whatever happens to it: for what is neither a read nor guarded."""
        connection = await self.pool.acquire_silent()
        return await connection.exchange(request, None, interim)

    async def switch(self, request: OriginRequest, idle_seconds: float, interim: Interim | None = None) -> Switching:
        """Ask for another protocol, once and on a connection of its own, which is reset when nothing moves for idle_seconds."""
        pool, loop = self.pool, asyncio.get_running_loop()
        options = replace(pool.options, idle_seconds=idle_seconds)
        connection = await pool.dial(lambda: SwitchingConnection(pool, options, loop))
        return Switching(await connection.exchange(request, None, interim), connection)

    def pin(self) -> "HttpOrigin":
        """Return itself: there is one server."""
        return self

    async def close(self) -> None:
        """Close idle connections and reset busy ones."""
        await self.pool.close()


class Reserved:
    """A connection kept for one write. After `send` or `release` it is spent."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool, connection: Connection) -> None:
        self._pool = pool
        self._connection: Connection | None = connection

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        """Send request once, on another connection where this one was closed while it was kept."""
        connection = self._spend()
        if connection is None:
            raise RuntimeError("a reserved connection is good for one request")
        if not connection.is_silent():
            connection.close()
            connection = await self._pool.acquire_fresh()
        try:
            return await connection.exchange(request, gate, interim)
        except asyncio.CancelledError:
            # The time for a write was over before the head of its answer.
            self._pool.failures.count(Failure.TIMEOUT)
            raise

    def release(self) -> None:
        """Give the unused connection back. Harmless after `send`."""
        connection = self._spend()
        if connection is not None and not connection.is_closed:
            self._pool.give_back(connection)

    def _spend(self) -> Connection | None:
        connection, self._connection = self._connection, None
        return connection


def _is_an_origin(origin: HttpOrigin, reserved: Reserved) -> tuple[Origin, Upstream, ReservedConnection]:
    """Static guard: the classes fulfil the port."""
    return origin, origin, reserved
