"""What comes over the wire and what is made of it: whole, and byte by byte."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from proxy.errors import Delivery, OriginBroken
from proxy.origin.parsing import AnswerParser
from proxy.origin.port import Field, OriginRequest

from .asking import HOST, get, talking, whole
from .scripted import Close, Hear, Say, SayBytewise, Script

TE = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Good:
    """An answer that is accepted. `stays`: the connection is used again after it."""

    raw: bytes
    status: int = 200
    reason: bytes = b"OK"
    fields: Sequence[Field] = ()
    body: bytes = b""
    length: int | None = None
    trailers: Sequence[Field] = ()
    method: bytes = b"GET"
    stays: bool = True
    interims: Sequence[tuple[int, Sequence[Field]]] = ()
    closes: bool = False


CL5 = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")

GOOD = {
    "9112 6.2 length": Good(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", fields=[CL5], body=b"hello", length=5),
    "9112 6.2 length in odd case, white space around": Good(
        b"HTTP/1.1 200 OK\r\ncOntent-lenGth: \t 5 \t\r\n\r\nhello", fields=[(b"cOntent-lenGth", b"5")], body=b"hello", length=5
    ),
    "9112 7.1 chunks": Good(b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", fields=[CHUNKED], body=b"hello"),
    "9110 6.5 trailers are no fields": Good(
        b'HTTP/1.1 200 OK\r\nETag: "1"\r\n' + TE + b'\r\n5\r\nhello\r\n0\r\nETag: "2"\r\nEmpty:\r\n\r\n',
        fields=[(b"ETag", b'"1"'), CHUNKED],
        body=b"hello",
        trailers=[(b"ETag", b'"2"'), (b"Empty", b"")],
    ),
    "9112 6.3 rule 8: until the connection ends": Good(
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello", fields=[(b"A", b"b")], body=b"hello", stays=False, closes=True
    ),
    "9112 6.3 rule 8: in HTTP/1.0, empty": Good(b"HTTP/1.0 200 OK\r\n\r\n", stays=False, closes=True),
    "9112 9.3 HTTP/1.0 closes": Good(
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", fields=[CL5], body=b"hello", length=5, stays=False
    ),
    "9112 9.3 HTTP/1.0 keep-alive": Good(
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello",
        fields=[(b"Connection", b"Keep-Alive"), CL5],
        body=b"hello",
        length=5,
    ),
    "9112 9.3 Connection: close": Good(
        b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n\r\nhello",
        fields=[(b"Connection", b"x, Close"), CL5],
        body=b"hello",
        length=5,
        stays=False,
    ),
    "9112 6.3 rule 1: 204 with a length": Good(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"No Content", [CL5], length=5
    ),
    "9112 6.3 rule 1: 304 with a length": Good(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"Not Modified", [CL5], length=5
    ),
    "9112 6.3 rule 1: 304, chunked": Good(b"HTTP/1.1 304 Not Modified\r\n" + TE + b"\r\n", 304, b"Not Modified", [CHUNKED]),
    "9112 6.3 rule 1: HEAD with a length": Good(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", fields=[CL5], length=5, method=b"HEAD"),
    "9112 6.3 rule 1: HEAD, chunked": Good(b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n", fields=[CHUNKED], method=b"HEAD"),
    "9112 6.3 rule 1: HEAD with neither": Good(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", fields=[(b"A", b"b")], method=b"HEAD"),
    "9112 6.3 rule 1: HEAD, then close": Good(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        fields=[(b"Connection", b"close"), CL5],
        length=5,
        method=b"HEAD",
        stays=False,
    ),
    "9112 6.3 rule 1: HEAD in HTTP/1.0": Good(
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", fields=[CL5], length=5, method=b"HEAD", stays=False
    ),
    "9112 6.3 rule 1: HEAD after a hint": Good(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        fields=[CL5],
        length=5,
        method=b"HEAD",
        interims=[(103, [(b"Link", b"</a>")])],
    ),
    "9110 15.2 hints are handed on, 100 is not": Good(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 104 Upload\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        fields=[CL5],
        body=b"hello",
        length=5,
        interims=[(103, [(b"Link", b"</a>")]), (104, [(b"A", b"b")])],
    ),
    "9110 5.5 obs-text and case are kept": Good(
        b'HTTP/1.1 200 \xe9t\xe9\r\nETag: "\xe9\xff"\r\nx-ODD_name: a, "b",,c\r\n'
        b"Set-Cookie: 1\r\nset-cookie: 2\r\nContent-Length: 5\r\n\r\nhello",
        reason=b"\xe9t\xe9",
        fields=[(b"ETag", b'"\xe9\xff"'), (b"x-ODD_name", b'a, "b",,c'), (b"Set-Cookie", b"1"), (b"set-cookie", b"2"), CL5],
        body=b"hello",
        length=5,
    ),
    "9110 5.5 empty values": Good(
        b"HTTP/1.1 200 OK\r\nA:\r\nB: \t\r\nContent-Length: 5\r\nC:\r\n\r\nhello",
        fields=[(b"A", b""), (b"B", b""), CL5, (b"C", b"")],
        body=b"hello",
        length=5,
    ),
    "9112 4 no reason, no space": Good(
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", reason=b"", fields=[CL5], body=b"hello", length=5
    ),
    "9112 2.2 empty lines before": Good(
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", fields=[CL5], body=b"hello", length=5
    ),
    "9110 15 a status nobody knows": Good(
        b"HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello", 999, b"Odd", fields=[CL5], body=b"hello", length=5
    ),
    "leftover: a second answer": Good(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 403 No\r\nA: b\r\nContent-Length: 1\r\n\r\nx",
        fields=[CL5],
        body=b"hello",
        length=5,
        stays=False,
    ),
    "leftover: a byte after a 204": Good(b"HTTP/1.1 204 N\r\n\r\nx", 204, b"N", stays=False),
    "leftover: a body after HEAD": Good(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", fields=[CL5], length=5, method=b"HEAD", stays=False
    ),
    "leftover: chunks and trailers after HEAD": Good(
        b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n0\r\nX: y\r\n\r\n", fields=[CHUNKED], method=b"HEAD", stays=False
    ),
    "leftover: after Connection: close": Good(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhellomore",
        fields=[(b"Connection", b"close"), CL5],
        body=b"hello",
        length=5,
        stays=False,
    ),
}

CL0 = b"Content-Length: 0\r\n\r\n"

BAD = {
    "9112 4 no number": b"HTTP/1.1 2x0 OK\r\n" + CL0,
    "9112 4 two digits": b"HTTP/1.1 20 OK\r\n" + CL0,
    "9112 4 four digits": b"HTTP/1.1 2000 OK\r\n" + CL0,
    "9110 15 below 100": b"HTTP/1.1 099 OK\r\n" + CL0,
    "9112 2.3 HTTP/2.0": b"HTTP/2.0 200 OK\r\n" + CL0,
    "9112 2.3 HTTP/0.9": b"HTTP/0.9 200 OK\r\n" + CL0,
    "9112 2.3 HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + CL0,
    "9112 2.3 HTTP/2.0 after a hint": b"HTTP/1.1 103 H\r\n\r\nHTTP/2.0 200 OK\r\n" + CL0,
    "another protocol": b"RTSP/1.0 200 OK\r\n" + CL0,
    "no protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "9112 2.2 bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "9112 2.2 bare CR": b"HTTP/1.1 200 OK\r\nA: b\rc\r\n" + CL0,
    "9110 5.5 NUL": b"HTTP/1.1 200 OK\r\nA: b\0c\r\n" + CL0,
    "9112 5.1 space before the colon": b"HTTP/1.1 200 OK\r\nA : b\r\n" + CL0,
    "9112 5.1 no colon": b"HTTP/1.1 200 OK\r\nAb\r\n" + CL0,
    "9112 5.2 obs-fold": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n" + CL0,
    "9112 6.3 two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "9112 6.3 twice the same length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "9112 6.3 a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "9112 6.3 a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "9112 6.3 an empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
    "9112 6.3 a length without end": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    "9112 6.1 length, then coding": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + TE + b"\r\n0\r\n\r\n",
    "9112 6.1 coding, then length": b"HTTP/1.1 200 OK\r\n" + TE + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "9112 6.1 another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "9112 6.1 identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
    "9112 6.1 chunked twice": b"HTTP/1.1 200 OK\r\n" + TE + TE + b"\r\n0\r\n\r\n",
    "9112 6.1 chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n0\r\n\r\n",
    "9110 15.2.2 switching, unasked": b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "9110 8.6 a hint with a length": b"HTTP/1.1 103 H\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n" + CL0,
    "9110 8.6 an unknown interim answer with chunks": b"HTTP/1.1 104 H\r\n" + TE + b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n" + CL0,
    "more interim answers than anyone sends": b"HTTP/1.1 103 H\r\n\r\n" * 17 + b"HTTP/1.1 200 OK\r\n" + CL0,
    "more fields than anyone sends": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 256 + CL0,
    "a head over the cap, whole": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65536 + b"\r\n" + CL0,
    "a head over the cap, without end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65536,
    "a head over the cap, before a body": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65536 + b"\r\nContent-Length: 5\r\n\r\nhello",
}

LATE = {
    "9112 7.1 a chunk that is none": b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n5\r\nhello\r\nxyz\r\n",
    "more trailers than anyone sends": b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 257 + b"\r\n",
    "a trailer without end": b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n5\r\nhello\r\n0\r\nA: " + b"b" * 65536,
    "a chunk extension without end": b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n5\r\nhello\r\n5;" + b"b" * 65537,
}
"""Answers whose head is good, and whose rest is not."""


class Nowhere:
    """The source of answers that nobody resets."""

    def resume(self) -> None: ...

    def wait_anew(self) -> None: ...

    def reset(self, why: str) -> None: ...


def parse(case: Good, step: int) -> tuple[AnswerParser, list[tuple[int, Sequence[Field]]]]:
    """Feed a good answer in pieces of step bytes, as a connection does: nothing after the end."""
    interims: list[tuple[int, Sequence[Field]]] = []
    parser = AnswerParser(Nowhere())
    parser.expect(case.method, lambda status, fields: interims.append((status, fields)))
    for start in range(0, len(case.raw), step):
        if parser.is_complete:
            parser.has_leftover = True
            break
        parser.feed(case.raw[start : start + step])
    if case.closes:
        assert not parser.is_complete
        parser.end_of_stream()
    return parser, interims


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("name", GOOD)
def test_good_answers(name: str, step: int) -> None:
    case = GOOD[name]
    parser, interims = parse(case, step)
    answer = parser.answer
    assert answer is not None
    assert parser.is_complete
    assert (answer.status, answer.reason, answer.content_length) == (case.status, case.reason, case.length)
    assert list(answer.fields) == list(case.fields)
    assert list(answer.trailers) == list(case.trailers)
    assert b"".join(answer.pieces) == case.body
    assert (parser.persists and not parser.has_leftover) is case.stays
    assert interims == list(case.interims)


@pytest.mark.parametrize("step", [1, 3, 100_000])
@pytest.mark.parametrize("name", BAD)
def test_bad_answers(name: str, step: int) -> None:
    raw = BAD[name]
    parser = AnswerParser(Nowhere())
    parser.expect(b"GET", None)
    with pytest.raises(OriginBroken) as caught:  # noqa: PT012
        for start in range(0, len(raw), step):
            parser.feed(raw[start : start + step])
        pytest.fail("it was accepted")
    assert caught.value.delivery is Delivery.MAYBE_SENT
    assert parser.answer is None


@pytest.mark.parametrize("step", [1, 100_000])
@pytest.mark.parametrize("name", LATE)
def test_bad_ends(name: str, step: int) -> None:
    good_bytes = LATE[name].index(b"hello") + 5
    rest = LATE[name][good_bytes:]
    parser = AnswerParser(Nowhere())
    parser.expect(b"GET", None)
    parser.feed(LATE[name][:good_bytes])
    with pytest.raises(OriginBroken):  # noqa: PT012
        for start in range(0, len(rest), step):
            parser.feed(rest[start : start + step])
        pytest.fail("it was accepted")
    assert parser.answer is not None
    assert b"".join(parser.answer.pieces) == b"hello"


def test_caps_are_not_off_by_one() -> None:
    parser = AnswerParser(Nowhere())
    parser.expect(b"GET", None)
    parser.feed(b"HTTP/1.1 103 H\r\n\r\n" * 16 + b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 255 + CL0)
    assert parser.is_complete
    parser.expect(b"GET", None)
    parser.feed(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65000 + b"\r\nContent-Length: 5\r\n\r\n" + b"hello")
    assert parser.is_complete
    # A body is no head: there is no cap on it here.
    parser.expect(b"GET", None)
    parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000)
    parser.feed(b"x" * 500_000)
    assert parser.is_complete


def test_one_parser_reads_answer_after_answer() -> None:
    """Also after a HEAD, whose parser cannot be used again."""
    parser = AnswerParser(Nowhere())
    for _ in range(3):
        for name in ("9112 6.2 length", "9110 6.5 trailers are no fields", "9112 6.3 rule 1: HEAD with a length", "9110 5.5 empty values"):
            case = GOOD[name]
            parser.expect(case.method, None)
            parser.feed(case.raw)
            assert parser.answer is not None
            assert list(parser.answer.fields) == list(case.fields)
            assert b"".join(parser.answer.pieces) == case.body
            assert parser.is_complete
            assert parser.persists


@pytest.mark.parametrize("say", [Say, SayBytewise])
@pytest.mark.parametrize("name", GOOD)
async def test_good_answers_over_the_wire(name: str, say: type[Say | SayBytewise]) -> None:
    case = GOOD[name]
    interims: list[tuple[int, Sequence[Field]]] = []
    script: Script = [Hear(), say(case.raw), *([Close()] if case.closes else [])]
    async with talking(script) as (backend, origin):
        request = OriginRequest(case.method, b"/thing", HOST)
        answer = await origin.fetch(request, lambda status, fields: interims.append((status, fields)))
        assert (answer.status, answer.reason, answer.content_length) == (case.status, case.reason, case.length)
        assert list(answer.fields) == list(case.fields)
        assert await whole(answer) == case.body
        assert await answer.read() == b""
        assert list(answer.trailers) == list(case.trailers)
        assert interims == list(case.interims)
        assert backend.requests == 1
        # Leftover bytes may come a moment later; the connection must not survive them either way.
        if "leftover" not in name or say is Say:
            assert origin.pool.idle == case.stays


@pytest.mark.parametrize("name", BAD)
async def test_bad_answers_over_the_wire(name: str) -> None:
    async with talking([Hear(), Say(BAD[name])]) as (backend, origin):
        with pytest.raises(OriginBroken) as caught:
            await origin.fetch(get())
        assert caught.value.delivery is Delivery.MAYBE_SENT
        assert origin.pool.places == 0
        assert backend.requests == 1


@pytest.mark.parametrize("name", LATE)
async def test_bad_ends_over_the_wire(name: str) -> None:
    """What came before the fault is delivered, then the fault is told, every time one asks."""
    raw = LATE[name]
    head_end = raw.index(b"hello")
    async with talking([Hear(), Say(raw[: head_end + 5]), Hear()], [Hear()]) as (backend, origin):
        answer = await origin.fetch(get())
        assert await answer.read() == b"hello"
        await backend.conversations[0]._say(raw[head_end + 5 :])
        for _ in range(2):
            with pytest.raises(OriginBroken):
                await answer.read()
        assert origin.pool.places == 0


async def test_an_interim_callback_that_fails_breaks_the_exchange() -> None:
    def refuse(status: int, fields: Sequence[Field]) -> None:
        raise ZeroDivisionError("not now")

    async with talking([Hear(), Say(b"HTTP/1.1 103 H\r\n\r\n")]) as (_, origin):
        with pytest.raises(OriginBroken, match="not now"):
            await origin.fetch(get(), refuse)
