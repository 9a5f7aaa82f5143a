"""The Jobs Manager's endpoints that have no route: byte for byte what they are without noclobber."""

import asyncio
from pathlib import Path

from tests.e2e.jobs import EXAMPLE
from tests.e2e.processes import Noclobber
from tests.origin.scripted import Hear, Say, ScriptedBackend

JOB = b"/job/rest/jobs/0b0d3a52-7c1e-4c57-9a64-3f8e1d2c4b01/"
REQUESTS = {
    "status choices": (b"GET", b"/job/rest/jobs/status-choices/", b""),
    "weekly metrics": (b"GET", b"/job/rest/jobs/weekly-metrics/?week=2025-W36&b=%7e+", b""),
    "list of jobs": (b"GET", b"/job/rest/jobs/?page=2", b""),
    "new job": (b"POST", b"/job/rest/jobs/", b'{"name": "Gate",   "notes": "\xc3\xa9"}'),
    "cost lines": (b"GET", b"/job/rest/cost_lines/?job_id=1", b""),
    "a client": (b"PUT", b"/clients/9/", b"not even JSON \x00\xff"),
    "odd spelling": (b"GET", b"/Clients/9/%20Name~?x;y=%2f+&&z", b""),
}
LINES = (
    b"hOST: jobs.example\r\n"
    b'If-Match: "stale"\r\n'
    b'if-match: bare, W/"weak"\r\n'
    b"If-None-Match: *\r\n"
    b"X-CUSTOM: two  blanks\r\n"
    b"Accept-Encoding: gzip\r\n"
    b"Cookie: a=1\r\n"
    b"cookie: b=2\r\n"
    b"X-Request-ID: jobs-1\r\n"
)
BODY = b'{"statuses" :  {"draft":"Draft"}}\n'
ANSWER = (
    b"HTTP/1.1 200 Fine by me\r\n"
    b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    b'ETag: W/"theirs"\r\n'
    b"set-cookie: a=1; Path=/\r\n"
    b"Set-Cookie: b=2\r\n"
    b"X-Odd: two  blanks and \xe9\r\n"
    b"Cache-Control: no-store\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
VIA = b"Via: 1.1 noclobber\r\n"
ID = b"X-Request-ID: jobs-1\r\n"
PATIENCE_SECONDS = 30
# A hop must add Via, and every answer has the id of its request: these two are all.
QUIET = {"SERVER__FORWARDED": "off"}


async def test_what_has_no_route_is_passed_on_as_it_came(tmp_path: Path) -> None:
    log = tmp_path / "noclobber.log"
    async with ScriptedBackend([Hear(), Say(ANSWER)] * len(REQUESTS)) as backend:
        with Noclobber(backend.port, "memory://", log, config=EXAMPLE / "config.toml", settings=QUIET) as noclobber:
            for name, (method, target, body) in REQUESTS.items():
                framing = b"Content-Length: %d\r\n" % len(body) if body else b""
                head = b"%s %s HTTP/1.1\r\n%s%s" % (method, target, LINES, framing)
                before = len(backend.heard)

                answer = await _exchange(noclobber.port, head + b"\r\n" + body, len(ANSWER + ID))

                assert (answer.count(ID), answer.replace(ID, b"")) == (1, ANSWER), name
                heard = backend.heard[before:]
                assert heard.count(VIA) == 1, name
                assert _parts(heard.replace(VIA, b"")) == _parts(head + b"\r\n" + body), name


async def test_on_a_route_of_the_example_the_same_bytes_are_not_left_alone(tmp_path: Path) -> None:
    """What the other test compares could differ: here the tag is noclobber's own."""
    async with ScriptedBackend([Hear(), Say(ANSWER)]) as backend:
        with Noclobber(backend.port, "memory://", tmp_path / "log", config=EXAMPLE / "config.toml", settings=QUIET) as noclobber:
            noclobber.wait_until_ready()
            answer = await _exchange(noclobber.port, b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % JOB, 1)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'W/"theirs"' not in answer
    assert b"\r\nETag: " in answer


def _parts(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The first line, the field lines with those of one name in their order (that of others means nothing: RFC 9110 §5.3), the content."""
    head, _, content = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, sorted(lines, key=lambda line: line.partition(b":")[0].lower()), content


async def _exchange(port: int, request: bytes, size: int) -> bytes:
    """Send bytes, and return what comes back: all that is there once `size` bytes have come, or the connection has ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(answer) < size and (piece := await reader.read(65536)):
                answer += piece
    finally:
        writer.close()
    return answer
