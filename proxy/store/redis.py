"""The store of several machines: Redis >= 6.2 or Valkey, through one script (`swap.lua`).

`redis_connect.py` finds the servers of a URL, `redis_cluster.py` those of a Cluster, `redis_batch.py` sends all commands of one tick in
one piece, and `redis_line.py` speaks to one server. None of them sends anything twice, unless the server said that it had not executed it.
"""

import math
from collections.abc import Sequence
from typing import Self

from ..core.record import Record, Snapshot, Swapped
from ..errors import StoreRefused, StoreUnavailable
from .codec import encode, fresh_stamp
from .port import Entry, History, StoreKey, StreamingStore
from .redis_connect import CONNECTORS, Servers
from .redis_line import Argument
from .redis_script import load_command, read_reply, settled_key, stream_key, tag_of

KEEP_SECONDS = 30 * 86_400.0
"""How long a record outlives its last swap: far longer than any lease or grace."""
LASTING_MS = 100 * 366 * 86_400_000
"""The same for a record that is to last. An end all the same, so that the server has to grant nothing more than it does for the others."""


class RedisStore:
    """Keep records in Redis. `round_trips` counts the operations."""

    def __init__(self, servers: Servers, keep_seconds: float = KEEP_SECONDS, history: History = History.UNKNOWN) -> None:
        self.round_trips = 0
        self._history = history
        self._servers = servers
        self._tags = servers.number_of_tags
        self._keep_ms = math.ceil(keep_seconds * 1000)

    @classmethod
    async def open(cls, url: str, timeout_seconds: float = 1.0, history: History = History.UNKNOWN) -> Self:
        """Make a store of url without connecting: the server may come later. StoreRefused if the URL is none of CONNECTORS.

        A loop must be running. An exchange that takes longer than timeout_seconds counts as unanswered.
        """
        connector = CONNECTORS.get(url.partition("://")[0])
        if connector is None:
            raise StoreRefused(f"a Redis URL starts with one of {', '.join(CONNECTORS)}")
        return cls(connector(url, timeout_seconds), history=history)

    async def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key."""
        tag = tag_of(key, self._tags)
        answer = self._read(await self._ask(tag, *load_command(key, tag)))
        if isinstance(answer, Swapped):
            raise StoreUnavailable("the store answered a load as if it were a swap")
        return answer

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record there if stamp and lineage still are these; else say what stands."""
        tag = tag_of(key, self._tags)
        stamp = fresh_stamp()
        # Up, never down: a lease is not to be shorter than its owner believes.
        lease_ms = math.ceil(lease_seconds * 1000)
        keep_ms = LASTING_MS if record.is_lasting else self._keep_ms
        change = expected_stamp, lineage, stamp, encode(record), lease_ms, keep_ms
        return self._read(await self._ask(tag, *load_command(key, tag), *change), stamp)

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name unless something is kept there; return what is. Never expires."""
        tag = tag_of(name, self._tags)
        key = settled_key(name, tag)
        # Two commands and not `SET NX GET`: that needs Redis 7. Nothing ever takes the value away again, so they need not be one.
        await self._ask(tag, "SET", key, proposal, "NX")
        kept = await self._ask(tag, "GET", key)
        if not isinstance(kept, bytes):
            raise StoreUnavailable(f"the store lost {name} while it was being settled")
        return kept

    async def append(self, stream: str, content: bytes, most: int) -> None:
        """Put an entry at the end of stream; forget the oldest."""
        tag = tag_of(stream, self._tags)
        await self._ask(tag, "XADD", stream_key(stream, tag), "MAXLEN", most, "*", "e", content)

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        """Read what came after an entry."""
        tag = tag_of(stream, self._tags)
        first = f"({after}" if after else "-"
        reply = await self._ask(tag, "XRANGE", stream_key(stream, tag), first, "+", "COUNT", limit)
        return [_entry(row) for row in reply] if isinstance(reply, list) else []

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        """Read what came before an entry, newest first."""
        tag = tag_of(stream, self._tags)
        last = f"({before}" if before else "+"
        reply = await self._ask(tag, "XREVRANGE", stream_key(stream, tag), last, "-", "COUNT", limit)
        return [_entry(row) for row in reply] if isinstance(reply, list) else []

    async def close(self) -> None:
        """Send what waits, then disconnect. Everything after is refused."""
        await self._servers.close()

    def _read(self, reply: object, stamp: str = "") -> Swapped | Snapshot:
        answer = read_reply(reply, stamp)
        if self._history is History.KEPT and isinstance(answer, Snapshot):
            return answer._replace(floor=0)
        return answer

    async def _ask(self, tag: int, *command: Argument) -> object:
        self.round_trips += 1
        return await self._servers.ask(tag, command)


def _entry(row: object) -> Entry:
    """Read one entry of XRANGE or XREVRANGE."""
    match row:
        case [bytes(name), [b"e", bytes(content)]]:
            return Entry(name.decode("ascii"), content)
        case _:
            raise StoreRefused(f"a stream is damaged: {row!r:.80}")


_: type[StreamingStore] = RedisStore
