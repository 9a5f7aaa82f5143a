"""A backend that records: every request that reaches it, as bytes, read by the letter of RFC 9112.

It answers each request with 200 and two bytes. What it cannot read to the letter it keeps in `broken`, and ends the connection.
"""

import asyncio
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t -~\x80-\xff]*)")
_SIZE = re.compile(rb"[0-9a-fA-F]+")


class Unreadable(Exception):
    """A request is not HTTP/1.1 to the letter."""


@dataclass(frozen=True)
class Heard:
    """One request. `fields` are names and values as they came, in order; `raw` is all of it."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    raw: bytes

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines of one field."""
        return [value for given, value in self.fields if given.lower() == name.lower()]


class Recorder:
    """Record requests in `heard`, in the order in which they were complete."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.broken: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (heard := await _read(reader)) is not None:
                self.heard.append(heard)
                body = b"" if heard.line.startswith(b"HEAD ") else b"ok"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)
        except Unreadable as unreadable:
            self.broken.append(str(unreadable).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # It was cut: what was not complete was not heard.
        finally:
            self._writers.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Heard | None:
    """Read one request; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    line, *rest = head[:-4].split(b"\r\n")
    if _LINE.fullmatch(line) is None:
        raise Unreadable(repr(line))
    fields: list[tuple[bytes, bytes]] = []
    for each in rest:
        found = _FIELD.fullmatch(each)
        if found is None:
            raise Unreadable(repr(each))
        fields.append((found[1], found[2]))
    body, framed = await _body(reader, fields)
    return Heard(line, tuple(fields), body, head + framed)


async def _body(reader: asyncio.StreamReader, fields: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Read a body: as it is, and in its frame."""
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]) or not all(length.isdigit() for length in lengths):
        raise Unreadable(f"framing {lengths} {codings}")
    if lengths:
        body = await reader.readexactly(int(lengths[0]))
        return body, body
    if not codings:
        return b"", b""
    body, framed = b"", b""
    while True:
        size = (await reader.readuntil(b"\r\n"))[:-2]
        if _SIZE.fullmatch(size) is None:
            raise Unreadable(f"chunk size {size!r}")
        piece = await reader.readexactly(int(size, 16))
        if await reader.readexactly(2) != b"\r\n":
            raise Unreadable("chunk end")
        body += piece
        framed += size + b"\r\n" + piece + b"\r\n"
        if not piece:
            return body, framed
