"""Who is in front of us, and what the backend is told of that: forwarded fields, the PROXY protocol, request ids (http.md §2)."""

import asyncio
import io
import json
import re
import struct
import sys
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.config.choices import Forwarded
from proxy.gateway.peer import Forwarding
from proxy.gateway.preface import MAX_V1_BYTES, Preface, Unfinished, read_preface
from tests.gateway.client import Client, request
from tests.gateway.serving import route, serving
from tests.origin.scripted import ScriptedBackend, ok, serve

LIES = [
    b"X-Forwarded-For: 1.2.3.4",
    b"x-forwarded-proto: https",
    b"X-Forwarded-Host: evil",
    b"Forwarded: for=1.2.3.4",
    b"X-Forwarded-For: 5.6.7.8",
]


async def heard(*lines: bytes, method: bytes = b"GET", **settings: Any) -> list[bytes]:
    """The lines about forwarding that the backend of an unguarded route gets."""
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port, route(guarded=False), **settings) as door:
        assert (await door.ask(method, b"/doc", b"Host: api.example:8443", *lines)).status == 200
    return [line for line in backend.heard.split(b"\r\n") if re.match(rb"(?i)(x-)?forwarded", line)]


X_MINE = [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: api.example:8443"]
RFC_MINE = b'Forwarded: for=127.0.0.1;host="api.example:8443";proto=http'
X_ADDED = [b"X-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil"]
X_KEPT = [b"X-Forwarded-For: 1.2.3.4, 5.6.7.8", *X_ADDED[1:]]
RFC_ADDED = b"Forwarded: for=1.2.3.4, " + RFC_MINE.partition(b" ")[2]
STYLES = {
    "x-forwarded": ("x-forwarded", "", X_MINE),
    "forwarded": ("forwarded", "10.0.0.0/8", [RFC_MINE]),
    "both": ("both", "", [*X_MINE, RFC_MINE]),
    "off": ("off", "", []),
    "x-forwarded, trusted": ("x-forwarded", "10.0.0.0/8, 127.0.0.1", [*X_ADDED, b"Forwarded: for=1.2.3.4"]),
    "forwarded, trusted": ("forwarded", "127.0.0.0/8", [*X_KEPT, RFC_ADDED]),
    "both, trusted": ("both", "::1,127.0.0.0/8", [*X_ADDED, RFC_ADDED]),
    "off, trusted": ("off", "127.0.0.0/8", [*X_KEPT, b"Forwarded: for=1.2.3.4"]),
}


@pytest.mark.parametrize(("style", "trusted", "lines"), STYLES.values(), ids=STYLES)
async def test_forwarded_fields_count_from_trusted_proxies_only(style: str, trusted: str, lines: list[bytes]) -> None:
    assert await heard(*LIES, server__forwarded=style, server__trusted_proxies=trusted) == lines


async def test_a_connection_field_does_not_drop_what_we_say() -> None:
    assert await heard(b"Connection: X-Forwarded-For, Forwarded", *LIES) == X_MINE


async def test_what_is_said_depends_on_the_host_of_each_request() -> None:
    async with ScriptedBackend(serve(ok(), 3)) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        for host in (b"a", b"b", b"a"):
            assert (await client.ask(b"GET", b"/doc", b"Host: " + host)).status == 200
    assert re.findall(rb"X-Forwarded-Host: (.)", backend.heard) == [b"a", b"b", b"a"]


async def test_the_get_for_a_writer_says_the_same_of_it() -> None:
    async with ScriptedBackend(serve(ok(b"old"), 4)) as backend, serving(backend.port) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, *LIES, body=b"x")).status == 200
    assert backend.heard.count(b"\r\nX-Forwarded-For: 127.0.0.1\r\n") == backend.requests == 4


