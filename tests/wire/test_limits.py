"""Limits on raw sockets: each with its status, its count, and the other side of its border."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.client import Answer, Client, chunked, request
from tests.gateway.legacy import Legacy, waiting_for
from tests.gateway.serving import Door, route, serving, until
from tests.origin.certificate import CERTIFICATE, KEY, client_context

REFUSALS = "noclobber_refusals_total"
SMALL: dict[str, Any] = {"limits__max_line_bytes": 100, "limits__max_field_bytes": 100, "limits__max_fields": 10}
PATIENCE_SECONDS = 30.0


def get(target: bytes = b"/doc", *lines: bytes) -> bytes:
    return request(b"GET", target, *lines)


async def feed(client: Client, pieces: Iterable[bytes], pause_seconds: float, method: bytes = b"GET") -> Answer:
    """Send piece after piece, until there is an answer."""
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(client.answer(method))
        for piece in pieces:
            await asyncio.wait((answer,), timeout=pause_seconds)
            if answer.done():
                break
            client.send(piece)
    return answer.result()


# What is sent -> the status, the kind of problem and the reason that it is counted under; or the status alone of what passes.
SIZES = {
    "a target of 100": (get(b"/" + b"a" * 99), 404, None, None),
    "a target of 101": (get(b"/" + b"a" * 100), 414, "line-too-long", "line-too-long"),
    "a long query": (get(b"/doc?" + b"secret" * 50), 414, "line-too-long", "line-too-long"),
    "a value of 100": (get(b"/doc", b"X-Long: " + b"a" * 100), 200, None, None),
    "a value of 102": (get(b"/doc", b"X-Long: " + b"a" * 102), 431, "fields-too-large", "fields-too-large"),
    "a name too long": (get(b"/doc", b"secret" * 20 + b": a"), 431, "fields-too-large", "fields-too-large"),
    "10 fields": (get(b"/doc", *[b"X: a"] * 9), 200, None, None),
    "11 fields": (get(b"/doc", *[b"X: secret"] * 10), 431, "fields-too-large", "fields-too-large"),
}


@pytest.mark.parametrize(("sent", "status", "kind", "reason"), SIZES.values(), ids=SIZES)
async def test_sizes_of_a_head(legacy: Legacy, sent: bytes, status: int, kind: str | None, reason: str | None) -> None:
    """RFC 9110 §15.5.15, RFC 6585 §5. Nothing of the input is repeated."""
    async with serving(legacy.port, **SMALL) as door:
        client = await door.connect()
        client.send(sent)
        got = await client.answer(b"GET")
        assert got.status == status
        if kind is None:
            assert await door.sample(REFUSALS) == 0
            return
        assert (got.kind, got.one(b"Connection"), got.one(b"Cache-Control")) == (kind, b"close", b"no-store")
        assert b"secret" not in got.body
        assert await client.rest() == b""
        assert await door.sample(REFUSALS) == await door.sample(REFUSALS, reason=str(reason)) == 1
    assert legacy.asked == []


@pytest.mark.parametrize("sent", [get(b"/" + b"a" * 100), get(b"/doc", b"X-Long: " + b"a" * 100)], ids=["line", "field"])
async def test_a_line_and_a_field_are_told_apart_by_byte_and_with_limits_of_their_own(legacy: Legacy, sent: bytes) -> None:
    async with serving(legacy.port, **{**SMALL, "limits__max_field_bytes": 90}) as door:
        client = await door.connect()
        got = await feed(client, [sent[start : start + 1] for start in range(len(sent))], 0.001)
        assert got.status == (414 if b"X-Long" not in sent else 431)


BODIES = {
    "announced": (request(b"PUT", b"/doc", b"Content-Length: 101"), 413),
    "in chunks": (request(b"PUT", b"/doc", b"Transfer-Encoding: chunked") + chunked(bytes(60), bytes(60)), 413),
    "as large as may be": (request(b"PUT", b"/doc", body=bytes(100)), 204),
}


@pytest.mark.parametrize(("sent", "status"), BODIES.values(), ids=BODIES)
async def test_the_size_of_a_body(legacy: Legacy, sent: bytes, status: int) -> None:
    async with serving(legacy.port, limits__max_body_bytes=100) as door:
        client = await door.connect()
        client.send(sent)
        assert (await client.answer(b"PUT")).status == status
        assert await door.sample(REFUSALS, reason="body-too-large") == (status == 413)
    assert ("PUT" in legacy.methods()) == (status == 204)


HEADS = {
    "the first": b"",
    "one after an answer": get(),
}


@pytest.mark.parametrize("before", HEADS.values(), ids=HEADS)
async def test_a_head_that_does_not_arrive_in_time(legacy: Legacy, before: bytes) -> None:
    """Byte by byte: each of them would put an idle limit off."""
    async with serving(legacy.port, server__header_seconds=0.5) as door:
        client = await door.connect()
        if before:
            client.send(before)
            assert (await client.answer(b"GET")).status == 200
        began = asyncio.get_running_loop().time()
        got = await feed(client, (bytes([byte]) for byte in b"GET /doc HTTP/1.1\r\nHost: " + b"a" * 1000), 0.05)
        assert asyncio.get_running_loop().time() - began >= 0.45
        assert (got.status, got.kind, got.one(b"Connection")) == (408, "too-slow", b"close")
        await client.rest()
        assert await door.sample(REFUSALS, reason="head-too-slow") == 1
    assert len(legacy.asked) == bool(before)


async def test_a_head_has_all_its_time_however_long_its_connection_was_idle(legacy: Legacy) -> None:
    async with serving(legacy.port, server__header_seconds=1.5) as door:
        client = await door.connect()
        assert (await client.ask(b"GET", b"/doc")).status == 200
        await asyncio.sleep(1.0)
        client.send(b"GET /doc HTTP/1.1\r\n")
        # Past the idle limit, within that of the head.
        await asyncio.sleep(0.9)
        client.send(b"Host: a\r\n\r\n")
        assert (await client.answer(b"GET")).status == 200


async def test_who_says_nothing_is_closed_without_a_word(legacy: Legacy) -> None:
    async with serving(legacy.port, server__header_seconds=0.2) as door:
        silent = await door.connect()
        assert await asyncio.wait_for(silent.rest(), PATIENCE_SECONDS) == b""
        assert await door.sample(REFUSALS) == 0


SLOW: dict[str, Any] = {"limits__body_start_seconds": 0.4, "limits__min_body_bytes_per_second": 1000}
PUT = request(b"PUT", b"/doc", b"Content-Length: 1000")


@pytest.mark.parametrize("routed", [route(), route(guarded=False)], ids=["guarded", "passed through"])
async def test_a_body_below_the_rate(legacy: Legacy, routed: str) -> None:
    async with serving(legacy.port, routed, **SLOW) as door:
        client = await door.connect()
        client.send(PUT)
        got = await feed(client, repeat(b"x", 1000), 0.02, b"PUT")
        assert (got.status, got.kind, got.one(b"Connection")) == (408, "too-slow", b"close")
        # And it is over at once: whatever else comes is not waited for.
        await asyncio.wait_for(client.rest(), 3)
        assert await door.sample(REFUSALS, reason="body-too-slow") == 1
        await until(lambda: door.gateway.handler.in_flight == 0)
    assert "PUT" not in legacy.methods()


async def test_a_body_that_stops(legacy: Legacy) -> None:
    async with serving(legacy.port, **SLOW) as door:
        client = await door.connect()
        client.send(PUT + bytes(900))
        assert (await client.answer(b"PUT")).status == 408
    assert legacy.asked == []


async def test_a_body_at_the_rate_may_take_longer_than_the_start(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__body_start_seconds=2, limits__min_body_bytes_per_second=50) as door:
        client = await door.connect()
        client.send(PUT)
        for _ in range(20):
            client.send(bytes(50))
            await asyncio.sleep(0.15)
        assert (await client.answer(b"PUT")).status == 204
        assert await door.sample(REFUSALS) == 0


async def test_no_body_may_take_longer_than_all_may(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__body_seconds=0.5, limits__min_body_bytes_per_second=0) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", b"Content-Length: 100000"))
        assert (await feed(client, repeat(bytes(10), 10_000), 0.02, b"PUT")).status == 408


async def test_the_backends_slowness_is_not_the_clients(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    async with serving(legacy.port, **{**SLOW, "limits__body_seconds": 0.4}) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", body=bytes(1000)))
        await asyncio.sleep(1)
        goes_on.set()
        assert (await client.answer(b"PUT")).status == 204


async def reader_of(address: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connection whose kernel holds little, so that what is not read soon stays with the sender."""
    host, _, port = address.rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return sock


