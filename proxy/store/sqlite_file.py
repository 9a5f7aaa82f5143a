"""The SQLite file under the store: how it is laid out, which lineage it has, and the thread that looks after it."""

import asyncio
import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..errors import StoreError, StoreRefused, StoreUnavailable
from .codec import decode, fresh_stamp

APPLICATION_ID = 0x6E6F636C
"""Marks the file as ours ("nocl"), so that no other program's database is written to."""
FORMAT = 2
OLDER_FORMAT = 1
"""The layout of the tables, kept as the file's user_version. The older one is brought up to date when it is opened."""
FLOOR_STEP = 1 << 20
LEAST_FLOOR = 1 << 40
"""A floor is the wall clock in milliseconds, but above the last one, and above what a machine without a clock may have counted to."""

KEEP_SECONDS = 30 * 86_400.0
"""How long a record outlives its last swap: far longer than any lease or grace."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux's name for this run of the kernel."""
LOG_LIMIT_PAGES = 16_384
"""A log that busy writers have kept from being restarted until it is 64 MiB is restarted by force."""
LOCK_PAUSE_SECONDS = 0.005
SWEPT_RECORDS = 2_000
"""How many records one sweep looks at: more than are written between two, so that all have their turn."""

NEXT = "SELECT key, stamp, lease_end, CASE WHEN written < ? THEN record END FROM records WHERE key > ? ORDER BY key LIMIT ?"
LAYOUT = (
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), database_id TEXT NOT NULL, boot_id TEXT NOT NULL,"
    " lineage TEXT NOT NULL, since REAL, swept REAL NOT NULL, floor INTEGER NOT NULL DEFAULT 0, users INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE records (key TEXT PRIMARY KEY, stamp TEXT NOT NULL, lease_end REAL NOT NULL, written REAL NOT NULL,"
    " record BLOB NOT NULL)",
    "CREATE TABLE settled (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
"""`since` and `lease_end` are seconds of the machine's clock (`since` NULL: for ever), `swept` and `written` of the wall clock.

`users` counts who has the file open. Where it is not 0 at a boot's first opening, the last boot may have ended with a power cut, and the
last swaps may be lost.
"""
UPDATE_LAYOUT = (
    "ALTER TABLE meta ADD COLUMN floor INTEGER NOT NULL DEFAULT 0",
    # An older noclobber did not count: what became of its last swaps is not known.
    "ALTER TABLE meta ADD COLUMN users INTEGER NOT NULL DEFAULT 1",
    f"PRAGMA user_version = {FORMAT}",
)
STREAMS = (
    "CREATE TABLE IF NOT EXISTS streams"
    " (name TEXT NOT NULL, id INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (name, id)) WITHOUT ROWID"
)
"""Put into files that were laid out before there were streams as well: who does not know of it is not disturbed by it."""

# SQLite's primary result codes that mean: the statement was not executed, or was rolled back.
REFUSALS = {
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: does the directory exist, and may it be written to?",
    sqlite3.SQLITE_PERM: "access is denied",
}
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_MACHINE_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

T = TypeVar("T")
log = logging.getLogger(__name__)


