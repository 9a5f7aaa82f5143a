"""The store of several machines: Redis >= 6.2 or Valkey, through one script (`swap.lua`).

Rules of this file. Every command goes through the batcher: its task owns the connection, so a caller that is cancelled can never leave
half a conversation behind. Nothing is sent twice, unless the server said that it had not executed it. A further kind of server (Sentinel,
Cluster) is a further row of CONNECTORS.
"""

import asyncio
import hashlib
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import redis.asyncio
import redis.exceptions
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..core.record import Record, Snapshot, Swapped
from ..errors import StoreError, StoreRefused, StoreUnavailable
from .codec import decode, encode, fresh_stamp
from .port import Store, StoreKey

SCRIPT = files(__package__).joinpath("swap.lua").read_bytes()
SCRIPT_SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest()

KEEP_SECONDS = 30 * 86_400.0
"""How long a record outlives its last swap: far longer than any lease or grace."""

MAX_BATCH = 256
"""How many commands go out in one piece, so that the last one of a burst is still answered within the timeout."""

CLUSTER_TAGS = 256
"""Hash tags on a Cluster: enough to spread over its nodes, few enough to ask each for its lineage. Elsewhere one tag does."""

# Replies that mean "not executed". Searched for anywhere in the text: Redis 6 wraps what a script met into an ERR of its own.
REFUSAL = re.compile(
    r"\b(READONLY|NOREPLICAS|LOADING|MASTERDOWN|OOM|MISCONF|BUSY|NOSCRIPT|NOLINEAGE"
    r"|MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT|NOPERM|NOAUTH|WRONGPASS|WRONGTYPE)\b"
)

Argument = str | bytes | int
Command = tuple[Argument, ...]


class Pipeline(Protocol):
    """What the batcher needs of redis-py's pipelines."""

    def execute_command(self, *args: Argument) -> object: ...
    async def execute(self, raise_on_error: bool) -> list[object]: ...


class Client(Protocol):
    """What the store needs of redis-py's clients: for one server, for Sentinel and for Cluster alike."""

    def pipeline(self, transaction: bool) -> Pipeline: ...
    async def aclose(self) -> None: ...


class Connected(NamedTuple):
    """A client, and over how many hash tags its keys are spread."""

    client: Client
    number_of_tags: int


Connector = Callable[[str, float], Connected]
"""Makes a client of a URL and a connect timeout in seconds. Opens no connection yet."""


def connect_to_one(url: str, timeout_seconds: float) -> Connected:
    """Make a client for one server. What the URL says of passwords, database and TLS is taken; how to behave is ours."""
    # No socket timeout: the batcher has one for the whole exchange, and redis-py's would cost as much as the command. RESP2 has no pushes.
    ours: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "socket_timeout": None,
        "socket_connect_timeout": timeout_seconds,
        "health_check_interval": 0,
        "client_name": "noclobber",
        "driver_info": None,
    }
    try:
        pool = redis.asyncio.ConnectionPool(**{**parse_url(url), **ours})
        # Made and dropped: only this shows that the URL holds an option that does not exist.
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as exc:
        raise StoreRefused(f"the store's URL cannot be used: {exc}") from exc
    return Connected(redis.asyncio.Redis.from_pool(pool), 1)


CONNECTORS: Mapping[str, Connector] = {"redis": connect_to_one, "rediss": connect_to_one, "unix": connect_to_one}


def tag_of(name: str, number_of_tags: int) -> int:
    """Say which hash tag name lives under. Every replica must agree, for ever: records would be lost otherwise."""
    return zlib.crc32(name.encode()) % number_of_tags


def lineage_key(tag: int) -> str:
    """Name the hash that holds the lineage for all records under tag."""
    return f"noclobber:{{{tag}}}:lineage"


def record_key(key: StoreKey, tag: int) -> str:
    """Name the hash that holds the record of key."""
    return f"noclobber:{{{tag}}}:r:{key}"


class RedisStore:
    """Keep records in Redis. `round_trips` counts the operations."""

    def __init__(self, connected: Connected, timeout_seconds: float, keep_seconds: float = KEEP_SECONDS) -> None:
        """Start the batcher, so a loop must be running. An exchange that takes longer than timeout_seconds counts as unanswered."""
        self.round_trips = 0
        self._tags = connected.number_of_tags
        self._keep_ms = math.ceil(keep_seconds * 1000)
        self._batcher = Batcher(connected.client, timeout_seconds)

    @classmethod
    async def open(cls, url: str, timeout_seconds: float = 1.0) -> Self:
        """Make a store of url without connecting: the server may come later. StoreRefused if the URL is none of CONNECTORS."""
        connector = CONNECTORS.get(urlsplit(url).scheme)
        if connector is None:
            raise StoreRefused(f"a Redis URL starts with one of {', '.join(CONNECTORS)}")
        return cls(connector(url, timeout_seconds), timeout_seconds)

    async def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key."""
        tag = tag_of(key, self._tags)
        answer = _read(await self._ask("EVALSHA", SCRIPT_SHA, 2, lineage_key(tag), record_key(key, tag)))
        if isinstance(answer, Swapped):
            raise StoreUnavailable("the store answered a load as if it were a swap")
        return answer

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record there if stamp and lineage still are these; else say what stands."""
        tag = tag_of(key, self._tags)
        stamp = fresh_stamp()
        # Up, never down: a lease is not to be shorter than its owner believes.
        lease_ms = math.ceil(lease_seconds * 1000)
        keys = lineage_key(tag), record_key(key, tag)
        change = expected_stamp, lineage, stamp, encode(record), lease_ms, self._keep_ms
        return _read(await self._ask("EVALSHA", SCRIPT_SHA, 2, *keys, *change), stamp)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name unless something is kept there; return what is. Never expires."""
        key = f"noclobber:{{{tag_of(name, self._tags)}}}:settled:{name}"
        # Two commands and not `SET NX GET`: that needs Redis 7. Nothing ever takes the value away again, so they need not be one.
        await self._ask("SET", key, proposal, "NX")
        kept = await self._ask("GET", key)
        if not isinstance(kept, bytes):
            raise StoreUnavailable(f"the store lost {name} while it was being settled")
        return kept

    async def warnings(self) -> list[str]:
        """Say what about the server's settings is dangerous, one line each."""
        match await self._ask("INFO", "memory"):
            case {"maxmemory": int(limit), "maxmemory_policy": str(policy)} if limit and policy != "noeviction":
                return [f"maxmemory-policy is {policy}: the server may throw records away; set it to noeviction"]
            case _:
                return []

    async def close(self) -> None:
        """Send what waits, then disconnect. Everything after is refused."""
        await self._batcher.close()

    async def _ask(self, *command: Argument) -> object:
        self.round_trips += 1
        return await self._batcher.submit(command)