async def drain(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, 65536):
        pass


@pytest.mark.parametrize("guarded", [True, False], ids=["held", "streamed"])
@pytest.mark.parametrize("last", [b"", b"Connection: close"], ids=["kept", "closing"])
async def test_a_reader_that_takes_nothing_is_reset(legacy: Legacy, guarded: bool, last: bytes) -> None:
    legacy.documents["/large"] = bytes(6_000_000)
    loop = asyncio.get_running_loop()
    async with serving(legacy.port, route(guarded=guarded), limits__reader_seconds=0.5) as door:
        with await reader_of(door.gateway.listen) as sock:
            await loop.sock_sendall(sock, get(b"/large", *([last] if last else [])))
            await until(lambda: door.gateway.handler.in_flight == 1)
            await until(lambda: door.gateway.handler.in_flight == 0)
            assert await door.sample(REFUSALS, reason="reader-too-slow") == 1
            with pytest.raises(ConnectionResetError):
                await drain(sock)


async def test_a_reader_that_takes_little_is_served_to_the_end(legacy: Legacy) -> None:
    legacy.documents["/large"] = bytes(4_000_000)
    loop = asyncio.get_running_loop()
    async with serving(legacy.port, limits__reader_seconds=2) as door:
        with await reader_of(door.gateway.listen) as sock:
            await loop.sock_sendall(sock, get(b"/large"))
            size, until_quick = 0, loop.time() + 5
            while size < 4_000_000:
                size += len(await loop.sock_recv(sock, 4096 if loop.time() < until_quick else 1 << 20))
                if loop.time() < until_quick:
                    await asyncio.sleep(0.05)
        assert await door.sample(REFUSALS) == 0