class Keeper:
    """The thread that opens and closes the file, checkpoints it and removes old records. `swapping` is the connection of the loop."""

    def __init__(self, path: Path, timeout_seconds: float, clock: Callable[[], float], keep_seconds: float) -> None:
        """Open nothing yet: `prepare` does."""
        self.path = path
        self._clock = clock
        self.swapping: sqlite3.Connection
        self._sweeping: sqlite3.Connection
        self._opened: list[sqlite3.Connection] = []
        self._timeout_seconds = timeout_seconds
        self._keep_seconds = keep_seconds
        self._thread = ThreadPoolExecutor(1, "noclobber-sqlite")
        self._sweep: asyncio.Future[None] | None = None
        self._swept_to = ""
        self._is_counted = False

    async def call(self, work: Callable[[], T]) -> T:
        """Run work on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def prepare(self, boot_id: str) -> None:
        """Make the file if there is none, open it, and give it this boot's lineage. Blocks; raises what sqlite3 and os raise."""
        # Never open a file that is there: closing it again would drop the locks that this process holds on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._sweeping = self._connect()
        with self._sweeping:
            self._sweeping.execute("BEGIN IMMEDIATE")
            _settle_lineage(self._sweeping, self.path, boot_id, self._clock())
            self._sweeping.execute(STREAMS)
            self._sweeping.execute("UPDATE meta SET users = users + 1")
        self._is_counted = True
        self.swapping = self._connect()
        self.swapping.execute("PRAGMA busy_timeout = 0")

    def start_sweep(self) -> bool:
        """Sweep on the thread; False if the last sweep still runs."""
        if self._sweep is not None and not self._sweep.done():
            return False
        self._sweep = asyncio.get_running_loop().run_in_executor(self._thread, self.sweep)
        return True

    def sweep(self) -> None:
        """Checkpoint, and remove the old ones among the next few records. A failure is logged: the next sweep tries again."""
        wall = time.time()
        long_ago = wall - self._keep_seconds
        try:
            self._checkpoint()
            rows = self._sweeping.execute(NEXT, (long_ago, self._swept_to, SWEPT_RECORDS)).fetchall()
            self._swept_to = rows[-1][0] if rows else ""
            ((lineage,),) = self._sweeping.execute("SELECT lineage FROM meta").fetchall()
            old = [(key, stamp) for key, stamp, lease_end, blob in rows if blob is not None and self._is_old(lease_end, blob, lineage)]
            with self._sweeping:
                self._sweeping.execute("BEGIN IMMEDIATE")
                # The first write after a checkpoint syncs the log's new header: let it be this one, so that no swap has to.
                self._sweeping.execute("UPDATE meta SET swept = ?", (wall,))
                self._sweeping.executemany("DELETE FROM records WHERE key = ? AND stamp = ?", old)
        except sqlite3.Error as exc:
            log.warning("%s", translated(exc, self.path))

    def _is_old(self, lease_end: float, blob: bytes, lineage: str) -> bool:
        """Say whether a record that the wall clock calls old is. The wall clock may have been set: this boot's own clock must agree."""
        try:
            record = decode(blob, lease_end)
        except StoreRefused:
            return False
        if record.is_lasting:
            return False
        return record.lineage != lineage or lease_end < self._clock() - self._keep_seconds

    async def close(self) -> None:
        """Wait for the sweep, close both connections, end the thread."""
        await self.call(self._disconnect)
        self._thread.shutdown()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, self._timeout_seconds, isolation_level=None, check_same_thread=False)
        self._opened.append(connection)
        _switch_to_log(connection, self.path, self._timeout_seconds)
        # A power cut may lose the last swaps but cannot damage the file; and the next boot is another lineage anyway.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def _disconnect(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._sign_off()
        for connection in self._opened:
            connection.close()

    def _sign_off(self) -> None:
        """Have all that was swapped on the disk, and then say so. Where that fails, the next boot raises the floor."""
        if not self._is_counted:
            return
        # The sync is of the whole log, so what other processes have swapped by now is on the disk too; and they count themselves.
        self._sweeping.execute("PRAGMA synchronous = FULL")
        with self._sweeping:
            self._sweeping.execute("BEGIN IMMEDIATE")
            self._sweeping.execute("UPDATE meta SET users = users - 1")

    def _checkpoint(self) -> None:
        """Fold the log into the file. By force only where writers never pause long enough for it to start anew: they wait meanwhile."""
        ((_, pages, folded),) = self._sweeping.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if pages > folded and pages > LOG_LIMIT_PAGES:
            self._sweeping.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def _switch_to_log(connection: sqlite3.Connection, path: Path, timeout_seconds: float) -> None:
    """Turn WAL mode on. SQLite does not wait for this lock whatever its timeout says, so that is done here."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            break
        except sqlite3.Error as exc:
            if not is_busy(exc) or time.monotonic() >= deadline:
                raise
        time.sleep(LOCK_PAUSE_SECONDS)
    if mode != "wal":
        raise StoreRefused(f"{path}: its file system cannot be shared by several processes (SQLite has no WAL mode on it)")


def _settle_lineage(connection: sqlite3.Connection, path: Path, boot_id: str, now: float) -> None:
    """Lay an empty file out, or start a new lineage in one that another boot has written. Runs inside a transaction."""
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if tables == 0:
        for statement in LAYOUT:
            connection.execute(statement)
        database_id = fresh_stamp()
        # Nobody has held a lease in it yet: no grace.
        lineage = lineage_of(database_id, boot_id)
        connection.execute(
            "INSERT INTO meta (id, database_id, boot_id, lineage, swept) VALUES (1, ?, ?, ?, 0)", (database_id, boot_id, lineage)
        )
        return
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((layout,),) = connection.execute("PRAGMA user_version").fetchall()
    if (application, layout) == (APPLICATION_ID, OLDER_FORMAT):
        for statement in UPDATE_LAYOUT:
            connection.execute(statement)
    elif (application, layout) != (APPLICATION_ID, FORMAT):
        raise StoreRefused(f"{path} is another program's database, or another noclobber's (format is {layout}, not {FORMAT})")
    ((database_id, last_boot, floor, users),) = connection.execute("SELECT database_id, boot_id, floor, users FROM meta").fetchall()
    if last_boot != boot_id:
        if users:
            floor = max(int(time.time() * 1000), floor + FLOOR_STEP, LEAST_FLOOR)
        change = boot_id, lineage_of(database_id, boot_id), now, floor
        connection.execute("UPDATE meta SET boot_id = ?, lineage = ?, since = ?, floor = ?, users = 0", change)


def machine_clock() -> float:
    """Tell the seconds since the machine started, the same for all its processes. Counts on through a suspend where the system can."""
    return time.clock_gettime(_MACHINE_CLOCK)


def boot_identity() -> str:
    """Name this run of the kernel. Where the system has no such name each opening gets one of its own, which costs a grace and is safe."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return fresh_stamp()


def lineage_of(database_id: str, boot_id: str) -> str:
    """Name the history that database_id has during one boot. Hashed: its first characters must differ too (`core/record.py`, epochs)."""
    return hashlib.sha256(f"{database_id} {boot_id}".encode()).hexdigest()[:32]


def translated(exc: sqlite3.Error | OSError, path: Path) -> StoreError:
    """Say in the project's own errors what went wrong with the file at path."""
    if isinstance(exc, OSError):
        return StoreRefused(f"{path} cannot be used: {exc.strerror}")
    if is_busy(exc):
        return StoreUnavailable(f"{path} stayed locked by another process")
    reason = REFUSALS.get(_code(exc))
    return StoreUnavailable(f"{path} failed: {exc}") if reason is None else StoreRefused(f"{path} cannot be used: {reason}")


def is_busy(exc: sqlite3.Error) -> bool:
    """Say whether nothing was done because another connection holds a lock: trying again is safe."""
    return _code(exc) in BUSY


def _code(exc: sqlite3.Error) -> int:
    """The primary result code; 0 for what the Python module itself raises."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF
