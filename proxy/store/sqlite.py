"""The store of one machine: a SQLite file in WAL mode, shared by any number of workers.

Rules of this file. A swap is one statement on the loop's own thread: about ten microseconds, less than handing it to another thread. That
connection never waits for a lock and never checkpoints; where the file is busy the coroutine sleeps. What syncs to the disk happens on a
thread of its own (`sqlite_file.py`).
"""

import asyncio
import math
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from ..core.record import ABSENT, Record, Snapshot, Swapped
from ..errors import StoreRefused
from .codec import decode, encode, fresh_stamp
from .port import Entry, History, StoreKey, StreamingStore
from .sqlite_file import KEEP_SECONDS, Keeper, boot_identity, is_busy, machine_clock, translated

CHECKPOINT_WRITES = 1_000
"""Checkpoint after so many writes: SQLite's own default is 1000 pages, about the same."""
PAUSE_STEP_SECONDS = 0.000_05
LAST_PAUSE_SECONDS = 0.005
"""A swap holds the lock for ~10 us, so the first pause is a mere turn of the loop: three times the throughput of two busy workers."""
FILE_CHECK_SECONDS = 1.0

LOAD = "SELECT m.lineage, m.since, m.floor, r.stamp, r.lease_end, r.record FROM meta m LEFT JOIN records r ON r.key = ?"
INSERT = (
    "INSERT INTO records (stamp, lease_end, written, record, key) SELECT ?, ?, ?, ?, ?"
    " WHERE ? = (SELECT lineage FROM meta) ON CONFLICT (key) DO NOTHING"
)
UPDATE = (
    "UPDATE records SET stamp = ?, lease_end = ?, written = ?, record = ? WHERE key = ? AND stamp = ? AND ? = (SELECT lineage FROM meta)"
)
SETTLE = "INSERT INTO settled (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
# The newest entry is never forgotten, so the numbers of a stream never repeat.
APPEND = "INSERT INTO streams (name, id, content) SELECT ?, coalesce(max(id), 0) + 1, ? FROM streams WHERE name = ?"
FORGET = "DELETE FROM streams WHERE name = ? AND id <= (SELECT max(id) FROM streams WHERE name = ?) - ?"
TAIL = "SELECT id, content FROM streams WHERE name = ? AND id > ? ORDER BY id LIMIT ?"
LATEST = "SELECT id, content FROM streams WHERE name = ? AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"

T = TypeVar("T")


