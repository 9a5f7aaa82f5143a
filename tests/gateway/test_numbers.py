"""Counters that survive: plain numbers from the first version on, one more for each save, and never one that a client may hold already."""

import asyncio
import logging
import sqlite3
import time
from pathlib import Path

import pytest

from proxy.store import sqlite
from tests.servers import RedisServer, valkey_binary

from .legacy import Legacy
from .serving import SHORT, Door, route, serving, until

NUMBERS = route(strategy="revision", first_version=1)
SHORTER = SHORT | {"protocol__apply_delay_seconds": 0.1}


async def save(door: Door, number: int, body: bytes = b"{}") -> int:
    """Save on top of number; what its answer says stands now, 0 where it was refused."""
    answer = await door.ask(b"PUT", b"/doc", b'If-Match: "%d"' % number, body=body)
    assert answer.status in (204, 412), answer
    return shown(answer.etag) if answer.status == 204 else 0


def shown(tag: bytes) -> int:
    """The number in a tag."""
    return int(tag.strip(b'"'))


async def number_of(door: Door, target: bytes = b"/doc") -> int:
    """The number that a read shows, once one is given."""
    while True:
        tag = (await door.ask(b"GET", target)).one(b"ETag")
        if tag is not None:
            await until(door.is_ready)
            return shown(tag)
        await asyncio.sleep(0.02)


async def test_what_existed_before_is_version_1_and_each_save_is_one_more(legacy: Legacy) -> None:
    async with serving(legacy.port, NUMBERS) as door:
        assert await number_of(door) == 1
        assert [await save(door, number) for number in (1, 2, 3)] == [2, 3, 4]
        assert await save(door, 3) == 0
        assert await number_of(door) == 4


async def test_the_first_version_is_the_routes_own(legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="revision", first_version=100)) as door:
        assert [await number_of(door), await save(door, 100)] == [100, 101]


async def test_a_refused_or_failed_write_is_no_save(legacy: Legacy) -> None:
    async with serving(legacy.port, NUMBERS) as door:
        assert await save(door, 7) == 0
        assert (await door.ask(b"PATCH", b"/nothing", b'If-Match: "1"', body=b"x")).status in (404, 412)
        assert await number_of(door) == 1


async def test_twenty_savers_at_once_count_by_one_each(legacy: Legacy) -> None:
    async with serving(legacy.port, NUMBERS, protocol__lease_wait_seconds=20, limits__max_waiters_per_key=64) as door:

        async def save_until_saved() -> int:
            while True:
                saved = await save(door, await number_of(door))
                if saved:
                    return saved

        saved = await asyncio.gather(*(save_until_saved() for _ in range(20)))
        assert sorted(saved) == list(range(2, 22))


async def test_a_restart_of_noclobber_loses_nothing(legacy: Legacy, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    numbers = []
    for expected in range(1, 4):
        async with serving(legacy.port, NUMBERS, store=store) as door:
            assert await number_of(door) == expected
            numbers.append(await save(door, expected))
    assert numbers == [2, 3, 4]


def cut_power(path: Path) -> None:
    """Have the file look as a power cut left it: somebody had it open."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE meta SET users = 1")
    connection.close()


async def test_a_reboot_in_good_order_goes_on_from_where_it_was(legacy: Legacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    monkeypatch.setattr(sqlite, "boot_identity", lambda: "boot 1")
    async with serving(legacy.port, NUMBERS, store=f"sqlite:///{path}") as door:
        assert await save(door, await number_of(door)) == 2
    monkeypatch.setattr(sqlite, "boot_identity", lambda: "boot 2")
    async with serving(legacy.port, NUMBERS, store=f"sqlite:///{path}", **SHORTER) as door:
        assert [await number_of(door), await save(door, 2), await save(door, 2)] == [2, 3, 0]


async def test_after_a_power_cut_numbers_go_on_above_any_that_a_client_may_hold(
    legacy: Legacy, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, started = tmp_path / "store.db", int(time.time() * 1000)
    monkeypatch.setattr(sqlite, "boot_identity", lambda: "boot 1")
    async with serving(legacy.port, NUMBERS, store=f"sqlite:///{path}") as door:
        await save(door, await number_of(door))
    cut_power(path)
    monkeypatch.setattr(sqlite, "boot_identity", lambda: "boot 2")
    legacy.documents["/new"] = b"new"
    with caplog.at_level(logging.WARNING):
        async with serving(legacy.port, NUMBERS, store=f"sqlite:///{path}", **SHORTER) as door:
            # Numbers 3 and 4 may have been given out before the cut: 3 must not be given again.
            assert await save(door, await number_of(door)) == 0
            above = await number_of(door)
            assert above > started
            assert await save(door, above) == above + 1
            assert await number_of(door, b"/new") > started
            assert await door.sample("noclobber_counters_raised_total", route="r") == 1
    assert caplog.text.count("counters go on above") == 1


async def test_a_flushed_redis_gives_no_number_twice(legacy: Legacy, server: RedisServer) -> None:
    server.start()
    async with serving(legacy.port, NUMBERS, store=server.url, **SHORTER) as door:
        first = await number_of(door)
        second = await save(door, first)
        assert second == first + 1
        server.command("FLUSHALL")
        await asyncio.sleep(0.2)
        third = await number_of(door)
        assert third > second
        assert [await save(door, number) for number in (first, second)] == [0, 0]
        assert await save(door, third) == third + 1


async def test_a_redis_whose_history_is_kept_starts_at_1_and_survives_a_restart(
    legacy: Legacy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(valkey_binary(), tmp_path, "--appendfsync", "always").start()
    async with serving(legacy.port, NUMBERS, store=server.url, store__history="kept", **SHORTER) as door:
        assert [await number_of(door), await save(door, 1), await save(door, 2)] == [1, 2, 3]
        server.kill()
        await asyncio.to_thread(server.start)
        await until(door.is_ready)
        assert [await number_of(door), await save(door, 3), await save(door, 3)] == [3, 4, 0]
    server.kill()
    assert "counters go on above" not in caplog.text
