"""Sentinel: who is believed, and what a failover does to those who were writing."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.core.record import ABSENT, Snapshot, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.store.redis import RedisStore
from proxy.store.redis_line import Address
from proxy.store.redis_script import record_key
from tests.server_groups import SERVICE, SentinelGroup, SentinelServer, wait_until
from tests.servers import CannedServer, RedisServer, Relay, free_port, redis_binary
from tests.store.conftest import OpenAt
from tests.store.contract import fresh_key, put, without_times
from tests.store.test_redis import ABSENT_REPLY, RECORD
from tests.store.test_redis_rights import PAGE

TIMEOUT_SECONDS = 0.5


@pytest.fixture
def group(tmp_path: Path) -> Iterator[SentinelGroup]:
    """A primary, a replica and three sentinels of this test's own."""
    group = SentinelGroup(redis_binary(), tmp_path)
    yield group.start()
    group.kill()


async def first_answer(store: RedisStore, key: str) -> Snapshot:
    """Ask until there is an answer, as the gateway does."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(StoreError):
                return await store.load(key)  # type: ignore[arg-type]
            await asyncio.sleep(0.05)


async def test_a_failover_is_a_new_lineage_and_the_old_stamp_matches_nothing(group: SentinelGroup, opened: OpenAt) -> None:
    store = await opened(group.url, TIMEOUT_SECONDS)
    key = fresh_key()
    swapped = await put(store, key, RECORD)
    before = await store.load(key)
    wait_until(lambda: ":1" in group.replica.command("EXISTS", record_key(key, 0)), "the record at the replica")
    # Stopped, and not dead: its connections stand, and it will believe for a moment that it still is the primary.
    group.primary.pause()
    with pytest.raises(StoreUnavailable):
        await store.swap(key, swapped.stamp, before.lineage, RECORD, 0.0)
    after = await first_answer(store, key)
    assert after.lineage != before.lineage
    assert after.lineage_age < 20
    assert (after.stamp, without_times(after.record)) == (swapped.stamp, RECORD)
    assert isinstance(await store.swap(key, swapped.stamp, before.lineage, RECORD, 0.0), Snapshot)
    later = await store.swap(key, swapped.stamp, after.lineage, RECORD, 0.0)
    assert isinstance(later, Swapped)
    group.primary.resume()
    # The sentinels make a replica of it. Nobody who asks them meets it again as a primary, and what it had is thrown away.
    wait_until(lambda: "role:slave" in group.primary.command("INFO", "replication"), "the old primary to be a replica")
    assert (await store.load(key)).stamp == later.stamp
    assert (await (await opened(group.url)).load(key)).stamp == later.stamp


async def test_a_switch_on_request_is_followed_without_a_lost_record(group: SentinelGroup, opened: OpenAt) -> None:
    store = await opened(group.url, TIMEOUT_SECONDS)
    key = fresh_key()
    stamps = [(await put(store, key, RECORD)).stamp]
    before = await store.load(key)
    assert "OK" in group.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
    lineage, deadline = before.lineage, time.monotonic() + 30
    while lineage == before.lineage and time.monotonic() < deadline:
        with contextlib.suppress(StoreError):
            standing = await store.load(key)
            lineage = standing.lineage
            outcome = await store.swap(key, standing.stamp, standing.lineage, RECORD, 0.0)
            stamps += [outcome.stamp] if isinstance(outcome, Swapped) else []
        await asyncio.sleep(0.02)
    assert lineage != before.lineage
    # Whichever of its last states the new primary has: it is one of those that were written, and no decision of before applies to it.
    after = await first_answer(store, key)
    assert after.stamp in stamps
    assert isinstance(await store.swap(key, after.stamp, before.lineage, RECORD, 0.0), Snapshot)


# ---- who is believed -----------------------------------------------------------------------------------------------------------------


def said(address: Address | tuple[str, int], epoch: int = 1, flags: str = "master") -> bytes:
    """What a sentinel answers to SENTINEL MASTER."""
    fields = {"name": SERVICE, "ip": address[0], "port": str(address[1]), "flags": flags, "config-epoch": str(epoch)}
    words = [word for pair in fields.items() for word in pair]
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


def address_of(server: CannedServer | Relay) -> Address:
    """Where a server of this process listens."""
    return Address("127.0.0.1", int(server.url.rpartition(":")[2]))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what is entered."""
    async with AsyncExitStack() as stack:
        yield stack


