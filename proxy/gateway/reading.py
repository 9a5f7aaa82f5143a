"""The read path (protocol §6): strip, ask, tag, judge, cut. No store is asked on the way."""

import time
from dataclasses import replace
from time import perf_counter

from ..core.conflict import Problem, Received
from ..core.etag import EntityTag
from ..core.fields import AnswerFields, lines_of_304, read_answer_fields, read_untouched_fields
from ..core.hops import Backend, undo_for_read
from ..core.precondition import Judgement, Present, Verdict, applies_range, evaluate
from ..core.ranges import ByteRange, RangeOutcome, select_range
from ..core.resource import ResourceKey
from ..core.version import Digest, Strategy, version_of
from ..errors import OriginError
from ..origin.port import OriginAnswer, OriginRequest
from . import outside
from .counting import names_weakly, stands_unchanged
from .exchange import Exchange
from .injecting import Unwritten, changed_reply, has_place
from .labels import Labels
from .listing import Lists
from .refusing import backend_failed, refuse
from .reply import Held, Reply, Streamed, Unsent, own_lines, relay, trailers_of
from .representation import REPRESENTATION_STATUSES, Representations, tag_of
from .rules import HopTags, SafeMethods
from .spool import Spool
from .trips import track
from .would import let_read_pass

REMEMBERED_NATIVE = 65536

# The answer to a range that a native backend cut itself: its preconditions are judged here all the same.
_PARTIAL_CONTENT = 206
_PROCEED = Judgement(Verdict.PROCEED, b"")
_BYTE_RANGES = b"Accept-Ranges: bytes\r\n"


