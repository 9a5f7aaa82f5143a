"""The connections to one backend: at most so many, the newest used first, and a queue for who finds none.

A *place* is the right to have a connection. It is taken before connecting and freed when the connection is given up, exactly once.
A place or a connection that becomes free goes to the first in the queue, and only then back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from ..errors import OriginError, OriginUnreachable
from .connection import Connection
from .failures import Failure, Failures
from .options import Address, OriginOptions

_FAREWELL_SECONDS = 1.0
"""How long `close` waits for orderly ends (TLS says good-bye both ways) before it resets."""

C = TypeVar("C", bound=Connection)
Turn = asyncio.Future[Connection | None]
"""What one in the queue waits for: a connection, or None for a place to make one in."""


class Pool:
    """The connections to one backend. Belongs to the loop on which it is first used."""

    def __init__(self, address: Address, options: OriginOptions) -> None:
        self._address = address
        self.options = options
        self.failures = Failures()
        self._idle: deque[Connection] = deque()
        self._queue: deque[Turn] = deque()
        self._placed: set[Connection] = set()
        self._present: set[Connection] = set()
        self._places = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._is_closed = False

    @property
    def places(self) -> int:
        """How many places are taken: idle, busy and connecting."""
        return self._places

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return len(self._queue)

    # ---- taking --------------------------------------------------------------------------------------------------------------------

    def take(self) -> Connection | None:
        """Return the connection that was used last, None when there is none that is young enough. Never waits."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since + self.options.pool_idle_seconds > monotonic():
                return connection
            connection.close()
        return None

    async def acquire(self) -> Connection:
        """Return a connection: an idle one, a new one, or the first that becomes free. OriginUnreachable when none does in time."""
        while True:
            connection = self.take()
            if connection is None:
                if not self._has_room():
                    connection = await self._turn()
                if connection is None:
                    return await self._connect()
            if not connection.is_closed:
                return connection

    async def acquire_silent(self) -> Connection:
        """Return a connection over which, by the word of its socket, nothing has come since it was used."""
        while True:
            connection = await self.acquire()
            if not connection.was_used or connection.is_silent():
                return connection
            connection.close()

    async def acquire_fresh(self) -> Connection:
        """Return a connection that was never used, if need be in the place of one that was."""
        while not self._has_room():
            used = self._idle.popleft() if self._idle else await self._turn()
            if used is None:
                break
            if used in self._placed:
                # Its place stays ours.
                self._placed.discard(used)
                used.close()
                break
        return await self._connect()

    def _has_room(self) -> bool:
        """Take a place if one is free, and nobody came earlier."""
        if self._is_closed:
            raise OriginUnreachable("this client is closed")
        if self._places >= self.options.max_connections:
            return False
        self._places += 1
        return True

    async def _turn(self) -> Connection | None:
        """Queue for a connection, or a place for one. Whoever is cancelled while holding either passes it on."""
        if len(self._queue) >= self.options.max_waiting:
            self.failures.count(Failure.CROWDED)
            raise OriginUnreachable(f"{len(self._queue)} requests wait for this backend already")
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        self._queue.append(turn)
        timer = loop.call_later(self.options.wait_seconds, self._refuse, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.remove(turn)
            elif turn.exception() is None:
                self._pass_on(turn.result())
            raise
        finally:
            timer.cancel()

    def _refuse(self, turn: Turn) -> None:
        if not turn.done():
            self._queue.remove(turn)
            self.failures.count(Failure.CROWDED)
            turn.set_exception(OriginUnreachable(f"no connection became free within {self.options.wait_seconds:g} s"))

    async def _connect(self) -> Connection:
        """Connect, in a place that is taken already; it is freed again when that fails."""
        loop = asyncio.get_running_loop()
        try:
            connection = await self.dial(lambda: Connection(self, self.options, loop))
        except BaseException:
            self._free_place()
            raise
        self._placed.add(connection)
        return connection

    async def dial(self, make: Callable[[], C]) -> C:
        """Connect outside the limit: what is made never waits for requests here, but it is reset when the pool is closed."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.options.connect_seconds):
                connection = await self._open(loop, make)
        except BaseException as exc:
            # UnicodeError: a host name that cannot be one.
            if isinstance(exc, OSError | TimeoutError | UnicodeError):
                self.failures.count(Failure.UNREACHABLE)
                why = f"more than {self.options.connect_seconds:g} s" if isinstance(exc, TimeoutError) else str(exc)
                raise OriginUnreachable(f"cannot connect to {self._address}: {why}") from exc
            raise
        self.failures.is_failing = False
        self._present.add(connection)
        if self._is_closed:
            connection.close()
            raise OriginUnreachable("this client is closed")
        return connection

    async def _open(self, loop: asyncio.AbstractEventLoop, make: Callable[[], C]) -> C:
        address = self._address
        if address.host.startswith("/"):
            return (await loop.create_unix_connection(make, address.host))[1]
        name = None if address.tls is None else address.server_name or address.host
        made = loop.create_connection(make, address.host, address.port, ssl=address.tls, server_hostname=name)
        return (await made)[1]

    # ---- giving back ---------------------------------------------------------------------------------------------------------------

    def give_back(self, connection: Connection) -> None:
        """Take a connection that is ready for another request, and hand it to the first in the queue."""
        connection.was_used = True
        self.failures.is_failing = False
        if self._is_closed:
            connection.close()
        else:
            self._pass_on(connection)

    def forget(self, connection: Connection) -> None:
        """Free the place of a connection that will not be used again. Once: later calls find nothing to free."""
        if connection in self._placed:
            self._placed.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._free_place()

    def lost(self, connection: Connection) -> None:
        """Note that a socket is gone."""
        self.forget(connection)
        self._present.discard(connection)
        if not self._present and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def note(self, error: OriginError) -> None:
        """Note what a request broke off with. Before its first byte it is no failure of the backend's: another connection is taken."""
        if not isinstance(error, OriginUnreachable):
            self.failures.note(error)

    def _free_place(self) -> None:
        self._pass_on(None)

    def _pass_on(self, free: Connection | None) -> None:
        """Hand a connection, or a place, to the first in the queue; keep it where nobody waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(free)
                return
        if free is None:
            self._places -= 1
            return
        # Not the loop's time: asking for the running loop costs a system call, and this is done for every request.
        free.idle_since = monotonic()
        self._idle.append(free)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self.options.pool_idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long. The oldest stand first."""
        self._sweeper = None
        now = monotonic()
        while self._idle and self._idle[0].idle_since + self.options.pool_idle_seconds <= now:
            self._idle[0].close()
        if self._idle:
            left = self._idle[0].idle_since + self.options.pool_idle_seconds - now
            self._sweeper = asyncio.get_running_loop().call_later(left, self._sweep)

    # ---- the end -------------------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close idle connections, reset busy ones, refuse who waits; return when the sockets are gone."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_exception(OriginUnreachable("this client is closed"))
        for connection in list(self._present):
            if connection.is_busy:
                connection.reset("this client is closed")
            else:
                connection.close()
        await self._farewell()
        for connection in list(self._present):
            connection.reset("this client is closed")
        await self._farewell()

    async def _farewell(self) -> None:
        if self._present:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._emptied}, timeout=_FAREWELL_SECONDS)
