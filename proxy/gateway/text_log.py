"""The same log for people: a line of text for each request and each event, in colours on a terminal."""

import os
import time
from collections.abc import Mapping
from typing import BinaryIO

from .events import AccessLog, Figures, Kind

_BY_CLASS = {2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m"}
_PLAIN = "\x1b[0m"
_EVENT = "\x1b[35m"
_SHOWN = (
    ("principal", "principal"),
    ("last-writer", "lastWriter"),
    ("read-age", "readAgeSeconds"),
    ("request", "requestId"),
    ("reason", "reason"),
)


class TextLog(AccessLog):
    """An access log for people."""

    def __init__(self, out: BinaryIO, has_colours: bool = False) -> None:
        super().__init__(out)
        self._has_colours = has_colours

    def _common(self, kind: Kind) -> bytes:
        words = (f"{kind.status} {kind.method[:32]}", kind.route, kind.verdict, kind.outcome)
        return self._coloured(_BY_CLASS.get(kind.status // 100, _PLAIN), " ".join(filter(None, words)))

    def _line(self, common: bytes, path: str, at: float, figures: Figures) -> bytes:
        clock = time.strftime("%H:%M:%S", time.localtime(at)).encode()
        ms, upstream_ms, overhead_ms = (seconds * 1000 for seconds in figures[:3])
        times = b"%.1f ms (backend %.1f, own %.1f)" % (ms, upstream_ms, overhead_ms)
        rest = b"%d store trips, %d bytes %b" % (figures.store_trips, figures.sent_bytes, figures.request_id)
        return b"%b %b %b %b, %b\n" % (clock, common, _shown(path).encode("ascii"), times, rest)

    def _event(self, event: Mapping[str, object]) -> bytes:
        return self._coloured(_EVENT, event_text(event)) + b"\n"

    def _coloured(self, colour: str, text: str) -> bytes:
        text = _shown(text)
        return f"{colour}{text}{_PLAIN}".encode("ascii") if self._has_colours else text.encode("ascii")


def event_text(event: Mapping[str, object]) -> str:
    """One event of the conflict log as a line. Raises KeyError, TypeError or ValueError where it is none."""
    at = event["time"]
    if not isinstance(at, int | float):
        raise TypeError("time is no number")
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    words = [clock, f"{event['event']:<21}", str(event["route"]), str(event["method"]), f"key={event['key']}"]
    words += [f"{name}={event[key]}" for name, key in _SHOWN if event.get(key) is not None]
    if event.get("mode") == "observe":
        words.append("(observed)")
    return " ".join(words)


def wants_colours(out: BinaryIO) -> bool:
    """Whether to write in colours: on a terminal that understands them, unless NO_COLOR says otherwise (https://no-color.org)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _shown(text: str) -> str:
    """Text that cannot steer a terminal: all that is not plain ASCII is escaped."""
    return "".join(each if " " <= each <= "~" else each.encode("unicode_escape").decode("ascii") for each in text)
