"""Replies in bytes: heads as they are made, and problems with what belongs to them."""

import json

import pytest

from proxy.core.conflict import Problem, Received
from proxy.core.dates import format_http_date
from proxy.core.etag import EntityTag
from proxy.gateway.reply import SHORT_BYTES, Reply, Unsent, date_now, problem, send, short_message, status_line


class Sink:
    """What a reply is written to."""

    def __init__(self) -> None:
        self.written = b""

    async def write(self, chunk: bytes) -> None:
        self.written += chunk


async def sent(reply: Reply, connection: bytes = b"") -> bytes:
    sink = Sink()
    await send(reply, sink, connection)
    return sink.written


STATUS_LINES = {(200, b""): b"200 OK", (412, b""): b"412 Precondition Failed", (299, b""): b"299 ", (200, b"Fine \xff"): b"200 Fine \xff"}


@pytest.mark.parametrize(("given", "expected"), STATUS_LINES.items(), ids=[str(key) for key in STATUS_LINES])
def test_the_first_line(given: tuple[int, bytes], expected: bytes) -> None:
    assert status_line(*given) == b"HTTP/1.1 " + expected + b"\r\n"


async def test_a_whole_reply() -> None:
    reply = Reply(200, b"", [b"X-A: \xff\r\n", b"Set-Cookie: a\r\n", b"Set-Cookie: b\r\n"], b"hello", b"then")
    assert await sent(reply, b"Connection: close\r\n") == (
        b"HTTP/1.1 200 OK\r\nX-A: \xff\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
        b"Date: then\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    )


BODIES = {
    "nothing": (None, b"Date: then\r\n\r\n"),
    "no body": (Unsent(None), b"Date: then\r\n\r\n"),
    "a length only": (Unsent(7), b"Date: then\r\nContent-Length: 7\r\n\r\n"),
}


@pytest.mark.parametrize(("body", "end"), BODIES.values(), ids=BODIES)
async def test_replies_without_a_body(body: Unsent | None, end: bytes) -> None:
    assert await sent(Reply(204, b"", [], body, b"then")) == b"HTTP/1.1 204 No Content\r\n" + end


SHORT = {
    "a body": Reply(200, b"", [b"X-A: b\r\n"], b"hello", b"then"),
    "an empty one": Reply(200, b"", [], b"", b"then"),
    "the longest": Reply(200, b"", [], b"x" * SHORT_BYTES, b"then"),
    "none": Reply(204, b"", [], None, b"then"),
}
LONG = {
    "a longer body": Reply(200, b"", [], b"x" * (SHORT_BYTES + 1), b"then"),
    "trailers": Reply(200, b"", [], b"hello", b"then", (b"X-End: 1\r\n",)),
    "a length only": Reply(200, b"", [], Unsent(7), b"then"),
}


@pytest.mark.parametrize("reply", SHORT.values(), ids=SHORT)
async def test_a_short_reply_is_one_message_and_the_same(reply: Reply) -> None:
    assert short_message(reply, b"Connection: close\r\n") == await sent(reply, b"Connection: close\r\n")


@pytest.mark.parametrize("reply", LONG.values(), ids=LONG)
def test_what_a_client_may_be_slow_to_take_is_no_short_message(reply: Reply) -> None:
    assert short_message(reply, b"") is None


async def test_a_date_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (1_000_000_000.0, 1_000_000_000.9, 1_000_000_001.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert date_now() == format_http_date(now // 1)


def test_a_head_tells_the_length_of_what_it_withholds() -> None:
    reply = problem(Problem.STALE, "Why.", b"/")
    assert isinstance(reply.body, bytes)
    length = len(reply.body)
    for _ in range(2):
        reply.withhold_body()
        body: object = reply.body
        assert body == Unsent(length)


@pytest.mark.parametrize("kind", Problem)
def test_what_goes_with_a_problem(kind: Problem) -> None:
    reply = problem(kind, "Why.", b"/a", received=Received(b"If-Match", b'"b"'), current=EntityTag(b"c"), lines=[b"X: y\r\n"])
    lines = set(reply.lines)
    assert reply.status == kind.status
    assert {b"Content-Type: application/problem+json\r\n", b"Cache-Control: no-store\r\n", b'ETag: "c"\r\n', b"X: y\r\n"} <= lines
    assert (b"Retry-After: 1\r\n" in lines) == (kind.status == 503 or kind in (Problem.IN_FLIGHT, Problem.TOO_MANY_WRITES))
    assert (b"Noclobber-Outcome: unknown\r\n" in lines) == (kind is Problem.OUTCOME_UNKNOWN)
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["currentTag"] == '"c"'


@pytest.mark.parametrize(("seconds", "value"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (16.5, 17)])
def test_a_503_says_when_to_come_back_rounded_up(seconds: float, value: int) -> None:
    assert b"Retry-After: %d\r\n" % value in problem(Problem.GRACE, "Why.", b"/", retry_after_seconds=seconds).lines