async def sentinels(stack: AsyncExitStack, *answers: bytes) -> str:
    """Start a sentinel for each answer, and return the URL."""
    canned = [await stack.enter_async_context(CannedServer(answer)) for answer in answers]
    return f"redis+sentinel://{','.join(str(address_of(one)) for one in canned)}/{SERVICE}"


async def test_the_highest_epoch_is_believed(stack: AsyncExitStack, opened: OpenAt) -> None:
    primary = await stack.enter_async_context(CannedServer(ABSENT_REPLY))
    nobody = "127.0.0.1", free_port()
    right, late = said(address_of(primary), 10), said(nobody, 9)
    for answers in ([right, late], [late, right], [late, right, right], [right, late, right]):
        store = await opened(await sentinels(stack, *answers))
        assert (await store.load(fresh_key())).stamp == ABSENT


async def test_sentinels_that_are_away_or_silent_are_done_without(stack: AsyncExitStack, opened: OpenAt) -> None:
    primary = await stack.enter_async_context(CannedServer(ABSENT_REPLY))
    silent = await stack.enter_async_context(CannedServer(b""))
    url = await sentinels(stack, said(address_of(primary)))
    store = await opened(url.replace("://", f"://{address_of(silent)},127.0.0.1:{free_port()},"), 2.0)
    assert (await store.load(fresh_key())).stamp == ABSENT
    # Two of three that answer are enough: nobody waits for the third.
    url = await sentinels(stack, said(address_of(primary)), said(address_of(primary)))
    began = time.monotonic()
    await (await opened(url.replace("://", f"://{address_of(silent)},"), 20.0)).load(fresh_key())
    assert time.monotonic() - began < 8


NO_PRIMARY = {
    "down": (said(("127.0.0.1", 1), flags="master,o_down"), StoreUnavailable, "for down"),
    "unknown": (b"-ERR No such master with that name\r\n", StoreUnavailable, "No such master"),
    "no right": (b"-NOPERM this user has no permissions to run the 'sentinel|master' command\r\n", StoreUnavailable, "NOPERM"),
    "garbage": (b"*1\r\n$1\r\nx\r\n", StoreUnavailable, "something else"),
    "half": (b"*2\r\n$4\r\nname\r\n$1\r\nx\r\n", StoreUnavailable, "no address"),
    "silent": (b"", StoreUnavailable, "does not answer"),
}


@pytest.mark.parametrize(("answer", "kind", "reason"), NO_PRIMARY.values(), ids=NO_PRIMARY)
async def test_without_a_primary_the_store_is_away(
    stack: AsyncExitStack, opened: OpenAt, answer: bytes, kind: type[StoreError], reason: str
) -> None:
    store = await opened(await sentinels(stack, answer), 1.0)
    with pytest.raises(kind, match=reason):
        await store.load(fresh_key())


async def test_a_replica_is_not_taken_for_the_primary(stack: AsyncExitStack, opened: OpenAt) -> None:
    """A sentinel that has slept over a failover names the old primary, which is a replica by now."""
    replica = await stack.enter_async_context(CannedServer(ABSENT_REPLY, info=b"redis_version:7.0.0\r\nrole:slave\r\n"))
    store = await opened(await sentinels(stack, said(address_of(replica))))
    with pytest.raises(StoreRefused, match="READONLY"):
        await store.load(fresh_key())
    assert replica.commands == []


LOST = {"READONLY": b"-READONLY You can't write against a read only replica.\r\n", "cut": b"!"}


