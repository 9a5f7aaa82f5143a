"""A backend on a raw socket that does what a script says, and remembers every byte that it heard.

A script is played on one connection; the last script is played on all further ones. After its last step the backend listens on until
the connection ends, so that whatever else is sent is counted. It runs on the loop of the test.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, assert_never

LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Hear:
    """Read one whole request."""


@dataclass(frozen=True)
class HearBytes:
    """Read until so many bytes came on this connection."""

    count: int


@dataclass(frozen=True)
class Say:
    """Send bytes in one write."""

    data: bytes


@dataclass(frozen=True)
class SayBytewise:
    """Send bytes one by one, each in a packet of its own as far as the kernel lets it."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class WaitFor:
    """Do nothing until the test says so."""

    event: asyncio.Event


@dataclass(frozen=True)
class HalfClose:
    """Send FIN, go on listening."""


@dataclass(frozen=True)
class Close:
    """Close the socket: FIN, or RST if it holds unread bytes."""


@dataclass(frozen=True)
class Reset:
    """Close the socket by RST."""


Step = Hear | HearBytes | Say | SayBytewise | Wait | WaitFor | HalfClose | Close | Reset
Script = Sequence[Step]


def ok(body: bytes = b"hello", *lines: bytes) -> bytes:
    """Return a plain answer."""
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def serve(answer: bytes, times: int = 1) -> list[Step]:
    """Return a script that gives the same answer to so many requests on one connection."""
    return [Hear(), Say(answer)] * times


class _Over(Exception):
    """The client has ended the connection."""


class Conversation:
    """One connection as the backend saw it. `end`: "fin", "reset" (by the client), or None as long as it has not ended."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = bytearray()
        self.end: str | None = None
        self._position = 0

    @property
    def requests(self) -> int:
        """How many requests began on this connection: a single byte is one."""
        count = position = 0
        while position < len(self.heard):
            count += 1
            end = request_end(self.heard, position)
            if end is None:
                break
            position = end
        return count

    async def play(self, script: Script) -> None:
        """Do the steps, then listen until the end."""
        try:
            for step in script:
                await self._do(step)
            while self.sock.fileno() >= 0:
                await self._hear_more()
        except _Over:
            pass
        finally:
            self.sock.close()

    async def _do(self, step: Step) -> None:
        match step:
            case Hear():
                while (end := request_end(self.heard, self._position)) is None:
                    await self._hear_more()
                self._position = end
            case HearBytes(count):
                while len(self.heard) < count:
                    await self._hear_more(count - len(self.heard))
            case Say(data):
                await self._say(data)
            case SayBytewise(data):
                for byte in data:
                    await self._say(bytes([byte]))
                    await asyncio.sleep(0)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case WaitFor(event):
                await event.wait()
            case HalfClose():
                self.sock.shutdown(socket.SHUT_WR)
            case Close():
                self.sock.close()
            case Reset():
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
                self.sock.close()
            case _:  # pragma: no cover
                assert_never(step)

    async def _say(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError:
            self.end = "reset"
            raise _Over from None

    async def _hear_more(self, most: int = 65536) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, most)
        except ConnectionResetError:
            self.end = "reset"
            raise _Over from None
        if not data:
            self.end = "fin"
            raise _Over
        self.heard += data


def request_end(heard: bytes | bytearray, start: int) -> int | None:
    """Return where the request that begins at start ends, None as long as it has not."""
    head_end = heard.find(b"\r\n\r\n", start)
    if head_end < 0:
        return None
    head, position = bytes(heard[start:head_end]), head_end + 4
    if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        last = heard.find(b"0\r\n\r\n", position)
        while last > position and heard[last - 2 : last] != b"\r\n":
            last = heard.find(b"0\r\n\r\n", last + 1)
        return None if last < 0 else last + 5
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    position += int(length[1]) if length else 0
    return position if position <= len(heard) else None


class ScriptedBackend:
    """Listen on loopback; connection number n plays script number n."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.conversations: list[Conversation] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def requests(self) -> int:
        """How many requests were on the wire, over all connections."""
        return sum(conversation.requests for conversation in self.conversations)

    @property
    def heard(self) -> bytes:
        """All bytes of all connections, one connection after the other."""
        return b"".join(conversation.heard for conversation in self.conversations)

    async def settle(self) -> None:
        """Wait until there was a conversation, and every one is over."""
        async with asyncio.timeout(10):
            # Polling, because connections may still be in the kernel's queue, where nothing announces them.
            while len(self._tasks) < 2 or not all(task.done() for task in self._tasks[1:]):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.get_running_loop().create_task(self._accept()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()
        for conversation in self.conversations:
            conversation.sock.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._listener)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = Conversation(sock)
            script = self._scripts[min(len(self.conversations), len(self._scripts) - 1)]
            self.conversations.append(conversation)
            self._tasks.append(loop.create_task(conversation.play(script)))
