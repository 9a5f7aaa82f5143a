"""Hold slow connections at one noclobber while other clients go on, and see that these hardly notice.

Slow heads come byte by byte, slow bodies too; each that is cut is replaced at once, so that their number stays. The others read and write
as before. In the end all leave, and noclobber must have as many descriptors and tasks as at the start.
"""

import argparse
import asyncio
import contextlib
import json
import math
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.campaigns.wire import Wire
from tests.e2e.processes import Child, Noclobber

LISTENING = re.compile(r"listening on (\d+)")
TASKS = re.compile(r"^noclobber_tasks (\S+)$", re.MULTILINE)
REFUSED = re.compile(r'^noclobber_refusals_total\{reason="(\S+)"\} (\S+)$', re.MULTILINE)
FACTOR = 3.0
"""What the 99th percentile of the others may grow by."""
LATE_SECONDS = 5.0
"""How much later than its limit a slow connection may be cut, on a machine that does other things as well."""
SETTLE_SECONDS = 60.0
RATE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for: so many slow connections, held for `hold_seconds`, and as long without them before.

    A slow head is to be cut after `header_seconds`, a slow body after `body_start_seconds`; each sends a byte every `byte_seconds`.
    """

    slow_heads: int = 1000
    slow_bodies: int = 200
    clients: int = 8
    quiet_seconds: float = 30.0
    hold_seconds: float = 60.0
    header_seconds: float = 15.0
    body_start_seconds: float = 20.0
    byte_seconds: float = 2.0


@dataclass(slots=True)
class Result:
    """What came of it; times in seconds. `wrong` counts what must not be; `left_*` what noclobber holds more of than before."""

    p99_without: float = math.inf
    p99_with: float = math.inf
    requests_without: int = 0
    requests_with: int = 0
    cut_heads: int = 0
    cut_bodies: int = 0
    latest_head: float = 0.0
    latest_body: float = 0.0
    most_held: int = 0
    left_descriptors: int = 0
    left_tasks: int = 0
    refusals: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the others went on, the slow ones were cut on time, and nothing is left of them."""
        kept_pace = self.p99_with < FACTOR * self.p99_without
        return kept_pace and not self.wrong and self.cut_heads > 0 and self.cut_bodies > 0 and self.left_descriptors == self.left_tasks == 0


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Campaign:
    """One run against one noclobber."""

    def __init__(self, noclobber: Noclobber, load: Load) -> None:
        self._noclobber = noclobber
        self._load = load
        self._held = 0
        self.result = Result()
        self._wrong: Counter[str] = Counter()

    async def run(self) -> Result:
        """Measure without, then with the slow ones, and look at what they leave."""
        load, result = self._load, self.result
        await self._ask_for(2.0)
        before = await self._idle()
        quiet = await self._ask_for(load.quiet_seconds)
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(self._hold_heads(number)) for number in range(load.slow_heads)]
            slow += [group.create_task(self._hold_bodies(number)) for number in range(load.slow_bodies)]
            while self._held < len(slow):  # noqa: ASYNC110 - it is other tasks that count
                await asyncio.sleep(0.05)
            busy = await self._ask_for(load.hold_seconds)
            for task in slow:
                task.cancel()
        result.p99_without, result.p99_with = round(_p99(quiet), 5), round(_p99(busy), 5)
        result.requests_without, result.requests_with = len(quiet), len(busy)
        await self._settle(before)
        _, page = await asyncio.to_thread(self._noclobber.ask_admin, "/metrics")
        result.refusals = {reason: float(count) for reason, count in REFUSED.findall(page) if float(count)}
        result.wrong = dict(self._wrong)
        return result

    # ---- the others --------------------------------------------------------------------------------------------------------------

    async def _ask_for(self, seconds: float) -> list[float]:
        """Let the other clients go on for so long; how long each of their requests took."""
        took: list[float] = []
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self._load.clients):
                group.create_task(self._go_on(number, until, took))
        return took

    async def _go_on(self, number: int, until: float, took: list[float]) -> None:
        wire = Wire(self._noclobber.port)
        path, count = f"/own/{number}", 0
        try:
            while time.monotonic() < until:
                count += 1
                started = time.monotonic()
                writes = count % 10 == 1
                answer = await wire.ask("PUT" if writes else "GET", path, body=b'{"count": %d}' % count if writes else None)
                took.append(time.monotonic() - started)
                if answer.status >= 300:
                    self._wrong[f"others: {answer.status}"] += 1
                await asyncio.sleep(RATE_SECONDS)
        finally:
            wire.close()

    # ---- the slow ones -----------------------------------------------------------------------------------------------------------

    async def _hold_heads(self, number: int) -> None:
        while True:
            seconds = await self._trickle(b"GET / HTTP/1.1\r\nX-Slow: ", number)
            self.result.cut_heads += 1
            self.result.latest_head = round(max(self.result.latest_head, seconds), 2)
            self._judge("head", seconds, self._load.header_seconds)

    async def _hold_bodies(self, number: int) -> None:
        while True:
            seconds = await self._trickle(b"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", number)
            self.result.cut_bodies += 1
            self.result.latest_body = round(max(self.result.latest_body, seconds), 2)
            self._judge("body", seconds, self._load.body_start_seconds)

    def _judge(self, what: str, seconds: float, limit_seconds: float) -> None:
        if not limit_seconds - 1 <= seconds <= limit_seconds + LATE_SECONDS:
            self._wrong[f"{what} cut {'early' if seconds < limit_seconds else 'late'}"] += 1

    async def _trickle(self, start: bytes, number: int) -> float:
        """Send start, then byte after byte until there is an answer: how long that took. Anything but a 408 is wrong."""
        # Not all in one moment: it is the holding that is measured.
        await asyncio.sleep(number * 0.002)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._noclobber.port)
        self._held += 1
        self.result.most_held = max(self.result.most_held, self._held)
        started = time.monotonic()
        try:
            writer.write(start)
            answer = b""
            while not answer:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._load.byte_seconds):
                        answer = await reader.readline()
                        break
                writer.write(b"a")
            if not answer.startswith(b"HTTP/1.1 408 "):
                self._wrong[f"slow: {answer[:20]!r}"] += 1
        except OSError as lost:
            self._wrong[f"slow: {type(lost).__name__}"] += 1
        finally:
            self._held -= 1
            writer.transport.abort()
        return time.monotonic() - started

    # ---- what is left ------------------------------------------------------------------------------------------------------------

    async def _idle(self) -> tuple[int, int]:
        """Descriptors and tasks once the connections to the backend have been closed for want of use."""
        await asyncio.sleep(6.0)
        return await self._count()

    async def _count(self) -> tuple[int, int]:
        _, page = await asyncio.to_thread(self._noclobber.ask_admin, "/metrics")
        found = TASKS.search(page)
        assert found is not None
        return descriptors(self._noclobber.worker_pid), int(float(found[1]))

    async def _settle(self, before: tuple[int, int]) -> None:
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            now = await self._count()
            self.result.left_descriptors, self.result.left_tasks = max(0, now[0] - before[0]), max(0, now[1] - before[1])
            if (self.result.left_descriptors, self.result.left_tasks) == (0, 0) or time.monotonic() > until:
                return
            await asyncio.sleep(0.5)


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)] if took else math.inf


