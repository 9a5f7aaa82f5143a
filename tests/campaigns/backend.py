"""A legacy backend for the campaigns, in a process of its own: the last write wins, no precondition is looked at, and much may go wrong.

It keeps JSON documents, and writes down what it applied in which order: that log is what a campaign holds the clients' story against.
A write names its value in `X-Write`, or in the member `write` of its body. PUT puts its body there; PATCH and POST merge theirs into what
is there; DELETE removes it. What was never written is there all the same, as SEED. What a GET shows depends on the first part of its path:
/native/ has a strong ETag, /json/ members in any order and some that change with every look, /field/ the number of the last write among
its members, /header/ in its head. Below /group/ each document has two URLs.

What becomes of a write can be told by its script (`script.py`, in the field X-Script), or is left to chance (--faults). GET /log shows
the log, GET /heard how often the request of each value has come.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from tests.campaigns.history import SEED as SEED_VALUE
from tests.campaigns.routes import resource_of
from tests.campaigns.script import FIELD, MIX, PLAIN, READ_MIX, Chance, Step, parse

Document = dict[str, Any]
SEED: Document = {"count": 0, "write": SEED_VALUE}
NUMBERED = ("/field/", "/header/")
LINGER_ZERO = struct.pack("ii", 1, 0)
HEAD_LIMIT_BYTES = 1 << 20
LEFT = (OSError, EOFError)
"""What reading and writing raise when the other side has left."""


class Request(NamedTuple):
    """One request, read whole. The names of `fields` are in lower case."""

    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One applied write, as the log has it. `count` is None where the write set none."""

    write: str
    method: str
    count: int | None


class Documents:
    """What stands, and what was applied in which order. None: something was deleted there."""

    def __init__(self) -> None:
        self.log: defaultdict[str, list[Entry]] = defaultdict(list)
        self._standing: dict[str, Document | None] = {}
        # What stood before, with the moment until which it did: for views that lag behind.
        self._past: defaultdict[str, list[tuple[float, Document | None]]] = defaultdict(list)

    def at(self, path: str) -> Document | None:
        """What stands at path now."""
        return self._standing.get(path, SEED)

    def as_of(self, path: str, moment: float) -> Document | None:
        """What stood at path at that moment of the loop's clock."""
        for until, document in self._past[path]:
            if moment < until:
                return document
        return self.at(path)

    def apply(self, request: Request, value: str, now: float) -> int:
        """Do what request asks, and say the status that tells of it. 404: there was nothing to change, and nothing was changed."""
        before = self.at(request.path)
        if before is None and request.method != "PUT":
            return 404
        sent: Document = json.loads(request.body) if request.body else {}
        after = sent if request.method == "PUT" else {**(before or {}), **sent}
        if request.path.startswith(NUMBERED):
            after = {**after, "version": len(self.log[request.path]) + 1}
        self._standing[request.path] = None if request.method == "DELETE" else after
        self._past[request.path] = [*self._past[request.path][-7:], (now, before)]
        self.log[request.path].append(Entry(value, request.method, sent.get("count")))
        return 201 if before is None else 204


