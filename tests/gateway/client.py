"""A client on a raw socket: it sends what it is told, once, and says exactly what came back."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HOST = b"Host: api.example"


class NoAnswer(Exception):
    """The connection ended before the head of an answer was complete."""


@dataclass(frozen=True)
class Answer:
    """One answer. `is_cut`: its body ended before the head said it would; `interims` are the 1xx that came before."""

    status: int
    reason: bytes
    fields: Sequence[tuple[bytes, bytes]]
    body: bytes
    is_cut: bool
    interims: Sequence[int] = field(default_factory=list)

    def lines(self, name: bytes) -> list[bytes]:
        """The values of all lines of one field, in order."""
        return [value for given, value in self.fields if given.lower() == name.lower()]

    def one(self, name: bytes) -> bytes | None:
        """The value of a field that may stand once at most; None where it does not stand."""
        values = self.lines(name)
        assert len(values) <= 1, f"{name!r} stands {len(values)} times"
        return values[0] if values else None

    @property
    def names(self) -> set[bytes]:
        """The names of all fields, in lower case."""
        return {name.lower() for name, _ in self.fields}

    @property
    def etag(self) -> bytes:
        """The ETag, which must be there."""
        tag = self.one(b"ETag")
        assert tag is not None, "there is no ETag"
        return tag

    @property
    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem document (RFC 9457)."""
        assert self.one(b"Content-Type") == b"application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def kind(self) -> str:
        """What kind of problem it is: the end of its type."""
        prefix, _, kind = str(self.problem["type"]).rpartition(":")
        assert prefix == "urn:noclobber:problem"
        return kind


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: str) -> Self:
        """Connect to HOST:PORT."""
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        """Go without a word, by RST where something is unread."""
        self._writer.transport.abort()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def pour(self, data: bytes) -> None:
        """Send bytes, and wait until most of them are gone."""
        self._writer.write(data)
        await self._writer.drain()

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()

    async def ask(self, method: bytes, target: bytes, *lines: bytes, body: bytes | None = None, version: bytes = b"1.1") -> Answer:
        """Send one request and read its answer."""
        self.send(request(method, target, *lines, body=body, version=version))
        return await self.answer(method)

    async def head(self) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Read one head: status, reason, fields."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as gone:
            raise NoAnswer from gone
        first, *rest = head[:-4].split(b"\r\n")
        version, status, reason = first.split(b" ", 2)
        assert version in (b"HTTP/1.1", b"HTTP/1.0")
        fields = []
        for line in rest:
            name, _, value = line.partition(b":")
            fields.append((name, value.removeprefix(b" ")))
        return int(status), reason, fields

    async def answer(self, method: bytes) -> Answer:
        """Read the final answer to a request with method."""
        interims = []
        status, reason, fields = await self.head()
        while status < 200:
            interims.append(status)
            status, reason, fields = await self.head()
        lower = {name.lower(): value for name, value in fields}
        body, is_cut = b"", False
        if method != b"HEAD" and status not in (204, 304):
            body, is_cut = await self._body(lower)
        return Answer(status, reason, fields, body, is_cut, interims)

    async def _body(self, fields: dict[bytes, bytes]) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            if b"content-length" in fields:
                assert b"transfer-encoding" not in fields
                body += await self._reader.readexactly(int(fields[b"content-length"]))
            elif b"transfer-encoding" in fields:
                await self._chunks(body)
            else:
                while piece := await self._reader.read(65536):
                    body += piece
        except asyncio.IncompleteReadError as cut:
            return bytes(body) + cut.partial, True
        except ConnectionError:
            return bytes(body), True
        return bytes(body), False

    async def _chunks(self, body: bytearray) -> None:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        assert await self._reader.readexactly(2) == b"\r\n"

    async def check_boundary(self) -> None:
        """Check that nothing but another answer, or the end, comes after an answer."""
        self.send(b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(NoAnswer):
            assert (await self.answer(b"GET")).status == 400

    async def rest_of(self, size: int) -> bytes:
        """Read so many bytes."""
        return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Read all that still comes until the connection ends."""
        try:
            return await self._reader.read(-1)
        except ConnectionError:
            return b""


def request(method: bytes, target: bytes, *lines: bytes, body: bytes | None = None, version: bytes = b"1.1") -> bytes:
    """One request as bytes. `lines` without CRLF; Host is added unless one is given."""
    head = [b"%b %b HTTP/%b" % (method, target, version)]
    if not any(line.lower().startswith(b"host:") for line in lines):
        head.append(HOST)
    head += lines
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + (body or b"")


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
