"""The user of least rights that docs/redis.md makes: with each right it has it works, and without any one of them it is told so."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import StoreRefused, StoreUnavailable
from tests.server_groups import ClusterGroup
from tests.servers import RedisServer, redis_binary
from tests.store.conftest import BINARIES, OpenAt
from tests.store.contract import fresh_key, put
from tests.store.test_redis import RECORD
from tests.store.test_redis_deployments import RedisContract

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "redis.md").read_text(encoding="utf-8")
FIRST, FURTHER = (line.replace(">PASSWORD", ">secret").split() for line in re.findall(r"(?m)^ACL SETUSER .*$", PAGE))
RIGHTS = [word for word in FIRST if word.startswith(("+", "~"))]
FURTHER_RIGHTS = [word for word in FURTHER if word.startswith("+")]
PERMISSION = r"NOPERM|NOLINEAGE|can't (run this command|access at least one)|ACL failure"


@pytest.fixture(scope="module")
def rights_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows this user alone."""
    server = RedisServer(redis_binary(), tmp_path_factory.mktemp("rights")).start()
    assert "OK" in server.command(*FIRST)
    server.command("ACL", "SETUSER", "default", "off")
    yield f"redis://noclobber:secret@127.0.0.1:{server.port}"
    server.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterGroup]:
    """A Cluster of one node."""
    group = ClusterGroup(redis_binary(), tmp_path_factory.mktemp("cluster"), primaries=1)
    yield group.start()
    group.kill()


@pytest.fixture(scope="module", params=BINARIES)
def spare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of each make, whose data and users are these tests'."""
    server = RedisServer(BINARIES[request.param](), tmp_path_factory.mktemp("spare")).start()
    yield server
    server.kill()


class TestLeastRights(RedisContract):
    @pytest.fixture
    def url(self, rights_url: str) -> str:
        return rights_url


def prepare(server: RedisServer, *changes: str) -> str:
    """Empty the server, make the user anew with changes to its rights, and return the part of a URL that signs it in."""
    for command in (["FLUSHALL"], ["SCRIPT", "FLUSH"], ["ACL", "DELUSER", "noclobber"]):
        server.command(*command)
    assert "OK" in server.command(*FIRST, *changes)
    return f"noclobber:secret@127.0.0.1:{server.port}"


async def use(opened: OpenAt, url: str) -> None:
    """Do everything that a store is asked for, and again when the script is known."""
    store = await opened(url)
    for _ in range(2):
        await put(store, fresh_key(), RECORD)
        await store.settle(fresh_key(), b"1")
        await store.append("stream", b"1", 2)
        await store.tail("stream", "", 1)
        await store.latest("stream", "", 1)


async def test_the_user_works_on_each_make(spare: RedisServer, opened: OpenAt) -> None:
    await use(opened, f"redis://{prepare(spare)}")
    assert spare.command("KEYS", "*:r:*").strip() != "*0", "nothing was swapped"


@pytest.mark.parametrize("right", RIGHTS)
async def test_each_right_is_needed_and_missed_clearly(spare: RedisServer, opened: OpenAt, right: str) -> None:
    changes = ["resetkeys", "~other:*"] if right.startswith("~") else [right.replace("+", "-").partition("|")[0]]
    url = f"redis://{prepare(spare, *changes)}"
    with pytest.raises(StoreRefused, match=PERMISSION):
        await use(opened, url)
    store = await opened(url)
    if right not in ("+set", "+get", "+xadd", "+xrange", "+xrevrange"):
        assert spare.command("KEYS", "*:r:*").strip() == "*0", "something was swapped"
        with pytest.raises(StoreRefused, match=PERMISSION):
            await put(store, fresh_key(), RECORD)


async def test_a_right_that_is_taken_away_while_it_runs_is_not_called_a_refusal(spare: RedisServer, opened: OpenAt) -> None:
    """The swap stands: to call it refused would be a lie."""
    store = await opened(f"redis://{prepare(spare)}")
    key = fresh_key()
    standing = await store.load(key)
    spare.command("ACL", "SETUSER", "noclobber", "-pexpire")
    with pytest.raises(StoreUnavailable, match="PEXPIRE"):
        await store.swap(key, standing.stamp, standing.lineage, RECORD, 0.0)
    assert (await store.load(key)).record is not None


@pytest.mark.parametrize("right", ["none", *FURTHER_RIGHTS])
async def test_a_cluster_needs_two_rights_more(cluster: ClusterGroup, opened: OpenAt, right: str) -> None:
    (node,) = cluster.nodes
    changes = [*FURTHER_RIGHTS, *([] if right == "none" else [right.replace("+", "-").partition("|")[0]])]
    url = f"redis+cluster://{prepare(node, *changes)}"
    if right == "+cluster|slots":
        with pytest.raises(StoreRefused, match=PERMISSION):
            await use(opened, url)
    else:
        await use(opened, url)
