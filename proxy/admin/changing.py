"""Changing a record by hand: forget what is remembered of a resource, or mark it unknown.

The rule of this file: an operator is one more writer. The lease is asked for, and given back with what any write may report, so that
nothing is done here that the protocol does not do for a client; and where a client would wait, this is refused (docs/decisions/0014).
"""

import logging
import time
from datetime import UTC, datetime
from enum import Enum

from ..core.event import Begin, Fenced, Kind, Why, is_own
from ..core.record import NOT_KNOWN, Record, Version
from ..core.version import Strategy, disproved, is_disproved
from ..core.write import Phase, doubt_began, phase_at_begin
from ..errors import StoreError
from ..gateway.exchange import Exchange
from ..gateway.incident import IncidentKind
from ..gateway.lease import Lease
from .answers import Refused
from .lookup import Found
from .served import Served

_logger = logging.getLogger("noclobber")
_AGAIN = "The record has changed in this very moment. Look again, and repeat it if it is still to be done."


class Change(Enum):
    """What can be done to a record. The value is what the log says of it."""

    FORGET = "forgotten"
    MARK_UNKNOWN = "marked unknown"


_INCIDENTS = {Change.FORGET: IncidentKind.FORGOTTEN, Change.MARK_UNKNOWN: IncidentKind.MARKED_UNKNOWN}


async def carry_out(served: Served, found: Found, change: Change, who: str) -> None:
    """Change the record of a resource. Refused where a client would have to wait; what was never written is not forgotten either.

    `who` is where the request came from, for the logs.
    """
    exchange = found.exchange
    if not exchange.rules.is_guarded:
        raise Refused(409, f"The route {exchange.rules.name} keeps no records.")
    key = exchange.store_key
    snapshot = await served.store.load(key)
    record = snapshot.record
    phase = phase_at_begin(snapshot, Begin("", "", 0.0, served.config.grace_seconds))
    if phase is Phase.GRACE:
        raise _grace(served.config.grace_seconds - snapshot.lineage_age)
    if phase is Phase.HELD and record is not None:
        raise _held(record.lease_end - snapshot.now)
    if change is Change.FORGET and phase in (Phase.ABANDONED, Phase.DOUBTFUL):
        _check_quarantine(exchange, snapshot.now - doubt_began(snapshot, phase))
    if change is Change.FORGET and record is None:
        return
    leases = served.leases
    # The key of a write in doubt stays with the record: its retry is to be recognised all the same.
    in_doubt = "" if record is None else record.replay_key
    counts = exchange.rules.strategy is Strategy.REVISION
    lease = await leases.begin(key, leases.clock(), change.name, in_doubt, counts=counts)
    if not isinstance(lease, Lease):
        raise Refused(409, _AGAIN)
    try:
        await (_forget(exchange, lease) if change is Change.FORGET else lease.finish(Kind.MARK))
    except StoreError as error:
        raise Refused(503, f"The store did not answer, so it may have been done or not: look again. ({error})") from error
    _tell(served, exchange, lease, change, who)


async def _forget(exchange: Exchange, lease: Lease) -> None:
    """Settle the record, with nothing known of what stands. Its number is burned, so that no client's tag comes to name another state."""
    record = lease.snapshot.record
    # As it was granted: what the last commit is known by stays, so that its retry is not carried out a second time.
    last = None if record is None else record.last
    version = _version_to_leave(exchange, record)
    if lease.why is None:
        is_kept = last is not None and not is_own(last.replay_key)
        told = (last.replay_key, last.result) if last is not None and is_kept else ("", "")
        answer = await lease.finish(Kind.COMMIT, version, *told)
    else:
        if lease.why is not Why.LINEAGE and lease.age_seconds < exchange.rules.apply_delay_seconds:
            await lease.finish(Kind.MARK)
            _check_quarantine(exchange, lease.age_seconds)
        answer = await lease.confirm(Kind.SETTLE, version)
    if isinstance(answer, Fenced):
        raise Refused(409, _AGAIN)


def _version_to_leave(exchange: Exchange, record: Record | None) -> Version:
    """Nothing is known; but that the backend's own tags were caught naming two states is not forgotten, as every process has to know it."""
    is_marked = record is not None and is_disproved(record.version) and exchange.rules.strategy is not Strategy.REVISION
    return disproved(NOT_KNOWN) if is_marked else NOT_KNOWN


def _check_quarantine(exchange: Exchange, age_seconds: float) -> None:
    left = exchange.rules.apply_delay_seconds - age_seconds
    if left > 0:
        detail = "Nobody can say yet whether the last write was applied: it may still be. It can be forgotten then, or after another write."
        raise Refused(409, detail, _in(left))


def _grace(seconds: float) -> Refused:
    return Refused(409, "The store's history has just begun anew, and no write is granted yet.", _in(seconds))


def _held(seconds: float) -> Refused:
    return Refused(409, "A write is under way, and holds the lease. It may hold it longer than that if it needs to.", _in(seconds))


def _in(seconds: float) -> datetime:
    return datetime.fromtimestamp(time.time() + seconds, UTC)


def _tell(served: Served, exchange: Exchange, lease: Lease, change: Change, who: str) -> None:
    """Put it down in the log of the process and in the conflict log."""
    path = exchange.target.path.decode("latin-1")
    _logger.warning("admin: %s of route %s (record %s) was %s by %s", path, exchange.rules.name, lease.key, change.value, who)
    exchange.note(_INCIDENTS[change], reason=f"by {who}")
    served.conflicts.record(exchange, None)
