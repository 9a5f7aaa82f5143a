"""Framing of messages, as bytes (RFC 9112 §6): what we put around a request, and what an answer's head says of its body.

Pure functions. Of a request everything but its framing stays as it was given.
"""

from collections.abc import AsyncIterator, Sequence

from .port import Field, OriginRequest

PIECE_BYTES = 64 * 1024
"""A body up to this size leaves in one write with its head; a larger one goes in pieces of it. It is the transports' high-water mark."""

LAST_CHUNK = b"0\r\n\r\n"


class BadFraming(Exception):
    """An answer's head does not say where its body ends, or says it in a way that two readers may understand differently."""


def without_body(request: OriginRequest) -> bytes:
    """Return the whole message of a request that has no body at all: no Content-Length, not even 0."""
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method, request.target, request.field_lines)


def with_body(request: OriginRequest, body: bytes) -> bytes:
    """Return the whole message in one piece."""
    return b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (request.method, request.target, request.field_lines, len(body), body)


def head_before(request: OriginRequest, size_bytes: int | None) -> bytes:
    """Return the head of a message whose body follows. `size_bytes` None: chunked."""
    framing = b"Transfer-Encoding: chunked" if size_bytes is None else b"Content-Length: %d" % size_bytes
    return b"%b %b HTTP/1.1\r\n%b%b\r\n\r\n" % (request.method, request.target, request.field_lines, framing)


def chunk(piece: bytes) -> bytes:
    """Return piece as one chunk (RFC 9112 §7.1). It must not be empty: that would be the last chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def pieces_of(body: bytes) -> AsyncIterator[bytes]:
    """Cut a held body into pieces."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


def announced_length(fields: Sequence[Field]) -> int | None:
    """Return the Content-Length of an answer's head, None where there is none.

    The parser has refused before: several Content-Length, one that is no number, one beside a Transfer-Encoding (RFC 9112 §6.3).
    """
    for name, value in fields:
        # The lengths first: lower() on every name would double the cost of a head.
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value)
    return None


def is_chunked(fields: Sequence[Field]) -> bool:
    """Say whether the body is chunked. Raise BadFraming for any other transfer coding: we never asked for one (§6.1)."""
    codings = [value for name, value in fields if len(name) == 17 and name.lower() == b"transfer-encoding"]
    if not codings:
        return False
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise BadFraming("a transfer coding other than chunked")
    return True


def persists(fields: Sequence[Field], version: str) -> bool:
    """Say whether the connection stays open after a message with this head (RFC 9112 §9.3), framing apart."""
    options = {
        option.strip().lower()
        for name, value in fields
        if len(name) == 10 and name.lower() == b"connection"
        for option in value.split(b",")
    }
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)