class Reading:
    """Serve GET and HEAD of guarded routes, and pass on what is not guarded."""

    def __init__(self, representations: Representations, labels: Labels | None = None) -> None:
        """`labels` are for counted routes; None: their answers go untagged."""
        self._representations = representations
        self._labels = labels
        self._natives: dict[ResourceKey, None] = {}
        self.lists = Lists(representations, labels)
        self._told = Unwritten()
        self.grants = representations.grants

    async def read(self, exchange: Exchange) -> Reply:
        """Answer a GET or a HEAD. Raises nothing: a backend that fails becomes a 502 or a 504."""
        native = exchange.rules.strategy is Strategy.NATIVE or (
            exchange.key in self._natives and not self._representations.is_disproved(exchange.key)
        )
        is_counted = exchange.rules.strategy is Strategy.REVISION
        if is_counted:
            exchange.trips = track()
        if is_counted and self._labels is not None and exchange.rules.dialect.members is None:
            # Before the backend is asked: an old label on a new body costs a refusal, a new one on an old body would cost an update.
            exchange.standing = await self._labels.standing(exchange.store_key)
        try:
            if exchange.rules.dialect.members is not None:
                return await self.lists.read(exchange)
            if is_counted:
                answer = await self._representations.fetch(exchange, exchange.method, exchange.lines_to_read(), exchange.interim)
                asked = exchange.method
            elif native:
                # The tag needs no body, and the backend cuts ranges and answers conditions by the tags that it gave out itself.
                answer = await self._representations.fetch(exchange, exchange.method, exchange.lines_to_relay(), exchange.interim)
                asked = exchange.method
            else:
                asked = exchange.method if exchange.rules.is_told_by_head else b"GET"
                answer = await self._representations.fetch(exchange, asked, exchange.lines_to_read(), exchange.interim)
        except OriginError as failure:
            return backend_failed(exchange, failure)
        try:
            return await self._answer(exchange, answer, asked)
        except OriginError as failure:
            answer.abandon()
            return backend_failed(exchange, failure)
        except BaseException:
            answer.abandon()
            raise

    async def pass_on(self, exchange: Exchange) -> Reply:
        """Send a request that is none of our business on, once, and its answer back, both as they come."""
        grants = self._representations.grants if exchange.rules.is_guarded else None
        is_preflight = grants is not None and grants.prepare_preflight(exchange)
        request = OriginRequest(exchange.method, exchange.target.forwarded, exchange.lines_to_pass(), exchange.streamed_body())
        started = perf_counter()
        try:
            await exchange.body.ask_for()
            answer = await self._representations.origin_of(exchange).send(request, exchange.interim)
        except OriginError as failure:
            return backend_failed(exchange, failure)
        finally:
            exchange.upstream_seconds += perf_counter() - started
        if grants is None:
            return relay(answer, read_untouched_fields(answer.fields), (), exchange.method)
        fields = read_answer_fields(answer.fields)
        (grants.hear_preflight if is_preflight else grants.hear)(exchange, fields)
        return relay(answer, fields, own_lines(fields), exchange.method)

    async def _answer(self, exchange: Exchange, answer: OriginAnswer, asked: bytes) -> Reply:
        fields = read_answer_fields(answer.fields)
        self._representations.grants.hear(exchange, fields)
        if answer.status not in REPRESENTATION_STATUSES and answer.status != _PARTIAL_CONTENT:
            # RFC 9110 §13.2.1: preconditions count only where the answer without them would be a success.
            return self._relay(exchange, answer, fields, asked)
        if exchange.rules.strategy is Strategy.REVISION:
            return await self._answer_counted(exchange, answer, fields, asked)
        tag = self._representations.native_tag(exchange, fields)
        if tag is not None:
            self._remember_native(exchange.key)
            return self._answer_native(exchange, answer, fields, tag, asked)
        if answer.status == _PARTIAL_CONTENT:
            return self._relay(exchange, answer, fields, asked)
        self._natives.pop(exchange.key, None)
        if asked == b"HEAD" and exchange.rules.strategy is Strategy.AUTO:
            # It has a strong tag no more (Apache's are weak in their first second), so this HEAD has to be a GET (RFC 9110 §9.3.2).
            answer.abandon()
            return await self.read(exchange)
        if exchange.rules.is_told_by_head:
            tag = self._representations.tag_of_head(exchange, answer.fields, fields)
            return await self._answer_known(exchange, answer, fields, tag, b"", asked)
        digest = None if asked == b"HEAD" else self._representations.digest(exchange, fields, answer.content_length)
        if digest is None:
            return self._answer_untagged(exchange, answer, fields, b"", asked)
        if answer.content_length is not None and answer.content_length <= self._representations.hold_limits.memory_bytes:
            arrived = answer.arrived()
            content: bytes | Spool = await self._read_small(exchange, answer, digest) if arrived is None else arrived
            if arrived is not None:
                digest.add(arrived)
            size = answer.content_length
        else:
            content = await self._representations.hold(exchange, answer, digest)
            size = content.size_bytes
            if size > self._representations.max_tagged_bytes:
                return self._answer_untagged(exchange, answer, fields, content, asked)
        # Of octets it is there at once, and most are: no coroutine for those.
        tag = digest.tag() if digest.is_of_octets else await tag_of(digest, size)
        self._representations.tell(exchange, tag, content)
        changed = None
        if tag is not None and has_place(exchange, fields):
            changed = await self._answer_changed(exchange, answer, fields, tag, content)
        return changed or self._answer_held(exchange, answer, fields, tag, content, digest)

    async def _answer_counted(self, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, asked: bytes) -> Reply:
        """Answer under the label that stood before. A range is not cut: an older label may be on a newer body."""
        labels, numbers = self._labels, exchange.rules.numbers
        tag = None if labels is None else labels.tag(exchange.standing, numbers)
        held: bytes | Spool = b""
        seen: EntityTag | None = None
        is_comparable = tag is not None and outside.is_comparable(exchange, fields, self._representations.salt)
        if tag is not None and (is_comparable or names_weakly(exchange.conditions.if_none_match, tag)):
            digest = None if asked == b"HEAD" else self._representations.digest(exchange, fields, answer.content_length)
            if digest is not None:
                held = await self._representations.hold(exchange, answer, digest)
                seen = digest.tag() if held.size_bytes <= self._representations.max_tagged_bytes else None
        if is_comparable and labels is not None:
            await outside.count_on(exchange, seen, labels, self._representations)
            tag = labels.tag(exchange.standing, numbers)
        self._representations.tell(exchange, tag)
        if tag is not None and names_weakly(exchange.conditions.if_none_match, tag) and not stands_unchanged(exchange, version_of(seen)):
            exchange.conditions = replace(exchange.conditions, if_none_match=None, if_modified_since=None)
        return await self._answer_known(exchange, answer, fields, tag, held, asked)

    async def _answer_known(
        self, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, tag: EntityTag | None, held: bytes | Spool, asked: bytes
    ) -> Reply:
        """Answer under a tag that is known before the content is; it is only held where the version is to be written into it."""
        if tag is None or not has_place(exchange, fields):
            return self._answer_untagged(exchange, answer, fields, held, asked, tag)
        if asked == b"HEAD":
            # The version would change the length, and nobody knows the content.
            reply = self._answer_untagged(exchange, answer, fields, held, asked, tag)
            reply.body = Unsent(None) if isinstance(reply.body, Unsent) else reply.body
            return reply
        if not isinstance(held, Spool):
            held = await self._representations.hold(exchange, answer)
        changed = None
        if held.size_bytes <= self._representations.max_tagged_bytes:
            changed = await self._answer_changed(exchange, answer, fields, tag, held)
        return changed or self._answer_untagged(exchange, answer, fields, held, asked, tag)

    async def _read_small(self, exchange: Exchange, answer: OriginAnswer, digest: Digest) -> bytes:
        started = perf_counter()
        content = await answer.read()
        while piece := await answer.read():
            content += piece
        exchange.upstream_seconds += perf_counter() - started
        digest.add(content)
        return content

    def _relay(self, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, asked: bytes) -> Reply:
        reply = relay(answer, fields, own_lines(fields), exchange.method)
        if asked != exchange.method:
            answer.abandon()
        return reply

    def _answer_native(self, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, tag: EntityTag, asked: bytes) -> Reply:
        self._representations.tell(exchange, tag)
        current = self._representations.present(fields, tag, time.time()) if exchange.has_conditions else Present(tag, None)
        refused = self._refuse(exchange, self._judge(exchange, current, self._representations.native_marks(exchange.key)), fields, tag)
        if refused is not None:
            answer.abandon()
            return refused
        return self._relay(exchange, answer, fields, asked)

    def _answer_untagged(
        self,
        exchange: Exchange,
        answer: OriginAnswer,
        fields: AnswerFields,
        held: bytes | Spool,
        asked: bytes,
        tag: EntityTag | None = None,
    ) -> Reply:
        """Stream what has a tag without being read, or none. The backend's own weak tag is dropped: tags of two makers never mix."""
        if tag is None or (isinstance(held, Spool) and held.size_bytes > self._representations.max_tagged_bytes):
            self._told.tell(exchange)
        current = self._representations.present(fields, tag, time.time())
        refused = self._refuse(exchange, self._judge(exchange, current), fields, tag)
        if tag is not None:
            fields.passing = [*fields.passing, exchange.rules.dialect.tag_line(tag)]
        if refused is None and exchange.method != b"HEAD":
            lines = [*fields.passing, *fields.trailer_lines] if answer.content_length is None else fields.passing
            return Reply(answer.status, answer.reason, lines, Streamed(answer.content_length, held, answer), fields.date)
        if isinstance(held, Spool):
            held.close()
        if asked != b"HEAD":
            answer.abandon()
        return refused or Reply(answer.status, answer.reason, fields.passing, Unsent(answer.content_length), fields.date)

    async def _answer_changed(
        self, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, tag: EntityTag, content: bytes | Spool
    ) -> Reply | None:
        """Answer with the version written into what is held; None where that has no place for one."""
        if exchange.has_conditions:
            current = self._representations.present(fields, tag, time.time())
            refused = self._refuse(exchange, self._judge(exchange, current), fields, tag)
            if refused is not None:
                if isinstance(content, Spool):
                    content.close()
                return refused
        return await changed_reply(exchange, answer, fields, tag, content)

    def _answer_held(
        self,
        exchange: Exchange,
        answer: OriginAnswer,
        fields: AnswerFields,
        tag: EntityTag | None,
        content: bytes | Spool,
        digest: Digest,
    ) -> Reply:
        size = len(content) if isinstance(content, bytes) else content.size_bytes
        tag_line = b"" if tag is None else exchange.rules.dialect.tag_line(tag)
        if exchange.has_conditions or exchange.fields.ranges:
            current = self._representations.present(fields, tag, time.time())
            reply = self._refuse(exchange, self._judge(exchange, current), fields, tag)
            if reply is None and digest.is_of_octets:
                reply = self._cut(exchange, current, fields, tag_line, content, size)
            if reply is not None:
                if isinstance(content, Spool) and not isinstance(reply.body, Held):
                    content.close()
                return reply
        lines = [*fields.passing, tag_line, _BYTE_RANGES if digest.is_of_octets else b""]
        if exchange.method == b"HEAD":
            if isinstance(content, Spool):
                content.close()
            return Reply(answer.status, answer.reason, lines, Unsent(size), fields.date)
        body = content if isinstance(content, bytes) else Held(content, 0, size)
        return Reply(answer.status, answer.reason, lines, body, fields.date, trailers_of(answer, exchange.fields))

    def _judge(self, exchange: Exchange, current: Present, maker: Backend = Backend.OURS) -> Judgement:
        if not exchange.has_conditions or exchange.rules.safe_methods is SafeMethods.IGNORE:
            return _PROCEED
        if current.tag is not None and exchange.rules.hop_tags is HopTags.UNDO:
            exchange.undo(undo_for_read(exchange.conditions, current.tag, maker))
        judgement = evaluate(exchange.method, exchange.conditions, current)
        exchange.verdict = judgement.verdict.name.lower()
        return judgement

    def _refuse(self, exchange: Exchange, judgement: Judgement, fields: AnswerFields, tag: EntityTag | None) -> Reply | None:
        if judgement.verdict is Verdict.NOT_MODIFIED:
            lines = lines_of_304(fields.passing)
            if tag is not None:
                lines.append(exchange.rules.dialect.tag_line(tag))
            return Reply(304, b"", lines, None, fields.date)
        if judgement.verdict is not Verdict.FAILED:
            return None
        because = judgement.because
        received = Received(because.title(), b", ".join(exchange.fields.conditions[because]))
        detail = "What is here now is not what the precondition names."
        return let_read_pass(exchange, refuse(exchange, Problem.STALE, detail, received=received, current=tag))

    def _cut(
        self, exchange: Exchange, current: Present, fields: AnswerFields, tag_line: bytes, content: bytes | Spool, size: int
    ) -> Reply | None:
        """The range that was asked for (RFC 9110 §14.2: on a GET, after the preconditions), None for the whole."""
        ranges = exchange.fields.ranges
        if not ranges or exchange.method != b"GET" or not applies_range(exchange.conditions, current):
            return None
        selected = select_range(ranges, size)
        if isinstance(selected, ByteRange):
            length = selected.last - selected.first + 1
            lines = [*fields.passing, tag_line, _BYTE_RANGES, b"Content-Range: bytes %d-%d/%d\r\n" % (selected.first, selected.last, size)]
            if isinstance(content, bytes):
                return Reply(206, b"", lines, content[selected.first : selected.last + 1], fields.date)
            return Reply(206, b"", lines, Held(content, selected.first, length), fields.date)
        if selected is RangeOutcome.UNSATISFIABLE:
            return Reply(416, b"", [tag_line, _BYTE_RANGES, b"Content-Range: bytes */%d\r\n" % size], b"", fields.date, is_own=True)
        return None

    def _remember_native(self, key: ResourceKey) -> None:
        if key not in self._natives:
            self._natives[key] = None
            if len(self._natives) > REMEMBERED_NATIVE:
                del self._natives[next(iter(self._natives))]
