"""Asking the admin listener, and reading what it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.gateway.client import Answer, Client
from tests.gateway.serving import Door

LOCAL = b"Host: localhost"
TOKEN = "0123456789abcdef"
PATIENCE_SECONDS = 30.0
BEARER = b"Authorization: Bearer " + TOKEN.encode()


async def ask(door: Door, target: str, *lines: bytes, method: bytes = b"GET", body: bytes | None = None) -> Answer:
    """Send one request to the admin listener, as whoever is on the machine would."""
    named = any(line.lower().startswith(b"host:") for line in lines)
    async with await Client.connect(door.gateway.admin) as client:
        return await client.ask(method, target.encode(), *(() if named else (LOCAL,)), *lines, body=body)


async def read(door: Door, path: str, *lines: bytes) -> Any:
    """The document at a path of the API."""
    answer = await ask(door, f"/api/v1{path}", *lines)
    assert (answer.status, answer.one(b"Content-Type")) == (200, b"application/json"), answer.body
    assert answer.one(b"Cache-Control") == b"no-store"
    return json.loads(answer.body)


def problem(answer: Answer) -> tuple[int, str]:
    """Status and detail of a refusal, which must be a problem document."""
    assert answer.one(b"Content-Type") == b"application/problem+json"
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    return answer.status, document["detail"]


class Feed:
    """A listener to events."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def event(self) -> tuple[str, dict[str, Any]]:
        """The id and the data of the next event."""
        fields: dict[str, str] = {}
        while True:
            line = (await self.line()).decode()
            if not line and "data" in fields:
                assert fields["event"] == "conflict"
                return fields["id"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value

    async def line(self) -> bytes:
        """The next line, with the chunks' own taken out. EOFError at the end of the stream."""
        while True:
            # A test that waits in vain is to end itself, so that all is taken down in order.
            async with asyncio.timeout(PATIENCE_SECONDS):
                line = await self._reader.readline()
            if not line:
                raise EOFError
            if not line.endswith(b"\r\n"):
                return line.removesuffix(b"\n")
            if line == b"0\r\n":
                raise EOFError


@asynccontextmanager
async def listening(door: Door, *lines: bytes) -> AsyncIterator[Feed]:
    """Listen to the events of the conflict log, from the moment on at which this is entered."""
    host, _, port = door.gateway.admin.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"\r\n".join([b"GET /api/v1/conflicts/stream HTTP/1.1", LOCAL, *lines, b"", b""]))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"Content-Type: text/event-stream\r\n" in head
        feed = Feed(reader)
        while await feed.line() != b": listening":
            pass
        yield feed
    finally:
        writer.transport.abort()