def run(load: Load, directory: Path) -> Result:
    """Start a backend and a noclobber, hold, and take it all down again. Logs and store go into directory."""
    settings = {
        "SERVER__HEADER_SECONDS": str(load.header_seconds),
        "LIMITS__BODY_START_SECONDS": str(load.body_start_seconds),
    }
    _allow_descriptors(2 * (load.slow_heads + load.slow_bodies) + 256)
    command = [sys.executable, "-m", "tests.campaigns.backend"]
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Child(command, directory / "backend.log"))
        port = int(backend.wait_for_line(LISTENING)[1])
        store = f"sqlite:///{directory}/slow.db"
        noclobber = stack.enter_context(Noclobber(port, store, directory / "noclobber.log", settings=settings))
        return asyncio.run(Campaign(noclobber.wait_until_ready(), load).run())


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def main() -> int:
    """Run the campaign as the command line asks; 0 if it passed, else 1."""
    parser = argparse.ArgumentParser(prog="slow", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--heads", type=int, default=1000, help="connections with slow heads (default: 1000)")
    parser.add_argument("--bodies", type=int, default=200, help="connections with slow bodies (default: 200)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they are held (default: 60)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="noclobber-slow-") as directory:
        result = run(Load(options.heads, options.bodies, hold_seconds=options.seconds), Path(directory))
    found = {**asdict(result), "passed": result.passed}
    print(json.dumps(found) if options.json else "\n".join(f"{name:>21}  {value}" for name, value in found.items()), flush=True)
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
