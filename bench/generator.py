"""The load generator: a process of its own, used for every row alike. Reads one Load on standard input, writes one Measurement.

Closed loop: each connection sends its next request when the answer to the last one is complete. A request counts if its answer was complete
within the window; processor time is read at both ends of the same window.

A fast answer proves nothing by itself: something in front of the backend may answer on its own. So every status and every length is
checked, and after a run of writes the backend is asked, around the proxy, whether it holds what was acknowledged and nothing
that was refused. The backend counts its requests as well, so that a row can be held to the number that its title implies.
"""

import asyncio
import gc
import http.client
import sys
import time
from collections import Counter
from contextlib import closing
from enum import Enum
from typing import cast

import msgspec
import uvloop

from .backend import document
from .processes import cpu_seconds

WRITTEN_BYTES = 1024
# A connection that is quiet for longer than this has hung, and fails the bench.
PATIENCE_SECONDS = 20.0


class Mode(Enum):
    """What a connection asks, over and over."""

    READ = "read"
    REVALIDATE = "revalidate"
    WRITE = "write"
    WRITE_GUARDED = "write-guarded"
    WRITE_STALE = "write-stale"


EXPECTED = {
    Mode.READ: (200,),
    Mode.REVALIDATE: (304,),
    Mode.WRITE: (200, 204),
    Mode.WRITE_GUARDED: (200, 204),
    Mode.WRITE_STALE: (412,),
}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement to make. Connection number N uses the resource `path` + N, whose GET has `body_bytes`.

    `backend_port` is the backend by itself. `pids` and `store_pids` are roots of process trees.
    """

    port: int
    backend_port: int
    body_bytes: int
    path: str
    mode: Mode
    connections: int
    warmup_seconds: float
    seconds: float
    pids: list[int]
    store_pids: list[int]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `wrong` counts what must not happen, by its description; latencies in seconds.

    `upstream_requests` is what the backend got for one request of ours, over the whole run.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu_seconds: float
    store_cpu_seconds: float
    upstream_requests: float
    wrong: dict[str, int]


class Window:
    """The measured stretch of time, shared by all connections."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.is_open = False
        self.is_over = False
        self.latencies: list[float] = []
        self.wrong: Counter[str] = Counter()
        self.answers = 0
        self.backend_requests = 0
        self.began = self.ended = self.cpu = self.store_cpu = 0.0

    def open(self) -> None:
        self.cpu, self.store_cpu = -cpu_seconds(self.load.pids), -cpu_seconds(self.load.store_pids)
        self.began = time.perf_counter()
        self.is_open = True

    def close(self) -> None:
        self.is_open, self.is_over = False, True
        self.ended = time.perf_counter()
        self.cpu += cpu_seconds(self.load.pids)
        self.store_cpu += cpu_seconds(self.load.store_pids)

    def measurement(self) -> Measurement:
        ordered = sorted(self.latencies)
        count = len(ordered)
        if not count:
            self.wrong["no request was answered within the window"] += 1
        return Measurement(
            requests=count,
            seconds=self.ended - self.began,
            p50=ordered[count // 2] if count else 0.0,
            p99=ordered[min(count - 1, count * 99 // 100)] if count else 0.0,
            cpu_seconds=self.cpu,
            store_cpu_seconds=self.store_cpu,
            upstream_requests=self.backend_requests / max(1, self.answers),
            wrong=dict(self.wrong),
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection in a closed loop. `done` resolves when it has stopped."""

    def __init__(self, window: Window, number: int, done: asyncio.Future[None]) -> None:
        self.window = window
        self.number = number
        self.mode = window.load.mode
        self.done = done
        self.name = f"{window.load.path}{number} HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n".encode()
        self.read = b"GET " + self.name + b"\r\n"
        # No two runs may write the same bytes: an unchanged document would keep its tag.
        self.counter = time.time_ns()
        self.written = b""
        self.etag = b""
        self.is_learning = self.mode in (Mode.REVALIDATE, Mode.WRITE_GUARDED)
        self.transport: asyncio.Transport | None = None
        self.sent = 0.0
        self.head = b""
        self.missing = 0
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def request(self) -> bytes:
        if self.is_learning or self.mode is Mode.READ:
            return self.read
        if self.mode is Mode.REVALIDATE:
            return b"GET %sIf-None-Match: %s\r\n\r\n" % (self.name, self.etag)
        self.counter += 1
        condition = b""
        if self.mode is not Mode.WRITE:
            condition = b"If-Match: %s\r\n" % (b'"stale"' if self.mode is Mode.WRITE_STALE else self.etag)
        head = b"PUT %sContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
        self.written = document(WRITTEN_BYTES, self.counter)
        return head % (self.name, WRITTEN_BYTES, condition) + self.written

    def send(self) -> None:
        assert self.transport is not None
        request = self.request()
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
            if self.missing == 0:
                self.answered()
            return
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return
        self.status = int(self.head[9:12])
        fields = dict(line.split(b":", 1) for line in self.head[:end].lower().split(b"\r\n")[1:])
        length = b"0" if self.status in (204, 304) else fields.get(b"content-length")
        if length is None:
            self.stop("an answer without Content-Length")
            return
        if b"etag" in fields:
            # A tag is case-sensitive: take it from the bytes as they came.
            at = self.head.lower().index(b"\r\netag:") + 7
            self.etag = self.head[at : self.head.index(b"\r\n", at)].strip()
        elif self.is_learning or (self.mode is Mode.WRITE_GUARDED and self.status in EXPECTED[self.mode]):
            self.stop("an answer without ETag")
            return
        if self.status == 200 and (self.is_learning or self.mode is Mode.READ) and int(length) != self.window.load.body_bytes:
            self.stop(f"a GET answered with {int(length)} bytes instead of {self.window.load.body_bytes}")
            return
        self.missing = int(length) - (len(self.head) - end - 4)
        self.head = b""
        if self.missing == 0:
            self.answered()

    def answered(self) -> None:
        self.window.answers += 1
        if self.window.is_open:
            self.window.latencies.append(time.perf_counter() - self.sent)
        expected = EXPECTED[Mode.READ if self.is_learning else self.mode]
        self.is_learning = False
        if self.status not in expected:
            self.stop(f"status {self.status}")
        elif self.window.is_over:
            self.stop(None)
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop("a connection was closed")

    def stop(self, wrong: str | None) -> None:
        if self.done.done():
            return
        if wrong is not None:
            self.window.wrong[wrong] += 1
        self.done.set_result(None)
        if self.transport is not None:
            self.transport.close()


def ask_backend(load: Load, path: str) -> bytes:
    """GET a path from the backend itself."""
    with closing(http.client.HTTPConnection("127.0.0.1", load.backend_port, timeout=PATIENCE_SECONDS)) as backend:
        backend.request("GET", path)
        return backend.getresponse().read()


def check_backend(load: Load, connections: list[Connection]) -> Counter[str]:
    """Ask the backend itself whether it holds each connection's last acknowledged write, and no refused one."""
    wrong: Counter[str] = Counter()
    for connection in connections:
        is_there = ask_backend(load, f"{load.path}{connection.number}") == connection.written
        if load.mode is Mode.WRITE_STALE and is_there:
            wrong["a refused write is at the backend"] += 1
        elif load.mode in (Mode.WRITE, Mode.WRITE_GUARDED) and not is_there:
            wrong["an acknowledged write is not at the backend"] += 1
    return wrong


async def generate(load: Load) -> Measurement:
    """Make one measurement. Whatever goes wrong is counted, not raised."""
    loop = asyncio.get_running_loop()
    window = Window(load)
    before = int(ask_backend(load, "/requests"))
    connections = [Connection(window, number, loop.create_future()) for number in range(load.connections)]
    for connection in connections:
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", load.port)  # type: ignore[misc]
    await asyncio.sleep(load.warmup_seconds)
    window.open()
    await asyncio.sleep(load.seconds)
    window.close()
    _, hung = await asyncio.wait([connection.done for connection in connections], timeout=PATIENCE_SECONDS)
    if hung:
        window.wrong["a connection without an answer"] += len(hung)
    window.backend_requests = int(ask_backend(load, "/requests")) - before
    if not window.wrong and load.mode in (Mode.WRITE, Mode.WRITE_GUARDED, Mode.WRITE_STALE):
        window.wrong += check_backend(load, connections)
    return window.measurement()


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    gc.disable()
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(generate(load))))


if __name__ == "__main__":
    main()
