"""One connection to a backend, and one request on it at a time.

The rules of this file. A request is written once; after its first byte every failure is MAYBE_SENT, and the connection is reset at once,
so that no byte of a write that was given up still leaves. There is no task and no timer for a request: whoever waits sets a deadline,
and one timer per connection looks at it when it fires.
"""

import asyncio
import math
from typing import Protocol, cast

from ..errors import Delivery, OriginBroken, OriginError, OriginTimeout, OriginUnreachable
from . import framing
from .answer import Answer, cut
from .deadline import Deadline
from .options import OriginOptions
from .parsing import AnswerParser
from .port import Interim, OriginRequest, StreamedBody
from .reception import Reception
from .upload import Gate, Head, Upload
from .wire import Wire

MAX_HELD_BYTES = 64 * 1024
"""Above this much of an unread body the backend is made to wait."""


class Home(Protocol):
    """The pool a connection belongs to."""

    def give_back(self, connection: "Connection") -> None:
        """Take a connection that is ready for another request."""

    def forget(self, connection: "Connection") -> None:
        """Free the place of a connection that will not be used again."""

    def lost(self, connection: "Connection") -> None:
        """Note that its socket is gone."""

    def note(self, error: OriginError) -> None:
        """Note what a request broke off with."""


class Connection(Reception):
    """A protocol for the loop, an exchange for the caller. `was_used`: it has served before, so it may have been closed unseen."""

    __slots__ = (
        "_answer",
        "_deadline",
        "_has_reading_paused",
        "_has_sent_all",
        "_head",
        "_home",
        "_is_busy",
        "_is_lost",
        "_loop",
        "_options",
        "_parser",
        "_transport",
        "_upload",
        "_wire",
        "idle_since",
        "is_closed",
        "was_used",
    )

    _transport: asyncio.Transport
    _wire: Wire

    def __init__(self, home: Home, options: OriginOptions, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._home = home
        self._options = options
        self._loop = loop
        self._parser = AnswerParser(self)
        self._deadline = Deadline(loop, self._on_expiry)
        self._head: Head | None = None
        self._answer: Answer | None = None
        self._upload: Upload | None = None
        self._is_busy = self._has_sent_all = self._has_reading_paused = self._is_lost = False
        self.was_used = self.is_closed = False
        self.idle_since = 0.0

    # ---- for the pool --------------------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Say whether a request is under way."""
        return self._is_busy

    @property
    def has_begun_answer(self) -> bool:
        """Say whether a byte of the last request's answer has come."""
        return self._parser.has_begun

    def is_silent(self) -> bool:
        """Say whether an unused connection is still fit for a request: open, and nothing has come over it, not even its end.

        The loop may not have looked yet, so the socket is asked. Bytes that nobody asked for are as bad as an end.
        """
        return not self.is_closed and not self._transport.is_closing() and self._wire.is_silent()

    def close(self) -> None:
        """Close without haste; what has been written still leaves."""
        if not self.is_closed:
            self.is_closed = True
            self._home.forget(self)
            self._transport.close()

    def reset(self, why: str) -> None:
        """Close at once, by RST: nothing that is still buffered leaves, and the backend learns that nobody waits."""
        self._fail(cut(why))

    def wait_anew(self) -> None:
        """Begin the wait for the final answer again: an interim one came (RFC 9110 §15.2.3 is there to say "still at it")."""
        if self._has_sent_all:
            self._deadline.expect(self._options.first_byte_seconds)

    def resume(self) -> None:
        """Read on after the buffered part of the body was taken."""
        if self._has_reading_paused and not self.is_closed:
            self._has_reading_paused = False
            self._transport.resume_reading()
            self._deadline.expect(self._options.idle_seconds)

    # ---- one exchange --------------------------------------------------------------------------------------------------------------

    async def exchange(self, request: OriginRequest, gate: Gate | None, interim: Interim | None) -> Answer:
        """Send request once and return the head of its answer. The connection goes home by itself when the answer has ended.

        `gate` as in the port, None: always open. Cancelling it, or any failure after the first byte, resets the connection; where
        nothing was written it goes home, or was found closed.
        """
        body = request.body
        head: Head | None = None
        self._has_sent_all = False
        self._upload = None
        self._parser.expect(request.method, interim)
        try:
            if body is None:
                head = self._begin(framing.without_body(request), gate)
                self._end_sending()
            elif isinstance(body, bytes) and len(body) <= framing.PIECE_BYTES:
                head = self._begin(framing.with_body(request, body), gate)
                self._end_sending()
            else:
                head = await self._send_in_pieces(request, body, gate)
            return await head
        except BaseException as stopped:
            if isinstance(stopped, OriginError):
                stopped.is_answered = self._parser.has_begun
                self._home.note(stopped)
            self._give_up(head)
            raise

    async def _send_in_pieces(self, request: OriginRequest, body: bytes | StreamedBody, gate: Gate | None) -> Head:
        """Send until the end, or until a final answer or a failure makes it pointless: the future tells which."""
        self._upload = upload = Upload(request, body, gate, self._begin_late, self._transport, self._deadline, self._options.idle_seconds)
        is_all_written = await upload.run()
        assert upload.head is not None
        if is_all_written and not self.is_closed:
            self._end_sending()
        return upload.head

    def _begin_late(self, data: bytes, gate: Gate | None) -> Head:
        """Begin after the body's source has taken its time: the socket is asked once more."""
        if not self.is_silent():
            self.close()
        return self._begin(data, gate)

    def _begin(self, data: bytes, gate: Gate | None) -> Head:
        """Write the first bytes of a request. Nothing may come between the gate and the write."""
        if self.is_closed or self._transport.is_closing():
            self.close()
            raise OriginUnreachable("the backend closed the connection before it was used")
        if gate is not None and not gate():
            raise OriginUnreachable("the time to send was over before the first byte")
        self._is_busy = True
        self._head = head = self._loop.create_future()
        self._transport.write(data)
        return head

    def _end_sending(self) -> None:
        """Begin to wait for the answer, unless it is there."""
        self._has_sent_all = True
        if self._answer is None:
            self._deadline.expect(self._options.first_byte_seconds)

    def _give_up(self, head: Head | None) -> None:
        """Clean up after an exchange that failed or was cancelled.

        The caller may have been cancelled in the very turn of the loop in which the answer came, or even ended: then the connection is
        home already, perhaps with another request on it, and only the answer knows.
        """
        if head is None and self._upload is not None:
            head = self._upload.head
        if head is None:
            if not self.is_closed:
                self._home.give_back(self)
            return
        if not head.done():
            head.cancel()
        if head.cancelled():
            self.reset("the request was cancelled")
        elif head.exception() is None:
            head.result().abandon()

    def _break(self, error: OriginError) -> None:
        """Fail by the backend's doing. Before the head of an answer `exchange` notes it."""
        error.is_answered = self._answer is not None
        if error.is_answered:
            self._home.note(error)
        self._fail(error)

    def _fail(self, error: OriginError) -> None:
        """Reset the connection, and tell whoever waits."""
        self._drop()
        if self._is_busy:
            self._is_busy = False
            assert self._head is not None
            if not self._head.done():
                self._head.set_exception(error)
            if self._answer is not None:
                self._answer.end(error)
                self._answer = None
            if self._upload is not None:
                self._upload.stop()

    def _finish(self, answer: Answer) -> None:
        """The answer has arrived in full: the connection is free, before anybody has read it."""
        self._answer = None
        self._is_busy = False
        self._deadline.at = math.inf
        if not self._has_sent_all:
            # An early answer. What is still buffered of the request must not leave.
            self._drop()
        elif self._parser.persists and not self._parser.has_leftover and not self._transport.is_closing():
            # An idle connection must not keep an answer alive.
            self._head = self._upload = self._parser.answer = None
            self._home.give_back(self)
        else:
            self.close()
        answer.end()

    def _drop(self) -> None:
        self._deadline.at = math.inf
        if not self.is_closed:
            self.is_closed = True
            self._home.forget(self)
        if not self._is_lost:
            self._wire.reset()

    def _on_expiry(self) -> None:
        """Fail, unless the backend still takes the body, if slowly."""
        if self._upload is not None and self._upload.has_moved():
            self._deadline.expect(self._deadline.seconds)
        else:
            self._break(OriginTimeout(f"nothing moved for {self._deadline.seconds:g} s", Delivery.MAYBE_SENT))

    # ---- what the loop calls -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport, and its socket."""
        self._transport = cast(asyncio.Transport, transport)
        self._wire = Wire(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        if not self._is_busy:
            # Nobody asked for anything.
            self.close()
            return
        parser = self._parser
        try:
            parser.feed(data)
        except OriginBroken as exc:
            self._break(exc)
            return
        answer = self._answer
        if answer is None:
            answer, head = parser.answer, self._head
            if answer is None or head is None:
                return
            if head.done():
                # Its caller was cancelled in this turn of the loop, and has not run yet.
                self.reset("the request was cancelled")
                return
            self._answer = answer
            head.set_result(answer)
            if self._upload is not None:
                self._upload.stop()
        if parser.is_complete:
            self._finish(answer)
            return
        answer.wake()
        if self._has_reading_paused:
            return
        if answer.held_bytes > MAX_HELD_BYTES and not self._transport.is_closing():
            self._has_reading_paused = True
            self._deadline.at = math.inf
            self._transport.pause_reading()
        else:
            self._deadline.expect(self._options.idle_seconds)

    def eof_received(self) -> None:
        """Note that the backend will say no more. The transport closes itself then."""
        self._end_of_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end. `exc` None: an orderly one."""
        if exc is not None and self._is_busy:
            # A backend that refuses a body answers and closes. Our next write then fails, and the transport drops the answer, which
            # still lies in the socket.
            for data in self._wire.unread():
                self.data_received(data)
        self._is_lost = True
        self._deadline.close()
        if exc is None or not self._is_busy:
            self._end_of_stream()
        else:
            self._break(cut(f"the connection was lost: {exc}"))
        self._home.lost(self)

    def pause_writing(self) -> None:
        """The backend does not take what we send."""
        if self._upload is not None:
            self._upload.pause()

    def resume_writing(self) -> None:
        """The backend has taken most of it."""
        if self._upload is not None:
            self._upload.resume()

    def _end_of_stream(self) -> None:
        if not self._is_busy:
            self.close()
            return
        self._parser.end_of_stream()
        if self._answer is not None and self._parser.is_complete:
            self._finish(self._answer)
        else:
            self._break(cut("the backend closed the connection before the end of its answer"))
