"""The access log: one line a request, with the same keys each time. Bodies, credentials, queries and tags are never in it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import orjson

MAX_PATH_BYTES = 256
FLUSH_SECONDS = 0.1
FLUSH_LINES = 512
PIECE_BYTES = 4096
"""POSIX's PIPE_BUF on Linux: so much goes into a pipe in one piece, and no other worker's line into the middle of one."""

ACCESS_KEYS: Mapping[str, str] = {
    "time": "when it was answered, seconds since 1970",
    "method": "the method",
    "route": "the name of the route; `unrouted` where none takes the request",
    "status": "what the client was answered",
    "verdict": "what its preconditions came to: `proceed`, `failed`, `not_modified`, `not_applicable`, `required`; null: it had none",
    "outcome": "what became of a write: `applied`, `not applied`, `unknown`, `replayed`, `backend failed`; null for what is none",
    "path": "the path, escaped, at most 256 bytes, without its query; empty where it could not be read",
    "ms": "milliseconds from the head of the request to the last byte of the answer",
    "msUpstream": "of these, waiting for the backend",
    "msOverhead": "of these, noclobber's own: all but the backend's time and the arrival of the body",
    "storeTrips": "how often the store was asked for it",
    "bytesSent": "the size of the answer, its head included",
    "client": "the address at the other end of the connection, or that which the PROXY protocol names; null on a Unix socket",
    "requestId": "what stands in the field `X-Request-ID` on both sides",
    "traceId": "the trace that it belongs to; null where nothing is traced",
}
"""Each key of a line, in order, and what it is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What many requests have in common, so that it is put into JSON once. Empty `verdict`: no preconditions; empty `outcome`: no write."""

    method: str
    route: str
    status: int
    verdict: str
    outcome: str


class Figures(NamedTuple):
    """What one request took. Empty `client` and `trace_id`: there is none. None of these texts holds anything that JSON would escape."""

    seconds: float
    upstream_seconds: float = 0.0
    overhead_seconds: float = 0.0
    store_trips: int = 0
    sent_bytes: int = 0
    client: bytes = b""
    request_id: bytes = b""
    trace_id: bytes = b""


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

    def write(self, kind: tuple[str, str, int, str, str], path: bytes, at: float, figures: Figures) -> None:
        """Log one request. `kind` is a Kind's values in order; `at` is wall-clock time; `path` has no query, and is empty if unreadable."""
        common = self._kinds.get(kind)
        if common is None:
            # Closed sets all, but for the method: a client that invents thousands of them must not fill the memory.
            common = self._common(Kind(*kind))
            if len(self._kinds) < 4096:
                self._kinds[kind] = common
        self._lines.append(self._line(common, path[:MAX_PATH_BYTES].decode("ascii", "backslashreplace"), at, figures))
        self._schedule()

    def write_event(self, event: Mapping[str, object]) -> None:
        """Log an event of the conflict log."""
        self._lines.append(self._event(event))
        self._schedule()

    def _common(self, kind: Kind) -> bytes:
        members = {
            "method": kind.method[:32],
            "route": kind.route,
            "status": kind.status,
            "verdict": kind.verdict or None,
            "outcome": kind.outcome or None,
        }
        return orjson.dumps(members)[1:-1]

    def _line(self, common: bytes, path: str, at: float, figures: Figures) -> bytes:
        seconds, upstream_seconds, overhead_seconds, store_trips, sent_bytes, client, request_id, trace_id = figures
        return (
            b'{"time":%.3f,%b,"path":%b,"ms":%.3f,"msUpstream":%.3f,"msOverhead":%.3f,'
            b'"storeTrips":%d,"bytesSent":%d,"client":%b,"requestId":"%b","traceId":%b}\n'
            % (
                at,
                common,
                orjson.dumps(path),
                seconds * 1000,
                upstream_seconds * 1000,
                overhead_seconds * 1000,
                store_trips,
                sent_bytes,
                b'"%b"' % client if client else b"null",
                request_id,
                b'"%b"' % trace_id if trace_id else b"null",
            )
        )

    def _event(self, event: Mapping[str, object]) -> bytes:
        return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)

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
        start = size = 0
        for end, line in enumerate(lines):
            if size and size + len(line) > PIECE_BYTES:
                self._write(lines[start:end])
                start, size = end, 0
            size += len(line)
        if lines:
            self._write(lines[start:])

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._out.write(b"".join(lines))
            self._out.flush()
        except OSError:
            self.lost += len(lines)
