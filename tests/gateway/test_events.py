"""The access log: one JSON line a request, with nothing in it that should not be."""

import asyncio
import contextlib
import io
import json
import os
import sys
import time

import pytest

from proxy.gateway.events import ACCESS_KEYS, FLUSH_LINES, MAX_PATH_BYTES, PIECE_BYTES, AccessLog, Figures
from proxy.gateway.text_log import TextLog, event_text
from tests.servers import free_port

from .client import Client
from .legacy import Legacy, answering
from .serving import SHORT, route, serving

KIND = ("PUT", "r", 204, "proceed", "applied")
NOTHING = Figures(0.0)


def lines_of(out: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_a_line_has_the_same_keys_each_time() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(KIND, b"/doc", 1.5, Figures(0.25, 0.125, 0.0625, 3, 400, b"192.0.2.1", b"id-1", b"0af7651916cd43dd8448eb211c80319c"))
    log.write(("GET", "r", 200, "", ""), b"", 2.0, NOTHING)
    log.flush()
    written, read = lines_of(out)
    common = {"route": "r", "method": "PUT", "status": 204, "verdict": "proceed", "outcome": "applied"}
    times = {"time": 1.5, "ms": 250.0, "msUpstream": 125.0, "msOverhead": 62.5}
    whose = {"client": "192.0.2.1", "requestId": "id-1", "traceId": "0af7651916cd43dd8448eb211c80319c"}
    assert written == {**times, **common, **whose, "path": "/doc", "storeTrips": 3, "bytesSent": 400}
    assert list(written) == list(read) == list(ACCESS_KEYS)
    assert (read["client"], read["traceId"], read["storeTrips"], read["bytesSent"]) == (None, None, 0, 0)
    assert (read["verdict"], read["outcome"], read["path"]) == (None, None, "")


async def test_what_a_client_chooses_is_escaped_and_cut() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(("M" * 500, "r", 200, "", ""), b'/"\n\x1b\xff' + b"a" * 5000, 0.0, NOTHING)
    log.flush()
    assert out.getvalue().count(b"\n") == 1
    (line,) = lines_of(out)
    assert line["method"] == "M" * 32
    assert str(line["path"]).startswith('/"\n\x1b\\xff')
    assert len(out.getvalue()) < MAX_PATH_BYTES + 400


async def test_invented_methods_do_not_fill_the_memory() -> None:
    log = AccessLog(io.BytesIO())
    for number in range(5000):
        log.write((f"M{number}", "r", 200, "", ""), b"/", 0.0, NOTHING)
    assert len(log._kinds) <= 4096
    log.flush()


async def test_lines_are_written_in_batches_and_soon() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    log.write(KIND, b"/", 0.0, NOTHING)
    assert out.getvalue() == b""
    await asyncio.sleep(0.2)
    assert len(lines_of(out)) == 1
    for _ in range(FLUSH_LINES):
        log.write(KIND, b"/", 0.0, NOTHING)
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
        log.write(KIND, b"/", 0.0, NOTHING)
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
    assert all(list(line) == list(ACCESS_KEYS) for line in lines)
    # A look, the lease, the commit; a look that is all it takes; and nothing is asked for what cannot be read.
    trips = [int(str(line["storeTrips"])) for line in lines]
    assert trips[0] == trips[3] == 0
    assert trips[1] >= 2
    assert trips[4] >= 2
    assert all(int(str(line["bytesSent"])) > 100 for line in lines)
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert all(abs(float(str(line["time"])) - time.time()) < 60 for line in lines)
    assert b"secret" not in stdout.buffer.getvalue()
    assert tag.strip(b'"') not in stdout.buffer.getvalue()


async def test_how_often_the_store_was_asked_is_told_of_each_request_by_itself(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stdout()
    monkeypatch.setattr(sys, "stdout", stdout)
    counted = route("/counted/{id}", name="counted", strategy="revision")
    async with serving(legacy.port, counted, route(name="rest"), log__access="json", **SHORT) as door:
        legacy.documents["/counted/1"] = b"1"
        client = await door.connect()
        # One connection: what was asked for the write is not told of the reads before and after it.
        await client.ask(b"GET", b"/doc")
        before = await door.sample("noclobber_store_round_trips_total")
        await client.ask(b"PUT", b"/doc", body=b"x")
        asked = await door.sample("noclobber_store_round_trips_total") - before
        await client.ask(b"GET", b"/doc")
        await client.ask(b"GET", b"/counted/1")
    read, written, read_again, counted_read = (int(str(line["storeTrips"])) for line in lines_of(stdout.buffer))
    assert (read, read_again, counted_read) == (0, 0, 1)
    # Readiness looks at the store as well, at its own pace.
    assert 2 <= written <= asked


async def test_a_line_is_never_cut_in_two_by_another_workers() -> None:
    """A pipe takes PIECE_BYTES at once, and no more of one writer's."""

    pieces: list[bytes] = []

    class Pipe(io.BytesIO):
        def write(self, data: object) -> int:
            assert isinstance(data, bytes)
            pieces.append(data)
            return len(data)

    log = AccessLog(Pipe())
    for number in range(200):
        log.write(KIND, b"/%d" % number, 0.0, NOTHING)
    log.flush()
    assert len(pieces) > 5
    assert all(len(piece) <= PIECE_BYTES and piece.endswith(b"\n") for piece in pieces)
    paths = [json.loads(line)["path"] for line in b"".join(pieces).splitlines()]
    assert paths == [f"/{number}" for number in range(200)]


# ---- for people ----------------------------------------------------------------------------------------------------------------------

REASON = "\x1b[2J\n"
EVENT = {"kind": "conflict", "time": 1.5, "event": "stale", "mode": "observe", "route": "r", "method": "PUT", "key": "k", "reason": REASON}


async def test_text_says_the_same_in_one_line_each() -> None:
    out = io.BytesIO()
    log = TextLog(out)
    log.write(KIND, b"/doc", 1.5, Figures(0.25, 0.125, 0.0625, 3, 400, b"192.0.2.1", b"id-1"))
    log.write_event(EVENT)
    log.flush()
    request, event = out.getvalue().decode().splitlines()
    assert request.partition(" ")[2] == "204 PUT r proceed applied /doc 250.0 ms (backend 125.0, own 62.5), 3 store trips, 400 bytes id-1"
    # What a client gave as its reason cannot steer the terminal.
    assert event.endswith(" stale                 r PUT key=k reason=\\x1b[2J\\n (observed)")


async def test_a_path_cannot_steer_the_terminal() -> None:
    out = io.BytesIO()
    log = TextLog(out, has_colours=True)
    log.write(("M\x1b[31m", "r", 404, "", ""), b"/\x1b[2J\n\xff", 0.0, NOTHING)
    log.flush()
    assert out.getvalue().count(b"\n") == 1
    assert out.getvalue().count(b"\x1b") == 2
    assert b"/\\x1b[2J\\n" in out.getvalue()


@pytest.mark.parametrize(("status", "colour"), [(200, b"32"), (304, b"36"), (412, b"33"), (504, b"31")])
async def test_colours_tell_classes_of_statuses_apart(status: int, colour: bytes) -> None:
    for has_colours in (True, False):
        out = io.BytesIO()
        log = TextLog(out, has_colours)
        log.write(("GET", "r", status, "", ""), b"/", 0.0, NOTHING)
        log.flush()
        assert (b"\x1b[%bm%d GET r\x1b[0m" % (colour, status) in out.getvalue()) is has_colours


@pytest.mark.parametrize("broken", [{}, {**EVENT, "time": "now"}, {**EVENT, "time": None}])
def test_what_is_no_event_is_noticed(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        event_text(broken)


class Terminal:
    """A noclobber whose standard output is a terminal."""

    def __init__(self, legacy: Legacy, **environment: str) -> None:
        self._environment = {**os.environ, "TERM": "xterm", **environment}
        self._backend = legacy.port

    async def shows(self) -> bytes:
        """What stands on the terminal after a request."""
        master, slave = os.openpty()
        listen = free_port()
        program = [sys.executable, "-m", "proxy", "run", "--upstream", f"http://127.0.0.1:{self._backend}", "--store", "memory://"]
        program += ["--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{free_port()}"]
        devnull = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*program, stdout=slave, stderr=devnull, env=self._environment)
        os.close(slave)
        try:
            while True:
                with contextlib.suppress(OSError):
                    async with await Client.connect(f"127.0.0.1:{listen}") as client:
                        await client.ask(b"GET", b"/doc")
                        break
                await asyncio.sleep(0.05)
            return await asyncio.to_thread(os.read, master, 4096)
        finally:
            process.terminate()
            await process.wait()
            os.close(master)


async def test_a_terminal_gets_text_in_colours(legacy: Legacy) -> None:
    shown = await Terminal(legacy, NO_COLOR="").shows()
    assert b"\x1b[32m200 GET default\x1b[0m /doc " in shown
    assert shown.endswith(b"\n")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
async def test_colours_that_are_not_wanted(legacy: Legacy, environment: dict[str, str]) -> None:
    shown = await Terminal(legacy, **{"NO_COLOR": "", **environment}).shows()
    assert b" 200 GET default /doc " in shown
    assert b"\x1b" not in shown


async def test_a_terminal_can_have_json(legacy: Legacy) -> None:
    shown = await Terminal(legacy, NOCLOBBER__LOG__ACCESS="json").shows()
    assert list(json.loads(shown)) == list(ACCESS_KEYS)