async def test_what_is_unsent_when_a_connection_ends_must_be_taken_too(legacy: Legacy) -> None:
    """Less than what makes a writer wait: only the end of the connection looks at it."""
    legacy.documents["/small"] = bytes(20_000)
    settings: dict[str, Any] = {"limits__reader_seconds": 0.5, "server__header_seconds": 0.5}
    async with serving(legacy.port, **settings) as door:
        with await reader_of(door.gateway.listen) as sock:
            loop = asyncio.get_running_loop()
            for _ in range(400):
                # Without reading: the kernel's buffers fill up, then ours.
                await loop.sock_sendall(sock, get(b"/small"))
            await until(lambda: door.gateway.handler.in_flight == 0)
            await until(lambda: _is(door, "noclobber_connections", 0))
    assert len(legacy.asked) > 0


async def _is(door: Door, name: str, value: float) -> bool:
    return await door.sample(name) == value


async def test_connections_over_the_limit_are_told_and_closed(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_connections=2) as door:
        kept = [await door.connect() for _ in range(2)]
        for client in kept:
            assert (await client.ask(b"GET", b"/doc")).status == 200
        surplus = await door.connect()
        got = await surplus.answer(b"GET")
        assert (got.status, got.kind, got.one(b"Connection"), got.one(b"Retry-After")) == (503, "overloaded", b"close", b"1")
        assert await asyncio.wait_for(surplus.rest(), PATIENCE_SECONDS) == b""
        # One that asks at once is told as well, and the others are served on.
        assert (await door.ask(b"GET", b"/doc")).status == 503
        assert (await kept[0].ask(b"GET", b"/doc")).status == 200
        assert await door.sample(REFUSALS, reason="too-many-connections") == 2
        kept[0].leave()
        await until(lambda: _is(door, "noclobber_connections", 1))
        assert (await door.ask(b"GET", b"/doc")).status == 200
    assert len(legacy.asked) == 4


@asynccontextmanager
async def occupied(legacy: Legacy, door: Door, count: int, *lines: bytes, same: bool = False) -> AsyncIterator[list[Client]]:
    """So many PUTs that wait in the backend, for one resource or for several."""
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    clients = []
    for number in range(count):
        clients.append(await door.connect())
        clients[-1].send(request(b"PUT", b"/one" if same else b"/%d" % number, *lines, body=b"x"))
        await until(_reaches(door, number + 1))
    try:
        yield clients
    finally:
        goes_on.set()
        statuses = [(await client.answer(b"PUT")).status for client in clients]
        assert statuses == [201, *[204 if same else 201] * (len(clients) - 1)]


def _reaches(door: Door, count: int) -> Callable[[], bool]:
    return lambda: door.gateway.handler.in_flight == count


