"""The bench's backend: JSON documents over a bare HTTP/1.1 protocol, much faster than any proxy in front of it.

`/FOLDER/1k/NAME` and `/FOLDER/64k/NAME` exist from the first GET on. PUT stores the body verbatim and answers 204. No tags, no versions.
`/requests` tells how many other requests there were: what a proxy makes of one request is counted, not believed.
Reads only what the bench sends: a Content-Length body, no chunks.
"""

import asyncio
import sys
import time
from email.utils import formatdate
from typing import cast

import uvloop

SIZES = {b"1k": 1024, b"64k": 65536}
NO_LENGTH = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def document(size: int, number: int) -> bytes:
    """Return a JSON document of exactly `size` bytes that differs from that of every other number."""
    head = b'{"number": "%020d", "items": [' % number
    tail = b'"end"]}'
    item = b'"ab\\u00e9cdef01234567", '
    count, rest = divmod(size - len(head) - len(tail), len(item))
    return head + item * count + b" " * rest + tail


class Shelf:
    """What all connections share."""

    def __init__(self) -> None:
        self.bodies: dict[bytes, bytes] = {}
        self.requests = 0


class Documents(asyncio.Protocol):
    """One connection."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.buffer = b""
        self.transport: asyncio.WriteTransport | None = None
        self.date = b""
        self.date_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.buffer = self.buffer + data if self.buffer else data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            body_start = body_end = end + 4
            if (at := head.find(b"\r\ncontent-length:")) >= 0:
                body_end += int(head[at + 17 :].split(b"\r\n", 1)[0])
            elif b"\r\ntransfer-encoding:" in head:
                self.transport.write(NO_LENGTH)
                self.transport.close()
                return
            if len(self.buffer) < body_end:
                return
            method, path, _ = self.buffer.split(b" ", 2)
            self.transport.write(self.answer(method, path, self.buffer[body_start:body_end]))
            self.buffer = self.buffer[body_end:]

    def answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        now = time.monotonic()
        if now >= self.date_until:
            self.date, self.date_until = formatdate(usegmt=True).encode(), now + 1
        if path == b"/requests":
            return self.ok(b"%d" % self.shelf.requests)
        self.shelf.requests += 1
        if method == b"PUT":
            self.shelf.bodies[path] = body
            return b"HTTP/1.1 204 No Content\r\nDate: %s\r\n\r\n" % self.date
        stored = self.shelf.bodies.get(path)
        if stored is None:
            size = SIZES.get(path.split(b"/")[2]) if path.count(b"/") == 3 else None
            if size is None:
                return NOT_FOUND
            stored = self.shelf.bodies[path] = document(size, 0)
        return self.ok(stored)

    def ok(self, body: bytes) -> bytes:
        head = b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % (self.date, len(body)) + body


async def serve(port: int) -> None:
    shelf = Shelf()
    server = await asyncio.get_running_loop().create_server(lambda: Documents(shelf), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
