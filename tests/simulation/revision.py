"""A route whose tags are revisions: a counter in the store, for what cannot be read (protocol §6 and §7).

noclobber has no such route yet. What decides about it is there already: the core counts revisions and burns them, leases carry the record.
So this is the thinnest route on top of them that keeps the one rule of its own: the label of a read is taken before the backend is asked.
"""

import asyncio

from proxy.core.conflict import Problem
from proxy.core.etag import EntityTag
from proxy.core.event import Fenced, Kind, Why
from proxy.core.record import NOT_KNOWN, Snapshot, State, epoch_of
from proxy.errors import StoreError
from proxy.gateway.attempt import Attempt
from proxy.gateway.exchange import Exchange
from proxy.gateway.lease import Lease, Leases
from proxy.gateway.metrics import RouteMetrics
from proxy.gateway.reading import Reading
from proxy.gateway.reply import Reply, problem
from proxy.gateway.representation import Representations, Sighting
from proxy.gateway.spool import Spool
from proxy.gateway.writing import Writing
from proxy.store.port import Store, StoreKey


def label_of(snapshot: Snapshot, grace_seconds: float) -> EntityTag | None:
    """The tag that a record gives to what stands. None: the history is so young that older writes may still be on their way."""
    if snapshot.lineage_age < grace_seconds:
        return None
    record = snapshot.record
    if record is None:
        return EntityTag(f"{epoch_of(snapshot.lineage)}.0".encode())
    return EntityTag(f"{record.epoch}.{record.revision}".encode())


class RevisionReading(Reading):
    """Answer reads under the revision that stood before the backend was asked: an old label on a new body costs a 412, never an update."""

    labels_at_start = True
    """False is a mutant: the label is taken when the backend has answered."""

    def __init__(self, representations: Representations, store: Store, grace_seconds: float) -> None:
        super().__init__(representations)
        self._store = store
        self._grace_seconds = grace_seconds

    async def read(self, exchange: Exchange) -> Reply:
        """As Reading, with the other tag."""
        label = await self._label(exchange.store_key) if self.labels_at_start else None
        reply = await super().read(exchange)
        if not self.labels_at_start:
            label = await self._label(exchange.store_key)
        reply.lines = [line for line in reply.lines if not line.startswith(b"ETag:")]
        if reply.status == 200 and label is not None:
            reply.lines.append(b"ETag: %b\r\n" % bytes(label))
        return reply

    async def _label(self, key: StoreKey) -> EntityTag | None:
        try:
            return label_of(await self._store.load(key), self._grace_seconds)
        except StoreError:
            return None


class RevisionWriting(Writing):
    """Carry writes through as Writing does, and compare revisions under the lease."""

    async def _in_turn(self, exchange: Exchange, key: StoreKey, body: bytes | Spool | None, until: float, metrics: RouteMetrics) -> Reply:
        leases: Leases = self._leases
        try:
            lease = await leases.begin(key, until, "revision")
        except StoreError:
            return problem(Problem.STORE_AWAY, "The store did not answer.", exchange.target.path)
        if not isinstance(lease, Lease):
            return problem(Problem.BUSY, "Not now.", exchange.target.path)
        return await RevisionAttempt(exchange, body, lease, self._representations, metrics).run()


class RevisionAttempt(Attempt):
    """Everything from the grant on is Attempt's but the look: the record itself says what stands."""

    async def _verify(self) -> tuple[Reply | None, Sighting | None]:
        lease, exchange = self._lease, self._exchange
        assert isinstance(lease, Lease)
        if self._in_doubt:
            if lease.why is not Why.LINEAGE:
                await asyncio.sleep(max(0.0, exchange.rules.apply_delay_seconds - lease.age_seconds))
            # The version is not known, so the number is burned: no label from before the doubt is ever current again.
            answer = await self._confirm()
            if answer is not None:
                return answer, None
            self._in_doubt = False
        record = lease.snapshot.record
        assert record is not None
        assert record.state is State.PENDING
        if exchange.names_a_state and exchange.conditions.if_match != (EntityTag(f"{record.epoch}.{record.revision}".encode()),):
            await self._withdraw(None)
            return problem(Problem.STALE, "Another revision stands.", exchange.target.path), None
        return None, None

    async def _confirm(self) -> Reply | None:
        try:
            answer = await self._lease.confirm(Kind.PROCEED, NOT_KNOWN)
        except StoreError:
            await self._withdraw(None)
            return problem(Problem.STORE_AWAY, "The store did not answer.", self._exchange.target.path)
        if isinstance(answer, Fenced):
            self._is_told = True
            return problem(Problem.BUSY, "The lease ran out.", self._exchange.target.path)
        return None
