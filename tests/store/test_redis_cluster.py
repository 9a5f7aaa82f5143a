"""A Cluster: slots that move, nodes that are away, and redirections. No record is forked, and no node holds up another."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.core.record import ABSENT, Record, Snapshot, State, Swapped
from proxy.errors import StoreError, StoreRefused, StoreUnavailable
from proxy.store import redis_cluster
from proxy.store.port import StoreKey
from proxy.store.redis import RedisStore
from proxy.store.redis_cluster import SLOT_OF_TAG, read_slots, slot_of
from proxy.store.redis_line import Address
from proxy.store.redis_script import CLUSTER_TAGS, record_key, tag_of
from tests.server_groups import ClusterGroup, wait_until
from tests.servers import CannedServer, RedisServer, free_port, redis_binary, valkey_binary
from tests.store.conftest import OpenAt
from tests.store.contract import fresh_key, put, without_times
from tests.store.test_redis import ABSENT_REPLY, LOADING, RECORD

TIMEOUT_SECONDS = 0.5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterGroup]:
    """A Cluster that no test harms for good."""
    group = ClusterGroup(valkey_binary(), tmp_path_factory.mktemp("shared"))
    yield group.start()
    group.kill()


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Callable[..., ClusterGroup]]:
    """Starts Clusters that a test may harm."""
    groups: list[ClusterGroup] = []

    def start(replicas: int = 0) -> ClusterGroup:
        groups.append(ClusterGroup(redis_binary(), tmp_path / f"cluster{len(groups)}", replicas=replicas))
        return groups[-1].start()

    yield start
    for group in groups:
        group.kill()


def key_under(tag: int) -> StoreKey:
    """Make a key that lives under tag."""
    while tag_of(key := fresh_key(), CLUSTER_TAGS) != tag:
        pass
    return key


def keys_at(group: ClusterGroup) -> list[StoreKey]:
    """Make a key for each primary."""
    tags: dict[int, int] = {}
    for tag, slot in enumerate(SLOT_OF_TAG):
        tags.setdefault(group.owner(slot).port, tag)
        if len(tags) == len(group.nodes):
            break
    return [key_under(tags[node.port]) for node in group.nodes if node.port in tags]


async def answered(store: RedisStore, key: StoreKey) -> Snapshot:
    """Ask until there is an answer, as the gateway does."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(StoreError):
                return await store.load(key)
            await asyncio.sleep(0.05)


