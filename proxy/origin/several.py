"""One backend behind several servers of the same data set: which of them is asked, and what is learned of each on the way.

The rules of this file. All traffic goes to the first server in order that is not down; nothing is balanced. A read goes on to the next one
where nothing of an answer came. A write takes its server before its first byte: where no connection can be had the next one is tried, and
after that never another. Health is passive: no request is made but those that came.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from ..errors import Delivery, OriginError, OriginUnreachable
from .connection import Connection
from .http import HttpOrigin, Reserved
from .options import Address, OriginOptions
from .port import Interim, OriginAnswer, OriginRequest, ReservedConnection, StreamedBody, Upstream
from .switching import Switching


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """When a server is down. `max_failures` in a row with nothing of an answer: it is not asked for `down_seconds`.

    After that one request tries it, and as long as such a request gets no answer the pause doubles, up to `max_down_seconds`.
    """

    max_failures: int = 3
    down_seconds: float = 1.0
    max_down_seconds: float = 30.0


class Server:
    """One server, and what is known of its health. Any answer makes it up, whatever its status."""

    __slots__ = ("_down_until", "_failures", "_options", "_pause_seconds", "is_down", "name", "origin")

    def __init__(self, address: Address, origin_options: OriginOptions, options: HealthOptions) -> None:
        self.name = str(address)
        self.origin = HttpOrigin(address, origin_options)
        self.is_down = False
        self._options = options
        self._failures = 0
        self._down_until = 0.0
        self._pause_seconds = 0.0

    def may_be_tried(self) -> bool:
        """Whether it is up, or its pause is over: then this is the one request that tries it, and the next pause begins."""
        if not self.is_down:
            return True
        now = monotonic()
        if now < self._down_until:
            return False
        self._pause_seconds = min(2 * self._pause_seconds, self._options.max_down_seconds)
        self._down_until = now + self._pause_seconds
        return True

    def has_answered(self) -> None:
        """Note an answer."""
        self._failures = 0
        self.is_down = False

    def has_failed(self) -> None:
        """Note that a request came to nothing, without a byte of an answer."""
        self._failures += 1
        if self._failures >= self._options.max_failures and not self.is_down:
            self.is_down = True
            self._pause_seconds = self._options.down_seconds
            self._down_until = monotonic() + self._pause_seconds

    async def exchange(self, connection: Connection, request: OriginRequest, interim: Interim | None) -> OriginAnswer:
        """Send request once, over a connection of this server's."""
        try:
            answer = await connection.exchange(request, None, interim)
        except OriginError as error:
            self.note(error)
            raise
        self.has_answered()
        return answer

    def note(self, error: OriginError) -> None:
        """Note a failure that is the server's. One in the middle of an answer says nothing either way."""
        if not error.is_answered:
            self.has_failed()


class Several:
    """A backend behind several servers, in the order in which they are preferred. Health is shared with what `pin` returns."""

    __slots__ = ("servers",)

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers

    def pin(self) -> "Several":
        """Return what keeps to the first server that it uses."""
        return _Pinned(self.servers)

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send a safe request, to the next server as well where nothing of an answer came. A streamed body is sent as `send` would."""
        if isinstance(request.body, StreamedBody):
            return await self.send(request, interim)
        failure: OriginError | None = None
        for server in self._candidates():
            try:
                answer = await server.origin.fetch(request, interim)
            except OriginError as error:
                server.note(error)
                if error.is_answered:
                    raise
                failure = error
                continue
            server.has_answered()
            self._keep(server)
            return answer
        raise failure or OriginUnreachable("there is no server")

    async def reserve(self) -> ReservedConnection:
        """Take a live connection for a write, to the first server that gives one."""
        server, connection = await self._connect()
        return _ReservedServer(server, connection)

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send request exactly once, to the first server that gives a connection."""
        server, connection = await self._connect()
        return await server.exchange(connection, request, interim)

    async def switch(self, request: OriginRequest, idle_seconds: float, interim: Interim | None = None) -> Switching:
        """Ask for another protocol, once, the first server that can be connected to."""
        failure: OriginError | None = None
        for server in self._candidates():
            try:
                switched = await server.origin.switch(request, idle_seconds, interim)
            except OriginError as error:
                server.note(error)
                if error.delivery is not Delivery.NOT_SENT:
                    raise
                failure = error
                continue
            server.has_answered()
            self._keep(server)
            return switched
        raise failure or OriginUnreachable("there is no server")

    async def close(self) -> None:
        """Close idle connections and reset busy ones, of all servers."""
        await asyncio.gather(*(server.origin.close() for server in self.servers))

    async def _connect(self) -> tuple[Server, Connection]:
        """Take a connection that is live by the word of its socket. Nothing has been sent, so the next server may be tried."""
        failure: OriginError | None = None
        for server in self._candidates():
            try:
                connection = await server.origin.pool.acquire_silent()
            except OriginError as error:
                server.note(error)
                failure = error
                continue
            self._keep(server)
            return server, connection
        raise failure or OriginUnreachable("there is no server")

    def _candidates(self) -> Iterator[Server]:
        """The servers in the order in which to try them. Those that are down come last: with all of them down the first may be up again."""
        left_out = []
        for server in self.servers:
            if server.may_be_tried():
                yield server
            else:
                left_out.append(server)
        yield from left_out

    def _keep(self, server: Server) -> None:
        """Take note of the server that is used."""


class _Pinned(Several):
    """For one attempt at a write: what has shown what stands also gets the write, and shows what it left."""

    __slots__ = ("_server",)

    def __init__(self, servers: Sequence[Server]) -> None:
        super().__init__(servers)
        self._server: Server | None = None

    def _candidates(self) -> Iterator[Server]:
        return super()._candidates() if self._server is None else iter((self._server,))

    def _keep(self, server: Server) -> None:
        self._server = server


class _ReservedServer:
    """A connection kept for one write, and the server that is judged by what comes of it."""

    __slots__ = ("_reserved", "_server")

    def __init__(self, server: Server, connection: Connection) -> None:
        self._server = server
        self._reserved = Reserved(server.origin.pool, connection)

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        """Send request once."""
        try:
            answer = await self._reserved.send(request, gate, interim)
        except asyncio.CancelledError:
            # The time for a write was over before the head of its answer.
            self._server.has_failed()
            raise
        except OriginError as error:
            # Unsent, it may be the gate's doing.
            if error.delivery is Delivery.MAYBE_SENT:
                self._server.note(error)
            raise
        self._server.has_answered()
        return answer

    def release(self) -> None:
        """Give the unused connection back."""
        self._reserved.release()


def _is_an_upstream(several: Several, reserved: _ReservedServer) -> tuple[Upstream, ReservedConnection]:
    """Static guard: the classes fulfil the port."""
    return several, reserved
