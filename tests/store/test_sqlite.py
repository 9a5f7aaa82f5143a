"""The SQLite adapter: several processes on one file, restarts, boots, locks and damage."""

import asyncio
import functools
import logging
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped
from proxy.errors import StoreRefused, StoreUnavailable
from proxy.store import sqlite_file
from proxy.store.port import History, StoreKey
from proxy.store.sqlite import SqliteStore
from tests.store.contract import OpenStore, StreamContract, fresh_key, put, without_times

COUNTER = StoreKey("counter")
ROOT = Path(__file__).parents[2]

OpenSqlite = Callable[..., Awaitable[SqliteStore]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "noclobber.db"


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[OpenSqlite]:
    """Opens stores on path, and closes them at the end."""
    stores: list[SqliteStore] = []

    async def open_one(**options: object) -> SqliteStore:
        stores.append(await SqliteStore.open(path, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()


class TestSqliteStore(StreamContract):
    @pytest.fixture
    async def open_store(self, opened: OpenSqlite) -> OpenStore:
        return opened


async def count_up(store: SqliteStore, seconds: float) -> int:
    """Increment the counter by compare-and-swap for a while, and return how often that succeeded."""
    done = 0
    end = time.monotonic() + seconds
    standing = await store.load(COUNTER)
    while time.monotonic() < end:
        record = standing.record or Record(State.OK, standing.lineage, "e1")
        outcome = await store.swap(COUNTER, standing.stamp, standing.lineage, record._replace(revision=record.revision + 1), 0.0)
        done += isinstance(outcome, Swapped)
        standing = outcome if isinstance(outcome, Snapshot) else await store.load(COUNTER)
    return done


async def work(path: Path, seconds: float) -> None:
    """Count up, and say how far: what a worker process does."""
    store = await SqliteStore.open(path, 5.0, checkpoint_writes=200)
    print("ready", flush=True)
    print(await count_up(store, seconds), flush=True)
    await store.close()


def start_worker(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a worker process."""
    command = [sys.executable, "-m", "tests.store.test_sqlite", str(path), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def counted(store: SqliteStore) -> int:
    """Read the counter."""
    record = (await store.load(COUNTER)).record
    return 0 if record is None else record.revision


async def test_two_processes_lose_no_increment(path: Path, opened: OpenSqlite) -> None:
    # They open the file at the same moment, and neither finds it there.
    workers = [start_worker(path, 2.0) for _ in range(2)]
    outputs = [(await asyncio.to_thread(worker.communicate))[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    each = [int(done) for _, done in outputs]
    assert min(each) > 20
    assert await counted(await opened()) == sum(each)


async def test_two_loops_of_one_process_lose_no_increment(path: Path) -> None:
    each: list[int] = []

    async def count_alone() -> None:
        store = await SqliteStore.open(path, 5.0, checkpoint_writes=100)
        each.append(await count_up(store, 0.5))
        await store.close()

    threads = [threading.Thread(target=lambda: asyncio.run(count_alone())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    store = await SqliteStore.open(path)
    assert await counted(store) == sum(each)
    assert len(each) == 2
    await store.close()


async def test_a_killed_process_leaves_a_usable_file(path: Path, opened: OpenSqlite) -> None:
    store = await opened()
    lineage = (await store.load(COUNTER)).lineage
    for _ in range(3):
        worker = start_worker(path, 60.0)
        assert worker.stdout is not None
        await asyncio.to_thread(worker.stdout.readline)
        before = await counted(store)
        await asyncio.sleep(0.1)
        worker.kill()
        await asyncio.to_thread(worker.wait)
        worker.stdout.close()
        assert await counted(store) > before
        assert await count_up(store, 0.05) > 0
    assert (await (await opened()).load(COUNTER)).lineage == lineage


async def test_reopening_keeps_records_lineage_and_settled_values(path: Path) -> None:
    first = await SqliteStore.open(path)
    key = fresh_key()
    swapped = await put(first, key, Record(State.PENDING, "l1", "e1", 4, owner="o"), 5.0)
    before = await first.load(key)
    await first.settle("salt", b"1")
    await first.close()
    second = await SqliteStore.open(path)
    after = await second.load(key)
    assert after.stamp == swapped.stamp
    assert (after.record, after.lineage, after.lineage_age) == (before.record, before.lineage, math.inf)
    assert await second.settle("salt", b"2") == b"1"
    await second.close()
    # The last one to close folds the log in.
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_nobody_else_may_read_the_file(path: Path, opened: OpenSqlite) -> None:
    await put(await opened(), fresh_key(), Record(State.OK, "l1", "e1"))
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        path.name: 0o600,
        f"{path.name}-wal": 0o600,
        f"{path.name}-shm": 0o600,
    }


async def test_another_boot_is_another_lineage_whose_age_counts_from_its_first_opener(opened: OpenSqlite) -> None:
    now = 1000.0
    old = await opened(boot_id="boot 1", clock=lambda: now)
    key = fresh_key()
    swapped = await put(old, key, Record(State.PENDING, "l1", "e1", owner="o"), 5.0)
    before = await old.load(key)
    now = 7.0
    first = await opened(boot_id="boot 2", clock=lambda: now)
    now = 9.5
    second = await opened(boot_id="boot 2", clock=lambda: now)
    snapshots = [await store.load(key) for store in (first, second)]
    assert [snapshot.lineage_age for snapshot in snapshots] == [2.5, 2.5]
    assert len({snapshot.lineage for snapshot in snapshots}) == 1
    assert snapshots[0].lineage[:8] != before.lineage[:8]
    assert (snapshots[0].stamp, snapshots[0].record) == (swapped.stamp, before.record)
    # Whoever still holds the file from before is told.
    outcome = await old.swap(key, swapped.stamp, before.lineage, Record(State.OK, "l1", "e1"), 0.0)
    assert isinstance(outcome, Snapshot)
    assert (outcome.lineage, outcome.lineage_age) == (snapshots[0].lineage, 2.5)
    assert isinstance(await old.swap(fresh_key(), ABSENT, before.lineage, Record(State.OK, "l1", "e1"), 0.0), Snapshot)


async def test_the_clock_and_the_boot_are_the_machines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sqlite_file.boot_identity() == sqlite_file.boot_identity()
    assert abs(sqlite_file.machine_clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
    # Without a name for the boot every opening is a new history.
    monkeypatch.setattr(sqlite_file, "BOOT_ID", path / "missing")
    lineages = set()
    for age in (math.inf, 0.0):
        store = await SqliteStore.open(path)
        snapshot = await store.load(COUNTER)
        lineages.add(snapshot.lineage)
        assert snapshot.lineage_age == pytest.approx(age, abs=0.5)
        await store.close()
    assert len(lineages) == 2


# ---- locks -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rival(path: Path) -> Callable[[], sqlite3.Connection]:
    """Takes the write lock of the file at path."""

    def lock() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    return lock


async def test_a_swap_waits_for_a_lock_without_holding_the_loop_up(opened: OpenSqlite, rival: Callable[[], sqlite3.Connection]) -> None:
    store = await opened()
    key = fresh_key()
    standing = await store.load(key)
    connection = rival()
    swap = asyncio.get_running_loop().create_task(store.swap(key, ABSENT, standing.lineage, Record(State.OK, "l1", "e1"), 5.0))
    longest = 0.0
    for _ in range(50):
        before = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - before)
        # A read needs no lock.
        assert (await store.load(key)).record is None
    assert not swap.done()
    assert longest < 0.5
    connection.execute("COMMIT")
    connection.close()
    outcome = await swap
    assert isinstance(outcome, Swapped)
    standing = await store.load(key)
    assert standing.record is not None
    # The lease counts from when it was granted, not from when it was asked for.
    assert standing.record.lease_end == outcome.now + 5.0


async def test_a_lock_that_stays_is_unavailable(opened: OpenSqlite, rival: Callable[[], sqlite3.Connection]) -> None:
    store = await opened(timeout_seconds=0.1)
    standing = await store.load(COUNTER)
    connection = rival()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.swap(COUNTER, ABSENT, standing.lineage, Record(State.OK, "l1", "e1"), 0.0)
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.settle("salt", b"")
    assert 0.15 < time.monotonic() - began < 5
    with pytest.raises(StoreUnavailable, match="locked"):
        await opened(timeout_seconds=0.05)
    connection.close()
    assert (await store.load(COUNTER)).record is None


@pytest.mark.parametrize("leaves", ["cancelled", "closed"])
async def test_who_leaves_while_waiting_has_written_nothing(
    opened: OpenSqlite, rival: Callable[[], sqlite3.Connection], leaves: str
) -> None:
    store, other = await opened(), await opened()
    standing = await store.load(COUNTER)
    connection = rival()
    swap = asyncio.get_running_loop().create_task(store.swap(COUNTER, ABSENT, standing.lineage, Record(State.OK, "l1", "e1"), 0.0))
    await asyncio.sleep(0.01)
    if leaves == "cancelled":
        swap.cancel()
    else:
        await store.close()
    connection.close()
    (result,) = await asyncio.gather(swap, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError if leaves == "cancelled" else StoreRefused)
    assert (await other.load(COUNTER)).record is None


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
async def test_turning_the_log_on_waits_for_a_lock(path: Path, lock: str) -> None:
    # A database that is not in WAL mode yet, and is being written to. SQLite's own timeout does not cover IMMEDIATE.
    rival = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    rival.execute(f"BEGIN {lock}")
    with pytest.raises(StoreUnavailable, match="locked"):
        await SqliteStore.open(path, 0.05)
    threading.Timer(0.1, rival.close).start()
    store = await SqliteStore.open(path, 5.0)
    assert (await store.load(COUNTER)).lineage_age == math.inf
    await store.close()


async def test_an_opening_that_is_cancelled_lets_go_of_the_file(path: Path) -> None:
    opening = asyncio.get_running_loop().create_task(SqliteStore.open(path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    connection = sqlite3.connect(path, 0.0)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.close()


# ---- what cannot be used -----------------------------------------------------------------------------------------------------------


def _leave_missing(path: Path) -> Path:
    return path / "no-such-directory" / "noclobber.db"


def _make_directory(path: Path) -> Path:
    path.mkdir()
    return path


def _write_garbage(path: Path) -> Path:
    path.write_bytes(b"this is not a database" * 100)
    return path


def _write_tables_of_another(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    return path


def _write_another_format(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE meta (a)")
    connection.execute(f"PRAGMA application_id = {sqlite_file.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    return path


UNUSABLE = {
    "no directory": (_leave_missing, "No such file or directory"),
    "a directory": (_make_directory, "cannot be opened"),
    "garbage": (_write_garbage, "not a SQLite database"),
    "another program's": (_write_tables_of_another, "another program's database"),
    "another format": (_write_another_format, "format is 3, not 2"),
}


@pytest.mark.parametrize(("prepare", "says"), UNUSABLE.values(), ids=UNUSABLE)
async def test_what_is_no_store_is_refused(path: Path, prepare: Callable[[Path], Path], says: str) -> None:
    unusable = prepare(path)
    with pytest.raises(StoreRefused, match=says) as refused:
        await SqliteStore.open(unusable)
    assert str(unusable) in str(refused.value)


async def test_where_no_log_can_be_shared_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreRefused, match="no WAL mode"):
        await SqliteStore.open(Path(":memory:"))


FAULTS = {
    "read-only": ("PRAGMA query_only = 1", StoreRefused, "read-only"),
    "disk full": ("PRAGMA max_page_count = 1", StoreRefused, "disk is full"),
    "tables gone": ("DROP TABLE records", StoreUnavailable, "no such table"),
}


@pytest.mark.parametrize(("fault", "error", "says"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_translated_and_nothing_is_written(opened: OpenSqlite, fault: str, error: type[Exception], says: str) -> None:
    store, other = await opened(), await opened()
    lineage = (await store.load(COUNTER)).lineage
    store._keeper.swapping.execute(fault)
    # Longer than the free room of the last page.
    record = Record(State.OK, "l1", "e1", operation="x" * 20_000)
    with pytest.raises(error, match=says):
        await store.swap(COUNTER, ABSENT, lineage, record, 0.0)
    if error is StoreRefused:
        assert (await other.load(COUNTER)).record is None


async def test_damage_is_never_taken_for_absence(path: Path, opened: OpenSqlite) -> None:
    store = await opened()
    await put(store, COUNTER, Record(State.OK, "l1", "e1"))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE records SET record = x'00'")
    connection.close()
    with pytest.raises(StoreRefused, match="format"):
        await store.load(COUNTER)


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
async def test_a_file_that_is_not_the_one_of_that_name_any_more_is_refused(path: Path, opened: OpenSqlite, replaced: bool) -> None:
    now = 100.0
    store = await opened(clock=lambda: now)
    await put(store, COUNTER, Record(State.OK, "l1", "e1"))
    now += 1.0
    await store.load(COUNTER)
    os.rename(path, path.with_name("moved.db"))
    if replaced:
        await opened()
    now += 1.0
    for _ in range(2):
        with pytest.raises(StoreRefused, match="removed or replaced"):
            await store.load(COUNTER)


# ---- the keeper --------------------------------------------------------------------------------------------------------------------


async def swept(store: SqliteStore) -> None:
    """Sweep now, on the thread that does it."""
    await store._keeper.call(store._keeper.sweep)


async def test_the_log_is_folded_in_after_so_many_writes(path: Path, opened: OpenSqlite) -> None:
    store = await opened(checkpoint_writes=50)
    log_file = path.with_name(f"{path.name}-wal")
    largest = 0
    for _ in range(20):
        await asyncio.gather(*(put(store, StoreKey(f"key {i}"), Record(State.OK, "l1", "e1")) for i in range(50)))
        largest = max(largest, log_file.stat().st_size)
        # Behind the sweep, on its thread.
        await store._keeper.call(lambda: None)
    # A thousand writes are 4 MB of log if nobody ever starts it anew.
    assert 0 < largest < 1_000_000


async def test_only_one_sweep_runs_at_a_time(opened: OpenSqlite) -> None:
    store = await opened()
    release = threading.Event()
    blocking = asyncio.get_running_loop().create_task(store._keeper.call(release.wait))
    await asyncio.sleep(0)
    assert [store._keeper.start_sweep() for _ in range(3)] == [True, False, False]
    release.set()
    await blocking


async def test_a_log_that_grew_too_long_is_restarted_by_force(opened: OpenSqlite, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "LOG_LIMIT_PAGES", 3)
    store = await opened(timeout_seconds=0.05)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM records").fetchall()
    for _ in range(10):
        await put(store, COUNTER, Record(State.OK, "l1", "e1"))
    statements: list[str] = []
    store._keeper._sweeping.set_trace_callback(statements.append)
    await swept(store)
    assert "PRAGMA wal_checkpoint(RESTART)" in statements
    reader.close()
    statements.clear()
    await swept(store)
    assert "PRAGMA wal_checkpoint(RESTART)" not in statements
    assert (await store.load(COUNTER)).record is not None


async def test_a_sweep_that_fails_is_logged(
    opened: OpenSqlite, rival: Callable[[], sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(timeout_seconds=0.02)
    connection = rival()
    with caplog.at_level(logging.WARNING):
        await swept(store)
    assert "stayed locked" in caplog.text
    connection.close()


async def test_only_what_both_clocks_call_old_is_removed(opened: OpenSqlite, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "SWEPT_RECORDS", 3)
    now = 100.0
    store = await opened(clock=lambda: now, keep_seconds=1000.0)
    lineage = (await store.load(COUNTER)).lineage
    keys = [StoreKey(name) for name in ("damaged", "foreign", "foreign and new", "idle", "lasting", "leased", "new", "swapped")]
    for key in keys:
        foreign = key.startswith("foreign")
        await put(
            store,
            key,
            Record(State.OK, "another" if foreign else lineage, "e1", is_lasting=key == "lasting"),
            5000.0 if key == "leased" else 0.0,
        )
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE records SET written = written - 2000 WHERE key NOT IN ('new', 'foreign and new')")
    connection.execute("UPDATE records SET record = x'00' WHERE key = 'damaged'")
    connection.close()

    async def sweep_all() -> set[str]:
        for _ in range(4):
            await swept(store)
        return {key for (key,) in store._execute("SELECT key FROM records")}

    # The wall clock has jumped: it alone is not believed for a record of this boot.
    assert await sweep_all() == set(keys) - {"foreign"}
    now += 1001.0
    await put(store, StoreKey("swapped"), Record(State.OK, lineage, "e1"))
    assert await sweep_all() == {"damaged", "foreign and new", "lasting", "leased", "new", "swapped"}


async def test_what_is_swapped_while_a_sweep_looks_is_not_removed(opened: OpenSqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(keep_seconds=-1.0)
    await put(store, COUNTER, Record(State.OK, "another", "e1"))

    def swap_meanwhile(*_: object) -> bool:
        store._keeper._sweeping.execute("UPDATE records SET stamp = 'fresh'")
        return True

    monkeypatch.setattr(store._keeper, "_is_old", swap_meanwhile)
    await swept(store)
    assert (await store.load(COUNTER)).stamp == "fresh"
    monkeypatch.undo()
    await swept(store)
    await swept(store)
    assert (await store.load(COUNTER)).record is None


@pytest.mark.parametrize("left_open", [False, True], ids=["closed in good order", "killed"])
async def test_the_floor_is_raised_where_a_boot_may_have_ended_with_a_power_cut(opened: OpenSqlite, path: Path, left_open: bool) -> None:
    first, beside = await opened(boot_id="boot 1"), await opened(boot_id="boot 1")
    assert (await first.load(COUNTER)).floor == 0
    await first.close()
    if not left_open:
        await beside.close()
    again = await opened(boot_id="boot 1")
    assert (await again.load(COUNTER)).floor == 0
    await again.close()
    started = time.time() * 1000
    floor = (await (await opened(boot_id="boot 2")).load(COUNTER)).floor
    assert (floor >= int(started)) if left_open else (floor == 0)


async def test_a_floor_grows_whatever_the_clock_says(opened: OpenSqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    floors = []
    for boot, wall in enumerate((1.8e9, 1.9e9, 5.0, 6.0)):
        monkeypatch.setattr(time, "time", functools.partial(float, wall))
        # Left open, as by a power cut.
        floors.append((await (await opened(boot_id=f"boot {boot}")).load(COUNTER)).floor)
    assert floors == [0, 1_900_000_000_000, 1_900_000_000_000 + 2**20, 1_900_000_000_000 + 2**21]


async def test_without_a_clock_a_floor_is_high_all_the_same(opened: OpenSqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 5.0)
    await opened(boot_id="boot 1")
    assert (await (await opened(boot_id="boot 2")).load(COUNTER)).floor == 2**40


async def test_a_file_of_an_older_noclobber_is_brought_up_to_date(opened: OpenSqlite, path: Path) -> None:
    store = await opened(boot_id="boot 1")
    await put(store, COUNTER, Record(State.OK, "l1", "e1", 7))
    await store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("ALTER TABLE meta DROP COLUMN floor", "ALTER TABLE meta DROP COLUMN users", "PRAGMA user_version = 1"):
        connection.execute(statement)
    connection.close()
    snapshot = await (await opened(boot_id="boot 1")).load(COUNTER)
    assert (snapshot.record and snapshot.record.revision, snapshot.floor) == (7, 0)
    assert (await (await opened(boot_id="boot 2")).load(COUNTER)).floor > 2**40


async def test_a_history_that_is_kept_has_no_floor(opened: OpenSqlite) -> None:
    await opened(boot_id="boot 1")
    assert (await (await opened(boot_id="boot 2", history=History.KEPT)).load(COUNTER)).floor == 0


async def test_round_trips_are_counted(opened: OpenSqlite) -> None:
    store = await opened()
    await put(store, COUNTER, Record(State.OK, "l1", "e1"))
    await store.settle("salt", b"")
    assert store.round_trips == 3
    assert without_times((await store.load(COUNTER)).record) == Record(State.OK, "l1", "e1")


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), float(sys.argv[2])))


async def test_a_file_from_before_there_were_streams_is_given_them(path: Path, opened: OpenSqlite) -> None:
    key = fresh_key()
    store = await opened()
    swapped = await put(store, key, Record(State.OK, "l1", "e1"))
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE streams")
    connection.close()
    later = await opened()
    assert (await later.load(key)).stamp == swapped.stamp
    await later.append("s", b"1", 1)
    assert [entry.content for entry in await later.tail("s", "", 1)] == [b"1"]