def _read(reply: object, stamp: str = "") -> Swapped | Snapshot:
    """Read the reply of swap.lua; stamp is the one that the swap proposed."""
    match reply:
        case [int(now_ms)]:
            return Swapped(stamp, now_ms / 1000)
        case [int(now_ms), bytes(lineage), int(since_ms), bytes(standing), bytes(end_ms), bytes(blob)]:
            if standing and not end_ms.isdigit():
                raise StoreRefused(f"a record is damaged: its lease ends at {end_ms!r:.40}")
            record = decode(blob, int(end_ms) / 1000) if standing else None
            return Snapshot(record, standing.decode("latin-1"), now_ms / 1000, lineage.decode("latin-1"), (now_ms - since_ms) / 1000)
        case _:
            raise StoreUnavailable(f"the store answered with something else than a record: {reply!r:.80}")


class Batcher:
    """Send all commands of one tick of the loop in one piece, and hand each reply to its own caller.

    One exchange runs at a time: what arrives meanwhile goes out together with the next (two or four at a time were measured, and gain
    nothing). So a caller waits for two timeouts at most. The conversation belongs to the task in here: a caller that is cancelled leaves
    a future that nobody reads, and nothing else.
    """

    def __init__(self, client: Client, timeout_seconds: float) -> None:
        """Start the task."""
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Command, asyncio.Future[object]]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task = self._loop.create_task(self._run(), name="noclobber-store")

    def submit(self, command: Command) -> asyncio.Future[object]:
        """Queue command and return the future of its reply, which fails with a StoreError."""
        if self._closing:
            raise StoreRefused("the store is closed")
        future = self._loop.create_future()
        self._waiting.append((command, future))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Send what waits, end the task, disconnect."""
        self._closing = True
        self._wake.set()
        try:
            await self._task
        finally:
            await self._client.aclose()

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch = [entry for entry in self._waiting[:MAX_BATCH] if not entry[1].done()]
                    del self._waiting[:MAX_BATCH]
                    if batch:
                        await self._serve(batch)
                if self._closing:
                    return
        finally:
            self._closing = True
            for _, future in self._waiting:
                _fail(future, StoreRefused("the store was closed before the command was sent"))

    async def _serve(self, batch: Sequence[tuple[Command, asyncio.Future[object]]]) -> None:
        """Exchange one batch. Whatever goes wrong, no caller is left waiting."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                replies = await self._exchange([command for command, _ in batch])
        except BaseException as exc:
            for _, future in batch:
                _fail(future, _no_reply(exc, len(batch), self._timeout_seconds))
            if not isinstance(exc, Exception):
                raise
            return
        for (_, future), reply in zip(batch, replies, strict=True):
            if isinstance(reply, Exception):
                _fail(future, _error_reply(reply))
            elif not future.done():
                future.set_result(reply)

    async def _exchange(self, commands: Sequence[Command]) -> list[object]:
        replies = await self._send(commands)
        # NOSCRIPT says that nothing was executed: this alone is sent again, with the text of the script, which also makes it known.
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, redis.exceptions.NoScriptError)]
        if unknown:
            again = await self._send([("EVAL", SCRIPT, *commands[index][2:]) for index in unknown])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _send(self, commands: Sequence[Command]) -> list[object]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)


def _fail(future: asyncio.Future[object], error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)


def _error_reply(reply: Exception) -> StoreError:
    """Translate what the server answered to one command."""
    # redis-py takes the code out of the texts that it knows.
    text = f"{getattr(reply, 'status_code', None) or ''} {reply}".strip()
    error = StoreRefused(f"the store refused: {text}") if REFUSAL.search(text) else StoreUnavailable(f"the store failed: {text}")
    error.__cause__ = reply
    return error


def _no_reply(exc: BaseException, batch_size: int, timeout_seconds: float) -> StoreError:
    """Translate what kept a whole batch from being answered."""
    error: StoreError
    match exc:
        case redis.exceptions.AuthenticationError():
            error = StoreRefused(f"the store refused: {exc}")
        # redis-py hangs up at the first of these, and then nothing is known of the others.
        case redis.exceptions.BusyLoadingError() if batch_size == 1:
            error = StoreRefused(f"the store refused: LOADING {exc}")
        case TimeoutError() | redis.exceptions.TimeoutError():
            error = StoreUnavailable(f"no answer from the store within {timeout_seconds} s")
        case asyncio.CancelledError():
            error = StoreUnavailable("the store was closed before it answered")
        case _:
            error = StoreUnavailable(f"no answer from the store: {exc}")
    error.__cause__ = exc
    return error


_: type[Store] = RedisStore
