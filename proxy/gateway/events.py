"""The access log: one JSON line a request, with the same keys each time. Bodies, credentials, queries and tags are never in it."""

import asyncio
from dataclasses import dataclass
from typing import BinaryIO

import orjson

MAX_PATH_BYTES = 256
FLUSH_SECONDS = 0.1
FLUSH_LINES = 512


@dataclass(frozen=True, slots=True)
class Kind:
    """What many requests have in common, so that it is put into JSON once. Empty `verdict`: no preconditions; empty `outcome`: no write."""

    method: str
    route: str
    status: int
    verdict: str
    outcome: str


class AccessLog:
    """Write lines in batches, so that a request costs about a microsecond and the log is at most FLUSH_SECONDS behind.

    `lost` counts the lines that could not be written.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lines: list[bytes] = []
        self.lost = 0
        self._flush_handle: asyncio.TimerHandle | None = None
        self._kinds: dict[tuple[str, str, int, str, str], bytes] = {}

    def write(
        self,
        kind: tuple[str, str, int, str, str],
        path: bytes,
        at: float,
        seconds: float,
        upstream_seconds: float,
        overhead_seconds: float,
        request_id: bytes = b"",
    ) -> None:
        """Log one request. `kind` is a Kind's values in order; `at` is wall-clock time; `path` has no query, and is empty if unreadable.

        `request_id` holds nothing that JSON would escape.
        """
        common = self._kinds.get(kind)
        if common is None:
            # Closed sets all, but for the method: a client that invents thousands of them must not fill the memory.
            common = _common(Kind(*kind))
            if len(self._kinds) < 4096:
                self._kinds[kind] = common
        self._lines.append(
            b'{"time":%.3f,%b,"path":%b,"ms":%.3f,"msUpstream":%.3f,"msOverhead":%.3f,"requestId":"%b"}\n'
            % (
                at,
                common,
                orjson.dumps(path[:MAX_PATH_BYTES].decode("ascii", "backslashreplace")),
                seconds * 1000,
                upstream_seconds * 1000,
                overhead_seconds * 1000,
                request_id,
            )
        )
        self._schedule()

    def write_line(self, line: bytes) -> None:
        """Log a line that is JSON already."""
        self._lines.append(line)
        self._schedule()

    def _schedule(self) -> None:
        if len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand what has gathered to the operating system. A log that nobody reads any more does not stop the work."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._out.write(b"".join(lines))
                self._out.flush()
            except OSError:
                self.lost += len(lines)


def _common(kind: Kind) -> bytes:
    members = {
        "method": kind.method[:32],
        "route": kind.route,
        "status": kind.status,
        "verdict": kind.verdict or None,
        "outcome": kind.outcome or None,
    }
    return orjson.dumps(members)[1:-1]