TRUST = {
    "in a network": ("10.1.2.3", True),
    "outside": ("11.1.2.3", False),
    "an IPv4 address in IPv6": ("::ffff:10.1.2.3", True),
    "IPv6": ("fd00::5", True),
    "IPv6 with a zone": ("fe80::1%eth0", True),
    "a Unix socket": (None, False),
    "nonsense": ("@", False),
}


@pytest.mark.parametrize(("address", "trusted"), TRUST.values(), ids=TRUST)
def test_who_is_trusted(address: str | None, trusted: bool) -> None:
    networks = [ip_network(each) for each in ("10.0.0.0/8", "fd00::/8", "fe80::/10")]
    assert Forwarding(Forwarded.BOTH, networks, trusts_unix=False).peer(address, b"http").is_trusted is trusted
    assert Forwarding(Forwarded.BOTH, networks, trusts_unix=True).trusts(None)


def test_addresses_as_rfc_7239_writes_them() -> None:
    forwarding = Forwarding(Forwarded.FORWARDED, [], trusts_unix=False)
    assert forwarding.peer("fe80::1%eth0", b"https").lines(b"a", ()) == b'Forwarded: for="[fe80::1]";host="a";proto=https\r\n'
    assert forwarding.peer(None, b"http").lines(b"a", ()) == b'Forwarded: for=unknown;host="a";proto=http\r\n'


# ---- the PROXY protocol ---------------------------------------------------------------------------------------------------------------


def v2(command: int, family: int, body: bytes) -> bytes:
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([0x20 | command, family << 4 | 1]) + struct.pack("!H", len(body)) + body


V4 = bytes([192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4])
V6 = bytes.fromhex("20010db8000000000000000000000007") + bytes(20)
PREFACES = {
    "1, TCP4": (b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n", "192.0.2.7"),
    "1, TCP6": (b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n", "2001:db8::7"),
    "1, UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "1, UNKNOWN and more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "2, TCP4": (v2(1, 1, V4), "192.0.2.7"),
    "2, TCP6 and TLVs": (v2(1, 2, V6 + b"\x04\x00\x02ab"), "2001:db8::7"),
    "2, LOCAL": (v2(0, 0, b""), None),
    "2, a Unix socket": (v2(1, 3, bytes(216)), None),
    "2, no address": (v2(1, 0, b""), None),
}
MALFORMED = {
    "HTTP": b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n",
    "1, another protocol": b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "1, no address": b"PROXY TCP4 here 1.2.3.4 1 2\r\n",
    "1, the other family": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "1, a port too large": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
    "1, words missing": b"PROXY TCP4 1.2.3.4\r\n",
    "1, without an end": b"PROXY TCP4 " + b"1" * MAX_V1_BYTES,
    "2, version 3": v2(1, 1, V4).replace(b"\n\x21", b"\n\x31"),
    "2, another command": v2(2, 1, V4),
    "2, another family": v2(1, 4, V4),
    "2, too short for its family": v2(1, 1, V4[:11]),
    "2, too long": v2(1, 1, bytes(65535)),
}


@pytest.mark.parametrize(("preface", "address"), PREFACES.values(), ids=PREFACES)
def test_a_preface_is_read_from_any_cut(preface: bytes, address: str | None) -> None:
    for end in range(len(preface)):
        assert read_preface(preface[:end]) is Unfinished.SHORT
    for more in (b"", b"GET / HTTP/1.1\r\n\r\n"):
        assert read_preface(preface + more) == Preface(len(preface), address)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_preface_closes_the_connection(data: bytes) -> None:
    assert read_preface(data) is Unfinished.MALFORMED
    settings: dict[str, Any] = {"server__proxy_protocol": "true", "server__trusted_proxies": "127.0.0.0/8"}
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port, **settings) as door:
        client = await door.connect()
        client.send(data)
        assert await asyncio.wait_for(client.rest(), 30) == b""
    assert backend.heard == b""


@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("preface", "address"), PREFACES.values(), ids=PREFACES)
async def test_the_client_is_whom_the_preface_names(preface: bytes, address: str | None, bytewise: bool) -> None:
    settings: dict[str, Any] = {"server__proxy_protocol": "true", "server__trusted_proxies": "127.0.0.1"}
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port, route(guarded=False), **settings) as door:
        client = await door.connect()
        data = preface + request(b"GET", b"/doc", b"X-Forwarded-For: 9.9.9.9")
        for start in range(0, len(data), 1 if bytewise else len(data)):
            client.send(data[start : start + (1 if bytewise else len(data))])
            await asyncio.sleep(0)
        assert (await client.answer(b"GET")).status == 200
    # Who is named is not trusted for it; who names nobody speaks for itself.
    said = (address or "9.9.9.9, 127.0.0.1").encode()
    assert b"\r\nX-Forwarded-For: " + said + b"\r\n" in backend.heard


