"""The write path up to the lease: W0 to W2 of the protocol. What happens under the lease stands in `attempt.py`.

From taking a turn on, everything runs in a task of the app's: a client that leaves cannot stop the bookkeeping.
"""

import asyncio
import logging
import math
import time
from time import perf_counter

from ..core.conflict import Problem
from ..core.dialect import Place
from ..core.event import Busy, GraceRunning, InFlight, Replayed, Reused, is_own
from ..core.precondition import NO_CONDITIONS
from ..core.record import Version
from ..core.version import Strategy, version_of
from ..errors import BodyTooLarge, OriginError, SpoolFailed, StoreError
from ..store.port import StoreKey
from ..telemetry.refusal import Refusal
from .accounts import Accounts
from .attempt import Attempt
from .claiming import claim_in_query, claimed_body
from .conflicts import ConflictLog
from .counting import labelled, shows_something
from .creating import Creating, KeyAt, makes_member, needs_no_lease
from .exchange import METHODS_WITH_BODY, Exchange
from .forcing import take_override
from .judging import is_likely_stale, judge, lacks_a_state, required
from .labels import Labels
from .lease import Leases
from .limits import Refuse, uncounted
from .metrics import RouteMetrics
from .naming import name_by_body
from .observing import Observing
from .principal import Share, principal_digest
from .refusing import refuse
from .replay import has_a_key, idempotency_keys, is_recorded, own_write_key, replay, replay_key
from .reply import OUTCOME_UNKNOWN, OUTCOME_UNPROTECTED, RETRY_AFTER_SECONDS, Reply
from .representation import Representations
from .rules import OnStoreLoss, OwnWrite
from .several import Keys, begin_all, keys_of
from .spool import Spool, SpoolLimits, take
from .tasks import Tasks, is_stopped
from .trips import track
from .unprotected import NoLease
from .would import let_pass, observes

_logger = logging.getLogger("noclobber")