@pytest.mark.parametrize("trouble", LOST.values(), ids=LOST)
async def test_after_trouble_the_sentinels_are_asked_again_and_nothing_is_sent_twice(
    stack: AsyncExitStack, opened: OpenAt, trouble: bytes
) -> None:
    old = await stack.enter_async_context(CannedServer(ABSENT_REPLY, trouble))
    new = await stack.enter_async_context(CannedServer(ABSENT_REPLY))
    sentinel = await stack.enter_async_context(CannedServer(said(address_of(old), 1), said(address_of(new), 2)))
    store = await opened(f"redis+sentinel://{address_of(sentinel)}/{SERVICE}")
    assert (await store.load(fresh_key())).stamp == ABSENT
    with pytest.raises(StoreError):
        await store.load(fresh_key())
    for _ in range(2):
        assert (await store.load(fresh_key())).stamp == ABSENT
    assert (len(old.commands), len(new.commands), len(sentinel.commands)) == (2, 2, 2)


async def test_a_timeout_asks_the_sentinels_again(stack: AsyncExitStack, valkey: RedisServer, opened: OpenAt) -> None:
    relay = await stack.enter_async_context(Relay(valkey.port))
    sentinel = await stack.enter_async_context(CannedServer(said(address_of(relay)), said(("127.0.0.1", valkey.port))))
    store = await opened(f"redis+sentinel://{address_of(sentinel)}/{SERVICE}", TIMEOUT_SECONDS)
    key = fresh_key()
    standing = await store.load(key)
    relay.pieces.clear()
    relay.deaf = True
    with pytest.raises(StoreUnavailable, match="no answer"):
        await store.swap(key, ABSENT, standing.lineage, RECORD, 0.0)
    assert without_times((await store.load(key)).record) == RECORD
    assert b"".join(relay.pieces).count(b"EVALSHA") == 1
    assert len(sentinel.commands) == 2


async def test_the_sentinels_have_a_password_of_their_own(servers: Callable[..., RedisServer], opened: OpenAt) -> None:
    # An ordinary server with a password stands for the sentinel: it lets in, and then does not know the command.
    sentinel = servers("--requirepass", "outer")
    url = f"redis+sentinel://:inner@127.0.0.1:{sentinel.port}/{SERVICE}/3"
    for query, reason in (("", "NOAUTH|Authentication required"), ("?sentinel_password=outer", "unknown command")):
        with pytest.raises(StoreUnavailable, match=reason) as raised:
            await (await opened(f"{url}{query}")).load(fresh_key())
        assert "inner" not in str(raised.value)


SENTINEL_RIGHTS = re.findall(r"The sentinels' user needs `(.+?)`", PAGE)[0].split()


@pytest.mark.parametrize("missing", [None, *SENTINEL_RIGHTS])
async def test_the_sentinels_user_needs_the_rights_of_the_manual(
    valkey: RedisServer, tmp_path: Path, opened: OpenAt, missing: str | None
) -> None:
    rights = " ".join(right for right in SENTINEL_RIGHTS if right != missing)
    sentinel = SentinelServer(redis_binary(), tmp_path / "sentinel", valkey, f"user noclobber on >outer -@all {rights}").start()
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}?sentinel_username=noclobber&sentinel_password=outer"
    try:
        store = await opened(url)
        if missing is None:
            assert (await store.load(fresh_key())).record is None
        else:
            with pytest.raises(StoreUnavailable, match="NOPERM"):
                await store.load(fresh_key())
    finally:
        sentinel.kill()


BAD_URLS = [
    "redis+sentinel://h",
    "redis+sentinel://h/service/x",
    "redis+sentinel://h/service/1/2",
    "redis+sentinel://h:p/service",
    "redis+sentinel:///service",
    "redis+sentinel://h,,i/service",
    "redis+sentinel://:hidden@h/service?no_such_option=1",
    "redis+cluster://h/1",
    "redis+cluster://h?db=1",
    "redis+cluster://",
]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(StoreRefused, match="URL") as refused:
        await RedisStore.open(url)
    assert "hidden" not in str(refused.value)
