"""Replies: an answer as it goes to the client, in bytes from the first to the last.

aiohttp's own response writer deletes bytes that are not UTF-8 from a head, so heads are made here.
"""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from ..core.conflict import Problem, Received, problem_document, with_members
from ..core.dates import format_http_date
from ..core.etag import EntityTag
from ..core.fields import IN_PLACE, AnswerFields, RequestFields, trailer_lines
from ..origin.port import OriginAnswer
from .spool import Spool

RETRY_AFTER_SECONDS = 1
SHORT_BYTES = 64 * 1024
"""A body up to this size is written without waiting for the client. It is what aiohttp's writer takes before it waits."""
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


class Writer(Protocol):
    """What a reply is written to: aiohttp's writer, which waits while the client is slow."""

    async def write(self, chunk: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that is passed on as it comes. `length` None: not known, so it goes out chunked. `held` is what was read of it already."""

    length: int | None
    held: bytes | Spool
    answer: OriginAnswer


@dataclass(frozen=True, slots=True)
class Held:
    """length bytes of a spooled body, from first on."""

    spool: Spool
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """A body that is not sent, though its length is told: the answer to a HEAD. None: not even the length is known."""

    length: int | None


Body = bytes | Held | Streamed | Unsent | None


@dataclass(slots=True)
class Reply:
    """One answer. `lines` end in CRLF and hold everything but framing, Date and Connection. `body` None: a status that has none.
    `date` None: now is to be said; IN_PLACE: its line is among `lines`.

    `may_chunk` False: the client speaks HTTP/1.0. `trailers`: lines for after a body that is whole, which then goes out in chunks; those of
    a streamed body are its own.
    `is_own`: it is noclobber's, with nothing of the backend's in it.
    """

    status: int
    reason: bytes = b""
    lines: list[bytes] = field(default_factory=list)
    body: Body = b""
    date: bytes | None = None
    trailers: Sequence[bytes] = ()
    may_chunk: bool = True
    is_own: bool = False

    def has_own_length(self) -> bool:
        """Whether the end of the body can be told from the head (RFC 9112 §6.3), HTTP/1.1's chunks apart."""
        return not (isinstance(self.body, Streamed) and self.body.length is None)

    def withhold_body(self) -> None:
        """Make this the answer to a HEAD: of a body that we made ourselves only the length is told (RFC 9110 §9.3.2)."""
        if isinstance(self.body, bytes):
            self.body = Unsent(len(self.body))

    def close(self) -> None:
        """Let go of what the body holds, sent or not."""
        if isinstance(self.body, Held):
            self.body.spool.close()
        elif isinstance(self.body, Streamed):
            self.body.answer.abandon()
            if isinstance(self.body.held, Spool):
                self.body.held.close()


_STANDARD_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


def status_line(status: int, reason: bytes) -> bytes:
    """The first line of an answer; the standard reason where the backend gave none."""
    return b"HTTP/1.1 %d %b\r\n" % (status, reason or _STANDARD_REASONS.get(status, b""))


_dates: tuple[int, bytes] = (0, b"")


def date_now() -> bytes:
    """The value of Date, made once a second."""
    global _dates
    second = int(time.time())
    if _dates[0] != second:
        _dates = (second, format_http_date(float(second)))
    return _dates[1]


def _head(reply: Reply, hop: bytes) -> bytes:
    """All of a head but its framing, and the empty line."""
    if reply.date == IN_PLACE:
        return b"%b%b%b" % (status_line(reply.status, reply.reason), b"".join(reply.lines), hop)
    return b"%b%bDate: %b\r\n%b" % (
        status_line(reply.status, reply.reason),
        b"".join(reply.lines),
        reply.date or date_now(),
        hop,
    )


def message(reply: Reply, body: bytes, hop: bytes) -> bytes:
    """A whole answer with body, in one piece. `hop` as in `send`."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (_head(reply, hop), len(body), body)


def short_message(reply: Reply, hop: bytes) -> bytes | None:
    """A whole answer in one piece, where it is so short that a client may be slow to take it; else None."""
    body = reply.body
    if body is None:
        return _head(reply, hop) + b"\r\n"
    return message(reply, body, hop) if isinstance(body, bytes) and len(body) <= SHORT_BYTES and not reply.trailers else None


async def send(reply: Reply, writer: Writer, hop: bytes) -> None:
    """Write reply. `hop` are the lines Connection and request id, or empty. OriginError when a body is cut: the client must see that too.

    Trailers follow a body that goes out in chunks. After any other there is no place for them, and they are dropped.
    """
    body = reply.body
    if isinstance(body, bytes) and not reply.trailers:
        await writer.write(message(reply, body, hop))
        return
    head = _head(reply, hop)
    if reply.trailers and isinstance(body, bytes | Held):
        await writer.write(head + _CHUNKED)
        async for piece in _held(body):
            await writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.write(b"0\r\n%b\r\n" % b"".join(reply.trailers))
    elif isinstance(body, bytes):
        await writer.write(message(reply, body, hop))
    elif body is None:
        await writer.write(head + b"\r\n")
    elif isinstance(body, Unsent):
        await writer.write(head + (b"\r\n" if body.length is None else b"Content-Length: %d\r\n\r\n" % body.length))
    elif isinstance(body, Held):
        await writer.write(b"%bContent-Length: %d\r\n\r\n" % (head, body.length))
        async for piece in body.spool.pieces(body.first, body.length):
            await writer.write(piece)
    elif body.length is not None:
        await writer.write(b"%bContent-Length: %d\r\n\r\n" % (head, body.length))
        async for piece in _stream(body):
            await writer.write(piece)
    elif not reply.may_chunk:
        await writer.write(head + b"\r\n")
        async for piece in _stream(body):
            await writer.write(piece)
    else:
        await writer.write(head + _CHUNKED)
        async for piece in _stream(body):
            await writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.write(b"0\r\n%b\r\n" % b"".join(trailer_lines(body.answer.trailers)))


async def _held(body: bytes | Held) -> AsyncIterator[bytes]:
    if isinstance(body, Held):
        async for piece in body.spool.pieces(body.first, body.length):
            yield piece
    elif body:
        yield body


async def content_of(body: Body) -> bytes:
    """The content of a body that is all here; empty where there is none, or where it is streamed."""
    if isinstance(body, Held):
        return b"".join([piece async for piece in body.spool.pieces(body.first, body.length)])
    return body if isinstance(body, bytes) else b""


async def _stream(body: Streamed) -> AsyncIterator[bytes]:
    if isinstance(body.held, Spool):
        async for piece in body.held.pieces():
            yield piece
    elif body.held:
        yield body.held
    while piece := await body.answer.read():
        yield piece


def relay(answer: OriginAnswer, fields: AnswerFields, lines: Iterable[bytes], method: bytes) -> Reply:
    """Pass an answer on as it is, body streaming, with further lines."""
    length = answer.content_length
    body: Body
    if method == b"HEAD":
        body = Unsent(length)
    elif answer.status in (204, 304):
        body = None
    else:
        body = Streamed(length, b"", answer)
        if length is None:
            lines = (*lines, *fields.trailer_lines)
    return Reply(answer.status, answer.reason, [*fields.passing, *lines], body, fields.date)


def trailers_of(answer: OriginAnswer, fields: RequestFields) -> Sequence[bytes]:
    """The trailers of an answer that is held, for a client that asked for them (RFC 9110 §6.5.1)."""
    return trailer_lines(answer.trailers) if answer.trailers and fields.takes_trailers else ()


def own_lines(fields: AnswerFields) -> list[bytes]:
    """The lines of an answer that is passed on untagged which `read_answer_fields` had set apart: the backend's own validators."""
    lines = [b"ETag: %b\r\n" % value for value in fields.etags]
    lines += [b"Accept-Ranges: %b\r\n" % value for value in fields.accept_ranges]
    return lines


def problem(
    kind: Problem,
    detail: str,
    instance: bytes,
    *,
    received: Received | None = None,
    current: EntityTag | None = None,
    retry_after_seconds: float = RETRY_AFTER_SECONDS,
    lines: Iterable[bytes] = (),
    status: int | None = None,
    more: Mapping[str, bytes | None] | None = None,
) -> Reply:
    """Answer with a problem document; `current` goes into ETag too. `status` None: the problem's own. `more` are members, as JSON."""
    status = status or kind.status
    document = with_members(problem_document(kind, detail, instance, received, current, status), more or {})
    return own_answer(kind, status, _PROBLEM_TYPE, document, current=current, retry_after_seconds=retry_after_seconds, lines=lines)


_PROBLEM_TYPE = b"application/problem+json"


def own_answer(
    kind: Problem,
    status: int,
    media_type: bytes,
    body: bytes,
    *,
    current: EntityTag | None = None,
    retry_after_seconds: float = RETRY_AFTER_SECONDS,
    lines: Iterable[bytes] = (),
) -> Reply:
    """An answer of noclobber's own, whatever its body is written in. A 429 or 503, and a duplicate's 409, says when to come back."""
    head = [b"Content-Type: %b\r\n" % media_type, b"Cache-Control: no-store\r\n", *lines]
    if kind.status in (429, 503) or kind is Problem.IN_FLIGHT:
        head.append(b"Retry-After: %d\r\n" % max(1, -int(-retry_after_seconds // 1)))
    if current is not None:
        head.append(b"ETag: %b\r\n" % bytes(current))
    if kind is Problem.OUTCOME_UNKNOWN:
        head.append(OUTCOME_UNKNOWN)
    return Reply(status, b"", head, body, is_own=True)


OUTCOME_UNKNOWN = b"Noclobber-Outcome: unknown\r\n"
OUTCOME_UNPROTECTED = b"Noclobber-Outcome: unprotected\r\n"
