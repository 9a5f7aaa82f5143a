"""Messages for the differential campaign: requests by the grammar of RFC 9112, and the same with something done to their bytes."""

import random
from dataclasses import dataclass

METHODS = (b"GET", b"GET", b"HEAD", b"PUT", b"PUT", b"POST", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND", b"MKCOL")
SEGMENTS = (b"a", b"doc", b"A.json", b"x-y_z", b"~u", b"%41", b"%c3%A4", b"%2C", b"a:b@c", b"!$&'()*+,=", b".well-known", b"...", b"%3b")
QUERIES = (b"", b"?", b"?a=b", b"?a=%2f..//;&b", b"?q={x}|[y]", b"?a?b", b"?id=1&id=2")
NAMES = (
    b"X-A",
    b"x-a",
    b"Accept",
    b"Cookie",
    b"User-Agent",
    b"X-Long-Name",
    b"Content-Type",
    b"Cache-Control",
    b"Accept-Encoding",
    b"Range",
)
SINGLE = (b"User-Agent", b"Content-Type")
VALUES = (
    b"",
    b"a",
    b"a, b",
    b'"q;r"',
    b"a\tb",
    b"\xc3\xa4\xff",
    b"0",
    b"chunked",
    b"close",
    b"GET / HTTP/1.1",
    b"a:b",
    b"  spaced  ",
    b"*/*",
)
CONNECTIONS = (b"keep-alive", b"Keep-Alive, X-A", b"x-long-name", b"", b"TE")
EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';a="b;c"')
BYTES = (*(bytes((byte,)) for byte in b"\r\n\0 \t\x0b\x0c:;,_/\\%.?#@\"'\x7f\x80\xff\xa0019-+"), b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\n ")
LINES = (
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:3\r\n",
    b"Content-Length : 3\r\n",
    b"Content_Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: x, chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"Connection: Content-Length\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"X-HTTP-Method-Override: DELETE\r\n",
    b"If-Match: *\r\n",
    b"Upgrade: x\r\n",
    b"0\r\n\r\n",
    b"GET /open/in HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nDELETE /doc HTTP/1.1\r\nHost: a\r\n\r\n",
)
TOKENS = (
    b"/..",
    b"//",
    b"%2e",
    b"%2f",
    b"%00",
    b";x",
    b"?_method=PUT",
    b"http://b",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"0x",
    b"+",
    b"18446744073709551617",
)


@dataclass(frozen=True)
class Message:
    """One request. `method`, `target` and `body` are what was meant; `is_whole`: nothing was done to it, so that is how it must be read."""

    data: bytes
    method: bytes
    target: bytes
    body: bytes
    is_whole: bool
    is_last: bool


def message(rng: random.Random, is_last: bool) -> Message:
    """Make a request. Only the last of a connection may say that it is."""
    method = rng.choice(METHODS)
    path = b"/" + b"/".join(rng.choice(SEGMENTS) for _ in range(rng.randrange(1, 4)))
    target = (b"/open" if rng.random() < 0.5 else b"") + path + (b"/" if rng.random() < 0.1 else b"") + rng.choice(QUERIES)
    shown = b"http://a" + target if rng.random() < 0.05 else target
    names = [rng.choice(NAMES) for _ in range(rng.randrange(4))]
    # Twice they are an error (RFC 9110 §5.3), and refused.
    names = [name for place, name in enumerate(names) if name not in SINGLE or name not in names[:place]]
    lines = [b"%b: %b\r\n" % (name, rng.choice(VALUES)) for name in names]
    if rng.random() < 0.1:
        lines.append(b"Connection: " + rng.choice(CONNECTIONS) + b"\r\n")
    version = b"1.1"
    if is_last and rng.random() < 0.3:
        lines.append(b"connection: Close\r\n")
    elif is_last and rng.random() < 0.1:
        version = b"1.0"
    body, framing, framed = _body(rng, version)
    lines += framing
    lines.append(b"Host: a\r\n")
    rng.shuffle(lines)
    data = method + b" " + shown + b" HTTP/" + version + b"\r\n" + b"".join(lines) + b"\r\n" + framed
    return Message(data, method, target, body, True, is_last)


def mutated(rng: random.Random, whole: Message) -> Message:
    """Do something to the bytes of a request, once or a few times, mostly to its head."""
    data = whole.data
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice((_insert, _insert, _add_line, _add_line, _delete, _replace, _double, _token, _cut, _flip))(rng, data)
    return Message(data, whole.method, whole.target, whole.body, False, whole.is_last)


def _body(rng: random.Random, version: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The body, the lines that frame it, and it in its frame."""
    kind = rng.random()
    if kind < 0.5:
        return b"", [], b""
    body = rng.choice((b"", b"abc", rng.randbytes(rng.randrange(300)), b"GET /open/in HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"\r\n"))
    if kind < 0.75 or version == b"1.0":
        return body, [b"Content-Length: %d\r\n" % len(body)], body
    framed, left = b"", body
    while left:
        piece, left = left[: (size := rng.randrange(1, len(left) + 1))], left[size:]
        framed += rng.choice((b"%x", b"%X", b"0%x")) % len(piece) + rng.choice(EXTENSIONS) + b"\r\n" + piece + b"\r\n"
    trailer = b"X-Trailer: t\r\n" if rng.random() < 0.1 else b""
    return body, [b"Transfer-Encoding: " + rng.choice((b"chunked", b"Chunked")) + b"\r\n"], framed + b"0\r\n" + trailer + b"\r\n"


def _place(rng: random.Random, data: bytes) -> int:
    head = data.find(b"\r\n\r\n") + 4
    return rng.randrange(min(len(data), head if rng.random() < 0.8 else len(data)) or 1)


def _insert(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.choice(BYTES) + data[place:]


def _token(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.choice(TOKENS) + data[place:]


def _add_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    place = rng.randrange(1, len(lines) + 1)
    before = b"\r\n".join(lines[:place])
    return before + b"\r\n" + rng.choice(LINES) + b"\r\n".join(lines[place:])


def _delete(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + data[place + rng.choice((1, 1, 2, 5)) :]


def _replace(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.choice(BYTES) + data[place + 1 :]


def _flip(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + bytes((data[place] ^ (1 << rng.randrange(8)),)) + data[place + 1 :] if data else data


def _double(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    place = rng.randrange(len(lines))
    return b"\r\n".join([*lines[: place + 1], *lines[place:]])


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]
