"""The store port: a compare-and-swap register with a clock and a lineage, and nothing more.

No adapter decides anything beyond "are stamp and lineage still these?". The rules live in `core/write.py`; every adapter passes the
same contract suite (`tests/store/contract.py`).
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, NewType, Protocol, runtime_checkable

from ..core.record import Record, Snapshot, Swapped

StoreKey = NewType("StoreKey", str)
"""The name of a record: a digest in URL-safe base64, so that no byte of a client's reaches a key name."""


class History(Enum):
    """What is known of swaps that were made before the store's present lineage began."""

    UNKNOWN = "unknown"
    KEPT = "kept"


class Store(Protocol):
    """Keep one record per key for everyone who shares the store.

    Every method raises `StoreUnavailable` when no answer came (for `swap`: it may have been executed) and `StoreRefused` when the
    store said that it executed nothing.
    """

    async def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key: `record` is None and `stamp` is ABSENT when there is nothing.

        `lineage`, its age and its floor are those of the part of the data set that key is in. Only a Redis Cluster has more parts than
        one. The floor stays as it is as long as the lineage does, and no later lineage has a lower one, but for 0: nothing was lost.
        """

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record in the place of the one stamped expected_stamp (ABSENT: of none), if lineage still is the data set's.

        The store sets `record.lease_end` to its own now + lease_seconds (0: now) whatever the argument holds, and stamps what it
        wrote with a fresh random stamp. A record that is lasting is never dropped, others may be once they are old. A Snapshot as answer
        means: not swapped, this is what stands.
        """

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name if nothing is kept there yet, and return what is kept: the same for everyone."""

    async def close(self) -> None:
        """Let go of connections and files. The store cannot be used afterwards."""


class Entry(NamedTuple):
    """What was put into a stream. `id` is the store's name for its place there, and grows."""

    id: str
    content: bytes


@runtime_checkable
class Streams(Protocol):
    """Keep the newest entries of a few streams, beside the records. Raises what `Store` raises; no protocol rests on a stream."""

    async def append(self, stream: str, content: bytes, most: int) -> None:
        """Put an entry at the end of stream, and forget the oldest until at most `most` are left. StoreUnavailable: it may be there."""

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        """Read at most `limit` entries that came after the one with the id `after` (empty: from the oldest on), oldest first."""

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        """Read at most `limit` entries that came before the one with the id `before` (empty: from the newest back), newest first."""


class StreamingStore(Store, Streams, Protocol):
    """What every adapter is."""
