"""One connection to one Redis server, and what its answers mean. The only module that knows redis-py.

Rules of this file. Of redis-py the connection alone is used: its clients send again by themselves when a connection is lost, hang up at
replies that are answers, and tell one error for a whole pipeline. Here nothing is ever sent twice, and each command has a reply or an
error of its own.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..errors import StoreError, StoreRefused, StoreUnavailable

# Replies that mean "not executed". Searched for anywhere in the text: Redis 6 wraps what a script met into an ERR of its own.
REFUSAL = re.compile(
    r"\b(READONLY|NOREPLICAS|LOADING|MASTERDOWN|OOM|MISCONF|BUSY|NOSCRIPT|NOLINEAGE"
    r"|MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT|NOPERM|NOAUTH|WRONGPASS|WRONGTYPE)\b"
)

# What an ACL keeps from a script has no code of its own: in Redis 6.2, and in Redis 8 and Valkey. The script sees to it that it has
# written nothing then.
DENIED = re.compile(r"executing the script can't (run this command|access at least one of the keys)|ACL failure in script")

PARTING = frozenset({"READONLY", "LOADING", "MASTERDOWN", "NOAUTH"})
"""After these another server may be the right one, under the same name: the next exchange looks for it."""

PATIENCE_SECONDS = 1.0
"""How old a connection must be before NOREPLICAS ends it as well: loads go on meanwhile, and this trouble can last."""

Argument = str | bytes | int
Command = tuple[Argument, ...]


class Address(NamedTuple):
    """Where a server listens. A host that begins with a slash is the path of a unix socket, and its port is 0."""

    host: str
    port: int

    def __str__(self) -> str:
        return self.host if self.host.startswith("/") else f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Refusal(StoreRefused):
    """What a server said instead of executing a command: `code` is one of REFUSAL, or "" for what came before any command was sent."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(f"the store refused: {text}")
        self.text = text
        self.code = code


class Wire(Protocol):
    """What is used of redis-py's connections."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    async def can_read(self) -> bool: ...
    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: Iterable[bytes], check_health: bool) -> None: ...
    async def read_response(self, *, disconnect_on_error: bool) -> object: ...


Dial = Callable[[], Awaitable[Wire]]
"""Finds the server and connects to it. Nothing has been executed when it fails."""

Options = dict[str, Any]
"""What redis-py's connections are made with, but for the address."""


def connection_options(url: str, timeout_seconds: float) -> Options:
    """Read a redis, rediss or unix URL. What it says of passwords, database and TLS is taken; how to behave is ours."""
    # No socket timeout: an exchange has one as a whole, and redis-py's would cost as much as the command. RESP2 has no pushes.
    ours: Options = {
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "retry_on_error": [],
        "socket_timeout": None,
        "socket_connect_timeout": timeout_seconds,
        "health_check_interval": 0,
        "client_name": "noclobber",
        "driver_info": None,
    }
    try:
        options = {**parse_url(url), **ours}
        # Made and dropped: only this shows that the URL holds an option that does not exist.
        _make(options)
    except (ValueError, TypeError) as exc:
        raise StoreRefused(f"the store's URL cannot be used: {exc}") from exc
    return options


def at(options: Options, address: Address) -> Options:
    """The same options for another server."""
    return {**options, "host": address.host, "port": address.port}


def _make(options: Options) -> Wire:
    rest = dict(options)
    return cast(Wire, rest.pop("connection_class", Connection)(**rest))


async def connect(options: Options) -> Wire:
    """Open a connection and sign in. Raise StoreError."""
    wire = _make(options)
    try:
        await wire.connect()
    except BaseException as exc:
        await wire.disconnect(nowait=True)
        if isinstance(exc, Exception):
            raise no_reply(exc) from exc
        raise
    return wire


