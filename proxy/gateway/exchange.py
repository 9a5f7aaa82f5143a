"""One request on its way through: what is known of it, and the fields that go upstream on its behalf."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from ..core.fields import RequestFields
from ..core.precondition import Conditions
from ..core.resource import ResourceKey
from ..core.target import Target
from ..origin.port import StreamedBody
from ..store.port import StoreKey
from .rules import Rules, SafeMethods

# A compressing backend would give one state as many tags as codings; asked for identity, it gives one.
_IDENTITY = b"Accept-Encoding: identity\r\n"
# A request with one of these has a body even when it is empty (RFC 9110 §8.6).
METHODS_WITH_BODY = frozenset({b"PUT", b"POST", b"PATCH"})
# A look under the lease must not be answered by a cache on the way.
_FRESH = b"Cache-Control: no-cache\r\n"


@dataclass(slots=True)
class Exchange:
    """A request whose head has been judged, and what is learned of it while it is served.

    `read_body` gives the next piece of the request's body, b"" at its end; `continue_` tells a client that waits for it to send on.
    `body_size_bytes` None: not announced. `via` is the Via line that this hop adds. Times are in seconds.
    """

    method: bytes
    target: Target
    key: ResourceKey
    store_key: StoreKey
    rules: Rules
    fields: RequestFields
    conditions: Conditions
    via: bytes
    body_size_bytes: int | None
    read_body: Callable[[], Awaitable[bytes]]
    continue_: Callable[[], Awaitable[None]]
    upstream_seconds: float = 0.0
    waiting_seconds: float = 0.0
    verdict: str = ""
    outcome: str = ""

    @property
    def has_conditions(self) -> bool:
        """Whether the client set any precondition, well-formed as they all are by now."""
        return bool(self.fields.condition_lines)

    @property
    def names_a_state(self) -> bool:
        """Whether a write says what it is based on. If-Modified-Since does not: it counts on reads only (RFC 9110 §13.1.3)."""
        conditions = self.conditions
        return not (conditions.if_match is None and conditions.if_none_match is None and conditions.if_unmodified_since is None)

    def lines_to_read(self) -> bytes:
        """The fields of a GET whose answer is tagged here: no conditions, no range, identity coding."""
        return b"".join((*self.fields.passing, *self.fields.content, _IDENTITY, self.via))

    def lines_to_relay(self) -> bytes:
        """The fields of a GET or HEAD that the backend judges itself: all but the coding is left to it."""
        fields = self.fields
        conditions = fields.condition_lines
        if self.rules.safe_methods is SafeMethods.IGNORE:
            conditions = [line for line in conditions if line.lower().startswith(b"if-range:")]
        ranges = [b"Range: %b\r\n" % value for value in fields.ranges]
        return b"".join((*fields.passing, *fields.content, *conditions, *ranges, _IDENTITY, self.via))

    def lines_to_verify(self) -> bytes:
        """The fields of a GET on behalf of the writer, with the writer's own credentials and nothing of the body's."""
        return b"".join((*self.fields.passing, _IDENTITY, _FRESH, self.via))

    def lines_to_write(self) -> bytes:
        """The fields of a guarded write: without the conditions, which have been judged here."""
        return b"".join((*self.fields.passing, *self.fields.content, _IDENTITY, self.via))

    def lines_to_write_conditionally(self) -> bytes:
        """The fields of a guarded write to a backend that enforces its own tags as well."""
        return b"".join((*self.fields.passing, *self.fields.content, *self.fields.condition_lines, _IDENTITY, self.via))

    def lines_to_pass(self) -> bytes:
        """The fields of a request that is none of our business."""
        fields = self.fields
        ranges = [b"Range: %b\r\n" % value for value in fields.ranges]
        return b"".join((*fields.passing, *fields.content, *fields.coding, *fields.condition_lines, *ranges, self.via))

    def streamed_body(self) -> bytes | StreamedBody | None:
        """The request's body as it comes in; None where there is none."""
        if self.body_size_bytes == 0:
            return b"" if self.method in METHODS_WITH_BODY else None
        return StreamedBody(self.body_size_bytes, _pieces(self.read_body))


async def _pieces(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while piece := await read():
        yield piece
