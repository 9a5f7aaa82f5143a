"""The access log: one JSON line a request, with nothing in it that should not be."""

import asyncio
import io
import json
import sys
import time

import pytest

from proxy.gateway.events import FLUSH_LINES, MAX_PATH_BYTES, AccessLog

from .legacy import Legacy, answering
from .serving import SHORT, serving

KEYS = {"time", "method", "route", "status", "verdict", "outcome", "path", "ms", "msUpstream", "msOverhead", "requestId"}
KIND = ("PUT", "r", 204, "proceed", "applied")


def lines_of(out: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_a_line_has_the_same_keys_each_time() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(KIND, b"/doc", 1.5, 0.25, 0.125, 0.0625, b"id-1")
    log.write(("GET", "r", 200, "", ""), b"", 2.0, 0.0, 0.0, 0.0)
    log.flush()
    written, read = lines_of(out)
    common = {"route": "r", "method": "PUT", "status": 204, "verdict": "proceed", "outcome": "applied"}
    assert written == {"time": 1.5, **common, "path": "/doc", "ms": 250.0, "msUpstream": 125.0, "msOverhead": 62.5, "requestId": "id-1"}
    assert read.keys() == KEYS
    assert (read["verdict"], read["outcome"], read["path"]) == (None, None, "")


async def test_what_a_client_chooses_is_escaped_and_cut() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(("M" * 500, "r", 200, "", ""), b'/"\n\x1b\xff' + b"a" * 5000, 0.0, 0.0, 0.0, 0.0)
    log.flush()
    assert out.getvalue().count(b"\n") == 1
    (line,) = lines_of(out)
    assert line["method"] == "M" * 32
    assert str(line["path"]).startswith('/"\n\x1b\\xff')
    assert len(out.getvalue()) < MAX_PATH_BYTES + 400


async def test_invented_methods_do_not_fill_the_memory() -> None:
    log = AccessLog(io.BytesIO())
    for number in range(5000):
        log.write((f"M{number}", "r", 200, "", ""), b"/", 0.0, 0.0, 0.0, 0.0)
    assert len(log._kinds) <= 4096
    log.flush()


async def test_lines_are_written_in_batches_and_soon() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(KIND, b"/", 0.0, 0.0, 0.0, 0.0)
    assert out.getvalue() == b""
    await asyncio.sleep(0.2)
    assert len(lines_of(out)) == 1
    for _ in range(FLUSH_LINES):
        log.write(KIND, b"/", 0.0, 0.0, 0.0, 0.0)
    assert len(lines_of(out)) == FLUSH_LINES + 1
    log.flush()
    assert len(lines_of(out)) == FLUSH_LINES + 1


class Full(io.BytesIO):
    """A log that nobody reads any more. It remembers how many lines each try had."""

    def __init__(self) -> None:
        super().__init__()
        self.tried_lines: list[int] = []

    def write(self, data: object) -> int:
        assert isinstance(data, bytes)
        self.tried_lines.append(data.count(b"\n"))
        raise BrokenPipeError


async def test_a_log_that_cannot_be_written_does_not_stop_the_work() -> None:
    out = Full()
    log = AccessLog(out)
    for _ in range(2):
        log.write(KIND, b"/", 0.0, 0.0, 0.0, 0.0)
        log.flush()
    # Each was tried, and what could not be written is not kept for ever.
    assert out.tried_lines == [1, 1]


class Stdout:
    """What stands in for sys.stdout."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()


async def test_what_the_log_of_a_day_tells(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stdout()
    monkeypatch.setattr(sys, "stdout", stdout)
    async with serving(legacy.port, log__access="json", **SHORT) as door:
        tag = (await door.ask(b"GET", b"/doc?token=secret", b"Authorization: secret")).etag
        await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"secret")
        await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, b"Cookie: secret", body=b"secret")
        await door.ask(b"PUT", b"/%zz", body=b"x")
        legacy.respond = answering(500, b"", "PUT")
        await door.ask(b"PUT", b"/doc", body=b"x")
    lines = lines_of(stdout.buffer)
    expected = [
        ("GET", "/doc", 200, None, None, "default"),
        ("PUT", "/doc", 204, "proceed", "applied", "default"),
        ("PUT", "/doc", 412, "failed", None, "default"),
        ("PUT", "", 400, None, None, "unrouted"),
        ("PUT", "/doc", 500, None, "unknown", "default"),
    ]
    assert [tuple(line[key] for key in ("method", "path", "status", "verdict", "outcome", "route")) for line in lines] == expected
    assert all(line.keys() == KEYS for line in lines)
    assert all(abs(float(str(line["time"])) - time.time()) < 60 for line in lines)
    assert b"secret" not in stdout.buffer.getvalue()
    assert tag.strip(b'"') not in stdout.buffer.getvalue()