def test_slots_are_counted_as_the_server_does(shared: ClusterGroup) -> None:
    for tag in range(0, CLUSTER_TAGS, 17):
        assert shared.nodes[0].command("CLUSTER", "KEYSLOT", record_key(StoreKey("x"), tag)) == f":{slot_of(tag)}\r\n"
    thirds = {slot * 3 // 16_384 for slot in SLOT_OF_TAG}
    assert thirds == {0, 1, 2}


async def test_a_burst_over_all_nodes_reaches_each_and_mixes_nothing_up(shared: ClusterGroup, opened: OpenAt) -> None:
    store = await opened(shared.url)
    keys = [fresh_key() for _ in range(500)]
    await asyncio.gather(*(put(store, key, Record(State.OK, "l1", key)) for key in keys))
    other = await opened(shared.url)
    snapshots = await asyncio.gather(*map(other.load, keys))
    assert [snapshot.record.epoch for snapshot in snapshots if snapshot.record] == keys
    assert len({snapshot.lineage[:8] for snapshot in snapshots}) == 3
    for node in shared.nodes:
        assert int(node.command("DBSIZE")[1:]) > 50


async def test_all_tags_begin_their_grace_together(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    group = clusters()
    store = await opened(group.url)
    keys = [key_under(tag) for tag in range(0, CLUSTER_TAGS, 8)]
    await store.load(keys[0])
    await asyncio.sleep(1.0)
    assert min(snapshot.lineage_age for snapshot in await asyncio.gather(*map(store.load, keys))) >= 0.4
    # A node that comes back: its tags begin again at once, whether anybody asks for them or not.
    old = {key: (await store.load(key)).lineage for key in keys}
    node = group.nodes[1]
    node.kill()
    await asyncio.to_thread(node.start)
    async with asyncio.timeout(20):
        while "noclobber" not in await asyncio.to_thread(node.command, "CLIENT", "LIST"):  # noqa: ASYNC110 (the other end is a process)
            await asyncio.sleep(0.05)
    await asyncio.to_thread(wait_until, lambda: "cluster_state:ok" in node.command("CLUSTER", "INFO"), "the node to be back")
    await asyncio.sleep(2.5)
    ages = [snapshot.lineage_age for key in keys if (snapshot := await answered(store, key)).lineage != old[key]]
    assert len(ages) > 5
    assert min(ages) >= 0.4


async def test_a_node_may_forget_the_script(shared: ClusterGroup, opened: OpenAt) -> None:
    store = await opened(shared.url)
    keys = keys_at(shared)
    for key in keys:
        await put(store, key, RECORD)
    shared.nodes[1].command("SCRIPT", "FLUSH")
    assert [without_times((await store.load(key)).record) for key in keys] == [RECORD] * 3


async def test_a_dead_or_silent_node_holds_up_nobody_elses_commands(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    group = clusters()
    for node in group.nodes:
        node.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    store = await opened(group.url, 3.0)
    keys = keys_at(group)
    await asyncio.gather(*(put(store, key, RECORD) for key in keys))
    loop = asyncio.get_running_loop()
    group.nodes[0].pause()
    stuck = [loop.create_task(store.load(keys[0])) for _ in range(3)]
    began = time.monotonic()
    for _ in range(20):
        await asyncio.gather(*(store.load(key) for key in keys[1:]))
    assert time.monotonic() - began < 2
    assert not any(task.done() for task in stuck)
    assert {type(result) for result in await asyncio.gather(*stuck, return_exceptions=True)} == {StoreUnavailable}
    group.nodes[0].resume()
    assert without_times((await answered(store, keys[0])).record) == RECORD
    group.nodes[0].kill()
    with pytest.raises(StoreError):
        await store.load(keys[0])
    assert [without_times((await store.load(key)).record) for key in keys[1:]] == [RECORD] * 2


async def test_a_cluster_that_is_down_refuses(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    group = clusters()
    store = await opened(group.url, TIMEOUT_SECONDS)
    keys = keys_at(group)
    standing = [await store.load(key) for key in keys]
    group.nodes[2].kill()
    wait_until(lambda: "cluster_state:fail" in group.nodes[0].command("CLUSTER", "INFO"), "the Cluster to be down")
    with pytest.raises(StoreRefused, match=r"CLUSTERDOWN|down"):
        await store.swap(keys[0], ABSENT, standing[0].lineage, RECORD, 0.0)
    late = await opened(group.url, TIMEOUT_SECONDS)
    with pytest.raises(StoreRefused, match=r"CLUSTERDOWN|down"):
        await late.load(keys[0])


async def test_a_failover_is_a_new_lineage_and_the_old_stamp_matches_nothing(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    group = clusters(replicas=1)
    store = await opened(group.url, TIMEOUT_SECONDS)
    first, _, third = keys = keys_at(group)
    swapped = [await put(store, key, RECORD) for key in keys]
    before = [await store.load(key) for key in keys]
    stood_by = record_key(third, tag_of(third, CLUSTER_TAGS))
    wait_until(lambda: stood_by in group.nodes[5].command("KEYS", stood_by), "the record at the replica")
    group.nodes[2].kill()
    with pytest.raises(StoreError):
        await store.swap(third, swapped[2].stamp, before[2].lineage, RECORD, 0.0)
    after = await answered(store, third)
    assert after.lineage != before[2].lineage
    assert after.lineage_age < 20
    assert (after.stamp, without_times(after.record)) == (swapped[2].stamp, RECORD)
    assert isinstance(await store.swap(third, after.stamp, before[2].lineage, RECORD, 0.0), Snapshot)
    assert isinstance(await store.swap(third, after.stamp, after.lineage, RECORD, 0.0), Swapped)
    # The others have nothing to wait for.
    assert (await answered(store, first)).lineage == before[0].lineage


# ---- slots that move -----------------------------------------------------------------------------------------------------------------


class Move:
    """Moves one slot from its owner to another node, as redis-cli does, in the steps that a test asks for."""

    def __init__(self, group: ClusterGroup, tag: int) -> None:
        self.slot = SLOT_OF_TAG[tag]
        self.source = group.owner(self.slot)
        self.target = next(node for node in group.nodes if node is not self.source)
        self._group = group

    def begin(self) -> None:
        """From now on the source asks the target for what it does not have."""
        slot = str(self.slot)
        assert "OK" in self.target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", self._group.id_of(self.source))
        assert "OK" in self.source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self._group.id_of(self.target))

    def carry(self) -> None:
        """Move all keys that are there now, one after the other."""
        listed = self.source.command("CLUSTER", "GETKEYSINSLOT", str(self.slot), "1000").split("\r\n")
        for key in listed[2::2]:
            assert "OK" in self.source.command("MIGRATE", "127.0.0.1", str(self.target.port), key, "0", "5000")

    def end(self) -> None:
        """Make the target the owner."""
        for node in (self.target, self.source, *self._group.nodes):
            assert "OK" in node.command("CLUSTER", "SETSLOT", str(self.slot), "NODE", self._group.id_of(self.target))


async def test_a_slot_that_moves_under_load_keeps_every_record(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    """Each writer's chain of stamps goes on unbroken, and a decision of before the move is void."""
    group = clusters()
    tag = 7
    move = Move(group, tag)
    stores = [await opened(group.url, 2.0) for _ in range(2)]
    keys = [key_under(tag) for _ in range(8)]
    stamps: dict[StoreKey, list[str]] = {key: [(await put(stores[0], key, RECORD)).stamp] for key in keys}
    lineages = {(await stores[0].load(key)).lineage for key in keys}
    stopping = False
    refused = 0

    async def write(store: RedisStore, key: StoreKey) -> None:
        nonlocal refused
        while not stopping:
            try:
                standing = await store.load(key)
                assert standing.stamp == stamps[key][-1], "a record went back, or was lost"
                lineages.add(standing.lineage)
                outcome = await store.swap(key, standing.stamp, standing.lineage, Record(State.OK, "l1", "e1", len(stamps[key])), 0.0)
                if isinstance(outcome, Swapped):
                    stamps[key].append(outcome.stamp)
                else:
                    assert outcome.lineage != standing.lineage, "somebody else wrote"
            except StoreRefused:
                refused += 1

    loop = asyncio.get_running_loop()
    writers = [loop.create_task(write(stores[number % 2], key)) for number, key in enumerate(keys)]
    for step in (move.begin, move.carry, move.end):
        await asyncio.sleep(0.2)
        await asyncio.to_thread(step)
    await asyncio.sleep(0.4)
    stopping = True
    await asyncio.gather(*writers)
    assert len(lineages) == 2
    assert all(len(chain) > 10 for chain in stamps.values())
    for key in keys:
        standing = await stores[1].load(key)
        assert standing.stamp == stamps[key][-1]
        assert standing.record is not None
        assert standing.record.revision == len(stamps[key]) - 1
        assert record_key(key, tag) in move.target.command("KEYS", record_key(key, tag))


async def test_what_is_on_its_way_is_asked_for_where_it_is(clusters: Callable[..., ClusterGroup], opened: OpenAt) -> None:
    group = clusters()
    tag = 7
    move = Move(group, tag)
    store = await opened(group.url, TIMEOUT_SECONDS)
    key, fresh = key_under(tag), key_under(tag)
    swapped = await put(store, key, RECORD)
    before = await store.load(key)
    move.begin()
    # Still here: the source answers.
    assert (await store.load(key)).stamp == swapped.stamp
    # The lineage is here and the record nowhere: neither node can have both keys, and each says so.
    with pytest.raises(StoreRefused, match=r"TRYAGAIN|Multiple keys"):
        await store.load(fresh)
    move.carry()
    # ASK: over there, under the lineage of that node.
    asked = await store.load(key)
    assert asked.stamp == swapped.stamp
    assert asked.lineage != before.lineage
    assert isinstance(await store.swap(key, asked.stamp, before.lineage, RECORD, 0.0), Snapshot)
    # A node that was asked and does not know the script is given it together with its permission to answer.
    move.target.command("SCRIPT", "FLUSH")
    later = await store.swap(key, asked.stamp, asked.lineage, RECORD, 0.0)
    assert isinstance(later, Swapped)
    move.end()
    standing = await store.load(key)
    assert (standing.stamp, standing.lineage) == (later.stamp, asked.lineage)
    assert (await store.load(fresh)).record is None


# ---- redirections, as no real Cluster gives them on demand -----------------------------------------------------------------------------


def slots(*nodes: CannedServer) -> bytes:
    """The answer to CLUSTER SLOTS: the first node owns all, the others are its replicas."""
    entries = b"".join(b"*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % port_of(node) for node in nodes)
    return b"*1\r\n*%d\r\n:0\r\n:16383\r\n%b" % (2 + len(nodes), entries)


def port_of(node: CannedServer) -> int:
    return int(node.url.rpartition(":")[2])


@pytest.fixture
async def nodes() -> AsyncIterator[list[CannedServer]]:
    """Two nodes, of which the first owns all slots. What they answer to scripts is the test's."""
    async with AsyncExitStack() as stack:
        pair = [await stack.enter_async_context(CannedServer(ABSENT_REPLY)) for _ in range(2)]
        for node in pair:
            node.special[b"CLUSTER"] = slots(pair[0])
        yield pair


def url_of(nodes: list[CannedServer]) -> str:
    return f"redis+cluster://127.0.0.1:{port_of(nodes[0])}"


def asked_for(node: CannedServer, key: StoreKey) -> int:
    """How often a script was sent to node for key."""
    return sum(any(key.encode() in word for word in command) for command in node.commands)


async def test_moved_and_ask_are_followed_once_each(nodes: list[CannedServer], opened: OpenAt) -> None:
    first, second = nodes
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    for answer in (b"-MOVED 1 127.0.0.1:%d\r\n", b"-MOVED 1 :%d\r\n", b"-ASK 1 127.0.0.1:%d\r\n"):
        first.answer(answer % port_of(second))
        key = fresh_key()
        assert (await store.load(key)).record is None
        assert (asked_for(first, key), asked_for(second, key)) in ((1, 1), (0, 1))
        await asyncio.sleep(0.3)
    asked = [command[0] for command in second.commands if command[0] == b"ASKING"]
    assert asked == [b"ASKING"]


async def test_a_node_that_is_asked_gets_the_script_with_its_permission(nodes: list[CannedServer], opened: OpenAt) -> None:
    first, second = nodes
    second.special[b"ASKING"] = b"+OK\r\n"
    second.answer(b"-NOSCRIPT No matching script. Please use EVAL.\r\n", ABSENT_REPLY)
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    await store.load(fresh_key())
    first.answer(b"-ASK 1 127.0.0.1:%d\r\n" % port_of(second))
    assert (await store.load(fresh_key())).record is None
    assert [command[0] for command in second.commands] == [b"ASKING", b"EVALSHA", b"ASKING", b"EVAL"]


async def test_nodes_that_send_each_other_on_are_left_at_the_deadline(nodes: list[CannedServer], opened: OpenAt) -> None:
    first, second = nodes
    first.answer(b"-MOVED 1 127.0.0.1:%d\r\n" % port_of(second))
    second.answer(b"-MOVED 1 127.0.0.1:%d\r\n" % port_of(first))
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    key = fresh_key()
    began = time.monotonic()
    with pytest.raises(StoreRefused, match="MOVED"):
        await store.load(key)
    assert time.monotonic() - began < 5
    assert 2 < asked_for(first, key) + asked_for(second, key) < 60


NOT_AGAIN = {
    "READONLY": (b"-READONLY x\r\n", StoreRefused),
    "LOADING": (LOADING, StoreRefused),
    "CLUSTERDOWN": (b"-CLUSTERDOWN Hash slot not served\r\n", StoreRefused),
    "MASTERDOWN": (b"-MASTERDOWN x\r\n", StoreRefused),
    "NOREPLICAS": (b"-NOREPLICAS x\r\n", StoreRefused),
    "OOM": (b"-OOM x\r\n", StoreRefused),
    "a defect": (b"-ERR x\r\n", StoreUnavailable),
    "a lost connection": (b"HTTP/1.1\r\n", StoreUnavailable),
}


@pytest.mark.parametrize(("answer", "kind"), NOT_AGAIN.values(), ids=NOT_AGAIN)
async def test_nothing_else_leads_to_another_attempt(
    nodes: list[CannedServer], opened: OpenAt, answer: bytes, kind: type[StoreError]
) -> None:
    first, second = nodes
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    await store.load(fresh_key())
    first.answer(answer)
    for node in nodes:
        node.special[b"CLUSTER"] = slots(second)
    key = fresh_key()
    with pytest.raises(kind):
        await store.load(key)
    assert (asked_for(first, key), asked_for(second, key)) == (1, 0)
    if answer[1:4] not in (b"OOM", b"ERR"):
        # But the table is read anew.
        await asyncio.sleep(0.3)
        assert (await store.load(key)).record is None


async def test_a_touch_that_failed_is_made_up_for(nodes: list[CannedServer], opened: OpenAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that comes back may refuse at first: its tags' grace begins as soon as it does not, asked for or not."""
    monkeypatch.setattr(redis_cluster, "VISIT_SECONDS", 0.1)
    first, _ = nodes
    first.answer(b"-CLUSTERDOWN Hash slot not served\r\n")
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    with pytest.raises(StoreRefused):
        await store.load(fresh_key())
    first.answer(ABSENT_REPLY)
    first.commands.clear()
    everyone = {f"noclobber:{{{tag}}}:lineage".encode() for tag in range(CLUSTER_TAGS)}
    async with asyncio.timeout(5):
        while {word for command in first.commands for word in command} & everyone != everyone:  # noqa: ASYNC110 (the other end is a server)
            await asyncio.sleep(0.02)
    # Then there is one a visit.
    await asyncio.sleep(0.2)
    first.commands.clear()
    await asyncio.sleep(0.5)
    assert 1 <= len(first.commands) <= 6


async def test_a_seed_that_is_away_is_done_without(shared: ClusterGroup, opened: OpenAt) -> None:
    store = await opened(shared.url.replace("://", f"://127.0.0.1:{free_port()},"))
    assert (await store.load(fresh_key())).record is None


async def test_without_any_seed_the_store_is_away(opened: OpenAt) -> None:
    store = await opened(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}", TIMEOUT_SECONDS)
    for _ in range(2):
        results = await asyncio.gather(*(store.load(fresh_key()) for _ in range(3)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreUnavailable}


async def test_who_leaves_while_the_table_is_read_takes_it_from_nobody(shared: ClusterGroup, opened: OpenAt) -> None:
    store = await opened(shared.url)
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(store.load(fresh_key())) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] + [Snapshot] * 3


async def test_closing_at_any_moment_ends_everything(shared: ClusterGroup) -> None:
    loop = asyncio.get_running_loop()
    for turns in range(0, 40, 3):
        store = await RedisStore.open(shared.url, TIMEOUT_SECONDS)
        tasks = [loop.create_task(store.load(fresh_key())) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await store.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Snapshot | StoreError) for result in results)
        assert {task.get_name() for task in asyncio.all_tasks()} & {"noclobber-store", "noclobber-store-slots"} == set()


ASKED = Address("asked", 7)
TABLES = {
    "addresses": ([[0, 1, [b"10.0.0.1", 6379, b"id"], [b"10.0.0.2", 6379, b"id"]]], {0: ("10.0.0.1", 6379), 1: ("10.0.0.1", 6379)}),
    "IPv6": ([[5, 5, [b"::1", 1, b"id", []]]], {5: ("::1", 1)}),
    "no host": ([[5, 5, [None, 1, b"id"]], [6, 6, [b"", 2, b"id"]]], {5: ("asked", 1), 6: ("asked", 2)}),
    "an unknown host among others": ([[5, 5, [b"?", 1, b"id"]], [6, 6, [b"h", 2]]], {6: ("h", 2)}),
    "no slots": ([], None),
    "no owner": ([[0, 1]], None),
    "garbage": (b"OK", None),
}


@pytest.mark.parametrize(("reply", "owners"), TABLES.values(), ids=TABLES)
def test_a_table_of_slots(reply: object, owners: dict[int, tuple[str, int]] | None) -> None:
    if owners is None:
        with pytest.raises(StoreUnavailable, match="names no owner"):
            read_slots(reply, ASKED)
    else:
        assert read_slots(reply, ASKED) == owners


def test_an_address_is_shown_as_it_is_written() -> None:
    assert [str(Address("h", 1)), str(Address("::1", 2)), str(Address("/run/x", 0))] == ["h:1", "[::1]:2", "/run/x"]


async def test_a_server_of_the_old_table_is_let_go(nodes: list[CannedServer], opened: OpenAt, valkey: RedisServer) -> None:
    """Its connection is closed, unless the URL names it."""
    first, second = nodes
    store = await opened(url_of(nodes), TIMEOUT_SECONDS)
    for node in nodes:
        node.special[b"CLUSTER"] = slots(second)
    first.answer(b"-MOVED 1 127.0.0.1:%d\r\n" % port_of(second))
    await store.load(fresh_key())
    await asyncio.sleep(0.3)
    for node in nodes:
        node.special[b"CLUSTER"] = slots(first)
    first.answer(ABSENT_REPLY)
    second.answer(b"-MOVED 1 127.0.0.1:%d\r\n" % port_of(first))
    await store.load(fresh_key())
    async with asyncio.timeout(5):
        while second.open_connections:  # noqa: ASYNC110 (the other end is a server)
            await asyncio.sleep(0.02)
    assert first.open_connections == 1
