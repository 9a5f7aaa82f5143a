"""The Redis adapter on real servers: restarts, failovers, lost replies, cancelled callers, and how much goes over the wire."""

import asyncio
import re
import time
from collections.abc import Callable

import pytest

from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.store import redis_batch, redis_line
from proxy.store.port import History, StoreKey
from proxy.store.redis import RedisStore
from proxy.store.redis_connect import connect_to_one
from proxy.store.redis_script import CLUSTER_TAGS, lineage_key, record_key, tag_of
from tests.servers import CannedServer, RedisServer, Relay, free_port
from tests.store.conftest import OpenAt
from tests.store.contract import fresh_key, put, without_times

RECORD = Record(State.OK, "l1", "e1", 1)


async def until(server: RedisServer, command: tuple[str, ...], says: str) -> None:
    """Wait until the reply to command holds says."""
    async with asyncio.timeout(10):
        while says not in await asyncio.to_thread(server.command, *command):  # noqa: ASYNC110 (the other end is a process)
            await asyncio.sleep(0.02)


# ---- the data set and its lineage --------------------------------------------------------------------------------------------------


async def test_a_restart_is_a_new_lineage_over_the_old_records(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers("--appendfsync", "always")
    store = await opened(server.url)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    await asyncio.sleep(0.3)
    before = await store.load(key)
    assert before.lineage_age >= 0.3
    server.kill()
    # On a thread, so that the loop hears of the closed connection and does not send the next command into it.
    await asyncio.to_thread(server.start)
    after = await store.load(key)
    assert after.lineage[:8] != before.lineage[:8]
    assert after.lineage_age < 0.3
    assert after.floor >= before.floor + 1_048_576
    assert (after.stamp, after.record) == (swapped.stamp, before.record)
    assert isinstance(await store.swap(key, swapped.stamp, before.lineage, RECORD, 0.0), Snapshot)
    assert isinstance(await store.swap(key, swapped.stamp, after.lineage, RECORD, 0.0), Swapped)


async def test_a_flush_is_a_young_lineage(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers()
    store = await opened(server.url)
    key = fresh_key()
    await put(store, key, RECORD)
    await asyncio.sleep(0.3)
    before = await store.load(key)
    server.command("FLUSHALL")
    after = await store.load(key)
    assert after.record is None
    assert after.lineage_age < 0.3
    assert after.floor > before.floor


async def test_what_was_seen_before_a_flush_is_not_swapped_after_it(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    """A flush leaves the replication id as it is; and that there was no record before it says nothing of who was granted one since."""
    server = servers()
    one, other = await opened(server.url), await opened(server.url)
    key = fresh_key()
    before = await one.load(key)
    assert (before.record, before.stamp) == (None, ABSENT)
    await put(other, key, RECORD)
    server.command("FLUSHALL")
    refused = await one.swap(key, before.stamp, before.lineage, RECORD, 1.0)
    assert isinstance(refused, Snapshot)
    assert refused.lineage_age < 0.3
    # Nor where somebody else was the first to come.
    server.command("FLUSHALL")
    await asyncio.sleep(0.01)
    await other.load(fresh_key())
    for seen in (before, refused):
        again = await one.swap(key, seen.stamp, seen.lineage, RECORD, 1.0)
        assert isinstance(again, Snapshot)
        assert again.record is None
    now = await one.load(key)
    assert isinstance(await one.swap(key, ABSENT, now.lineage, RECORD, 1.0), Swapped)


async def test_a_clock_that_was_set_back_lowers_no_floor(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers("--appendfsync", "always")
    store = await opened(server.url)
    key = fresh_key()
    await put(store, key, RECORD)
    ahead = int(time.time() * 1000) + 10_000_000
    server.command("HSET", lineage_key(0), "floor", str(ahead))
    server.kill()
    await asyncio.to_thread(server.start)
    assert (await store.load(key)).floor == ahead + 1_048_576
    assert (await store.load(fresh_key())).floor == ahead + 1_048_576


async def test_what_an_older_noclobber_left_has_the_time_as_its_floor(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers()
    store = await opened(server.url)
    await store.load(fresh_key())
    server.command("HDEL", lineage_key(0), "floor")
    since = int(re.findall(r"\d{13,}", server.command("HGET", lineage_key(0), "since"))[0])
    assert (await store.load(fresh_key())).floor == since


async def test_a_history_that_is_kept_has_no_floor(valkey: RedisServer) -> None:
    store = await RedisStore.open(valkey.url, history=History.KEPT)
    snapshot = await store.load(fresh_key())
    assert snapshot.floor == 0
    refused = await store.swap(fresh_key(), "0" * 32, snapshot.lineage, RECORD, 0.0)
    assert isinstance(refused, Snapshot)
    assert refused.floor == 0
    await store.close()


async def test_a_promoted_replica_is_a_new_lineage_and_refuses_before(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    primary = servers()
    replica = servers("--replicaof", "127.0.0.1", str(primary.port))
    await until(replica, ("INFO", "replication"), "master_link_status:up")
    store, standby = await opened(primary.url), await opened(replica.url)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    before = await store.load(key)
    await until(replica, ("EXISTS", record_key(key, 0)), ":1")
    with pytest.raises(StoreRefused, match=r"READONLY|read only"):
        await standby.swap(key, swapped.stamp, before.lineage, RECORD, 0.0)
    with pytest.raises(StoreRefused, match=r"READONLY|read only"):
        await standby.settle(fresh_key(), b"")
    replica.command("REPLICAOF", "NO", "ONE")
    after = await standby.load(key)
    assert after.lineage != before.lineage
    assert after.lineage_age < 1
    assert (after.stamp, after.record) == (swapped.stamp, before.record)


DEMOTIONS = {
    "READONLY": ("yes", r"READONLY|read only"),
    "MASTERDOWN": ("no", r"MASTERDOWN"),
}


@pytest.mark.parametrize(("serves_stale_data", "reason"), DEMOTIONS.values(), ids=DEMOTIONS)
async def test_a_primary_that_is_demoted_under_a_connection_refuses(
    servers: Callable[..., RedisServer], opened: OpenAt, serves_stale_data: str, reason: str
) -> None:
    """Redis 6.2 wraps what its scripts meet. Once it is a primary again it is one with another lineage."""
    server = servers("--replica-serve-stale-data", serves_stale_data)
    store = await opened(server.url)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    before = await store.load(key)
    assert "OK" in server.command("REPLICAOF", "127.0.0.1", str(free_port()))
    for expected in (reason, "READONLY the server is a read only replica"):
        with pytest.raises(StoreRefused, match=expected):
            await store.swap(key, swapped.stamp, before.lineage, RECORD, 0.0)
    server.command("REPLICAOF", "NO", "ONE")
    after = await store.load(key)
    assert after.stamp == swapped.stamp
    assert after.lineage != before.lineage


SETTINGS = {
    "NOREPLICAS": ("CONFIG", "SET", "min-replicas-to-write", "1"),
    "OOM": ("CONFIG", "SET", "maxmemory", "1"),
    "NOPERM in the script": ("ACL", "SETUSER", "default", "-info"),
    "NOPERM": ("ACL", "SETUSER", "default", "-evalsha"),
    "NOAUTH": ("CONFIG", "SET", "requirepass", "secret"),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
async def test_what_the_server_does_not_execute_is_refused(
    servers: Callable[..., RedisServer], opened: OpenAt, setting: tuple[str, ...]
) -> None:
    server = servers()
    store = await opened(server.url)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    standing = await store.load(key)
    assert "OK" in server.command(*setting)
    late = await opened(server.url)
    with pytest.raises(StoreRefused):
        await late.swap(key, swapped.stamp, standing.lineage, RECORD, 0.0)


async def test_the_password_of_the_url_is_used_and_never_told(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers("--requirepass", "secret")
    good = await opened(f"redis://:secret@127.0.0.1:{server.port}/0")
    assert (await good.load(fresh_key())).record is None
    bad = await opened(f"redis://:hidden@127.0.0.1:{server.port}/0")
    with pytest.raises(StoreRefused, match="refused") as refused:
        await bad.load(fresh_key())
    assert "hidden" not in str(refused.value)


async def test_the_server_may_forget_the_script(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers()
    store = await opened(server.url)
    keys = [fresh_key() for _ in range(20)]
    await asyncio.gather(*(put(store, key, RECORD) for key in keys))
    for _ in range(2):
        server.command("SCRIPT", "FLUSH")
        snapshots = await asyncio.gather(*(store.load(key) for key in keys))
        assert [without_times(snapshot.record) for snapshot in snapshots] == [RECORD] * 20
    server.command("SCRIPT", "FLUSH")
    assert isinstance(await store.swap(keys[0], snapshots[0].stamp, snapshots[0].lineage, RECORD, 0.0), Swapped)


# ---- no answer ---------------------------------------------------------------------------------------------------------------------


async def test_a_dead_server_is_unavailable_and_may_come_back(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers()
    store = await opened(server.url, 1.0)
    await store.load(fresh_key())
    server.kill()
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.load(fresh_key())
    assert time.monotonic() - began < 1.0
    server.start()
    assert (await store.load(fresh_key())).record is None


async def test_a_lost_reply_is_unavailable_and_the_swap_may_stand(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(relay.url, 0.3)
        key = fresh_key()
        standing = await store.load(key)
        relay.deaf = True
        relay.pieces.clear()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer"):
            await store.swap(key, ABSENT, standing.lineage, RECORD, 0.0)
        assert 0.25 < time.monotonic() - began < 2
        assert b"".join(relay.pieces).count(b"EVALSHA") == 1
        relay.deaf = False
        # On a fresh connection: no late reply is taken for another's.
        snapshots = await asyncio.gather(*(store.load(key) for _ in range(5)))
        assert [without_times(snapshot.record) for snapshot in snapshots] == [RECORD] * 5


async def test_a_cut_connection_fails_all_that_waited_on_it(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(relay.url)
        await store.load(fresh_key())
        relay.deaf = True
        relay.pieces.clear()
        loads = [asyncio.get_running_loop().create_task(store.load(fresh_key())) for _ in range(6)]
        await asyncio.sleep(0.05)
        loads[0].cancel()
        # It hears again, so whoever wanted to ask once more could.
        relay.deaf = False
        relay.cut()
        results = await asyncio.gather(*loads, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] + [StoreUnavailable] * 5
        assert len({id(result) for result in results}) == 6
        # Nothing was sent again.
        assert b"".join(relay.pieces).count(b"EVALSHA") == 6
        assert (await store.load(fresh_key())).record is None


REPLIES = {
    "LOADING": (b"-LOADING Redis is loading the dataset in memory\r\n", StoreRefused),
    "MASTERDOWN": (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", StoreRefused),
    "MISCONF": (b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist on disk.\r\n", StoreRefused),
    "BUSY": (b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", StoreRefused),
    "MOVED": (b"-MOVED 3999 127.0.0.1:6381\r\n", StoreRefused),
    "ASK": (b"-ASK 3999 127.0.0.1:6381\r\n", StoreRefused),
    "CLUSTERDOWN": (b"-CLUSTERDOWN Hash slot not served\r\n", StoreRefused),
    "TRYAGAIN": (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", StoreRefused),
    "CROSSSLOT": (b"-CROSSSLOT Keys in request don't hash to the same slot\r\n", StoreRefused),
    "NOSCRIPT even to the text": (b"-NOSCRIPT No matching script. Please use EVAL.\r\n", StoreRefused),
    "WRONGTYPE": (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", StoreRefused),
    "wrapped by Redis 6": (
        b"-ERR Error running script (call to f_ab): @user_script:9: -OOM command not allowed when used memory > 'maxmemory'.\r\n",
        StoreRefused,
    ),
    "wrapped READONLY": (
        b"-ERR Error running script (call to f_ab): @user_script:9: -READONLY You can't write against a read only replica.\r\n",
        StoreRefused,
    ),
    "no replication id": (b"-NOLINEAGE this server does not tell its replication id\r\n", StoreRefused),
    "killed": (b"-ERR Error running script: Script killed by user with SCRIPT KILL...\r\n", StoreUnavailable),
    "a code inside a word": (b"-ERR TASKBUSYNESS\r\n", StoreUnavailable),
    "too many clients": (b"-ERR max number of clients reached\r\n", StoreUnavailable),
    "a number": (b":5\r\n", StoreUnavailable),
    "nothing": (b"$-1\r\n", StoreUnavailable),
    "an empty array": (b"*0\r\n", StoreUnavailable),
    "swapped, to a load": (b"*1\r\n:5\r\n", StoreUnavailable),
    "text for a number": (b"*7\r\n$1\r\n5\r\n$1\r\nl\r\n:5\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n", StoreUnavailable),
    "a stamp without a lease": (b"*7\r\n:5\r\n$1\r\nl\r\n:5\r\n$1\r\ns\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n", StoreRefused),
    "a stamp without a record": (b"*7\r\n:5\r\n$1\r\nl\r\n:5\r\n$1\r\ns\r\n$1\r\n7\r\n$0\r\n\r\n:0\r\n", StoreRefused),
    "no floor": (b"*6\r\n:5\r\n$1\r\nl\r\n:5\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n", StoreUnavailable),
    "not RESP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", StoreUnavailable),
}


@pytest.mark.parametrize(("reply", "error"), REPLIES.values(), ids=REPLIES)
async def test_every_other_answer_is_translated(opened: OpenAt, reply: bytes, error: type[StoreError]) -> None:
    async with CannedServer(reply) as server:
        store = await opened(server.url, 1.0)
        with pytest.raises(StoreError) as raised:
            await store.load(fresh_key())
        assert isinstance(raised.value, error)
        assert raised.value.__cause__ is not None or reply[:1] != b"-"


LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
FULL = b"-ERR max number of clients reached\r\n"
ABSENT_REPLY = b"*7\r\n:5\r\n$1\r\nl\r\n:5\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n"


async def test_each_command_of_a_batch_has_an_answer_of_its_own(opened: OpenAt) -> None:
    """redis-py's pipelines hang up at LOADING and at "max number of clients", and then nothing is known of any command."""
    async with CannedServer(ABSENT_REPLY, LOADING, FULL, b"-MASTERDOWN Link is down\r\n", ABSENT_REPLY) as server:
        store = await opened(server.url)
        results = await asyncio.gather(*(store.load(fresh_key()) for _ in range(5)), return_exceptions=True)
        kinds = [Snapshot, StoreRefused, StoreUnavailable, StoreRefused, Snapshot]
        assert [isinstance(result, kind) for result, kind in zip(results, kinds, strict=True)] == [True] * 5
        assert len(server.commands) == 5


async def test_what_was_answered_before_the_connection_broke_is_known(opened: OpenAt) -> None:
    async with CannedServer(ABSENT_REPLY, LOADING, b"HTTP/1.1 400\r\n") as server:
        store = await opened(server.url)
        results = await asyncio.gather(*(store.load(fresh_key()) for _ in range(4)), return_exceptions=True)
        kinds = [Snapshot, StoreRefused, StoreUnavailable, StoreUnavailable]
        assert [isinstance(result, kind) for result, kind in zip(results, kinds, strict=True)] == [True] * 4
        assert results[2] is not results[3]


@pytest.mark.parametrize("code", [b"READONLY", b"LOADING", b"MASTERDOWN", b"NOAUTH"])
async def test_after_some_refusals_the_server_is_looked_for_anew(opened: OpenAt, code: bytes) -> None:
    """The name of the URL may lead to another server by now."""
    async with CannedServer(b"-" + code + b" x\r\n", ABSENT_REPLY, b"-OOM x\r\n", ABSENT_REPLY) as server:
        store = await opened(server.url)
        with pytest.raises(StoreRefused):
            await store.load(fresh_key())
        for _ in range(2):
            await asyncio.gather(store.load(fresh_key()), return_exceptions=True)
        assert server.connections == 2


async def test_too_few_replicas_end_a_connection_that_is_not_young(opened: OpenAt, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CannedServer(b"-NOREPLICAS x\r\n") as server:
        store = await opened(server.url)
        for seconds, connections in ((60.0, 1), (0.0, 2)):
            monkeypatch.setattr(redis_line, "PATIENCE_SECONDS", seconds)
            for _ in range(2):
                with pytest.raises(StoreRefused):
                    await store.load(fresh_key())
            assert server.connections == connections


async def test_the_handshake_is_these_commands_and_no_others(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(f"{relay.url}/3")
        await store.load(fresh_key())
        words = re.findall(rb"\r\n([A-Z]+)\r\n", b"".join(relay.pieces))
        assert words[:5] == [b"CLIENT", b"SETNAME", b"SELECT", b"INFO", b"EVALSHA"]


async def test_a_settled_value_that_is_gone_is_unavailable(opened: OpenAt) -> None:
    async with CannedServer(b"$-1\r\n") as server:
        store = await opened(server.url)
        with pytest.raises(StoreUnavailable, match="lost"):
            await store.settle("salt", b"1")
        assert server.commands == [[b"SET", b"noclobber:{0}:settled:salt", b"1", b"NX"], [b"GET", b"noclobber:{0}:settled:salt"]]


BAD_URLS = {
    "another scheme": "http://127.0.0.1:6379",
    "no scheme": "127.0.0.1",
    "a port that is none": "redis://:hidden@127.0.0.1:port",
    "an option that is none": "redis://:hidden@127.0.0.1:6379/0?no_such_option=1",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
async def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(StoreRefused, match="URL") as refused:
        await RedisStore.open(url)
    assert "hidden" not in str(refused.value)


async def test_how_to_behave_is_not_taken_from_the_url(valkey: RedisServer, opened: OpenAt) -> None:
    store = await opened(f"{valkey.url}/1?decode_responses=true&retry_on_timeout=true&protocol=3&socket_timeout=9")
    key = fresh_key()
    await put(store, key, RECORD)
    assert without_times((await store.load(key)).record) == RECORD
    assert (await (await opened(valkey.url)).load(key)).record is None


# ---- the batcher -------------------------------------------------------------------------------------------------------------------


async def test_one_tick_is_one_piece(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(relay.url)
        lineage = (await store.load(fresh_key())).lineage
        relay.pieces.clear()
        outcomes = await asyncio.gather(*(store.swap(fresh_key(), ABSENT, lineage, RECORD, 0.0) for _ in range(50)))
        assert {type(outcome) for outcome in outcomes} == {Swapped}
        # One write of ours; the kernel may hand it over in two.
        assert len(relay.pieces) <= 2
        assert b"".join(relay.pieces).count(b"EVALSHA") == 50
        # What comes up while an exchange runs goes out together with the next.
        relay.pieces.clear()
        first = asyncio.get_running_loop().create_task(store.load(fresh_key()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(first, *(store.load(fresh_key()) for _ in range(10)))
        assert len(relay.pieces) == 2


async def test_a_burst_goes_out_in_pieces(valkey: RedisServer, opened: OpenAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_batch, "MAX_BATCH", 8)
    store = await opened(valkey.url)
    keys = [fresh_key() for _ in range(50)]
    await asyncio.gather(*(put(store, key, Record(State.OK, "l1", key)) for key in keys))
    assert [(await store.load(key)).record for key in keys] == [
        snapshot.record for snapshot in await asyncio.gather(*(store.load(key) for key in keys))
    ]
    epochs = [snapshot.record.epoch for snapshot in await asyncio.gather(*(store.load(key) for key in keys)) if snapshot.record]
    assert epochs == keys


async def test_who_is_cancelled_before_the_tick_sends_nothing(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(relay.url)
        lineage = (await store.load(fresh_key())).lineage
        relay.pieces.clear()
        swap = asyncio.get_running_loop().create_task(store.swap(fresh_key(), ABSENT, lineage, RECORD, 0.0))
        await asyncio.sleep(0)
        swap.cancel()
        await asyncio.gather(swap, return_exceptions=True)
        await store.load(fresh_key())
        assert len(relay.pieces) == 1
        assert relay.pieces[0].count(b"EVALSHA") == 1


async def test_who_is_cancelled_in_flight_disturbs_nobody(valkey: RedisServer, opened: OpenAt) -> None:
    async with Relay(valkey.port) as relay:
        store = await opened(relay.url)
        keys = [StoreKey(f"{fresh_key()}{number}") for number in range(40)]
        lineage = (await store.load(keys[0])).lineage
        for round_number in range(20):
            tasks = [
                asyncio.get_running_loop().create_task(store.swap(key, "not this", lineage, Record(State.OK, "l1", key), 0.0))
                for key in keys[round_number:]
            ]
            for _ in range(round_number % 7):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            loads = [store.load(key) for key in keys]
            assert [snapshot.record for snapshot in await asyncio.gather(*loads)] == [None] * len(keys)
            await asyncio.gather(*tasks, return_exceptions=True)
        await put(store, keys[0], Record(State.OK, "l1", keys[0]))
        # All of it over one connection: none was given up.
        assert b"".join(relay.pieces).count(b"SETNAME") == 1


async def test_closing_sends_what_waits(valkey: RedisServer, opened: OpenAt) -> None:
    store, other = await opened(valkey.url), await opened(valkey.url)
    key = fresh_key()
    lineage = (await store.load(key)).lineage
    swap = asyncio.get_running_loop().create_task(store.swap(key, ABSENT, lineage, RECORD, 0.0))
    await asyncio.sleep(0)
    await store.close()
    assert isinstance(await swap, Swapped)
    assert without_times((await other.load(key)).record) == RECORD


async def test_a_store_that_is_closed_before_its_first_turn_still_sends(valkey: RedisServer) -> None:
    store = await RedisStore.open(valkey.url)
    load = store._servers.ask(0, ("PING",))
    await store.close()
    assert await load == b"PONG"


async def test_a_closing_that_is_cancelled_leaves_no_caller_waiting(valkey: RedisServer) -> None:
    async with Relay(valkey.port) as relay:
        store = await RedisStore.open(relay.url)
        await store.load(fresh_key())
        relay.deaf = True
        loop = asyncio.get_running_loop()
        in_flight = loop.create_task(store.load(fresh_key()))
        await asyncio.sleep(0.02)
        waiting = loop.create_task(store.load(fresh_key()))
        await asyncio.sleep(0)
        closing = loop.create_task(store.close())
        await asyncio.sleep(0)
        closing.cancel()
        results = await asyncio.gather(in_flight, waiting, closing, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable, StoreRefused, asyncio.CancelledError]


async def test_round_trips_are_counted(valkey: RedisServer, opened: OpenAt) -> None:
    store = await opened(valkey.url)
    await put(store, fresh_key(), RECORD)
    assert store.round_trips == 2


# ---- key names ---------------------------------------------------------------------------------------------------------------------


def test_key_names_are_for_ever() -> None:
    # A record that is looked for under another name is a record lost.
    assert record_key(StoreKey("abc"), tag_of("abc", 1)) == "noclobber:{0}:r:abc"
    assert record_key(StoreKey("abc"), tag_of("abc", CLUSTER_TAGS)) == "noclobber:{194}:r:abc"
    assert lineage_key(194) == "noclobber:{194}:lineage"
    assert {tag_of(f"{number}", CLUSTER_TAGS) for number in range(20_000)} == set(range(CLUSTER_TAGS))


async def test_many_tags_are_many_lineage_keys(servers: Callable[..., RedisServer]) -> None:
    server = servers()
    one = connect_to_one(server.url, 1.0)
    one.number_of_tags = CLUSTER_TAGS
    store = RedisStore(one)
    keys = [StoreKey(name) for name in ("abc", "abd", "abe")]
    await asyncio.gather(*(put(store, key, RECORD) for key in keys))
    names = set(re.findall(r"noclobber:\{\d+\}:\S+", server.command("KEYS", "noclobber:*")))
    tags = {key: tag_of(key, CLUSTER_TAGS) for key in keys}
    assert names == {lineage_key(tag) for tag in tags.values()} | {record_key(key, tag) for key, tag in tags.items()}
    await store.close()


async def test_a_record_is_kept_for_thirty_days_and_a_lineage_for_ever(valkey: RedisServer, opened: OpenAt) -> None:
    store = await opened(valkey.url)
    key = fresh_key()
    await put(store, key, RECORD)
    left_ms = int(valkey.command("PTTL", record_key(key, 0))[1:])
    assert 0 <= 30 * 86_400_000 - left_ms < 60_000
    assert valkey.command("PTTL", lineage_key(0)).strip() == ":-1"


async def test_what_is_to_last_is_not_shortened_by_a_new_lineage(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    server = servers("--appendfsync", "always")
    store = await opened(server.url)
    key, century_ms = fresh_key(), 100 * 365 * 86_400_000
    await put(store, key, RECORD)
    await put(store, key, RECORD._replace(is_lasting=True))
    assert int(server.command("PTTL", record_key(key, 0))[1:]) > century_ms
    server.kill()
    await asyncio.to_thread(server.start)
    await store.load(key)
    assert int(server.command("PTTL", record_key(key, 0))[1:]) > century_ms


async def test_nothing_listens_there(opened: OpenAt) -> None:
    store = await opened(f"redis://127.0.0.1:{free_port()}", 1.0)
    with pytest.raises(StoreUnavailable, match="no answer"):
        await store.swap(fresh_key(), ABSENT, "l", RECORD, 0.0)
