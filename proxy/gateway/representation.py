"""Representations: a GET to the backend, and the tag of what it shows.

Reading and writing look at a resource through this one pair of eyes, so that a tag given out by the one is always the tag that the
other finds.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from ..core.dates import parse_http_date
from ..core.etag import EntityTag
from ..core.event import is_own
from ..core.fields import AnswerFields, Field, is_json, read_answer_fields
from ..core.hops import Backend, is_marked
from ..core.precondition import Absent, Current, Present, Unreadable
from ..core.resource import ResourceKey
from ..core.state import JsonDigest, MemberDigest, tag_of_field
from ..core.variant import VariantDigest
from ..core.version import ContentDigest, Digest, Strategy, native_tag
from ..errors import OriginError
from ..origin.port import Interim, Origin, OriginAnswer, OriginRequest
from .aside import THREAD_BYTES
from .copies import Copies, Shown
from .exchange import Exchange
from .grants import Grants
from .history import History
from .principal import principal_digest
from .refusing import shows_what_stands
from .reply import Held as HeldBody
from .reply import Reply, own_lines
from .rules import ConflictDetail, Mode
from .spool import Spool, SpoolLimits

_logger = logging.getLogger("noclobber")

# RFC 9110 §15.3.1, §15.3.4: what a GET is answered with when there is a representation to see.
REPRESENTATION_STATUSES = frozenset({200, 203})
ABSENT_STATUSES = frozenset({404, 410})
REMEMBERED_DISPROVED = 65536
REMEMBERED_MARKED = 65536
# What stands in AnswerFields.coding where the content is not coded.
_IDENTITY = frozenset({b"", b"identity,"})
MAX_SHOWN_BYTES = 1 << 20
"""The longest representation that a refusal shows: others wait while a version is written into it."""

MAX_RELAYED_BYTES = 1 << 20
"""How much of a refusal's body is kept to be passed on to a writer; a longer one is cut off whole."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a resource found. `refusal` is the backend's own answer where it showed no representation.

    `content_tag` is what the content alone would be tagged with; None where that was not worth reading it. `maker` made the tag.
    `own_etag` is the backend's own, where ours stands in its place; None where it sent none, or several. `content` is what stands, where
    the route's answer to a stale write shows it.
    """

    current: Current
    is_native: bool
    refusal: Reply | None = None
    content_tag: EntityTag | None = None
    maker: Backend = Backend.OURS
    own_etag: bytes | None = None
    content: bytes | None = None
    base: bytes | None = None

    @property
    def tag(self) -> EntityTag | None:
        """The tag of what stands; None when nothing does, or when it cannot be tagged."""
        return self.current.tag if isinstance(self.current, Present) else None


class Representations:
    """Fetch and tag. `salt` is the store's; None as long as the store could not be asked for it, and nothing is tagged then."""

    def __init__(self, origin: Origin, limits: SpoolLimits, max_tagged_bytes: int) -> None:
        self.origin = origin
        self.salt: bytes | None = None
        self.grants = Grants()
        self.history = History()
        self._copies = Copies()
        self.max_tagged_bytes = max_tagged_bytes
        self._disproved: dict[ResourceKey, None] = {}
        self._marked: dict[ResourceKey, None] = {}
        self._unmoved: set[str] = set()
        # One byte over the cap may be taken in before it is noticed that the body is too large to be tagged.
        self.hold_limits = replace(limits, max_bytes=1 << 62)

    def tell(self, exchange: Exchange, tag: EntityTag | None, content: bytes | Spool | None = None) -> None:
        """Note that a client is told tag, with content; on an observed route, which client, so that it shows when it writes on blindly."""
        if tag is None:
            return
        self.history.give(exchange.key, tag)
        rules = exchange.rules
        if rules.mode is Mode.OBSERVE and (who := principal_digest(exchange, self.salt)):
            self.history.see(who, exchange.key, tag)
        if rules.conflict_detail is ConflictDetail.CHANGES and isinstance(content, bytes):
            self._copies.keep(Shown(principal_digest(exchange, self.salt), exchange.view or exchange.target.forwarded, tag.opaque), content)

    def _base(self, exchange: Exchange) -> bytes | None:
        """What the version looked like that a write is based on, where its sender was shown it and a copy is kept."""
        if exchange.rules.conflict_detail is not ConflictDetail.CHANGES or not isinstance(exchange.named, tuple):
            return None
        who, target = principal_digest(exchange, self.salt), exchange.view or exchange.target.forwarded
        found = (self._copies.find(Shown(who, target, tag.opaque)) for tag in exchange.named)
        return next((content for content in found if content is not None), None)

    def disprove(self, key: ResourceKey) -> None:
        """Note that the backend's own tags of this resource name several states: from now on `auto` takes none of them."""
        self._disproved[key] = None
        if len(self._disproved) > REMEMBERED_DISPROVED:
            del self._disproved[next(iter(self._disproved))]

    def is_disproved(self, key: ResourceKey) -> bool:
        """Whether that has been noted. What is forgotten here is learned again from the record, before the next write."""
        return key in self._disproved

    def note_unmoved(self, route: str) -> None:
        """Say once of a route that a write left the field as it was which is to tell states apart."""
        if route not in self._unmoved:
            self._unmoved.add(route)
            _logger.warning("route %s: a write left its version field as it was: what else it changed can be overwritten unseen", route)

    def origin_of(self, exchange: Exchange) -> Origin:
        """The backend that an exchange is for."""
        return exchange.origin or self.origin

    async def fetch(
        self,
        exchange: Exchange,
        method: bytes,
        lines: bytes,
        interim: Interim | None = None,
        target: bytes = b"",
        body: bytes | None = None,
    ) -> OriginAnswer:
        """Ask the backend, and put the time that took down to it. `target` empty: the request's own."""
        request = OriginRequest(method, target or exchange.target.forwarded, lines, body)
        started = perf_counter()
        try:
            return await (exchange.origin or self.origin).fetch(request, interim)
        finally:
            exchange.upstream_seconds += perf_counter() - started

    def native_tag(self, exchange: Exchange, fields: AnswerFields) -> EntityTag | None:
        """The backend's own tag, where the route's strategy takes it."""
        strategy = exchange.rules.strategy
        if strategy is not Strategy.NATIVE and (strategy is not Strategy.AUTO or exchange.key in self._disproved):
            return None
        if not fields.etags:
            return None
        tag = native_tag(fields.etags)
        if tag is None or is_marked(tag):
            self._note_marked(exchange.key)
        return tag

    def native_marks(self, key: ResourceKey) -> Backend:
        """What is known of the backend's own tags of a resource. Nothing is kept over a restart, or told to another process."""
        return Backend.MARKS_SOME if key in self._marked else Backend.MARKS_NONE

    def _note_marked(self, key: ResourceKey) -> None:
        """Note that the backend's own tags look like those that a hop has marked: from now on such a mark is part of the tag."""
        self._marked[key] = None
        if len(self._marked) > REMEMBERED_MARKED:
            del self._marked[next(iter(self._marked))]

    def digest(self, exchange: Exchange, fields: AnswerFields, length: int | None) -> Digest | None:
        """A digest to feed the content to.

        None where its content is not to be tagged: endless, too large, no salt yet, strategy native, or the version is a field of the head.
        """
        strategy = exchange.rules.strategy
        if fields.is_endless or strategy is Strategy.NATIVE or self.salt is None:
            return None
        if length is not None and length > self.max_tagged_bytes:
            return None
        ignored = exchange.rules.ignored
        if (strategy is Strategy.JSON or (ignored and strategy is Strategy.REVISION)) and is_json(fields.content_type):
            return JsonDigest(self.salt, exchange.key, fields.coding, self.max_tagged_bytes, ignored)
        source = exchange.rules.field
        if strategy is Strategy.FIELD and source is not None:
            now = _time_of(fields)
            return None if source.name else MemberDigest(self.salt, exchange.key, fields.coding, self.max_tagged_bytes, source.pointer, now)
        if fields.coding in _IDENTITY:
            return ContentDigest(self.salt, exchange.key)
        return VariantDigest(self.salt, exchange.key, fields.coding, self.max_tagged_bytes)

    def tag_of_head(self, exchange: Exchange, raw: Sequence[Field], fields: AnswerFields) -> EntityTag | None:
        """The tag of the field that is the version, where the route says that there is one."""
        source = exchange.rules.field
        if source is None or not source.name or self.salt is None or fields.is_endless:
            return None
        return tag_of_field(self.salt, exchange.key, [value for name, value in raw if name.lower() == source.name], _time_of(fields))

    def present(self, fields: AnswerFields, tag: EntityTag | None, now: float) -> Present:
        """The validators of a representation (RFC 9110 §8.8). Two Last-Modified lines are no date."""
        dates = fields.last_modified
        last_modified = parse_http_date(dates[0], now) if len(dates) == 1 else None
        return Present(tag, last_modified, None if fields.date is None else parse_http_date(fields.date, now))

    async def look(self, exchange: Exchange, now: float) -> Sighting:
        """GET the resource on behalf of the writer. Raises OriginError when the backend cannot be asked or its answer is cut."""
        answer = await self.fetch(exchange, b"GET", exchange.lines_to_verify(), target=exchange.view)
        started = perf_counter()
        try:
            return await self._see(exchange, answer, now)
        except BaseException:
            answer.abandon()
            raise
        finally:
            exchange.upstream_seconds += perf_counter() - started

    async def _see(self, exchange: Exchange, answer: OriginAnswer, now: float) -> Sighting:
        fields = read_answer_fields(answer.fields)
        self.grants.hear(exchange, fields)
        if answer.status not in REPRESENTATION_STATUSES:
            refusal = await self._hold_refusal(answer, fields)
            if answer.status in ABSENT_STATUSES:
                return Sighting(Absent(), False, refusal)
            if 200 <= answer.status < 300:
                return Sighting(Present(None, None), False)
            return Sighting(Unreadable(answer.status), False, refusal)
        tag = self.native_tag(exchange, fields)
        if tag is not None:
            content_tag = await self._skim(exchange, fields, answer)
            return Sighting(self.present(fields, tag, now), True, content_tag=content_tag, maker=self.native_marks(exchange.key))
        digest = self.digest(exchange, fields, answer.content_length)
        may_be_shown = shows_what_stands(exchange.rules) or is_own(exchange.replay_key)
        kept = bytearray() if may_be_shown else None
        if exchange.rules.is_told_by_head:
            tag = self.tag_of_head(exchange, answer.fields, fields)
            if kept is not None and await self._feed(answer, None, kept) is None:
                kept = None
            await self._skim(exchange, fields, answer)
        elif digest is not None and (size := await self._feed(answer, digest, kept)) is not None:
            tag = await tag_of(digest, size)
        else:
            kept = None
            answer.abandon()
        own_etag = fields.etags[0] if len(fields.etags) == 1 else None
        content = None if kept is None or len(kept) > MAX_SHOWN_BYTES else bytes(kept)
        base = self._base(exchange)
        return Sighting(self.present(fields, tag, now), False, content_tag=tag, own_etag=own_etag, content=content, base=base)

    async def _feed(self, answer: OriginAnswer, digest: Digest | None, kept: bytearray | None) -> int | None:
        """Digest the content, keeping it only where it is asked for; its size, None when it turns out too large to be tagged."""
        # Most is here already, and needs no waiting.
        arrived, size = answer.arrived(), 0
        while piece := await answer.read() if arrived is None else arrived:
            size += len(piece)
            if size > self.max_tagged_bytes:
                return None
            if digest is not None:
                digest.add(piece)
            if kept is not None:
                kept += piece
            if arrived is not None:
                break
        return size

    async def _skim(self, exchange: Exchange, fields: AnswerFields, answer: OriginAnswer) -> EntityTag | None:
        """Read a small content to its end, so that the connection can be used again, and tag it; give up a large one."""
        left = self.hold_limits.memory_bytes
        length = answer.content_length
        if fields.is_endless or (length is not None and length > left):
            answer.abandon()
            return None
        digest = self.digest(exchange, fields, length)
        try:
            while left >= 0 and (piece := await answer.read()):
                left -= len(piece)
                if digest is not None:
                    digest.add(piece)
        except OriginError:
            return None  # The head was all that was needed.
        answer.abandon()
        return None if digest is None or left < 0 else digest.tag()

    async def hold(self, exchange: Exchange, answer: OriginAnswer, digest: Digest | None = None) -> Spool:
        """Take the content in, and digest it where it is to be, until it ends or is too large to be tagged."""
        spool = Spool(self.hold_limits)
        started = perf_counter()
        try:
            while spool.size_bytes <= self.max_tagged_bytes and (piece := await answer.read()):
                if digest is not None:
                    digest.add(piece)
                await spool.add(piece)
        except BaseException:
            spool.close()
            raise
        exchange.upstream_seconds += perf_counter() - started
        return spool

    async def _hold_refusal(self, answer: OriginAnswer, fields: AnswerFields) -> Reply:
        spool = Spool(self.hold_limits)
        while piece := await answer.read():
            await spool.add(piece)
            if spool.size_bytes > MAX_RELAYED_BYTES:
                answer.abandon()
                spool.close()
                return Reply(answer.status, answer.reason, [*fields.passing, *own_lines(fields)], b"", fields.date)
        body = HeldBody(spool, 0, spool.size_bytes)
        return Reply(answer.status, answer.reason, [*fields.passing, *own_lines(fields)], body, fields.date)


async def tag_of(digest: Digest, size_bytes: int) -> EntityTag | None:
    """The tag of a content of that size, made in a thread where that may take long: a large document has to be parsed."""
    return digest.tag() if digest.is_of_octets or size_bytes <= THREAD_BYTES else await asyncio.to_thread(digest.tag)


def _time_of(fields: AnswerFields) -> float:
    """When an answer was sent, by the clock of the backend where it tells it: its dates are of that clock too."""
    now = time.time()
    date = None if fields.date is None else parse_http_date(fields.date, now)
    return now if date is None else date
