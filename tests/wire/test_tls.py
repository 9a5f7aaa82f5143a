"""TLS of the listener and to the backend: versions, names, certificates of clients, and new files while it runs."""

import asyncio
import logging
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.app import running
from proxy.gateway import certificates
from tests.gateway.client import request
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, configured, serving, until

from .authority import Authority, Issued

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def listening(issued: Issued, **more: object) -> dict[str, Any]:
    return {"server__tls_certificate": issued.certificate, "server__tls_key": issued.key, **more}


def trusting(authority: Authority, shown: Issued | None = None, newest: ssl.TLSVersion = TLS_1_3) -> ssl.SSLContext:
    """A client that trusts the authority, and shows a certificate if it has one."""
    context = ssl.create_default_context(cafile=authority.file)
    context.maximum_version = newest
    if shown is not None:
        context.load_cert_chain(shown.both)
    return context


@asynccontextmanager
async def connected(door: Door, context: ssl.SSLContext, name: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = door.gateway.listen.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def status(door: Door, context: ssl.SSLContext, name: str = "api.example") -> bytes:
    """GET /doc, its certificate verified for name: the status line; empty where the listener refused."""
    try:
        async with connected(door, context, name) as (reader, writer):
            writer.write(request(b"GET", b"/doc"))
            return (await reader.readline()).strip()
    except ssl.SSLCertVerificationError:
        raise
    except OSError:
        return b""


async def serial(door: Door, context: ssl.SSLContext, name: str = "api.example") -> str:
    """The serial number of the certificate that the listener shows."""
    async with connected(door, context, name) as (_, writer):
        return str(writer.get_extra_info("peercert")["serialNumber"])


async def test_clients_are_served_over_tls_alone(legacy: Legacy, authority: Authority) -> None:
    async with serving(legacy.port, **listening(authority.issue("api.example"))) as door:
        assert await status(door, trusting(authority)) == b"HTTP/1.1 200 OK"
        assert await status(door, trusting(authority, newest=TLS_1_2)) == b"HTTP/1.1 200 OK"
        async with connected(door, trusting(authority), "api.example") as (_, writer):
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError):
            await status(door, trusting(authority), "other.example")
        plain = await door.connect()
        plain.send(request(b"GET", b"/doc"))
        assert b"HTTP" not in await plain.rest()
    assert len(legacy.asked) == 2


async def test_old_versions_are_refused(legacy: Legacy, authority: Authority) -> None:
    old = trusting(authority)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, TLS_1_2
    async with serving(legacy.port, **listening(authority.issue("api.example"), server__tls_minimum="1.3")) as door:
        assert await status(door, old) == b""
        assert await status(door, trusting(authority)) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("newest", [TLS_1_2, TLS_1_3])