async def ask(wire: Wire, command: Command) -> object:
    """Send one command on a connection that nobody else uses. What the server refuses is returned, not raised."""
    try:
        await wire.send_packed_command(wire.pack_commands([command]), check_health=False)
        return await _reply(wire)
    except BaseException as exc:
        await wire.disconnect(nowait=True)
        if isinstance(exc, Exception):
            raise no_reply(exc) from exc
        raise


class Line:
    """A connection that is made when it is needed, and made anew after it was lost."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._wire: Wire | None = None
        self._connected_at = 0.0

    async def exchange(self, commands: Sequence[Command], deadline: float) -> list[object]:
        """Send all commands in one piece. Each gets its reply, or the StoreError that tells what is known of it. `deadline` is loop time.

        A cancelled exchange hangs up: its replies must not be taken for those of the next.
        """
        replies: list[object] = []
        try:
            async with asyncio.timeout_at(deadline):
                wire = await self._connected()
                await wire.send_packed_command(wire.pack_commands(commands), check_health=False)
                while len(replies) < len(commands):
                    replies.append(await _reply(wire))
        except BaseException as exc:
            await self.hang_up()
            if not isinstance(exc, Exception):
                raise
            # One each: an exception that two callers raise would grow one traceback from both.
            replies += [no_reply(exc) for _ in range(len(commands) - len(replies))]
            return replies
        if any(isinstance(reply, Refusal) and self._ends(reply.code) for reply in replies):
            await self.hang_up()
        return replies

    async def hang_up(self) -> None:
        """Drop the connection without waiting for anything."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.disconnect(nowait=True)

    async def close(self) -> None:
        """Drop the connection in good order."""
        wire, self._wire = self._wire, None
        if wire is not None:
            with contextlib.suppress(RedisError, OSError):
                await wire.disconnect()

    def _ends(self, code: str) -> bool:
        """Say whether the connection is given up after a refusal with code."""
        age_seconds = asyncio.get_running_loop().time() - self._connected_at
        return code in PARTING or (code == "NOREPLICAS" and age_seconds >= PATIENCE_SECONDS)

    async def _connected(self) -> Wire:
        # Readable before anything was asked: the server hung up, or said something that nobody waits for.
        if self._wire is not None and await self._wire.can_read():
            await self.hang_up()
        if self._wire is None:
            self._wire = await self._dial()
            self._connected_at = asyncio.get_running_loop().time()
        return self._wire


async def _reply(wire: Wire) -> object:
    """Read one reply. redis-py raises what the server says in errors; those of them that are replies are returned, as StoreErrors."""
    try:
        return await wire.read_response(disconnect_on_error=False)
    except RedisError as exc:
        if isinstance(exc, ResponseError) or exc.status_code is not None:
            return error_reply(exc)
        raise


def error_reply(exc: RedisError) -> StoreError:
    """Translate what the server answered to one command."""
    # redis-py takes the code out of the texts that it knows.
    text = f"{exc.status_code or ''} {exc}".strip()
    found = REFUSAL.search(text)
    error: StoreError
    if found:
        error = Refusal(text, found[0])
    elif DENIED.search(text):
        error = Refusal(text, "NOPERM")
    else:
        error = StoreUnavailable(f"the store failed: {text}")
    error.__cause__ = exc
    return error


def no_reply(exc: Exception) -> StoreError:
    """Translate what kept commands from being answered. A StoreError comes from looking for the server: nothing was sent then."""
    error: StoreError
    match exc:
        case Refusal():
            error = Refusal(exc.text, exc.code)
        case StoreError():
            error = type(exc)(*exc.args)
        case AuthenticationError() | ResponseError():
            # Only the signing in raises these.
            error = error_reply(exc)
            if not isinstance(error, Refusal):
                error = Refusal(f"{exc.status_code or ''} {exc}".strip())
        case TimeoutError() | RedisTimeoutError():
            error = StoreUnavailable("no answer from the store in time")
        case RedisError(status_code=str()):
            error = error_reply(exc)
        case _:
            error = StoreUnavailable(f"no answer from the store: {exc}")
    error.__cause__ = exc
    return error
