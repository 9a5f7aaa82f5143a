"""Observe mode: every write goes through as if noclobber were not there, and what enforcing would have done is counted, logged and told.

Leases are taken all the same, since without them two writes at one moment would each be judged by the state before the other. But nothing
waits for one longer than OBSERVED_WAIT_SECONDS, and what stands in the way of one (the store, a grace, an earlier write in doubt) makes the
write go without: it is judged and counted, though another write may come in between.
"""

import time

from ..core.event import Fenced, Kind, Replayed, Reused, Why
from ..core.precondition import NO_CONDITIONS
from ..core.record import NOT_KNOWN
from ..core.version import Strategy, version_of
from ..errors import OriginError, StoreError
from .attempt import Attempt
from .exchange import Exchange
from .lease import Lease, Leases
from .metrics import RouteMetrics
from .principal import principal_digest
from .reply import Reply
from .representation import Representations
from .several import Keys, Several, begin_all, keys_of
from .spool import Spool
from .unprotected import NoLease, ObservedLease

OBSERVED_WAIT_SECONDS = 0.25
_REUSED = 422


class Observing:
    """See writes of observed routes through."""

    def __init__(self, representations: Representations, leases: Leases) -> None:
        self._representations = representations
        self._leases = leases

    async def run(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        """Send the write, with a lease if one can be had at once."""
        leases, keys = self._leases, keys_of(exchange)
        until = leases.clock() + min(OBSERVED_WAIT_SECONDS, leases.times.lease_wait_seconds)
        has_salt = self._representations.salt is not None
        if not has_salt:
            # Nothing can be tagged without it, so there is nothing to hold the conditions against.
            _set_aside(exchange)
        has_turn = has_salt and await leases.turns.take_all(keys.ordered, until)
        timeout_seconds = leases.times.write_timeout_seconds
        try:
            lease = await self._lease(exchange, keys, until, metrics) if has_turn else None
            if lease is None:
                metrics.count_observed("unleased")
            standing = NoLease(leases.clock, timeout_seconds) if lease is None else ObservedLease(lease, leases.clock, timeout_seconds)
            return await Attempt(exchange, body, standing, self._representations, metrics).run()
        finally:
            if has_turn:
                leases.turns.end_all(keys.ordered)

    async def _lease(self, exchange: Exchange, keys: Keys, until: float, metrics: RouteMetrics) -> Lease | Several | None:
        """The lease, with nothing in doubt under it; None where the write goes without."""
        writer = principal_digest(exchange, self._representations.salt)
        is_counted = exchange.rules.strategy is Strategy.REVISION
        try:
            lease = await begin_all(
                self._leases, keys, until, exchange.method.decode("ascii"), exchange.replay_key, writer, counts=is_counted
            )
            if isinstance(lease, Lease | Several):
                return await self._settled(exchange, lease)
        except StoreError:
            return None
        if isinstance(lease, Replayed):
            # Enforcing, it would be told what the first was told.
            _set_aside(exchange)
            metrics.count_observed("replayed")
        elif isinstance(lease, Reused):
            exchange.would = _REUSED
            metrics.count_observed("malformed")
        return None

    async def _settled(self, exchange: Exchange, lease: Lease | Several) -> Lease | Several | None:
        """Settle an earlier write that is in doubt, where nothing has to be waited for; otherwise give the lease back."""
        is_settled = lease.why is None
        if lease.why is not None and (lease.why is Why.LINEAGE or lease.age_seconds >= exchange.rules.apply_delay_seconds):
            try:
                seen = await self._representations.look(exchange, time.time())
                # A count is burned: whatever is seen says nothing of what was in doubt.
                is_known = not exchange.target.query and exchange.rules.strategy is not Strategy.REVISION
                answer = await lease.confirm(Kind.PROCEED, version_of(seen.tag) if is_known else NOT_KNOWN)
                if isinstance(answer, Fenced):
                    return None
                is_settled = True
            except OriginError:
                pass
        if is_settled:
            exchange.found = lease.snapshot.record
            return lease
        await lease.finish(Kind.MARK)
        return None


def _set_aside(exchange: Exchange) -> None:
    exchange.waived, exchange.conditions = exchange.conditions, NO_CONDITIONS
