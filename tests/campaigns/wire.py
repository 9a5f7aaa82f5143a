"""A small client for the campaigns: one keep-alive connection, one request at a time, and never a second try."""

import asyncio
from dataclasses import dataclass

PATIENCE_SECONDS = 60.0
"""A request that takes longer has hung, and fails the campaign."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of `fields` are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


class Wire:
    """A connection to one port of this machine, opened when it is first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connects(self) -> bool:
        """Open the connection unless it is open. False: nobody takes it, so nothing can have been sent either."""
        try:
            await self._connect()
        except OSError:
            return False
        return True

    async def ask(self, method: str, path: str, fields: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        """Send one request. OSError or EOFError: the connection was lost, and nobody knows what became of the request."""
        await self._connect()
        lines = [f"{method} {path} HTTP/1.1", "Host: campaign.example", *(f"{name}: {value}" for name, value in (fields or {}).items())]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._exchange("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        except BaseException:
            self.close()
            raise
        if answer.fields.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close at once. Harmless when repeated."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _connect(self) -> None:
        if self._streams is not None and self._streams[0].at_eof():
            # The server has closed what was idle: no request is sent there.
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)

    async def _exchange(self, request: bytes) -> Answer:
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request)
        first, *lines = await _head(reader)
        while first.split(" ", 2)[1].startswith("1"):
            first, *lines = await _head(reader)
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(first.split(" ", 2)[1]), fields, body)


async def _head(reader: asyncio.StreamReader) -> list[str]:
    """The lines of one head, interim or final."""
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