class Backend:
    """Serve the documents, to any number of connections."""

    def __init__(self, delay_seconds: float = 0.0, lag_seconds: float = 0.0, chance: Chance | None = None) -> None:
        """Apply a plain write between no time and twice delay_seconds after it was read; show what stood lag_seconds ago."""
        self.documents = Documents()
        self.heard: Counter[str] = Counter()
        self._delay_seconds = delay_seconds
        self._lag_seconds = lag_seconds
        self._chance = chance or Chance(0.0, 0.0, 0)
        self._writers: set[asyncio.StreamWriter] = set()

    def leave(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self._writers.add(writer)
        with contextlib.suppress(*LEFT):
            while not writer.is_closing():
                await self._serve_one(await _hear(reader), reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _serve_one(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            script = self._chance.draw(READ_MIX) or (Step("answer"),)
            play = Play(self, request, reader, writer, *self._shown(request))
        else:
            self.heard[_value(request)] += 1
            script = self._script(request)
            play = Play(self, request, reader, writer)
        for step in script:
            await play.do(step)

    def _script(self, request: Request) -> tuple[Step, ...]:
        written = request.fields.get(FIELD)
        script = self._chance.draw(MIX) if written is None else parse(written)
        if script is not None:
            return script
        return (Step("wait", random.uniform(0, 2 * self._delay_seconds)), *PLAIN) if self._delay_seconds else PLAIN

    def _shown(self, request: Request) -> tuple[int, str, bytes]:
        """Status, further lines of the head and content for a GET."""
        path = request.path
        if path == "/log":
            log = {at: [asdict(entry) for entry in entries] for at, entries in self.documents.log.items()}
            return 200, "", json.dumps(log).encode()
        if path == "/heard":
            return 200, "", json.dumps(self.heard).encode()
        now = asyncio.get_running_loop().time()
        document = self.documents.as_of(path, now - self._lag_seconds) if self._lag_seconds else self.documents.at(path)
        if document is None:
            return 404, "", b""
        if path.startswith("/json/"):
            return 200, "", _volatile(document)
        if path.startswith(NUMBERED):
            lines = f"X-Version: {document.get('version', 0)}\r\n" if path.startswith("/header/") else ""
            return 200, lines, _volatile({"version": 0, **document})
        content = json.dumps(document).encode()
        etag = f'ETag: "{hashlib.sha256(content).hexdigest()[:16]}"\r\n' if path.startswith("/native/") else ""
        return 200, etag, content

    def apply(self, request: Request) -> int:
        """Apply a write now; see Documents.apply."""
        return self.documents.apply(request, _value(request), asyncio.get_running_loop().time())

    def apply_late(self, request: Request, seconds: float) -> None:
        """Apply a write so many seconds from now."""
        asyncio.get_running_loop().call_later(seconds, self.apply, request)


class Play:
    """One request, and what its script has come to so far."""

    def __init__(
        self,
        backend: Backend,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        status: int = 204,
        lines: str = "",
        content: bytes = b"",
    ) -> None:
        """`status`, `lines` and `content` are what a whole answer says unless a step has it otherwise."""
        self._backend = backend
        self._request = request
        self._reader = reader
        self._writer = writer
        self._status = status
        self._lines = lines
        self._content = content

    async def do(self, step: Step) -> None:
        """Do one step."""
        match step:
            case Step("wait", float(seconds)):
                await asyncio.sleep(seconds)
            case Step("apply", _):
                self._status = self._backend.apply(self._request)
            case Step("late", float(seconds)):
                self._backend.apply_late(self._request, seconds)
            case Step("answer", None):
                self._say(_answer(self._status, self._content, self._lines))
            case Step("answer", float(status)):
                self._say(_answer(int(status), b"the backend's words"))
            case Step("half-body", status):
                whole = _answer(int(status or 200), b"the backend's words", self._lines)
                self._say(whole[:-9])
            case Step("hold", _):
                while await self._reader.read(65_536):
                    pass
                raise EOFError
            case Step("close", _):
                await self._writer.drain()
                self._writer.close()
            case Step("reset", _):
                await self._reset()
            case Step(name, _):
                self._say(_SAID[name])

    def _say(self, data: bytes) -> None:
        self._writer.write(data)

    async def _reset(self) -> None:
        # What was said before is on its way already; the other side may lose it all the same, as it may with any reset.
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._writer.close()


_SAID = {
    "hint": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "surplus": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore than four",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "nonsense": b"nonsense\r\n\r\n",
}


def _volatile(document: Document) -> bytes:
    """A document as no other look will show it."""
    members = [*document.items(), ("serverTime", random.random()), ("views", {"last": random.random()})]
    random.shuffle(members)
    return json.dumps(dict(members), indent=random.choice((None, 1))).encode()


def _answer(status: int, content: bytes, lines: str = "") -> bytes:
    if status in (204, 304):
        return f"HTTP/1.1 {status} Done\r\n{lines}\r\n".encode()
    head = f"HTTP/1.1 {status} Told\r\n{lines}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _value(request: Request) -> str:
    """The value that a write names; empty where it names none."""
    named = request.fields.get("x-write")
    return str(json.loads(request.body or b"{}").get("write", "")) if named is None else named


async def _hear(reader: asyncio.StreamReader) -> Request:
    """Read one request. Raises one of LEFT when none comes."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ", 2)
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, resource_of(path), fields, await reader.readexactly(int(fields.get("content-length", "0"))))


@contextlib.asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[int]:
    """Serve backend on a free port, on this loop; yields the port."""
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0, limit=HEAD_LIMIT_BYTES, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        backend.leave()


async def _serve(backend: Backend) -> None:
    async with listening(backend) as port:
        print(f"listening on {port}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="A last-write-wins backend on a free port, which it prints.")
    parser.add_argument("--delay-seconds", type=float, default=0.002, help="mean time between reading a write and applying it")
    parser.add_argument("--lag-seconds", type=float, default=0.0, help="how far what GETs show lags behind (default: 0)")
    parser.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="the share of requests that go wrong (default: 0)")
    parser.add_argument("--longest-seconds", type=float, default=0.1, help="how late a write that goes wrong is applied (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0, help="for --faults")
    options = parser.parse_args()
    chance = Chance(options.faults, options.longest_seconds, options.seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Backend(options.delay_seconds, options.lag_seconds, chance)))


if __name__ == "__main__":
    main()