async def test_requests_in_flight_over_the_limit(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_in_flight=3) as door:
        async with occupied(legacy, door, 3):
            got = await door.ask(b"GET", b"/doc")
            assert (got.status, got.kind, got.one(b"Retry-After")) == (503, "overloaded", b"1")
            assert await door.sample(REFUSALS, reason="too-many-in-flight") == 1
        assert (await door.ask(b"GET", b"/doc")).status == 200


async def test_waiters_over_the_limit(legacy: Legacy) -> None:
    settings: dict[str, Any] = {"limits__max_waiters_per_key": 1, "protocol__lease_wait_seconds": 60}
    async with serving(legacy.port, **settings) as door, occupied(legacy, door, 2, same=True):
        got = await door.ask(b"PUT", b"/one", body=b"y")
        assert (got.status, got.kind) == (503, "busy")
        assert await door.sample(REFUSALS, reason="too-many-waiters") == 1


WHO = b"Authorization: Bearer a"


async def test_one_principal_may_write_only_so_much_at_once(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_writes_per_principal=2) as door:
        async with occupied(legacy, door, 2, WHO) as clients:
            got = await door.ask(b"PUT", b"/three", WHO, body=b"x")
            assert (got.status, got.kind, got.one(b"Retry-After")) == (429, "too-many-writes", b"1")
            assert b"Bearer" not in json.dumps(got.problem).encode()
            assert await door.sample(REFUSALS, reason="too-many-writes-of-one-principal") == 1
            # It may read, others may write, and so may who says nothing.
            assert (await door.ask(b"GET", b"/doc", WHO)).status == 200
            others = [await door.connect() for _ in range(2)]
            others[0].send(request(b"PUT", b"/four", b"Authorization: Bearer b", body=b"x"))
            others[1].send(request(b"PUT", b"/five", body=b"x"))
            await until(_reaches(door, 4))
            clients += others
        assert (await door.ask(b"PUT", b"/three", WHO, body=b"x")).status == 201


async def test_a_place_of_a_principal_is_given_back_whatever_becomes_of_the_write(legacy: Legacy) -> None:
    async with serving(legacy.port, limits__max_writes_per_principal=1, limits__max_body_bytes=10, **SLOW) as door:
        for _ in range(2):
            chunks = request(b"PUT", b"/doc", WHO, b"Transfer-Encoding: chunked")
            for broken in (chunks + chunked(bytes(20)), chunks + b"zz\r\n", chunks):
                client = await door.connect()
                client.send(broken)
                assert (await client.answer(b"PUT")).status in (413, 400, 408)
            client = await door.connect()
            client.send(chunks)
            await until(_reaches(door, 1))
            client.leave()
            await until(_reaches(door, 0))
        assert (await door.ask(b"PUT", b"/doc", WHO, body=b"x")).status == 204


async def test_a_tls_handshake_that_does_not_come_is_cut(legacy: Legacy, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(CERTIFICATE + KEY)
    files: dict[str, Any] = {"server__tls_certificate": tmp_path / "c.pem", "server__tls_key": tmp_path / "c.pem"}
    async with serving(legacy.port, server__header_seconds=0.3, **files) as door:
        client = await door.connect()
        client.send(b"\x16\x03\x01\x02\x00")
        assert await asyncio.wait_for(client.rest(), PATIENCE_SECONDS) == b""


async def test_a_connection_over_the_limit_is_told_over_tls_as_well(legacy: Legacy, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(CERTIFICATE + KEY)
    files: dict[str, Any] = {"server__tls_certificate": tmp_path / "c.pem", "server__tls_key": tmp_path / "c.pem"}
    async with serving(legacy.port, limits__max_connections=1, **files) as door:
        port = int(door.gateway.listen.rpartition(":")[2])
        streams = [await asyncio.open_connection("localhost", port, ssl=client_context()) for _ in range(2)]
        try:
            assert (await streams[1][0].readline()).startswith(b"HTTP/1.1 503 ")
            streams[0][1].write(get())
            assert (await streams[0][0].readline()).startswith(b"HTTP/1.1 200 ")
        finally:
            for _, writer in streams:
                writer.transport.abort()


def test_the_reasons_are_few() -> None:
    """A closed set, each of which is asked for above."""
    from proxy.telemetry.refusal import Refusal

    asked = Path(__file__).read_text()
    assert [refusal.value for refusal in Refusal if f'"{refusal.value}"' not in asked] == []