async def test_a_client_must_show_a_certificate_where_that_is_asked(
    legacy: Legacy, authority: Authority, tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    stranger = Authority(tmp_path / "stranger").issue("client")
    settings = listening(authority.issue("api.example"), server__tls_client_ca=authority.file)
    async with serving(legacy.port, **settings) as door:
        assert await status(door, trusting(authority, authority.issue("client"), newest)) == b"HTTP/1.1 200 OK"
        for shown in (None, stranger):
            # TLS 1.3 tells a client only after it believes that all is well.
            assert await status(door, trusting(authority, shown, newest)) == b""
    assert len(legacy.asked) == 1


async def test_the_name_chooses_the_certificate(legacy: Legacy, authority: Authority, tmp_path: Path) -> None:
    directory = tmp_path / "named"
    directory.mkdir()
    shutil.copy(authority.issue("b.example").both, directory / "b.example.pem")
    shutil.copy(authority.issue("*.c.example", "wild").both, directory / "_.c.example.pem")
    (directory / "notes.txt").write_text("no certificate")
    settings = listening(authority.issue("api.example"), server__tls_directory=directory)
    async with serving(legacy.port, **settings) as door:
        for name in ("api.example", "b.example", "B.Example", "x.c.example"):
            assert await status(door, trusting(authority), name) == b"HTTP/1.1 200 OK"
        for name in ("c.example", "y.x.c.example", "other.example"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await status(door, trusting(authority), name)
        nameless = trusting(authority)
        nameless.check_hostname = False
        host, _, port = door.gateway.listen.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=nameless, server_hostname="")
        names = writer.get_extra_info("peercert")["subjectAltName"]
        assert names == (("DNS", "api.example"),)
        writer.transport.abort()


async def test_new_files_are_taken_in_without_a_restart(
    legacy: Legacy, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(certificates, "WATCH_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "noclobber")
    first, second = authority.issue("api.example", "first"), authority.issue("api.example", "second")
    live = Issued(tmp_path / "live.crt", tmp_path / "live.key", tmp_path / "live.pem")
    shutil.copy(first.certificate, live.certificate)
    shutil.copy(first.key, live.key)
    context = trusting(authority)
    async with serving(legacy.port, **listening(live)) as door, connected(door, context, "api.example") as (reader, writer):
        before = await serial(door, context)
        # Half of a pair is none: the old one stays, and it is said once.
        shutil.copy(second.certificate, tmp_path / "next")
        os.replace(tmp_path / "next", live.certificate)
        await until(lambda: "the old ones stay" in caplog.text)
        assert await serial(door, context) == before
        live.key.unlink()
        await until(lambda: caplog.text.count("the old ones stay") == 2)
        await asyncio.sleep(0.3)
        assert caplog.text.count("the old ones stay") == 2
        assert await serial(door, context) == before
        shutil.copy(second.key, live.key)
        await until(lambda: "new certificates are in use" in caplog.text)
        assert await serial(door, context) != before
        # What was connected before is served on.
        writer.write(request(b"GET", b"/doc"))
        assert (await reader.readline()).strip() == b"HTTP/1.1 200 OK"


async def test_it_does_not_start_with_files_that_cannot_be_used(legacy: Legacy, authority: Authority, tmp_path: Path) -> None:
    """They were right when the configuration was read."""
    issued = authority.issue("api.example")
    config = configured(legacy.port, **listening(issued))
    issued.key.write_text("nothing")
    with pytest.raises(OSError, match=r"api\.example\.crt: "):
        async with running(config):
            pass


async def test_a_handshake_that_fails_is_no_traceback(legacy: Legacy, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(legacy.port, **listening(authority.issue("api.example"))) as door:
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""):
            client = await door.connect()
            client.send(sent)
            if sent:
                await client.rest()
            client.leave()
        assert await status(door, trusting(authority)) == b"HTTP/1.1 200 OK"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@asynccontextmanager
async def secured(issued: Issued, client_ca: Path | None = None, newest: ssl.TLSVersion = TLS_1_3) -> AsyncIterator[int]:
    """A backend over TLS that answers everything with the name of its client's certificate; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.maximum_version = newest
    context.load_cert_chain(issued.both)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert") or {}
        body = repr(certificate.get("subjectAltName")).encode()
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# Settings of the upstream, with {} for the folder of the authority, the newest version of the backend -> the status.
BACKENDS = {
    "a private authority": ({"ca_file": "{}/authority.crt", "server_name": "app.example"}, TLS_1_3, 200),
    "nobody vouches": ({"server_name": "app.example"}, TLS_1_3, 502),
    "another name": ({"ca_file": "{}/authority.crt", "server_name": "other.example"}, TLS_1_3, 502),
    "the name of url": ({"ca_file": "{}/authority.crt"}, TLS_1_3, 502),
    "too old": ({"ca_file": "{}/authority.crt", "server_name": "app.example", "tls_minimum": "1.3"}, TLS_1_2, 502),
    "old enough": ({"ca_file": "{}/authority.crt", "server_name": "app.example", "tls_minimum": "1.2"}, TLS_1_2, 200),
}


@pytest.mark.parametrize(("upstream", "newest", "expected"), BACKENDS.values(), ids=BACKENDS)
async def test_the_backend_is_verified(authority: Authority, upstream: dict[str, str], newest: ssl.TLSVersion, expected: int) -> None:
    settings: dict[str, Any] = {f"upstream__{name}": value.format(authority.file.parent) for name, value in upstream.items()}
    async with secured(authority.issue("app.example"), newest=newest) as port, serving(f"https://127.0.0.1:{port}", **settings) as door:
        assert (await door.ask(b"GET", b"/doc")).status == expected


@pytest.mark.parametrize("shows", [True, False])
async def test_a_certificate_is_shown_to_the_backend(authority: Authority, shows: bool) -> None:
    ours = authority.issue("noclobber")
    settings: dict[str, Any] = {"upstream__ca_file": authority.file, "upstream__server_name": "app.example"}
    if shows:
        settings |= {"upstream__client_certificate": ours.certificate, "upstream__client_key": ours.key}
    async with secured(authority.issue("app.example"), authority.file) as port, serving(f"https://127.0.0.1:{port}", **settings) as door:
        got = await door.ask(b"GET", b"/doc")
        assert got.status == (200 if shows else 502)
        assert (b"('DNS', 'noclobber')" in got.body) == shows
