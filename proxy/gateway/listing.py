"""Listing: the members of a list, each under the version of the resource that it is.

A version is asked of the store before the backend is asked for what it stands in, here as for any read: a number that is newer than its
body would cost somebody an update. Which members a list has is known only once it is there, so those that it had the last time are asked
for in advance, and where others turn up the list is fetched once more.

The list itself has no tag: with one, a client could be told that nothing has changed where a member's version has.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from ..core.etag import EntityTag
from ..core.fields import AnswerFields, read_answer_fields, without_digests
from ..core.json_text import Document, read_json
from ..core.naming import Naming, Unnamed
from ..core.pointer import Pointer
from ..core.resource import ResourceKey, key_digest
from ..core.version import Strategy
from ..origin.port import OriginAnswer
from ..store.port import StoreKey
from .aside import aside
from .exchange import Exchange
from .injecting import Unwritten, has_place, with_versions, written
from .labels import Labels
from .naming import RequestSources
from .reply import Reply, Streamed, own_lines, relay
from .representation import REPRESENTATION_STATUSES, Representations
from .spool import Spool, SpoolLimits, in_one_piece, take
from .trips import track

REMEMBERED_LISTS = 1024
REMEMBERED_MEMBERS = 65536
"""How many lists, and members of all of them, are remembered: what is forgotten costs a second GET."""

MAX_SEARCH_BYTES = 1 << 20
_SEARCHES = SpoolLimits(MAX_SEARCH_BYTES, MAX_SEARCH_BYTES)


class _Held(NamedTuple):
    """A list that is held whole, and where its members stand."""

    answer: OriginAnswer
    fields: AnswerFields
    content: bytes
    document: Document
    members: Mapping[Pointer, StoreKey]


_Tags = Mapping[StoreKey, EntityTag | None]


class Lists:
    """Serve GET and HEAD of lists. `labels` None: nothing is counted, and lists go out as they come."""

    def __init__(self, representations: Representations, labels: Labels | None) -> None:
        self._representations = representations
        self._labels = labels
        self._members: dict[bytes, Sequence[StoreKey]] = {}
        self._kept = 0
        self._told = Unwritten()

    async def search(self, exchange: Exchange) -> Reply:
        """Answer a POST that changes nothing. Raises OriginError when the backend fails, BodyTooLarge, and what reading the body raises."""
        exchange.trips = track()
        await exchange.body.ask_for()
        body = await take(exchange.body.read, _SEARCHES)
        return await self.read(exchange, await in_one_piece(body))

    async def read(self, exchange: Exchange, sent: bytes | None = None) -> Reply:
        """Answer a GET or a HEAD, or a search with the body `sent`. Raises OriginError when the backend fails."""
        name = exchange.target.forwarded if sent is None else b"%b %b" % (exchange.target.forwarded, sha256(sent).digest())
        tags = await self._tags(exchange, self._members.get(name, ()))
        reply = await self._fetch(exchange, sent)
        if not isinstance(reply, _Held):
            return reply
        if not tags.keys() >= set(reply.members.values()):
            tags = await self._tags(exchange, list(dict.fromkeys(reply.members.values())))
            reply = await self._fetch(exchange, sent)
            if not isinstance(reply, _Held):
                return reply
        self._remember(name, list(dict.fromkeys(reply.members.values())))
        changed = await aside(len(reply.content), _changed, exchange, reply.document, reply.members, tags)
        if changed is None:
            return Reply(reply.answer.status, reply.answer.reason, reply.fields.passing, reply.content, reply.fields.date)
        return Reply(reply.answer.status, reply.answer.reason, without_digests(reply.fields.passing), changed, reply.fields.date)

    def _counts(self, exchange: Exchange) -> bool:
        """Whether the members' versions are in the store. Those of any other strategy could only be told from the members' own GETs."""
        return self._labels is not None and exchange.rules.strategy is Strategy.REVISION

    async def _tags(self, exchange: Exchange, keys: Sequence[StoreKey]) -> _Tags:
        if self._labels is None or not keys:
            return {}
        return dict(zip(keys, await self._labels.tags(keys, exchange.rules.numbers), strict=True))

    async def _fetch(self, exchange: Exchange, sent: bytes | None) -> "Reply | _Held":
        """Ask the backend; a reply where its answer is to go out as it came."""
        method = b"GET" if sent is None else exchange.method
        answer = await self._representations.fetch(exchange, method, exchange.lines_to_read(), exchange.interim, body=sent)
        try:
            fields = read_answer_fields(answer.fields)
            self._representations.grants.hear(exchange, fields)
            if answer.status not in REPRESENTATION_STATUSES or not self._counts(exchange) or not has_place(exchange, fields):
                return _as_it_came(exchange, answer, fields)
            held = await self._representations.hold(exchange, answer)
        except BaseException:
            answer.abandon()
            raise
        if held.size_bytes > self._representations.max_tagged_bytes:
            self._told.tell(exchange)
            return _as_it_came(exchange, answer, fields, held)
        content = await in_one_piece(held)
        held.close()
        document = await aside(len(content), read_json, content)
        if document is None:
            return Reply(answer.status, answer.reason, fields.passing, content, fields.date)
        return _Held(answer, fields, content, document, await aside(len(content), _members, exchange, document))

    def _remember(self, name: bytes, keys: Sequence[StoreKey]) -> None:
        """Keep which members a list has, for the next time. What is larger than all that may be kept is not."""
        known = self._members
        self._kept -= len(known.pop(name, ()))
        if len(keys) > REMEMBERED_MEMBERS:
            return
        known[name] = keys
        self._kept += len(keys)
        while len(known) > REMEMBERED_LISTS or self._kept > REMEMBERED_MEMBERS:
            self._kept -= len(known.pop(next(iter(known))))


def _as_it_came(exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, held: bytes | Spool = b"") -> Reply:
    """An answer without versions. The backend's own tag goes: with it a list would stay as it is where its members' versions do not."""
    lines = [] if answer.status in REPRESENTATION_STATUSES else own_lines(fields)
    if not held or exchange.method == b"HEAD":
        reply = relay(answer, fields, lines, exchange.method)
        if exchange.method == b"HEAD":
            answer.abandon()
            if isinstance(held, Spool):
                held.close()
        return reply
    return Reply(answer.status, answer.reason, fields.passing, Streamed(answer.content_length, held, answer), fields.date)


def _members(exchange: Exchange, document: Document) -> dict[Pointer, StoreKey]:
    """Where the members of a list stand, and which resource each is. Those of which that is not to be told are left out."""
    naming, pointer = exchange.rules.member, exchange.rules.dialect.members
    if naming is None or pointer is None:
        return {}
    members: dict[Pointer, StoreKey] = {}
    for place in document.members(pointer):
        key = member_key(exchange, naming, document, place)
        if key is not None:
            members[place] = StoreKey(key_digest(key))
    return members


def _changed(exchange: Exchange, document: Document, members: Mapping[Pointer, StoreKey], tags: _Tags) -> bytes | None:
    """The list with the versions of its members in it; None where there is none to write."""
    dialect = exchange.rules.dialect
    versions: dict[Pointer, bytes] = {}
    for place, key in members.items():
        tag = tags.get(key)
        text = None if tag is None else written(dialect, tag)
        if text is not None:
            versions[place] = text
    return with_versions(dialect, document, versions)


def member_key(exchange: Exchange, naming: Naming, document: Document, place: Pointer = ()) -> ResourceKey | None:
    """The key of the resource that stands at a place of a document; None where that is not to be told."""
    sources = _MemberSources(exchange, document, place)
    key = naming.key(sources)
    return None if isinstance(key, Unnamed) else key


class _MemberSources(RequestSources):
    """The parts of a member's key: those of the body are looked for within the member."""

    def __init__(self, exchange: Exchange, document: Document, place: Pointer) -> None:
        super().__init__(exchange.parameters or {}, exchange.target.query, exchange.fields.passing, document)
        self._place = place

    def body(self, pointer: Pointer) -> object:
        """A value of the member."""
        return super().body((*self._place, *pointer))
