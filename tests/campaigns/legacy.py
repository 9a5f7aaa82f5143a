"""A legacy backend for the campaigns, in a process of its own: the last write wins, and it takes its time before it applies one.

It keeps what it is given as it is given, sends no validators, looks at no preconditions, and writes down what it applied in which order:
that log is what a campaign holds the clients' story against. GET /log shows it.
"""

import argparse
import asyncio
import contextlib
import json
import random
from collections import defaultdict

SEED = {"count": 0, "write": "seed"}


class Legacy:
    """The state: documents by path, and the log of applied documents by path."""

    def __init__(self, delay_seconds: float) -> None:
        """Apply each write between no time and twice delay_seconds after it has been read."""
        self._delay_seconds = delay_seconds
        self._documents: dict[str, bytes] = {}
        self._log: dict[str, list[object]] = defaultdict(list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its client leaves."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                body = await reader.readexactly(_content_length(head))
                status, content = await self._answer(method, path, body)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n".encode())
                writer.write(b"\r\n" if content is None else b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[str, bytes | None]:
        if method == "PUT":
            await asyncio.sleep(random.uniform(0, 2 * self._delay_seconds))
            self._documents[path] = body
            self._log[path].append(json.loads(body))
            return "204 No Content", None
        if path == "/log":
            return "200 OK", json.dumps(self._log).encode()
        return "200 OK", self._documents.get(path, json.dumps(SEED).encode())


def _content_length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


async def _serve(delay_seconds: float) -> None:
    server = await asyncio.start_server(Legacy(delay_seconds).serve, "127.0.0.1", 0)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="A last-write-wins backend on a free port, which it prints.")
    parser.add_argument("--delay-seconds", type=float, default=0.002, help="mean time between reading a write and applying it")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.delay_seconds))


if __name__ == "__main__":
    main()