async def test_a_preface_of_somebody_else_is_no_http() -> None:
    settings: dict[str, Any] = {"server__proxy_protocol": "true", "server__trusted_proxies": "10.0.0.0/8"}
    async with ScriptedBackend(serve(ok())) as backend, serving(backend.port, **settings) as door:
        assert (await door.ask(b"GET", b"/doc")).status == 200
        client = await door.connect()
        client.send(PREFACES["1, TCP4"][0] + request(b"GET", b"/doc"))
        assert (await client.answer(b"GET")).status == 400
    assert backend.requests == 1


# ---- request ids ----------------------------------------------------------------------------------------------------------------------

IDS = {
    "kept": ([b"abc-._~9"], True),
    "kept, the longest": ([b"a" * 128], True),
    "too long": ([b"a" * 129], False),
    "empty": ([b""], False),
    "with a space": ([b"a b"], False),
    "with a quote": ([b'a"b'], False),
    "twice": ([b"abc", b"abc"], False),
    "none": ([], False),
}


@pytest.mark.parametrize(("sent", "is_kept"), IDS.values(), ids=IDS)
@pytest.mark.parametrize("field", ["X-Request-ID", "Correlation"])
async def test_the_id_is_the_same_everywhere(sent: list[bytes], is_kept: bool, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On what the backend gets, on the answer, and in the log; the backend's own is dropped."""
    name = field.encode()
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", type("Stdout", (), {"buffer": out}))
    trace = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = ok(b"", name.lower() + b": theirs")
    settings: dict[str, Any] = {"server__request_id_field": field, "log__access": "json"}
    async with ScriptedBackend(serve(answer)) as backend, serving(backend.port, **settings) as door:
        got = await door.ask(b"GET", b"/doc", *(name.upper() + b": " + value for value in sent), trace)
    told = got.one(name)
    assert told is not None
    assert (told == sent[0]) if is_kept else re.fullmatch(rb"[0-9a-f]{16}-1", told)
    asked = [line for line in backend.heard.split(b"\r\n") if line.lower().startswith(name.lower() + b":")]
    assert asked == [name + b": " + told]
    assert json.loads(out.getvalue())["requestId"] == told.decode()
    assert trace in backend.heard


OURS = {
    "400 target": request(b"GET", b"/%zz", b"X-Request-ID: mine"),
    "400 field": request(b"GET", b"/doc", b"X_Bad: 1", b"X-Request-ID: mine"),
    "400 unreadable": b"NO HTTP\r\n\r\n",
    "405": request(b"CONNECT", b"a.example:443", b"X-Request-ID: mine"),
    "502": request(b"GET", b"/doc", b"X-Request-ID: mine"),
}


@pytest.mark.parametrize(("name", "raw"), OURS.items(), ids=OURS)
async def test_our_own_answers_have_an_id(name: str, raw: bytes) -> None:
    async with serving(1) as door, await Client.connect(door.gateway.listen) as client:
        client.send(raw)
        got = await client.answer(b"GET")
    assert got.status == int(name[:3])
    told = got.one(b"X-Request-ID")
    assert told is not None
    assert (told == b"mine") == (name != "400 unreadable")
