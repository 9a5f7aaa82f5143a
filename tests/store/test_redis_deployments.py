"""The contract on every kind of deployment: each make of server, a unix socket, TLS, a user of least rights, Sentinel and Cluster."""

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.store.redis import RedisStore
from tests.origin.certificate import CERTIFICATE, KEY
from tests.server_groups import ClusterGroup, SentinelGroup, free_port_with_bus
from tests.servers import RedisServer, free_port, redis_binary, valkey_binary
from tests.store.conftest import OpenAt
from tests.store.contract import OpenStore, StreamContract, fresh_key, put, without_times
from tests.store.test_redis import RECORD


class RedisContract(StreamContract):
    """The contract at a URL: a subclass defines the fixture url."""

    @pytest.fixture
    async def open_store(self, url: str, opened: OpenAt) -> OpenStore:
        async def open_one() -> RedisStore:
            return await opened(url)

        return open_one


class TestEachMake(RedisContract):
    @pytest.fixture
    def url(self, redis_server: RedisServer) -> str:
        return redis_server.url


@pytest.fixture(scope="module")
def socket_path() -> Iterator[Path]:
    """A place for a socket: pytest's own directories are longer than its path may be."""
    with tempfile.TemporaryDirectory(prefix="noclobber-") as folder:
        yield Path(folder) / "redis.sock"


@pytest.fixture(scope="module")
def unix_url(socket_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server at a socket."""
    folder = tmp_path_factory.mktemp("unix")
    server = RedisServer(valkey_binary(), folder, "--unixsocket", str(socket_path)).start()
    yield f"unix://{socket_path}"
    server.kill()


class TestUnixSocket(RedisContract):
    @pytest.fixture
    def url(self, unix_url: str) -> str:
        return unix_url


def tls_settings(folder: Path, port: int) -> list[str]:
    """Settings of a server that speaks TLS on port, with a certificate for localhost."""
    for name, text in (("certificate", CERTIFICATE), ("key", KEY)):
        (folder / name).write_text(text)
    settings = {
        "--tls-port": str(port),
        "--tls-cert-file": str(folder / "certificate"),
        "--tls-key-file": str(folder / "key"),
        "--tls-ca-cert-file": str(folder / "certificate"),
        "--tls-auth-clients": "no",
    }
    return list(chain(*settings.items()))


@pytest.fixture(scope="module")
def tls_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with TLS, without the options that make it trusted."""
    folder = tmp_path_factory.mktemp("tls")
    port = free_port()
    server = RedisServer(redis_binary(), folder, *tls_settings(folder, port)).start()
    yield f"rediss://localhost:{port}"
    server.kill()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the certificate that the servers have."""
    path = tmp_path_factory.mktemp("authority") / "certificate"
    path.write_text(CERTIFICATE)
    return path


class TestTls(RedisContract):
    @pytest.fixture
    def url(self, tls_url: str, authority: Path) -> str:
        return f"{tls_url}?ssl_ca_certs={authority}"


async def test_a_certificate_that_nobody_vouches_for_is_no_server(tls_url: str, authority: Path, opened: OpenAt) -> None:
    strangers = {
        tls_url: "certificate verify failed",
        f"{tls_url.replace('localhost', '127.0.0.1')}?ssl_ca_certs={authority}": "certificate is not valid for '127.0.0.1'",
    }
    for url, reason in strangers.items():
        with pytest.raises(StoreUnavailable, match=reason):
            await (await opened(url)).load(fresh_key())


@pytest.fixture(scope="module")
def sentinel_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A primary, a replica and three sentinels."""
    group = SentinelGroup(valkey_binary(), tmp_path_factory.mktemp("sentinel"))
    yield group.start().url
    group.kill()


async def test_the_nodes_of_a_cluster_are_spoken_to_with_tls(tmp_path: Path, authority: Path, opened: OpenAt) -> None:
    """Under the name that they announce, which the certificate must hold."""
    announced = ["--tls-cluster", "yes", "--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"]
    port = free_port_with_bus()
    group = ClusterGroup(redis_binary(), tmp_path / "cluster", primaries=1, arguments=[*tls_settings(tmp_path, port), *announced])
    try:
        group.start()
        store = await opened(f"rediss+cluster://localhost:{port}?ssl_ca_certs={authority}")
        key = fresh_key()
        await put(store, key, RECORD)
        assert without_times((await store.load(key)).record) == RECORD
        stranger = await opened(f"rediss+cluster://localhost:{port}")
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            await stranger.load(key)
    finally:
        group.kill()


class TestSentinel(RedisContract):
    @pytest.fixture
    def url(self, sentinel_url: str) -> str:
        return sentinel_url


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Cluster of three."""
    group = ClusterGroup(redis_binary(), tmp_path_factory.mktemp("cluster"))
    yield group.start().url
    group.kill()


class TestCluster(RedisContract):
    @pytest.fixture
    def url(self, cluster_url: str) -> str:
        return cluster_url
