"""A backend of large bodies for the memory campaign, in a process of its own. It holds none: it makes them up, and throws them away.

GET /plain/N and /chunked/N: a body of the size that was asked for at the start, with Content-Length or in chunks. PUT /upload/N: checked
against what that body has to be, and answered with what came. GET /upload/N: the same, once it is there; 404 before.
"""

import argparse
import asyncio
import contextlib
import json
import random

BLOCK_BYTES = 65_521
"""A prime: no piece of a body looks like another one at a boundary of 64 KiB."""
PIECE_BYTES = 65_536


class Pattern:
    """The body number N: a block of noise of its own, over and over. Checking it costs a comparison of memory."""

    def __init__(self, number: int) -> None:
        """Make the noise from number."""
        self._block = random.Random(number).randbytes(BLOCK_BYTES)
        self._tiles = memoryview(self._block * (2 + PIECE_BYTES // BLOCK_BYTES))

    def piece(self, offset: int, length: int) -> memoryview:
        """Return the length bytes from offset on; PIECE_BYTES at most."""
        start = offset % BLOCK_BYTES
        return self._tiles[start : start + length]

    def matches(self, offset: int, data: bytes) -> bool:
        """Say whether data is what stands at offset."""
        pieces = range(0, len(data), PIECE_BYTES)
        return all(data[at : at + PIECE_BYTES] == self.piece(offset + at, min(PIECE_BYTES, len(data) - at)) for at in pieces)


class Body:
    """Read the body of a message, by length or in chunks, and hold it against its pattern."""

    def __init__(self, reader: asyncio.StreamReader, fields: dict[str, str], pattern: Pattern) -> None:
        """Take the framing from fields; the names are in lower case."""
        self._reader = reader
        self._pattern = pattern
        self._is_chunked = fields.get("transfer-encoding", "") == "chunked"
        self._length = int(fields.get("content-length", "0"))
        self.size_bytes = 0
        self.is_right = True

    async def take(self) -> None:
        """Read to the end."""
        if not self._is_chunked:
            await self._take(self._length)
            return
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            await self._take(size)
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")

    async def _take(self, length: int) -> None:
        while length:
            data = await self._reader.read(min(length, PIECE_BYTES))
            if not data:
                raise EOFError("the body was cut")
            self.is_right = self.is_right and self._pattern.matches(self.size_bytes, data)
            self.size_bytes += len(data)
            length -= len(data)


async def send_body(writer: asyncio.StreamWriter, pattern: Pattern, size_bytes: int, chunked: bool) -> None:
    """Write a body of that size as fast as the other side takes it."""
    for offset in range(0, size_bytes, PIECE_BYTES):
        piece = pattern.piece(offset, min(PIECE_BYTES, size_bytes - offset))
        if chunked:
            writer.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            writer.write(piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """Read a head: its first line, and the fields by lower-case name."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Bulk:
    """The state: what was uploaded, by path."""

    def __init__(self, size_bytes: int) -> None:
        """Serve bodies of size_bytes."""
        self._size_bytes = size_bytes
        self._uploads: dict[str, bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its client leaves."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                first, fields = await read_head(reader)
                method, path, _ = first.split(" ", 2)
                await self._answer(method, path, fields, reader, writer)
        writer.close()

    async def _answer(
        self, method: str, path: str, fields: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        _, kind, number = path.split("/")
        pattern = Pattern(int(number))
        if kind == "upload":
            if method == "PUT":
                body = Body(reader, fields, pattern)
                await body.take()
                self._uploads[path] = json.dumps({"size_bytes": body.size_bytes, "is_right": body.is_right}).encode()
            told = self._uploads.get(path)
            status, content = ("404 Not Found", b"") if told is None else ("200 OK", told)
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode())
            writer.write(content)
            return
        framing = "Transfer-Encoding: chunked" if kind == "chunked" else f"Content-Length: {self._size_bytes}"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{framing}\r\n\r\n".encode())
        await send_body(writer, pattern, self._size_bytes, kind == "chunked")


async def _serve(size_bytes: int) -> None:
    server = await asyncio.start_server(Bulk(size_bytes).serve, "127.0.0.1", 0)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="A backend of large bodies on a free port, which it prints.")
    parser.add_argument("--size-bytes", type=int, required=True, help="how large the bodies of its GETs are")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.size_bytes))


if __name__ == "__main__":
    main()
