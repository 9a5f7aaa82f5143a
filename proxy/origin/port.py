"""The origin port: how the gateway speaks to a backend, and what the backend's silence means.

One call of `send` is at most one request on the wire. Every failure is an `OriginError` whose `delivery` says whether a byte of the
request may have reached the backend; nothing else lets a write be called "not applied".
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Field = tuple[bytes, bytes]
"""One field line: name and value, byte for byte as they stood on the wire."""

Interim = Callable[[int, Sequence[Field]], None]
"""Called with status and fields of each 1xx answer (100 and 101 apart) as it arrives."""


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """A body that is not held in one piece. `size_bytes` None means not known: it is sent chunked."""

    size_bytes: int | None
    chunks: AsyncIterator[bytes]


class OriginRequest(NamedTuple):
    """One request as it goes out.

    `field_lines` are whole lines, each ended by CRLF, Host among them, without Connection, Content-Length and Transfer-Encoding: the
    client frames the message itself. `body` None sends no Content-Length; b"" sends `Content-Length: 0`.
    """

    method: bytes
    target: bytes
    field_lines: bytes
    body: bytes | StreamedBody | None = None


class OriginAnswer(Protocol):
    """A final answer whose head has arrived. Its body is read piece by piece; who does not read to the end must abandon it."""

    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> bytes: ...
    @property
    def fields(self) -> Sequence[Field]:
        """The head's fields in order, Transfer-Encoding included, trailers never."""

    @property
    def content_length(self) -> int | None:
        """The length the head announced; None when it announced none (chunked, or ended by close)."""

    @property
    def trailers(self) -> Sequence[Field]:
        """Fields that came after the body; complete once `read` has returned b""."""

    def arrived(self) -> bytes | None:
        """Return the whole body if it has arrived already and nothing of it was read, else None. To be asked once, before `read`."""

    async def read(self) -> bytes:
        """Return all that is buffered of the body (waiting for at least one byte), b"" at its clean end; OriginError if it is cut."""

    def abandon(self) -> None:
        """Give the rest up: the connection is reset, at once. Harmless after the end."""


class ReservedConnection(Protocol):
    """A live connection kept for one write, on which no byte has been written yet."""

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        """Send request once and return the head of its answer.

        `gate` is asked immediately before the first byte and again before the last piece of a body that goes out in several; where it
        says False nothing more is sent: OriginUnreachable if nothing had been, else a reset and OriginTimeout(MAYBE_SENT).
        Cancelling the call, or any failure after the first byte, resets the connection.
        """

    def release(self) -> None:
        """Give the unused connection back."""


class Switched(Protocol):
    """What came of a request to switch protocols. With any `answer` but a 101 it is over; after that `write` is the way back."""

    @property
    def answer(self) -> OriginAnswer:
        """Its `read` gives, after a 101, what the backend sends in the new protocol, and b"" once it has ended the connection."""

    async def write(self, data: bytes) -> None:
        """Send bytes of the new protocol, and wait until the backend has taken most of them. OriginError when it is gone."""

    def write_end(self) -> None:
        """Say that nothing more will be sent."""


class Switchboard(Protocol):
    """One backend, as far as it speaks other protocols than HTTP."""

    async def switch(self, request: OriginRequest, idle_seconds: float, interim: Interim | None = None) -> Switched:
        """Ask for another protocol, once and on a connection of its own, which is reset when nothing moves for idle_seconds."""


class Origin(Protocol):
    """One backend."""

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send a safe request; once more, on a fresh connection, when a reused one ended before any byte of the answer came."""

    async def reserve(self) -> ReservedConnection:
        """Take a live connection for a write; OriginUnreachable when none can be had in time."""

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """Send request exactly once, whatever happens to it: for what is neither a read nor guarded."""

    async def close(self) -> None:
        """Close idle connections and reset busy ones."""


class Upstream(Origin, Switchboard, Protocol):
    """One backend in all that it is asked for, behind one server or several."""

    def pin(self) -> "Upstream":
        """Return what keeps to one server, the first that is used: for the verifying GET, the write and the read-back of one attempt."""