class Writing:
    """Serve PUT, PATCH, DELETE, POST and every other method that is not known to be safe."""

    def __init__(
        self,
        representations: Representations,
        leases: Leases,
        tasks: Tasks,
        body_limits: SpoolLimits,
        share: Share | None = None,
        refuse: Refuse = uncounted,
        conflicts: ConflictLog | None = None,
        key_at: KeyAt | None = None,
        labels: Labels | None = None,
    ) -> None:
        """`share` is what one principal may do at once, None: no limit. `refuse` counts refusals. `conflicts` None: no conflict log.

        `key_at` is as in `Creating`. `labels` None: some of its own.
        """
        self.accounts = Accounts(representations, leases, conflicts)
        self._observing = Observing(representations, leases)
        self._share = share or Share()
        self._refuse = refuse
        self._representations = representations
        self._leases = leases
        self._tasks = tasks
        self._body_limits = body_limits
        # What is under way here under an Idempotency-Key, without what it carries.
        self._in_flight: set[str] = set()
        self._labels = labels or Labels(leases.store, leases.times.grace_seconds)
        self._creating = Creating(representations, self._labels, key_at)

    async def write(self, exchange: Exchange, metrics: RouteMetrics) -> Reply:
        """Answer a write. What can be judged from the head is judged before the body is asked for."""
        exchange.trips = track()
        refused = claim_in_query(exchange) if exchange.rules.dialect.token.place is Place.QUERY else None
        refused = refused or take_override(exchange, self._representations.salt)
        refused = let_pass(exchange, refused or self._refuse_by_head(exchange, metrics), metrics)
        if refused is None and exchange.fields.expectations and not observes(exchange):
            refused = await self._refuse_before_the_body(exchange, metrics)
        if refused is not None:
            self.accounts.write(exchange, metrics, refused)
            return refused
        with self._share.of(exchange) as has_place:
            if not has_place:
                self._refuse(Refusal.PRINCIPAL)
                return refuse(exchange, Problem.TOO_MANY_WRITES, "Too many writes with these credentials are under way.")
            return await self._take_and_run(exchange, metrics)

    async def _take_and_run(self, exchange: Exchange, metrics: RouteMetrics) -> Reply:
        try:
            body = await self._take_body(exchange)
        except BodyTooLarge as too_large:
            return self._too_large(exchange, too_large.limit_bytes)
        except SpoolFailed as failure:
            _logger.error("a body could not be spooled: %s", failure)
            return refuse(exchange, Problem.NO_ROOM, "The body could not be put on disk.")
        is_unnamed = not exchange.is_named and not needs_no_lease(exchange)
        refused = let_pass(exchange, await name_by_body(exchange, body), metrics) if is_unnamed else None
        if refused is not None:
            if isinstance(body, Spool):
                body.close()
            return refused
        keys = idempotency_keys(exchange)
        if len(keys) == 1 and keys[0]:
            exchange.replay_key = await replay_key(exchange, keys[0], body)
        claimed = await claimed_body(exchange, body, self._representations.max_tagged_bytes, metrics)
        if isinstance(claimed, Reply):
            claimed = let_pass(exchange, claimed, metrics) or body
        if claimed is not body and isinstance(body, Spool):
            body.close()
        if isinstance(claimed, Reply):
            self.accounts.write(exchange, metrics, claimed)
            return claimed
        if not keys and exchange.rules.own_write is OwnWrite.SAME:
            exchange.replay_key = await own_write_key(exchange, claimed)
        return await self._run_whatever_comes(exchange, claimed, metrics)

    async def _run_whatever_comes(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        task = self._tasks.start(self._run(exchange, body, metrics))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if is_stopped() or not task.cancelled():
                raise  # It is the client that has left, or the Bulk request that this is an operation of has been stopped as well.
        if exchange.outcome:
            return refuse(exchange, Problem.OUTCOME_UNKNOWN, "noclobber was stopped while the write was under way.")
        return refuse(exchange, Problem.DRAINING, "noclobber was stopped before the write was sent.")

    # ---- W0, W1 -------------------------------------------------------------------------------------------------------------------

    def _refuse_by_head(self, exchange: Exchange, metrics: RouteMetrics) -> Reply | None:
        if exchange.fields.has_content_range and exchange.method == b"PUT":
            # RFC 9110 §14.5: it must not be taken for the whole state.
            return refuse(exchange, Problem.BAD_REQUEST, "A PUT of a part (Content-Range) is not supported.")
        keys = idempotency_keys(exchange)
        if len(keys) > 1 or b"" in keys:
            return refuse(exchange, Problem.BAD_REQUEST, "There must be one Idempotency-Key, and it must not be empty.")
        if exchange.rules.dialect.token.place is not Place.BODY and lacks_a_state(exchange):
            return required(exchange, metrics)
        if (exchange.body.size_bytes or 0) > self._body_limits.max_bytes:
            return self._too_large(exchange, self._body_limits.max_bytes)
        return None

    async def _refuse_before_the_body(self, exchange: Exchange, metrics: RouteMetrics) -> Reply | None:
        """Look before a client that waits for it (RFC 9110 §10.1.1) is told to send its body, which may be large and in vain.

        A retry is recognised by its body too, so what may be one is not refused before that has come.
        """
        may_be_own = exchange.rules.own_write is OwnWrite.SAME or idempotency_keys(exchange)
        if not exchange.names_a_state or exchange.body.size_bytes == 0 or may_be_own or self._representations.salt is None:
            return None
        if not exchange.is_named:
            return None
        return await self._look(exchange, metrics)

    def _too_large(self, exchange: Exchange, limit_bytes: int) -> Reply:
        self._refuse(Refusal.BODY)
        return refuse(exchange, Problem.TOO_LARGE, f"The body is larger than {limit_bytes} bytes.")

    async def _take_body(self, exchange: Exchange) -> bytes | Spool | None:
        """Have the body whole before the lease is taken: a slow client never holds one."""
        started = perf_counter()
        await exchange.body.ask_for()
        try:
            body = await take(exchange.body.read, self._body_limits)
        finally:
            exchange.waiting_seconds += perf_counter() - started
        return body if body or (exchange.sent_method or exchange.method) in METHODS_WITH_BODY else None

    # ---- W2 -----------------------------------------------------------------------------------------------------------------------

    async def _run(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        """Wait for the turn, and see the write through; what was put on disk for it is let go of at the end."""
        reply: Reply | None = None
        try:
            if needs_no_lease(exchange):
                reply = await self._creating.create(exchange, body, metrics)
                return await self._creating.with_version(exchange, reply)
            carry = self._observing.run if observes(exchange) else self._run_once if has_a_key(exchange) else self._await_turn
            reply = await carry(exchange, body, metrics)
            return await self._creating.with_version(exchange, reply) if makes_member(exchange) else reply
        finally:
            self.accounts.write(exchange, metrics, reply)
            if isinstance(body, Spool):
                body.close()

    async def _run_once(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        """Refuse the duplicate of what is under way here. That of another process is found when it begins."""
        identity = exchange.replay_key.partition(":")[0]
        if identity in self._in_flight:
            return _in_flight(exchange)
        self._in_flight.add(identity)
        try:
            return await self._await_turn(exchange, body, metrics)
        finally:
            self._in_flight.remove(identity)

    async def _await_turn(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        leases, keys = self._leases, keys_of(exchange)
        until = leases.clock() + leases.times.lease_wait_seconds
        remembered = self._remembered(exchange, keys.own)
        if is_likely_stale(exchange, remembered) and (refused := await self._look_unless_own(exchange, metrics)) is not None:
            return refused
        if leases.turns.is_crowded(keys.own):
            self._refuse(Refusal.WAITERS)
            busy = refuse(exchange, Problem.BUSY, "Too many writes of this resource are waiting.")
            return await self._unless_refused(exchange, metrics, busy)
        if leases.turns.is_taken(keys.own):
            leases.heat.wait(keys.own)
        if not await leases.turns.take_all(keys.ordered, until):
            busy = refuse(exchange, Problem.BUSY, "The writes of this resource that came earlier take too long.")
            return await self._unless_refused(exchange, metrics, busy)
        try:
            # While this writer waited, another may have made its tag stale.
            latest = self._remembered(exchange, keys.own)
            if latest != remembered and is_likely_stale(exchange, latest):
                refused = await self._look_unless_own(exchange, metrics)
                if refused is not None:
                    return refused
            return await self._in_turn(exchange, keys, body, until, metrics)
        finally:
            leases.turns.end_all(keys.ordered)

    def _remembered(self, exchange: Exchange, key: StoreKey) -> Version:
        """What this process remembers of the resource, as a tag would name it."""
        if exchange.rules.strategy is not Strategy.REVISION:
            return self._leases.remembered_version(key)
        tag = self._labels.tag(self._leases.remembered(key), exchange.rules.numbers)
        return version_of(tag)

    async def _unless_refused(self, exchange: Exchange, metrics: RouteMetrics, otherwise: Reply) -> Reply:
        """Have a look before a 503, because a tag that is not the remembered one was given a look as well.

        Without it, of those who may not read the resource, the ones whose tag is right would be told to wait, and the others 403.
        """
        if not exchange.names_a_state or has_a_key(exchange) or self._representations.salt is None:
            return otherwise
        return await self._look_unless_own(exchange, metrics) or otherwise

    async def _look_unless_own(self, exchange: Exchange, metrics: RouteMetrics) -> Reply | None:
        """`_look`, unless it may be this very write that made its tag stale: the lease tells what became of that."""
        if exchange.replay_key:
            standing = await self._labels.standing(exchange.store_key)
            if standing is None or is_recorded(standing, exchange.replay_key):
                return None
        return await self._look(exchange, metrics)

    async def _look(self, exchange: Exchange, metrics: RouteMetrics) -> Reply | None:
        """Refuse without a lease: where the tag is not the remembered one, a GET that shows yet another proves it stale."""
        is_counted = exchange.rules.strategy is Strategy.REVISION
        standing = await self._labels.standing(exchange.store_key) if is_counted else None
        try:
            sighting = await self._representations.look(exchange, time.time())
        except OriginError:
            return refuse(exchange, Problem.NOT_SENT, "The backend could not show what stands.")
        if is_counted and shows_something(sighting):
            tag = self._labels.tag(standing, exchange.rules.numbers)
            if tag is None:
                return None
            sighting = labelled(sighting, tag)
        return judge(exchange, sighting, metrics)

    async def _without_store(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics, detail: str) -> Reply:
        """What the route asks for when no lease can be had for want of a store (protocol §10)."""
        mode = exchange.rules.on_store_loss
        if exchange.rules.strategy is Strategy.REVISION or exchange.other_keys:
            mode = OnStoreLoss.DENY  # Without the store nothing is counted on.
        if mode is OnStoreLoss.DENY or (mode is OnStoreLoss.VERIFY_ONLY and self._representations.salt is None):
            return await self._unless_refused(exchange, metrics, refuse(exchange, Problem.STORE_AWAY, detail))
        if mode is OnStoreLoss.OPEN:
            exchange.conditions = NO_CONDITIONS
        metrics.store_loss_writes.inc()
        lease = NoLease(self._leases.clock, self._leases.times.write_timeout_seconds)
        reply = await Attempt(exchange, body, lease, self._representations, metrics).run()
        if OUTCOME_UNKNOWN not in reply.lines:
            reply.lines.append(OUTCOME_UNPROTECTED)
        return reply

    async def _in_turn(self, exchange: Exchange, keys: Keys, body: bytes | Spool | None, until: float, metrics: RouteMetrics) -> Reply:
        if self._representations.salt is None:
            return await self._without_store(exchange, body, metrics, "The store has not been reached yet.")
        is_counted = exchange.rules.strategy is Strategy.REVISION
        try:
            writer = principal_digest(exchange, self._representations.salt)
            operation, replay_key = exchange.method.decode("ascii"), exchange.replay_key
            seconds = exchange.rules.own_write_seconds if is_own(replay_key) else math.inf
            lease = await begin_all(self._leases, keys, until, operation, replay_key, writer, counts=is_counted, replay_seconds=seconds)
        except StoreError:
            return await self._without_store(exchange, body, metrics, "The store did not answer.")
        finally:
            metrics.lease_wait.observe(self._leases.clock() + self._leases.times.lease_wait_seconds - until)
        if isinstance(lease, GraceRunning):
            detail = "The store's history has just begun anew, and writes granted before that may still be under way."
            grace = refuse(exchange, Problem.GRACE, detail, retry_after_seconds=lease.seconds)
            return await self._unless_refused(exchange, metrics, grace)
        if isinstance(lease, Busy):
            busy = refuse(exchange, Problem.BUSY, "Another write of this resource is under way.")
            return await self._unless_refused(exchange, metrics, busy)
        if isinstance(lease, InFlight):
            return _in_flight(exchange, lease.seconds)
        if isinstance(lease, Reused):
            return refuse(exchange, Problem.KEY_REUSED, "What was sent under this key before had another body.")
        if isinstance(lease, Replayed):
            metrics.own_writes.inc()
            exchange.outcome = "replayed"
            return replay(lease.result)
        exchange.found = lease.snapshot.record
        return await Attempt(exchange, body, lease, self._representations, metrics).run()


def _in_flight(exchange: Exchange, seconds: float = RETRY_AFTER_SECONDS) -> Reply:
    detail = "A request with this Idempotency-Key has not been answered yet."
    return refuse(exchange, Problem.IN_FLIGHT, detail, retry_after_seconds=seconds)
