"""The access log: one JSON line a request, with the same keys each time. Bodies, credentials and tags are never in it."""

import asyncio
from typing import BinaryIO

import orjson

MAX_VALUE_CHARS = 256
FLUSH_SECONDS = 0.1
FLUSH_LINES = 512


class AccessLog:
    """Write lines in batches, so that a request costs a fraction of a microsecond and the log is at most FLUSH_SECONDS behind."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lines: list[bytes] = []
        self._flush_handle: asyncio.TimerHandle | None = None

    def write(
        self,
        *,
        at: float,
        method: str,
        path: bytes,
        route: str,
        status: int,
        verdict: str,
        outcome: str,
        seconds: float,
        upstream_seconds: float,
        overhead_seconds: float,
    ) -> None:
        """Log one request. Empty `verdict`: it had no preconditions; empty `outcome`: it was no write, or was not sent."""
        entry = {
            "time": round(at, 3),
            "method": method[:MAX_VALUE_CHARS],
            "path": path[:MAX_VALUE_CHARS].decode("ascii", "backslashreplace"),
            "route": route,
            "status": status,
            "verdict": verdict or None,
            "outcome": outcome or None,
            "ms": round(seconds * 1000, 3),
            "msUpstream": round(upstream_seconds * 1000, 3),
            "msOverhead": round(overhead_seconds * 1000, 3),
        }
        self._lines.append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand what has gathered to the operating system."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._out.write(b"".join(lines))
                self._out.flush()
            except OSError:
                pass  # A log that nobody reads any more must not stop the work.
