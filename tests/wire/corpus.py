"""The corpus: requests as raw bytes, the exact answers to each, and exactly what the backend may have heard.

Ids name the clause of RFC 9110 or 9112 (or of another RFC), or the published class of request smuggling: CL.TE, TE.CL, TE.TE, CL.0, 0.CL,
TE.0. What reaches the backend is a request line and a body; for whatever is refused that is nothing at all. `/doc` is guarded, `/open/`
is not.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """Bytes of a client; the status of each answer, in order; what the backend heard. No status: the connection is closed unanswered."""

    sent: bytes
    statuses: tuple[int, ...]
    heard: tuple[tuple[bytes, bytes], ...] = ()


def refused(sent: bytes) -> Case:
    """A request that is answered with 400, after which the connection is closed; none of it reaches the backend."""
    return Case(sent, (400,))


def cut(sent: bytes) -> Case:
    """A request that never becomes complete: it is not answered, and none of it reaches the backend."""
    return Case(sent, ())


def read(sent: bytes, target: bytes = b"/doc") -> Case:
    """A GET that is let through."""
    return Case(sent, (200,), ((b"GET " + target + b" HTTP/1.1", b""),))


def written(sent: bytes, body: bytes, target: bytes = b"/doc") -> Case:
    """A PUT that is let through."""
    return Case(sent, (200,), ((b"PUT " + target + b" HTTP/1.1", body),))


FRAMING = {
    # What is right, so that the rest is refused for what is wrong with it.
    "9112-6.3 Content-Length": written(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "9112-6.3 Content-Length 0": written(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b""),
    "9112-6.3 neither": written(b"PUT /doc HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "9112-7.1 chunked": written(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"
    ),
    "9112-7.1 chunked in capitals": written(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChunKed\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"
    ),
    "9112-7.1 size with zeros and capitals": written(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789"
    ),
    "9112-7.1.1 extension": written(
        b'PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n', b"hello"
    ),
    "9112-7.1.2 trailer": written(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"
    ),
    "9112-7.1.2 trailer that would be framing": written(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n", b"hello"
    ),
    # Two framings.
    "CL.TE": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
    "TE.CL": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
        b"21\r\nDELETE /doc HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n"
    ),
    "TE.CL on a route that is not guarded": refused(
        b"PUT /open/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    ),
    "CL.TE with Content-Length 0": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "CL.TE with capitals": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\ncOnTeNt-LeNgTh: 5\r\ntRaNsFeR-eNcOdInG: chunked\r\n\r\n0\r\n\r\n"),
    # Content-Length.
    "9112-6.3 two lengths": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    "9112-6.3 one length twice": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    "9112-6.3 list of lengths": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    "9110-8.6 plus": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    "9110-8.6 minus": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"),
    "9110-8.6 minus nothing": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"),
    "9110-8.6 hex": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    "9110-8.6 fraction": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    "9110-8.6 exponent": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello"),
    "9110-8.6 underscore": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0_5\r\n\r\nhello"),
    "9110-8.6 space within": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5 0\r\n\r\nhello"),
    "9110-8.6 word": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello"),
    "9110-8.6 empty": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nhello"),
    "9110-8.6 vertical tab": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\nhello"),
    "9110-8.6 digits of another script": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello"),
    "9110-8.6 beyond 64 bits": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
    "9110-8.6 beyond any number": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\nhello"),
    "9110-15.5.14 more than is taken": Case(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999\r\n\r\nhello", (413,)),
    "9112-6.3 body cut": cut(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"),
    # Transfer-Encoding.
    "TE.TE xchunked": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "TE.TE identity": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
    "TE.TE twice": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE and x": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
    "TE.TE x and": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE list": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE chunked not last": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "TE.TE chunked twice in a list": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE parameter": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
    "TE.TE quoted": refused(b'PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    "TE.TE empty": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    "TE.TE empty member": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE vertical tab": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "TE.TE no-break space": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n"),
    "TE.TE long s": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\xe2\x84\xaaed\r\n\r\n0\r\n\r\n"),
    "TE.0 GET": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "9112-6.1 chunks in HTTP/1.0": refused(b"PUT /doc HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    # Chunks.
    "9112-7.1 no size": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
    "9112-7.1 size not hex": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"),
    "9112-7.1 size with 0x": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    "9112-7.1 size with a sign": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
    "9112-7.1 negative size": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
    "9112-7.1 size with an underscore": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1 size beyond 64 bits": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1 space before the size": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1 space behind the size": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1 size ends in LF": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    "9112-7.1 data ends in LF": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
    "9112-7.1 data longer than its size": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1 data without an end": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"),
    "TERM.EXT LF in an extension": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n"),
    "EXT.TERM CR in an extension": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1.1 NUL in an extension": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\x00\r\nhello\r\n0\r\n\r\n"
    ),
    "9112-7.1.2 trailer without a colon": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nnonsense\r\n\r\n"
    ),
    "9112-7.1 last chunk cut": cut(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
}

AFTER_A_BODY = {
    "9112-9.3.2 two requests": Case(
        b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n",
        (200, 200),
        ((b"GET /doc HTTP/1.1", b""), (b"GET /other HTTP/1.1", b"")),
    ),
    "9112-9.3.2 a request behind a body": Case(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /other HTTP/1.1\r\nHost: a\r\n\r\n",
        (200, 200),
        ((b"PUT /doc HTTP/1.1", b"hello"), (b"GET /other HTTP/1.1", b"")),
    ),
    "CL.0 a request in a body": Case(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nDELETE /other HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
        (200,),
        ((b"PUT /doc HTTP/1.1", b"DELETE /other HTTP/1.1\r\nHost: a\r\n\r\n\r\n"[:36]),),
    ),
    "CL.0 a request in the body of a GET": Case(
        b"GET /open/a HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nDELETE /other HTTP/1.1\r\nHost: a\r\n\r\n",
        (200,),
        ((b"GET /open/a HTTP/1.1", b"DELETE /other HTTP/1.1\r\nHost: a\r\n\r\n"),),
    ),
    "0.CL a body that no length announces": Case(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\nhello", (200, 400), ((b"GET /doc HTTP/1.1", b""),)),
    "TE.0 a request in a chunk": Case(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n23\r\nDELETE /other HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n",
        (200,),
        ((b"PUT /doc HTTP/1.1", b"DELETE /other HTTP/1.1\r\nHost: a\r\n\r\n"),),
    ),
    "TE.0 a request behind the last chunk": Case(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n",
        (200, 200),
        ((b"PUT /doc HTTP/1.1", b""), (b"GET /other HTTP/1.1", b"")),
    ),
    "9112-11.2 nothing after a refusal": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhelloGET /other HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    "9112-11.2 nothing after a refused target": refused(b"GET /a//b HTTP/1.1\r\nHost: a\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-9.6 nothing after Connection: close": Case(
        b"GET /doc HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n",
        (200,),
        ((b"GET /doc HTTP/1.1", b""),),
    ),
    "9112-9.3 nothing after HTTP/1.0": Case(
        b"GET /doc HTTP/1.0\r\nHost: a\r\n\r\nGET /other HTTP/1.0\r\nHost: a\r\n\r\n", (200,), ((b"GET /doc HTTP/1.1", b""),)
    ),
    "9112-2.2 empty line before a request": Case(b"\r\nGET /doc HTTP/1.1\r\nHost: a\r\n\r\n", (200,), ((b"GET /doc HTTP/1.1", b""),)),
}

LINES = {
    "9112-2.2 bare LF": refused(b"GET /doc HTTP/1.1\nHost: a\n\n"),
    "9112-2.2 LF behind the request line": refused(b"GET /doc HTTP/1.1\nHost: a\r\n\r\n"),
    "9112-2.2 LF behind a field": refused(b"GET /doc HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    "9112-2.2 LF LF at the end": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\n\n"),
    "9112-2.2 bare CR in a field": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    "9112-2.2 bare CR before a field": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\n\rX: a\r\n\r\n"),
    "9112-2.2 bare CR in the request line": refused(b"GET /doc\rHTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-2.2 CR CR LF": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    "9112-2.2 space before the first field": refused(b"GET /doc HTTP/1.1\r\n Host: a\r\n\r\n"),
    "9112-2.2 a field before the request line": refused(b"Host: a\r\nGET /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    # RFC 9112 §3 lets a recipient split the line at any white space.
    "9112-3 two spaces": read(b"GET  /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 tab": refused(b"GET\t/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 space at the start": refused(b" GET /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 space at the end": refused(b"GET /doc HTTP/1.1 \r\nHost: a\r\n\r\n"),
    "9112-3 space in the target": refused(b"GET /doc HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 no target": refused(b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 empty target": refused(b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 no method": refused(b"/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 NUL": refused(b"GET /doc\x00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3 DEL": refused(b"GET /doc\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.1 method with a colon": refused(b"GET: /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.1 method not ASCII": refused(b"G\xc3\x89T /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.1 method in lower case is another": refused(b"get /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-2.3 version 0.9": refused(b"GET /doc\r\n\r\n"),
    "9112-2.3 version 0.9 by name": refused(b"GET /doc HTTP/0.9\r\nHost: a\r\n\r\n"),
    "9112-2.3 version 1.2": refused(b"GET /doc HTTP/1.2\r\nHost: a\r\n\r\n"),
    "9112-2.3 version 2.0": refused(b"GET /doc HTTP/2.0\r\nHost: a\r\n\r\n"),
    "9112-2.3 version 1.10": refused(b"GET /doc HTTP/1.10\r\nHost: a\r\n\r\n"),
    "9112-2.3 version 1": refused(b"GET /doc HTTP/1\r\nHost: a\r\n\r\n"),
    "9112-2.3 version in lower case": refused(b"GET /doc http/1.1\r\nHost: a\r\n\r\n"),
    # The parser takes RTSP/1.x for HTTP/1.x, and as HTTP/1.1 it goes on: what is judged is what the backend reads.
    "2326-6.1 RTSP": read(b"GET /doc RTSP/1.0\r\nHost: a\r\n\r\n"),
    "9112-2.3 another protocol": refused(b"GET /doc SIP/2.0\r\nHost: a\r\n\r\n"),
    "9113-3.4 preface of HTTP/2": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "9112-2.3 version 1.0": Case(b"GET /doc HTTP/1.0\r\nHost: a\r\n\r\n", (200,), ((b"GET /doc HTTP/1.1", b""),)),
    "8446-4 TLS": refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
}

FIELDS = {
    "9112-5.1 space before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    "9112-5.1 tab before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    "9112-5.1 vertical tab before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length\x0b: 5\r\n\r\nhello"),
    "9112-5.1 form feed before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length\x0c: 5\r\n\r\nhello"),
    "9112-5.1 NUL before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length\x00: 5\r\n\r\nhello"),
    "9112-5.1 CR before the colon": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r: chunked\r\n\r\n0\r\n\r\n"),
    "9112-5.1 no-break space in a name": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length\xa0: 5\r\n\r\nhello"),
    "9110-5.1 empty name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    "9110-5.1 space in a name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"),
    "9110-5.1 quote in a name": refused(b'GET /doc HTTP/1.1\r\nHost: a\r\n"X": b\r\n\r\n'),
    "9110-5.1 slash in a name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX/Y: b\r\n\r\n"),
    "9110-5.1 brackets in a name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX[0]: b\r\n\r\n"),
    "9110-5.1 not ASCII in a name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX\xc3\xa4: b\r\n\r\n"),
    "9112-5 no colon": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    "9112-5.2 folded": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    "9112-5.2 folded with a tab": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"),
    "9112-5.2 framing behind a fold": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    "9112-5.2 framing hidden in a fold": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\nhello"),
    "9110-5.5 NUL in a value": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n"),
    "9110-5.5 control in a value": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n"),
    "9110-5.5 DEL in a value": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"),
    "9110-5.5 bytes beyond ASCII in a value": read(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\xff\r\n\r\n"),
    "9110-5.5 tab in a value": read(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n"),
    "9110-5.5 empty value": read(b"GET /doc HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n"),
    "underscore Content_Length": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\nhello"),
    "underscore Transfer_Encoding": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "underscore If_Match": refused(b'PUT /doc HTTP/1.1\r\nHost: a\r\nIf_Match: "a"\r\nContent-Length: 0\r\n\r\n'),
    "underscore in any name": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n"),
    "underscore where nothing is guarded": read(b"GET /open/a HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n", b"/open/a"),
    "underscore of framing where nothing is guarded": refused(
        b"PUT /open/a HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nContent-Length: 0\r\n\r\n"
    ),
    "underscore of Host where nothing is guarded": refused(b"GET /open/a HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"),
    "underscore of X-Forwarded-For where nothing is guarded": refused(
        b"GET /open/a HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 127.0.0.1\r\n\r\n"
    ),
    "9110-7.6.1 Connection names If-Match": refused(b'PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: "a"\r\nConnection: If-Match\r\n\r\n'),
    "9110-7.6.1 Connection names Host": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nConnection: close, host\r\n\r\n"),
    "9110-7.6.1 Connection names Content-Length": refused(
        b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: Content-Length\r\n\r\nhello"
    ),
    "9110-7.6.1 Connection names Authorization": refused(
        b"GET /doc HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nConnection: AUTHORIZATION\r\n\r\n"
    ),
    "9110-7.6.1 Connection names a field of its own": read(b"GET /doc HTTP/1.1\r\nHost: a\r\nX: b\r\nConnection: X\r\n\r\n"),
    "9110-14.5 PUT of a part": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello"),
    "9110-13.1.1 If-Match without quotes": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match: a\r\nContent-Length: 5\r\n\r\nhello"),
    "9110-13.1.1 If-Match empty": refused(b"PUT /doc HTTP/1.1\r\nHost: a\r\nIf-Match:\r\nContent-Length: 5\r\n\r\nhello"),
}

HOSTS = {
    "9112-3.2 none": refused(b"GET /doc HTTP/1.1\r\n\r\n"),
    "9112-3.2 none in 1.0": refused(b"GET /doc HTTP/1.0\r\n\r\n"),
    "9112-3.2 twice": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "9112-3.2 the same twice": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    "9112-3.2 empty": refused(b"GET /doc HTTP/1.1\r\nHost:\r\n\r\n"),
    "9110-7.2 list": refused(b"GET /doc HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    "9110-7.2 slash": refused(b"GET /doc HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "9110-7.2 user": refused(b"GET /doc HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    "9110-7.2 space": refused(b"GET /doc HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "9110-7.2 tab": refused(b"GET /doc HTTP/1.1\r\nHost: a\tb\r\n\r\n"),
    "9110-7.2 query": refused(b"GET /doc HTTP/1.1\r\nHost: a?b\r\n\r\n"),
    "9110-7.2 fragment": refused(b"GET /doc HTTP/1.1\r\nHost: a#b\r\n\r\n"),
    "9110-7.2 backslash": refused(b"GET /doc HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
    "9110-7.2 scheme": refused(b"GET /doc HTTP/1.1\r\nHost: http://a\r\n\r\n"),
    "9110-7.2 port not a number": refused(b"GET /doc HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    "9110-7.2 two ports": refused(b"GET /doc HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
    "9110-7.2 port alone": refused(b"GET /doc HTTP/1.1\r\nHost: :80\r\n\r\n"),
    "3986-3.2.2 open bracket": refused(b"GET /doc HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    "9110-7.2 not ASCII": refused(b"GET /doc HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    "3986-3.2.2 IPv6": read(b"GET /doc HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    "9110-7.2 empty port": read(b"GET /doc HTTP/1.1\r\nHost: a:\r\n\r\n"),
}

TARGETS = {
    "9112-3.2.2 absolute": read(b"GET http://a/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 absolute in capitals": read(b"GET HTTP://A/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 another authority": refused(b"GET http://b/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 user": refused(b"GET http://u@a/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 no authority": refused(b"GET http:///doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 another scheme": refused(b"GET file://a/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.2 absolute with dots": refused(b"GET http://a/b/../doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.3 authority": refused(b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.3 CONNECT": Case(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", (405,)),
    "9112-3.2.3 CONNECT elsewhere": Case(b"CONNECT 10.0.0.1:22 HTTP/1.1\r\nHost: 10.0.0.1:22\r\n\r\n", (405,)),
    "9112-3.2.4 asterisk": refused(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.1 relative": refused(b"GET doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2.1 at sign": refused(b"GET @b/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 dot": refused(b"GET /./doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 dots": refused(b"GET /a/../doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 dots from where nothing is guarded": refused(b"PUT /open/../doc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    "3986-2.3 encoded dot": refused(b"GET /%2e/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.3 encoded dots": refused(b"GET /a/%2E%2e/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.3 encoded dots where nothing is guarded": refused(b"GET /open/.%2e/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.1 encoded twice": read(b"GET /%252e%252e/doc HTTP/1.1\r\nHost: a\r\n\r\n", b"/%252e%252e/doc"),
    "3986-2.2 encoded slash": refused(b"GET /a%2Fdoc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.2 encoded slash in lower case": refused(b"GET /a%2fdoc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.1 encoded backslash": refused(b"GET /a%5Cdoc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-7.3 encoded NUL": refused(b"GET /doc%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.1 bare percent": refused(b"GET /doc% HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.1 one digit": refused(b"GET /doc%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2.1 no digits": refused(b"GET /doc%u0041 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 empty segment": refused(b"GET /a//doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 two slashes": refused(b"GET //doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 two slashes at the end": refused(b"GET /doc// HTTP/1.1\r\nHost: a\r\n\r\n"),
    "backslash": refused(b"GET /a\\doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "backslash dots": refused(b"GET /a\\..\\doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2 fragment": refused(b"GET /doc#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    "9112-3.2 fragment in the query": refused(b"GET /doc?a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 parameter": refused(b"GET /doc;a=b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 empty parameter": refused(b"GET /doc; HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-3.3 parameter and dots": refused(b"GET /a/..;/doc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2 UTF-8": refused(b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2 overlong slash": refused(b"GET /a\xc0\xafdoc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2 not ASCII in the query": refused(b"GET /doc?\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-2 quote": refused(b'GET /"doc" HTTP/1.1\r\nHost: a\r\n\r\n'),
    "3986-6.2.2.2 unreserved": read(b"GET /%64oc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "3986-6.2.2.1 hex digits": read(b"GET /%c3%a4 HTTP/1.1\r\nHost: a\r\n\r\n", b"/%C3%A4"),
    "3986-3.4 empty query": read(b"GET /doc? HTTP/1.1\r\nHost: a\r\n\r\n", b"/doc?"),
    "3986-3.4 query as it is": read(b"GET /doc?a=%2f../;%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"/doc?a=%2f../;%zz"),
}

METHODS = {
    "X-HTTP-Method-Override": refused(b"POST /doc HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n"),
    "X-HTTP-Method": refused(b"POST /doc HTTP/1.1\r\nHost: a\r\nx-http-method: PUT\r\nContent-Length: 0\r\n\r\n"),
    "X-Method-Override": refused(b"POST /doc HTTP/1.1\r\nHost: a\r\nX-METHOD-OVERRIDE: PATCH\r\nContent-Length: 0\r\n\r\n"),
    "override of a GET": refused(b"GET /doc HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\n\r\n"),
    "override where nothing is guarded": Case(
        b"POST /open/a HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: PUT\r\nContent-Length: 0\r\n\r\n",
        (200,),
        ((b"POST /open/a HTTP/1.1", b""),),
    ),
    "_method in the query": refused(b"GET /doc?_method=DELETE HTTP/1.1\r\nHost: a\r\n\r\n"),
    "_method behind another": refused(b"POST /doc?a=b&_method=PUT HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    "_method encoded": refused(b"GET /doc?%5fm%65thod=DELETE HTTP/1.1\r\nHost: a\r\n\r\n"),
    "_method where nothing is guarded": read(b"GET /open/a?_method=PUT HTTP/1.1\r\nHost: a\r\n\r\n", b"/open/a?_method=PUT"),
    "_method in a form": Case(
        b"POST /doc HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\n_method=PUT",
        (200,),
        ((b"POST /doc HTTP/1.1", b"_method=PUT"),),
    ),
    "9110-9.3.8 TRACE": Case(b"TRACE /open/a HTTP/1.1\r\nHost: a\r\n\r\n", (200,), ((b"TRACE /open/a HTTP/1.1", b""),)),
    "9110-9.1 a method nobody knows": refused(b"FOO /doc HTTP/1.1\r\nHost: a\r\n\r\n"),
}

TABLES = {
    "framing": FRAMING,
    "after a body": AFTER_A_BODY,
    "line": LINES,
    "field": FIELDS,
    "host": HOSTS,
    "target": TARGETS,
    "method": METHODS,
}
CORPUS = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}
