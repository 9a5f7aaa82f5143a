"""What all metrics together cost: the processor time of a request with and without them. `./dev metrics-cost`.

One noclobber serves, and its metrics are switched off and on again between many short runs, so that what else happens on the machine meets
both alike. The cost is the mean of the differences of a run with and the run without beside it, without their lowest and highest quarter.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from .processes import Neighbours
from .targets import HOST, direct, free_port

BOUND_US = 3.0
"""What the metrics may cost a request."""
CONNECTIONS = 8
CONFIG = """[server]
listen = "{host}:{port}"
admin = "{host}:0"

[upstream]
url = "http://{host}:{upstream}"

[store]
url = "memory://"

[log]
access = "off"
conflicts = "off"
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Processor time of a request in microseconds, of each run."""

    title: str
    on: Sequence[float]
    off: Sequence[float]

    @property
    def cost_us(self) -> float:
        """What the metrics cost."""
        differences = sorted(on - off for on, off in zip(self.on, self.off, strict=True))
        quarter = len(differences) // 4
        return mean(differences[quarter : len(differences) - quarter])

    def shown(self) -> str:
        """The row of the table."""
        return f"{self.title:34}{median(self.off):12.2f}{median(self.on):12.2f}{self.cost_us:+12.2f}{len(self.on):8}"


class Unfit(Exception):
    """What was to be measured did not happen."""


class User:
    """One connection, which reads its own document, or saves it on the tag of the answer before."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._reader = reader
        self._writer = writer
        self._path = b"/docs/1k/%d" % number
        self._tag = b""
        self._saves = 0

    async def ask(self, method: bytes, line: bytes = b"", body: bytes = b"") -> None:
        """Send one request and read its answer, which must be a success."""
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        self._writer.write(b"%b %b HTTP/1.1\r\nHost: bench.example\r\n%b%b\r\n%b" % (method, self._path, line, length, body))
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(part.partition(b": ")[::2] for part in head.split(b"\r\n")[1:])
        if not head.startswith(b"HTTP/1.1 20"):
            raise Unfit(f"{method.decode()} was answered {head.decode()!r}")
        await self._reader.readexactly(int(fields.get(b"Content-Length", b"0")))
        self._tag = fields[b"ETag"]

    def close(self) -> None:
        """Give the connection back."""
        self._writer.close()

    async def read(self) -> None:
        """GET the document."""
        await self.ask(b"GET")

    async def save(self) -> None:
        """PUT it anew."""
        if not self._tag:
            await self.read()
        self._saves += 1
        await self.ask(b"PUT", b"If-Match: %b\r\n" % self._tag, b"saved %d times" % self._saves)


KINDS = {"a read with its tag": User.read, "a save with If-Match": User.save}


class Metered:
    """The noclobber that is measured."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout

    async def line(self) -> str:
        """The next line that it says."""
        return (await self._output.readline()).decode().strip()

    async def tell(self, word: str) -> tuple[float, float]:
        """Switch, and return the processor seconds that it has used until then, without the switching and with it."""
        self._input.write(f"{word}\n".encode())
        before, after = map(float, (await self.line()).split())
        return before, after

    async def end(self) -> None:
        """Have it stop."""
        self._input.close()
        await self._process.wait()


async def measure(title: str, users: Sequence[User], metered: Metered, rounds: int, requests: int) -> Row:
    """Have all users do one kind of thing, by turns with and without metrics."""
    step = KINDS[title]

    async def work(user: User) -> None:
        for _ in range(requests // len(users)):
            await step(user)

    async def run(word: str) -> float:
        _, started = await metered.tell(word)
        await asyncio.gather(*map(work, users))
        ended, _ = await metered.tell("on")
        return (ended - started) / (requests // len(users) * len(users)) * 1e6

    await run("on")
    # Each begins as often as the other, so that a machine that grows slower favours neither.
    pairs = [[await run(word) for word in (("on", "off") if number % 2 else ("off", "on"))] for number in range(rounds)]
    ordered = [pair if number % 2 else pair[::-1] for number, pair in enumerate(pairs)]
    return Row(title, [pair[0] for pair in ordered], [pair[1] for pair in ordered])


async def compare(work: Path, upstream: int, rounds: int, requests: int) -> list[Row]:
    """Measure every kind."""
    config = work / "metered.toml"
    config.write_text(CONFIG.format(host=HOST, port=free_port(), upstream=upstream))
    program = [sys.executable, "-m", "bench.metered", str(config)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe)
    metered = Metered(process)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(metered.end)
        host, _, port = (await metered.line()).rpartition(":")
        users = []
        for number in range(CONNECTIONS):
            reader, writer = await asyncio.open_connection(host, int(port))
            users.append(User(reader, writer, number))
            stack.callback(users[-1].close)
        return [await measure(title, users, metered, rounds, requests) for title in KINDS]


def show(rows: Sequence[Row]) -> bool:
    """Print a table. Returns whether the bound is kept."""
    print(f"{'CPU us a request':34}{'without':>12}{'with':>12}{'cost':>12}{'pairs':>8}")
    for row in rows:
        print(row.shown())
    print(f"bound: {BOUND_US:.1f} us a request")
    return all(row.cost_us <= BOUND_US for row in rows)


def main() -> int:
    """Measure; 1 where the metrics cost more than they may."""
    parser = argparse.ArgumentParser(prog="./dev metrics-cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="pairs of runs, with and without (default 1000)")
    parser.add_argument("--requests", type=int, default=40, help="requests of one run (default 40)")
    options = parser.parse_args()
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory() as directory, direct(Path(directory)) as backend:
        kept = show(asyncio.run(compare(Path(directory), backend.port, options.rounds, options.requests)))
    print(f"others used {neighbours.share():.0%} of the machine meanwhile")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
