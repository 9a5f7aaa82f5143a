"""Bytes in, an Answer out: the one home of httptools.

What the parser (llhttp, strict) refuses by itself, and our tests pin: obs-fold, space before a colon, bare CR or LF, NUL and controls,
Content-Length that is repeated, no number, or beside Transfer-Encoding. What it cannot know is done here: that an answer is to a HEAD,
that a trailer is no head field, that the version is ours, and when enough is enough.
"""

from collections.abc import Sequence

import httptools

from ..errors import OriginBroken
from . import framing
from .answer import Answer, Source, cut
from .port import Field, Interim

MAX_HEAD_BYTES = 64 * 1024
"""The most that may come without a byte of a body: the final head and every interim one before it together, or trailers."""

MAX_FIELDS = 256
MAX_INTERIMS = 16

_CONTINUE = 100
_SWITCHING_PROTOCOLS = 101
_OK = 200
_ENDS_HEAD = b"\r\n\r\n"
_USUAL_START = b"HTTP/1.1 "
_STARTS = (_USUAL_START, b"HTTP/1.0 ")
_VERSIONS = ("1.1", "1.0")


class _Refused(Exception):
    """Raised in a callback to stop the parser: what came is not an answer that we accept."""


class AnswerParser:
    """Parse the answers of one connection, one after another.

    `answer` is there once the final head is complete, `is_complete` once its last byte is. Then `persists` says whether the connection
    stays open after it, and `has_leftover` whether bytes came that nobody asked for. `has_begun`: a byte of this answer has come.
    `may_switch`: a 101 was asked for; once it has come (`has_switched`), whatever follows is its body.
    """

    __slots__ = (
        "_fields",
        "_interim",
        "_interims",
        "_is_to_head",
        "_machine",
        "_quiet_bytes",
        "_reason",
        "_source",
        "_start",
        "_tail",
        "answer",
        "has_begun",
        "has_leftover",
        "has_switched",
        "is_complete",
        "may_switch",
        "persists",
    )

    def __init__(self, source: Source) -> None:
        self._source = source
        self._machine = httptools.HttpResponseParser(self)
        self._is_to_head = False
        self.may_switch = self.has_switched = False

    def expect(self, method: bytes, interim: Interim | None) -> None:
        """Make ready for the answer to a request with method."""
        if self._is_to_head:
            # The last one stopped where its body would have begun: that parser still waits for one.
            self._machine = httptools.HttpResponseParser(self)
        self._is_to_head = method == b"HEAD"
        self._interim = interim
        self._interims = 0
        self._quiet_bytes = 0
        self._fields: list[Field] = []
        self._reason = b""
        self._start: bytes | None = b""
        self._tail = b""
        self.answer: Answer | None = None
        self.has_begun = False
        self.is_complete = False
        self.has_leftover = False
        self.persists = False

    def feed(self, data: bytes) -> None:
        """Take in what has come. Raise OriginBroken when it is not an answer, or more of it than we accept."""
        if self.has_switched and self.answer is not None:
            self.answer.hold(data)
            return
        self.has_begun = True
        self._quiet_bytes += len(data)
        if self._start is not None:
            if data.startswith(_USUAL_START):
                self._start = None
            else:
                self._check_start(data)
        if self._is_to_head:
            self._feed_up_to_the_head(data)
        else:
            self._feed(data)
        if self._quiet_bytes > MAX_HEAD_BYTES and not self.is_complete:
            raise cut(f"more than {MAX_HEAD_BYTES} bytes of answer came without a byte of a body")

    def end_of_stream(self) -> None:
        """Complete an answer whose body ends where the connection does (RFC 9112 §6.3, rule 8). Any other stays as it is."""
        answer = self.answer
        if answer is not None and answer.content_length is None and not framing.is_chunked(answer.fields):
            self.is_complete = True

    def _feed(self, data: bytes) -> None:
        try:
            self._machine.feed_data(data)
        except httptools.HttpParserError as exc:
            if not self.is_complete:
                raise _broken(exc) from exc
            self.has_leftover = True
        except httptools.HttpParserUpgrade as switch:
            if self.answer is None:
                raise cut("an answer that switches protocols, which was not asked for") from switch
            self.has_switched = True
            rest = data[switch.args[0] :]
            if rest:
                self.answer.hold(rest)

    def _feed_up_to_the_head(self, data: bytes) -> None:
        """Feed the answer to a HEAD. The parser would take what follows the head for a body, so it must not see any of it."""
        known = len(self._tail)
        data = self._tail + data
        while not self.is_complete and known < len(data):
            end = data.find(_ENDS_HEAD, max(0, known - 3))
            stop = len(data) if end < 0 else end + 4
            self._feed(data[known:stop])
            known = stop
        self.has_leftover = known < len(data)
        self._tail = data[-3:]

    def _check_start(self, data: bytes) -> None:
        """Check that the first answer begins as HTTP/1: the parser would take HTTP/2.0, RTSP/1.0 and ICE/1.0 as well."""
        start = ((self._start or b"") + data).lstrip(b"\r\n")[: len(_USUAL_START)]
        self._start = start
        if len(start) == len(_USUAL_START):
            self._start = None
            if start not in _STARTS:
                raise cut("the answer does not begin as HTTP/1")

    # ---- what httptools calls ------------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request: its head must not be mixed with the first one's."""
        if self.is_complete:
            raise _Refused

    def on_status(self, reason: bytes) -> None:
        """Collect the reason phrase: it comes in as many parts as packets."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field. White space around a value is no part of it (RFC 9110 §5.5), and the parser leaves what trails."""
        self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Make the answer, or hand an interim one on."""
        status: int = self._machine.get_status_code()
        fields = self._fields
        if len(fields) > MAX_FIELDS:
            raise _Refused(f"more than {MAX_FIELDS} fields")
        if self._quiet_bytes > MAX_HEAD_BYTES and _size_of(fields) > MAX_HEAD_BYTES:
            raise _Refused(f"a head of more than {MAX_HEAD_BYTES} bytes")
        if status < _OK and not (status == _SWITCHING_PROTOCOLS and self.may_switch):
            self._on_interim(status)
            return
        if status == _SWITCHING_PROTOCOLS and (not self._machine.should_upgrade() or _has_framing(fields)):
            raise _Refused("a 101 that does not say to which protocol it switches, or that has a body")
        if self._interims and self._machine.get_http_version() not in _VERSIONS:
            raise _Refused("a version other than HTTP/1")
        answer = Answer(self._source, status, self._reason, fields, framing.announced_length(fields))
        if answer.content_length is None:
            self._prepare_trailers(answer)
        self.answer = answer
        if self._is_to_head:
            self.is_complete = True
            self.persists = framing.persists(fields, self._machine.get_http_version())

    def on_body(self, piece: bytes) -> None:
        """Hold a piece of the body."""
        self._quiet_bytes = 0
        answer = self.answer
        assert answer is not None
        answer.hold(piece)

    def on_message_complete(self) -> None:
        """Note the end of the answer; the end of an interim one is none."""
        if self.answer is not None and not self.is_complete and self.answer.status != _SWITCHING_PROTOCOLS:
            if len(self._fields) > MAX_FIELDS:
                raise _Refused(f"more than {MAX_FIELDS} trailers")
            self.is_complete = True
            self.persists = self._machine.should_keep_alive()

    def _on_interim(self, status: int) -> None:
        """RFC 9110 §15.2: any number may come before the final one, except that we never asked for another protocol."""
        self._interims += 1
        if status < _CONTINUE or status == _SWITCHING_PROTOCOLS or self._interims > MAX_INTERIMS:
            raise _Refused(f"an interim answer {status} that cannot be, or one too many")
        # §8.6: it has no body. The parser would wait for one, and take the final answer for it.
        if _has_framing(self._fields):
            raise _Refused("an interim answer with a body")
        if status != _CONTINUE and self._interim is not None:
            self._interim(status, self._fields)
        self._fields = []
        self._reason = b""
        self._source.wait_anew()

    def _prepare_trailers(self, answer: Answer) -> None:
        """Give what comes after a chunked body a list of its own: a trailer must never pass for a head field (RFC 9110 §6.5)."""
        if framing.is_chunked(answer.fields):
            if self._machine.get_http_version() != "1.1":
                raise _Refused("a chunked body in HTTP/1.0")
            self._fields = []
            answer.trailers = self._fields


def _has_framing(fields: Sequence[Field]) -> bool:
    return bool(framing.announced_length(fields)) or framing.is_chunked(fields)


def _size_of(fields: Sequence[Field]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in fields)


def _broken(exc: httptools.HttpParserError) -> OriginBroken:
    """Say what is wrong with the answer: our own reason where a callback stopped the parser, else the parser's."""
    return cut(f"not an answer in HTTP: {exc.__context__ or exc}")
