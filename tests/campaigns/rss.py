"""Move large bodies through one noclobber process, both ways at once and for many clients, and watch how much memory it takes.

Every client uploads one body and downloads another at the same time. The uploads go to disk in noclobber before they are sent on, so the
disk must hold them all. What arrives on either side is compared with what was sent, byte for byte.
"""

import argparse
import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from tests.campaigns.bulk import Body, Pattern, read_head, send_body
from tests.e2e.processes import Child, Noclobber

LISTENING = re.compile(r"listening on (\d+)")
LIMIT_BYTES = 120_000_000
SAMPLE_SECONDS = 0.1
# Uploads share the way to the backend: on a slow machine fifty of 200 MB take minutes, and that is not what is asked here.
SETTINGS = {"PROTOCOL__WRITE_TIMEOUT_SECONDS": "3000", "UPSTREAM__FIRST_BYTE_SECONDS": "600", "UPSTREAM__IDLE_SECONDS": "600"}


class Framing(Enum):
    """How the bodies of both directions tell their end."""

    LENGTH = "length"
    CHUNKED = "chunked"


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for. With `framing` CHUNKED neither side is told a length."""

    framing: Framing
    clients: int = 50
    size_bytes: int = 200_000_000
    timeout_seconds: float = 3000.0


@dataclass(slots=True)
class Result:
    """What came of it. `wrong` counts what must not be.

    `peak_rss_bytes` is the kernel's high-water mark (VmHWM) of noclobber's process, or the largest sample where that is more.
    """

    framing: str
    clients: int
    size_bytes: int
    seconds: float
    moved_bytes: int
    megabytes_per_second: float
    idle_rss_bytes: int
    peak_rss_bytes: int
    final_rss_bytes: int
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything arrived, and the memory stayed below the limit."""
        return not self.wrong and self.peak_rss_bytes < LIMIT_BYTES


def resident_bytes(pid: int, entry: str = "VmRSS") -> int:
    """Read from /proc what the process holds now (VmRSS), or has ever held (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == entry:
            return int(value.split()[0]) * 1024
    raise AssertionError(f"/proc/{pid}/status has no {entry}")


class Mover:
    """Upload and download through port. What goes wrong is counted."""

    def __init__(self, port: int, load: Load) -> None:
        """Do nothing yet."""
        self._port = port
        self._load = load
        self.moved_bytes = 0
        self.wrong: Counter[str] = Counter()

    async def run(self) -> None:
        """All clients, both ways at once."""
        async with asyncio.timeout(self._load.timeout_seconds), asyncio.TaskGroup() as group:
            for number in range(self._load.clients):
                group.create_task(self._guarded("upload", number))
                group.create_task(self._guarded("download", number))

    async def _guarded(self, way: str, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await (self._upload(reader, writer, number) if way == "upload" else self._download(reader, writer, number))
        except (OSError, EOFError) as lost:
            self.wrong[f"{way}: {type(lost).__name__}"] += 1
        finally:
            writer.transport.abort()

    async def _upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        is_chunked = self._load.framing is Framing.CHUNKED
        framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {self._load.size_bytes}"
        writer.write(f"PUT /upload/{number} HTTP/1.1\r\nHost: campaign.example\r\n{framing}\r\n\r\n".encode())
        await send_body(writer, Pattern(number), self._load.size_bytes, is_chunked)
        first, fields = await read_head(reader)
        content = await reader.readexactly(int(fields.get("content-length", "0")))
        if " 200 " not in first:
            self.wrong[f"upload: {first}"] += 1
        elif json.loads(content) != {"size_bytes": self._load.size_bytes, "is_right": True}:
            self.wrong["upload: not what was sent"] += 1
        self.moved_bytes += self._load.size_bytes

    async def _download(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        kind = "chunked" if self._load.framing is Framing.CHUNKED else "plain"
        # Not the number of the upload: a body that comes back to its sender would look right.
        number += self._load.clients
        writer.write(f"GET /{kind}/{number} HTTP/1.1\r\nHost: campaign.example\r\n\r\n".encode())
        first, fields = await read_head(reader)
        body = Body(reader, fields, Pattern(number))
        await body.take()
        if " 200 " not in first:
            self.wrong[f"download: {first}"] += 1
        elif (body.size_bytes, body.is_right) != (self._load.size_bytes, True):
            self.wrong["download: not what was sent"] += 1
        self.moved_bytes += body.size_bytes


async def _move(load: Load, noclobber: Noclobber) -> Result:
    mover = Mover(noclobber.port, load)
    idle_bytes = largest_bytes = resident_bytes(noclobber.worker_pid)
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        moving = group.create_task(mover.run())
        while not moving.done():
            largest_bytes = max(largest_bytes, resident_bytes(noclobber.worker_pid))
            await asyncio.wait((moving,), timeout=SAMPLE_SECONDS)
    seconds = time.monotonic() - started
    return Result(
        framing=load.framing.value,
        clients=load.clients,
        size_bytes=load.size_bytes,
        seconds=round(seconds, 2),
        moved_bytes=mover.moved_bytes,
        megabytes_per_second=round(mover.moved_bytes / seconds / 1e6, 1),
        idle_rss_bytes=idle_bytes,
        # The kernel counts pages per processor and adds up when it likes: the mark may lag behind a sample.
        peak_rss_bytes=max(largest_bytes, resident_bytes(noclobber.worker_pid, "VmHWM")),
        final_rss_bytes=resident_bytes(noclobber.worker_pid),
        wrong=dict(mover.wrong),
    )


def run(load: Load, directory: Path) -> Result:
    """Start everything, move, and take it all down again. Logs, store and spool go into directory."""
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < 1.2 * load.clients * load.size_bytes:
        raise SystemExit(
            f"rss: {directory} has {free_bytes / 1e9:.1f} GB free, {1.2 * load.clients * load.size_bytes / 1e9:.1f} are needed"
        )
    spool = directory / "spool"
    spool.mkdir()
    settings = {**SETTINGS, "LIMITS__SPOOL_DIRECTORY": str(spool)}
    command = [sys.executable, "-m", "tests.campaigns.bulk", "--size-bytes", str(load.size_bytes)]
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Child(command, directory / "backend.log"))
        port = int(backend.wait_for_line(LISTENING)[1])
        store = f"sqlite:///{directory}/rss.db"
        noclobber = stack.enter_context(Noclobber(port, store, directory / "noclobber.log", settings=settings))
        return asyncio.run(_move(load, noclobber.wait_until_ready()))


def main() -> int:
    """Run the campaign as the command line asks; 0 if all arrived within the limit, else 1."""
    parser = argparse.ArgumentParser(prog="rss", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--clients", type=int, default=50, help="how many, each with an upload and a download at once (default: 50)")
    parser.add_argument("--megabytes", type=int, default=200, help="the size of each body (default: 200)")
    choices = [framing.value for framing in Framing]
    parser.add_argument("--framing", choices=choices, help="how bodies tell their end (default: one run with each)")
    parser.add_argument("--directory", type=Path, help="where the spool goes, with room for all uploads (default: the system's)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, one a line")
    options = parser.parse_args()
    passed = True
    for framing in [Framing(options.framing)] if options.framing else Framing:
        with tempfile.TemporaryDirectory(prefix="noclobber-rss-", dir=options.directory) as directory:
            result = run(Load(framing, options.clients, options.megabytes * 1_000_000), Path(directory))
        found = {**asdict(result), "passed": result.passed}
        print(json.dumps(found) if options.json else "\n".join(f"{name:>21}  {value}" for name, value in found.items()), flush=True)
        passed = passed and result.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