class SqliteStore:
    """Keep records in one file. `round_trips` counts the operations."""

    def __init__(
        self, keeper: Keeper, timeout_seconds: float, clock: Callable[[], float], checkpoint_writes: int, history: History
    ) -> None:
        """For `open`, which prepares the keeper."""
        self._history = history
        self.round_trips = 0
        self._keeper = keeper
        self._execute = keeper.swapping.execute
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._checkpoint_writes = checkpoint_writes
        self._path = keeper.path
        self._identity = _identity(self._path)
        self._checked = clock()
        self._writes = 0
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        timeout_seconds: float = 1.0,
        *,
        clock: Callable[[], float] = machine_clock,
        boot_id: str | None = None,
        checkpoint_writes: int = CHECKPOINT_WRITES,
        keep_seconds: float = KEEP_SECONDS,
        history: History = History.UNKNOWN,
    ) -> Self:
        """Open the file at path, or make it (mode 0600). Raise StoreRefused if it cannot be used, StoreUnavailable if it stays locked.

        `clock` returns seconds, the same in all processes of this boot; `boot_id` None is the kernel's.
        """
        keeper = Keeper(path, timeout_seconds, clock, keep_seconds)
        try:
            await keeper.call(lambda: keeper.prepare(boot_id or boot_identity()))
            return cls(keeper, timeout_seconds, clock, checkpoint_writes, history)
        except BaseException as exc:
            await keeper.close()
            if isinstance(exc, sqlite3.Error | OSError):
                raise translated(exc, path) from exc
            raise

    async def load(self, key: StoreKey) -> Snapshot:
        """Read what stands under key."""
        self.round_trips += 1
        return await self._patiently(lambda now: self._snapshot(key, now))

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        """Put record there if stamp and lineage still are these; else say what stands."""
        self.round_trips += 1
        blob = encode(record)
        stamp = fresh_stamp()

        def swap_now(now: float) -> Swapped | Snapshot:
            written = stamp, now + lease_seconds, time.time(), blob, key
            if expected_stamp == ABSENT:
                done = self._execute(INSERT, (*written, lineage))
            else:
                done = self._execute(UPDATE, (*written, expected_stamp, lineage))
            return Swapped(stamp, now) if done.rowcount == 1 else self._snapshot(key, now)

        try:
            outcome = swap_now(self._now())
        except sqlite3.Error as exc:
            outcome = await self._again(swap_now, exc)
        if isinstance(outcome, Swapped):
            self._count_write()
        return outcome

    async def settle(self, name: str, proposal: bytes) -> bytes:
        """Keep proposal under name unless something is kept there; return what is. Never expires."""
        self.round_trips += 1

        def settle_now(_: float) -> bytes:
            self._execute(SETTLE, (name, proposal))
            ((value,),) = self._execute("SELECT value FROM settled WHERE name = ?", (name,)).fetchall()
            return bytes(value)

        return await self._patiently(settle_now)

    async def append(self, stream: str, content: bytes, most: int) -> None:
        """Put an entry at the end of stream; forget the oldest."""
        self.round_trips += 1
        # Each by itself: what was put there is not put there again where the second has to wait for the file.
        await self._patiently(lambda _: self._execute(APPEND, (stream, content, stream)))
        await self._patiently(lambda _: self._execute(FORGET, (stream, stream, most)))
        self._count_write()

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        """Read what came after an entry."""
        self.round_trips += 1
        rows = await self._patiently(lambda _: self._execute(TAIL, (stream, int(after or 0), limit)).fetchall())
        return [Entry(str(number), bytes(content)) for number, content in rows]

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        """Read what came before an entry, newest first."""
        self.round_trips += 1
        end = int(before) if before else None
        rows = await self._patiently(lambda _: self._execute(LATEST, (stream, end, end, limit)).fetchall())
        return [Entry(str(number), bytes(content)) for number, content in rows]

    async def close(self) -> None:
        """Let go of the file; the last one to do so folds the log into it. Everything after is refused."""
        if not self._closed:
            self._closed = True
            await self._keeper.close()

    def _snapshot(self, key: StoreKey, now: float) -> Snapshot:
        # fetchall: a statement that is not run to its end would keep the old state of the file in sight.
        ((lineage, since, floor, stamp, lease_end, blob),) = self._execute(LOAD, (key,)).fetchall()
        record = None if stamp is None else decode(blob, lease_end)
        age = math.inf if since is None else now - since
        return Snapshot(record, stamp or ABSENT, now, lineage, age, 0 if self._history is History.KEPT else floor)

    async def _patiently(self, work: Callable[[float], T]) -> T:
        """Do work at once; again after a pause while another process has the file, until the time is up."""
        try:
            return work(self._now())
        except sqlite3.Error as exc:
            return await self._again(work, exc)

    async def _again(self, work: Callable[[float], T], failure: sqlite3.Error) -> T:
        """Do work once more, and once more, as long as it fails because another process has the file."""
        pause = 0.0
        deadline = time.monotonic() + self._timeout_seconds
        while is_busy(failure) and time.monotonic() < deadline:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause + PAUSE_STEP_SECONDS, LAST_PAUSE_SECONDS)
            try:
                return work(self._now())
            except sqlite3.Error as exc:
                failure = exc
        raise translated(failure, self._path) from failure

    def _now(self) -> float:
        """The time of the machine's clock at which the file is asked, which is open and still the one of its name."""
        if self._closed:
            raise StoreRefused("the store is closed")
        now = self._clock()
        if now - self._checked >= FILE_CHECK_SECONDS:
            self._check_file(now)
        return now

    def _check_file(self, now: float) -> None:
        """Refuse to go on with a file that is not the one of that name any more: a worker that starts now would use another."""
        try:
            same = _identity(self._path) == self._identity
        except OSError:
            same = False
        if not same:
            raise StoreRefused(f"{self._path} was removed or replaced while in use: restart all workers")
        self._checked = now

    def _count_write(self) -> None:
        self._writes += 1
        if self._writes >= self._checkpoint_writes and self._keeper.start_sweep():
            self._writes = 0


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


_: type[StreamingStore] = SqliteStore
