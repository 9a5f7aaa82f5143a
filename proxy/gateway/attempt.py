"""One write under its lease: W2 to W7 of the protocol, from the grant to the word that is put down in the store.

Whatever ends an attempt early, the record is told: ABORT while no byte can have left, MARK from then on. Where even that fails, the
pending marker stays, and whoever comes next finds an abandoned lease.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from time import perf_counter

from ..core.conflict import Problem
from ..core.dav_if import names_tags, translated
from ..core.etag import EntityTag
from ..core.event import Done, Fenced, Kind, Why
from ..core.outcome import Judge, Outcome, classify
from ..core.precondition import Absent, Present, Verdict
from ..core.record import NOT_KNOWN, Version
from ..core.version import Strategy, is_disproved
from ..errors import Delivery, OriginError, StoreError
from ..origin.port import Origin, OriginRequest, ReservedConnection, StreamedBody
from .aftermath import Aftermath
from .counting import Counting
from .creating import makes_member
from .exchange import Exchange
from .hearing import Heard
from .incident import IncidentKind
from .injecting import changed_answer
from .judging import judge, refuse_unnamed
from .lease import Lease
from .metrics import RouteMetrics
from .points import Point
from .reflected import reflection, settled
from .refusing import refuse
from .remembering import trusts_the_store, version_to_remember
from .replay import result_of
from .reply import OUTCOME_UNKNOWN, Reply, trailers_of
from .representation import Representations, Sighting
from .rules import PutEtag, Unrecorded
from .several import Several
from .spool import Spool
from .unprotected import NoLease, ObservedLease
from .would import count_unprotected, let_pass, look_for_blindness, observes

_logger = logging.getLogger("noclobber")
_NO_STORE = b"Cache-Control: no-store\r\n"
# Looked up once: a member's name and value are properties.
_APPLIED, _UNKNOWN, _PROCEED = Outcome.APPLIED.value, Outcome.UNKNOWN.value, Verdict.PROCEED.name.lower()


class Attempt:
    """Carry one write through. `body` is what the client sent, None where the method has none."""

    def __init__(
        self,
        exchange: Exchange,
        body: bytes | Spool | None,
        lease: Lease | Several | NoLease | ObservedLease,
        representations: Representations,
        metrics: RouteMetrics,
    ) -> None:
        self._exchange = exchange
        self._body = body
        self._lease = lease
        self._representations = representations
        if exchange.origin is not None:
            # What one server showed says nothing of another one's answer to a condition, or of how far it has come.
            exchange.origin = exchange.origin.pin()
        self._origin: Origin = representations.origin_of(exchange)
        self._metrics = metrics
        self._faults = lease.faults
        self._may_be_sent = False
        self._is_told = False
        self._in_doubt = lease.why is not None
        self._overwritten: EntityTag | None = None  # By an unconditional write on an observed route, and unseen by its sender.
        is_counted = exchange.rules.strategy is Strategy.REVISION
        self._counting = Counting(exchange, lease) if is_counted and not isinstance(lease, NoLease) else None
        if is_disproved(lease.version):
            representations.disprove(exchange.key)

    async def run(self) -> Reply:
        """Look, send, settle; return what the client is told. Raises only while nothing can have been sent, and when cancelled."""
        try:
            refused, sighting = await self._verify()
            if refused is not None:
                return refused
            return await self._send(sighting)
        except BaseException as stopped:
            # First, as the telling may be stopped in its turn: what may have been sent is never called unsent.
            if self._may_be_sent:
                self._exchange.outcome = _UNKNOWN
            if not self._is_told:
                await self._tell(Kind.MARK if self._may_be_sent or self._in_doubt else Kind.ABORT)
            if not self._may_be_sent or not isinstance(stopped, Exception):
                raise
            _logger.exception("a write was stopped by a defect")
            return refuse(self._exchange, Problem.OUTCOME_UNKNOWN, "noclobber failed while the write was under way.")

    async def _reach(self, point: Point) -> None:
        if self._faults is not None:
            await self._faults.reach(point)

    # ---- W2, W3: doubt and preconditions ------------------------------------------------------------------------------------------

    async def _verify(self) -> tuple[Reply | None, Sighting | None]:
        """Wait out what is in doubt, look under the lease where that is needed, and judge."""
        lease, exchange = self._lease, self._exchange
        if self._in_doubt and lease.why is not Why.LINEAGE:
            await self._reach(Point.QUARANTINE)
            await self._wait_out(max(0.0, exchange.rules.apply_delay_seconds - lease.age_seconds))
        sighting: Sighting | None = None
        has_tags = names_tags(exchange.fields.content)
        if has_tags or (exchange.names_a_state and not self._trusts_the_store()):
            await self._reach(Point.VERIFY)
            sighting, refused = await self._judge()
            if refused is not None:
                is_recorded = self._is_told or await self._withdraw(sighting)
                if self._counting is not None and not is_recorded and self._counting.has_moved_on:
                    refused = refuse_unnamed(exchange) or refused
                return refused, None
            if has_tags and sighting is not None and sighting.tag is not None and sighting.own_etag is not None:
                exchange.fields.content = translated(exchange.fields.content, sighting.tag, sighting.own_etag)
        elif observes(exchange) and exchange.waived is None:
            sighting, self._overwritten = await look_for_blindness(exchange, self._representations, self._lease.version, self._counting)
        elif exchange.names_a_state:
            exchange.verdict = _PROCEED
        if self._in_doubt:
            try:
                answer = await lease.confirm(Kind.PROCEED, self._version_to_confirm(sighting))
            except StoreError:
                # It may have been executed all the same, so whether the record is still in doubt is not known either.
                await self._tell(Kind.MARK)
                return refuse(exchange, Problem.STORE_AWAY, "The store did not answer."), None
            if isinstance(answer, Fenced):
                self._is_told = True
                return refuse(exchange, Problem.BUSY, "The lease ran out while the outcome of an earlier write was awaited."), None
            if self._counting is not None and isinstance(answer, Done):
                self._counting.confirmed(answer)
            self._in_doubt = False
        return None, sighting

    async def _wait_out(self, seconds: float) -> None:
        """Wait until what is in doubt has surely been applied, or never will be."""
        self._metrics.quarantines.inc()
        started = perf_counter()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._metrics.quarantine_wait_seconds.inc(perf_counter() - started)

    async def _judge(self) -> tuple[Sighting | None, Reply | None]:
        """Look, and hold the preconditions against what stands. A route that is only observed takes no for an answer to neither."""
        exchange = self._exchange
        try:
            sighting = await self._representations.look(exchange, time.time())
        except OriginError:
            return None, let_pass(exchange, refuse(exchange, Problem.NOT_SENT, "The backend could not show what stands."), self._metrics)
        await self._reach(Point.VERIFIED)
        self._notice_out_of_band(sighting)
        if self._counting is not None:
            sighting = self._counting.sight(sighting)
        if self._lease.why is Why.RETRIED and (reply := await reflection(exchange, self._body, sighting)) is not None:
            self._is_told = True
            return sighting, await settled(exchange, self._lease, self._version_to_confirm(sighting), reply, self._metrics)
        return sighting, let_pass(exchange, judge(exchange, sighting, self._metrics), self._metrics)

    def _trusts_the_store(self) -> bool:
        if self._counting is not None:
            return self._counting.trusts_the_store()
        return not self._in_doubt and trusts_the_store(self._exchange, self._lease.version)

    def _version(self, sighting: Sighting | None) -> Version:
        if self._counting is not None:
            return self._counting.version(sighting)
        return NOT_KNOWN if sighting is None else self._version_of(sighting.tag)

    def _version_to_confirm(self, sighting: Sighting | None) -> Version:
        return self._version(sighting) if self._counting is None else self._counting.version_to_confirm(sighting)

    def _version_of(self, tag: EntityTag | None) -> Version:
        if self._counting is not None:
            return self._counting.version_of(tag)
        return version_to_remember(self._exchange, tag, self._representations)

    def _notice_out_of_band(self, sighting: Sighting) -> None:
        remembered, seen = self._lease.version, self._version(sighting)
        if not self._in_doubt and remembered != NOT_KNOWN and seen != NOT_KNOWN and remembered != seen and sighting.tag is not None:
            self._representations.history.find_strange(self._exchange.key, sighting.tag)
            self._metrics.out_of_band_changes.inc()
            self._exchange.note(IncidentKind.OUT_OF_BAND, sighting.tag)

    # ---- W4, W5: once on the wire -------------------------------------------------------------------------------------------------

    async def _send(self, sighting: Sighting | None) -> Reply:
        await self._reach(Point.RESERVE)
        try:
            connection = await self._origin.reserve()
        except OriginError:
            await self._withdraw(sighting)
            return refuse(self._exchange, Problem.NOT_SENT, "No connection to the backend could be had.")
        conditional = sighting is not None and sighting.is_native
        started = perf_counter()
        try:
            heard = await self._exchange_once(connection, conditional)
        except OriginError as failure:
            if failure.delivery is Delivery.NOT_SENT:
                await self._withdraw(sighting)
                return refuse(self._exchange, Problem.NOT_SENT, "The write was not sent.")
            return await self._unknown("The backend broke off before its answer began.")
        except TimeoutError:
            return await self._unknown("The backend did not answer in time; the request was reset.")
        finally:
            self._exchange.upstream_seconds += perf_counter() - started
        await self._reach(Point.HEARD)
        outcome = classify(heard.answer.status, Judge.BACKEND_TOO if conditional else Judge.NOCLOBBER)
        if outcome is Outcome.APPLIED:
            return await self._commit(heard, sighting)
        if outcome is Outcome.NOT_APPLIED and heard.is_whole:
            self._exchange.outcome = outcome.value
            await self._tell(Kind.ABORT, self._version(sighting))
            return heard.reply([b"ETag: %b\r\n" % value for value in heard.fields.etags])
        await self._mark()
        return heard.reply([OUTCOME_UNKNOWN])

    async def _exchange_once(self, connection: ReservedConnection, conditional: bool) -> Heard:
        """Send, and take the answer in. Past the lease's deadline all is reset: TimeoutError, unless the head of the answer had come."""
        exchange, lease = self._exchange, self._lease
        lines = exchange.lines_to_write_conditionally() if conditional else exchange.lines_to_write()
        body = self._body
        payload = StreamedBody(body.size_bytes, self._pieces(body)) if isinstance(body, Spool) else body
        request = OriginRequest(exchange.sent_method or exchange.method, exchange.target.forwarded, lines, payload)
        heard: Heard | None = None
        lease.limit_write()
        try:
            async with asyncio.timeout(lease.left_seconds) as limit:
                lease.watch(lambda: self._extend(limit))
                heard = Heard(await connection.send(request, self._gate, exchange.interim))
                self._representations.grants.hear(exchange, heard.fields)
                await heard.listen(self._representations.hold_limits)
        except TimeoutError:
            if heard is None:
                raise
        finally:
            lease.watch(None)
        return heard

    async def _pieces(self, body: Spool) -> AsyncIterator[bytes]:
        async for piece in body.pieces():
            await self._reach(Point.PIECE)
            yield piece

    def _extend(self, limit: asyncio.Timeout) -> None:
        if not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time() + self._lease.left_seconds)

    def _gate(self) -> bool:
        """The send gate: from the moment it opens, a byte may have left."""
        opens = self._lease.is_running()
        self._may_be_sent = self._may_be_sent or opens
        if opens and self._faults is not None:
            self._faults.reach_gate()
        return opens

    async def _unknown(self, detail: str) -> Reply:
        await self._mark()
        return refuse(self._exchange, Problem.OUTCOME_UNKNOWN, detail)

    async def _mark(self) -> None:
        self._exchange.outcome = _UNKNOWN
        self._metrics.unknown_outcomes.inc()
        await self._tell(Kind.MARK)

    # ---- W6, W7: the new tag, the commit --------------------------------------------------------------------------------------------

    async def _commit(self, heard: Heard, sighting: Sighting | None) -> Reply:
        exchange = self._exchange
        exchange.outcome = _APPLIED
        tag: EntityTag | None = None
        content: bytes | None = None
        if heard.is_whole:
            aftermath = Aftermath(exchange, self._body, self._lease.version, self._representations, self._faults)
            tag = await aftermath.tag(heard, sighting)
            content = aftermath.content
        version = self._version_of(tag)
        if self._counting is not None:
            tag = self._counting.tag_after_commit()
        if makes_member(exchange):
            tag = None  # It would be that of the collection, and its maker is told that of what was made.
        lines = []
        # RFC 9110 §9.3.4 is about PUT: it need not have been stored as it was sent. Of other methods it says nothing.
        self._representations.tell(exchange, tag, content)
        if tag is not None and (exchange.rules.put_etag is PutEtag.SEND or exchange.method != b"PUT"):
            lines.append(exchange.rules.dialect.tag_line(tag))
        changed = None if tag is None else await changed_answer(exchange, heard, tag, self._representations.max_tagged_bytes)
        result = result_of(heard, lines, exchange.replay_key, changed) if exchange.replay_key and heard.is_whole else ""
        if not await self._tell(Kind.COMMIT, version, exchange.replay_key if result else "", result):
            # FENCED, or the store is gone: applied, but what stands now is not ours to name (protocol §5, W7).
            heard.fields.passing = [line for line in heard.fields.passing if not line.lower().startswith(b"cache-control:")]
            if exchange.rules.unrecorded is Unrecorded.UNKNOWN and not observes(exchange):
                return refuse(exchange, Problem.OUTCOME_UNKNOWN, "The write was applied, but not recorded.")
            lines = [_NO_STORE]
        else:
            if self._counting is not None and self._counting.floor:
                self._metrics.counters_raised.inc()
            if changed is not None:
                heard.replace(changed)
        if not exchange.names_a_state and exchange.waived is None and not makes_member(exchange):
            self._metrics.unprotected_writes.inc()
            count_unprotected(exchange, self._metrics, self._overwritten)
        return heard.reply(lines, trailers_of(heard.answer, exchange.fields) if changed is None else ())

    # ---- the record -----------------------------------------------------------------------------------------------------------------

    async def _withdraw(self, sighting: Sighting | None) -> bool:
        """Nothing was sent: say so. What was in doubt is settled if it was seen, and stays in doubt otherwise. False as in `_tell`."""
        if not self._in_doubt:
            return await self._tell(Kind.ABORT, self._version(sighting))
        if sighting is None or not isinstance(sighting.current, Present | Absent):
            return await self._tell(Kind.MARK)
        self._is_told = True
        try:
            return not isinstance(await self._lease.confirm(Kind.SETTLE, self._version_to_confirm(sighting)), Fenced)
        except StoreError:
            return False  # The record stays unknown: the next writer looks again.

    async def _tell(self, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> bool:
        """Put the end of this attempt down. False: the record is another's by now, or the store cannot be reached."""
        self._is_told = True
        try:
            return not isinstance(await self._lease.finish(kind, version, replay_key, result), Fenced)
        except StoreError:
            return False
