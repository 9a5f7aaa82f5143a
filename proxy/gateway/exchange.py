"""One request on its way through: what is known of it, and the fields that go upstream on its behalf."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.conflict import Received
from ..core.dialect import Compare
from ..core.etag import EntityTag, TagList
from ..core.fields import RequestFields
from ..core.hops import Undone, has_marks
from ..core.precondition import IF_MATCH, IF_NONE_MATCH, Conditions
from ..core.record import Record, Snapshot
from ..core.resource import ResourceKey, key_digest
from ..core.target import Target
from ..origin.port import Interim, StreamedBody, Upstream
from ..store.port import StoreKey
from .incident import Incident, IncidentKind
from .rules import HopTags, Rules, SafeMethods
from .trips import Trips

# A compressing backend would give one state as many tags as codings; asked for identity, it gives one.
_IDENTITY = b"Accept-Encoding: identity\r\n"
# A request with one of these has a body even when it is empty (RFC 9110 §8.6).
METHODS_WITH_BODY = frozenset({b"PUT", b"POST", b"PATCH"})
# A look under the lease must not be answered by a cache on the way.
_FRESH = b"Cache-Control: no-cache\r\n"
_LISTS = (b"if-match:", b"if-none-match:")


class RequestBody(Protocol):
    """The body of a request that has not been read yet. `size_bytes` 0: there is none; None: it comes in chunks of any number."""

    @property
    def size_bytes(self) -> int | None: ...

    async def read(self) -> bytes:
        """Return the next piece, b"" at the end. Raises ConnectionError when the client leaves, BodyMalformed when it is framed wrongly."""

    async def ask_for(self) -> None:
        """Tell a client that waits for it (`Expect: 100-continue`) to send the body."""


@dataclass(slots=True)
class Exchange:
    """A request whose head has been judged, and what is learned of it while it is served.

    `added` are the lines that this hop adds: Via, who the client is, the request's id. `interim` takes the 1xx of the backend's; None: the
    client knows none. Times are in seconds; `waiting_seconds` is what the client took to send its body.
    `replay_key` is empty where the client sent no Idempotency-Key, and as long as its body has not been read. `undone` is the kind of mark
    that a hop had left on the tag that decided, empty where there was none. `cors_grant` is how the backend let the request's origin in,
    empty where it did not, None as long as it has not been heard.
    `sent_method` is what the backend is sent where the client means another method by an override; empty: `method`.
    `origin` is the backend of its route; None: the gateway's default.
    `view` is the target whose GET shows the resource where its own does not; empty: its own. `standing` is what the store said of the
    resource before the backend was asked, on a read of a counted route; None: it did not answer, or was not asked.
    `claim` is the version that a write says it is based on, as it came; None where it came in If-Match, or did not come.
    `parameters` are the segments of its path, folded, by the names that the route gives them; None: there are none. `other_keys` are
    those of the resources that a write changes too. `is_named` False: they, `key` and `view` are told by the body, which has not been read.
    `incidents` are what the conflict log is told of; `found` is the record as the lease found it, None where there is no lease.
    `would` is the status that enforcing would have answered with; 0: the backend's. `waived` are conditions that were set
    aside. `reason` is why the client does that; empty: it does not. `trips` counts how often the store is asked; None: it is not.
    """

    method: bytes
    target: Target
    key: ResourceKey
    rules: Rules
    fields: RequestFields
    conditions: Conditions
    added: bytes
    body: RequestBody
    interim: Interim | None = None
    upstream_seconds: float = 0.0
    waiting_seconds: float = 0.0
    verdict: str = ""
    outcome: str = ""
    replay_key: str = ""
    undone: str = ""
    cors_grant: Sequence[bytes] | None = None
    sent_method: bytes = b""
    origin: Upstream | None = None
    view: bytes = b""
    other_keys: tuple[ResourceKey, ...] = ()
    standing: Snapshot | None = None
    claim: Received | None = None
    parameters: Mapping[str, bytes] | None = None
    is_named: bool = True
    request_id: bytes = b""
    incidents: Sequence[Incident] = ()
    found: Record | None = None
    would: int = 0
    waived: Conditions | None = None
    reason: str = ""
    trips: Trips | None = None

    @property
    def store_key(self) -> StoreKey:
        """The name of the resource's record."""
        return StoreKey(key_digest(self.key))

    @property
    def has_conditions(self) -> bool:
        """Whether the client set any precondition, well-formed as they all are by now."""
        return bool(self.fields.condition_lines)

    @property
    def names_a_state(self) -> bool:
        """Whether a write says what it is based on. If-Modified-Since does not: it counts on reads only (RFC 9110 §13.1.3)."""
        conditions = self.conditions
        return not (conditions.if_match is None and conditions.if_none_match is None and conditions.if_unmodified_since is None)

    @property
    def _is_free(self) -> bool:
        """Whether clients write tags in ways of their own."""
        return self.rules.dialect.compare is not Compare.STRONG

    @property
    def named(self) -> TagList | None:
        """The tags that the client says its write is based on."""
        return (self.waived or self.conditions).if_match

    def note(self, kind: IncidentKind, current: EntityTag | None = None, reason: str = "") -> None:
        """Have the conflict log told."""
        self.incidents = (*self.incidents, Incident(kind, current, reason))

    def undo(self, undone: Undone) -> None:
        """Go on with the conditions as they would have come without hops."""
        self.conditions = undone.conditions
        self.undone = undone.kind or self.undone

    def lines_to_read(self) -> bytes:
        """The fields of a GET whose answer is tagged here: no conditions, no range, identity coding."""
        return b"".join((*self.fields.passing, *self.fields.content, _IDENTITY, self.added))

    def lines_to_relay(self) -> bytes:
        """The fields of a GET or HEAD that the backend judges itself: all but the coding is left to it."""
        fields = self.fields
        conditions = fields.condition_lines
        if self.rules.safe_methods is SafeMethods.IGNORE:
            conditions = [line for line in conditions if line.lower().startswith(b"if-range:")]
        elif conditions and (self._is_free or (self.rules.hop_tags is HopTags.UNDO and has_marks(self.conditions))):
            # The backend does not know a tag that a hop has marked, or that has lost its quotes: it would refuse what passes here.
            conditions = [line for line in conditions if not line.lower().startswith(_LISTS)]
        return b"".join((*fields.passing, *fields.content, *conditions, *fields.range_lines, _IDENTITY, self.added))

    def lines_to_verify(self) -> bytes:
        """The fields of a GET on behalf of the writer, with the writer's own credentials and nothing of the body's."""
        return b"".join((*self.fields.passing, _IDENTITY, _FRESH, self.added))

    def lines_to_write(self) -> bytes:
        """The fields of a guarded write: without the conditions, which have been judged here."""
        return b"".join((*self.fields.passing, *self.fields.content, _IDENTITY, self.added))

    def lines_to_write_conditionally(self) -> bytes:
        """The fields of a guarded write to a backend that enforces its own tags as well."""
        conditions = self.fields.condition_lines
        if self.undone or self.claim is not None or self._is_free:
            # The backend is told its own tag: the one that came bears the mark of a hop, or is not written as RFC 9110 has it.
            conditions = [line for line in conditions if not line.lower().startswith(_LISTS)]
            for name, tags in ((IF_MATCH, self.conditions.if_match), (IF_NONE_MATCH, self.conditions.if_none_match)):
                if isinstance(tags, tuple):
                    conditions.append(b"%b: %b\r\n" % (name.title(), b", ".join(map(bytes, tags))))
                elif tags is not None:
                    conditions.append(b"%b: *\r\n" % name.title())
        return b"".join((*self.fields.passing, *self.fields.content, *conditions, _IDENTITY, self.added))

    def lines_to_pass(self) -> bytes:
        """The fields of a request that is none of our business."""
        fields = self.fields
        return b"".join((*fields.passing, *fields.content, *fields.coding, *fields.condition_lines, *fields.range_lines, self.added))

    def streamed_body(self) -> bytes | StreamedBody | None:
        """The request's body as it comes in; None where there is none."""
        size_bytes = self.body.size_bytes
        if size_bytes == 0:
            return b"" if self.method in METHODS_WITH_BODY else None
        return StreamedBody(size_bytes, _pieces(self.body))


async def _pieces(body: RequestBody) -> AsyncIterator[bytes]:
    while piece := await body.read():
        yield piece
