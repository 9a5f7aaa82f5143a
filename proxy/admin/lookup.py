"""Lookups: what is known of the resource at a URL. It is named as the data plane names it, and nothing is asked of the backend."""

import asyncio
import time
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from ..core.etag import EntityTag
from ..core.event import Begin
from ..core.record import NOT_KNOWN, Record, Snapshot, State
from ..core.version import Strategy, is_disproved, undisproved
from ..core.write import Phase, doubt_began, phase_at_begin
from ..gateway.arrival import RoutedRules
from ..gateway.conflicts import OWNER_CHARS, writer_of
from ..gateway.doubts import About, is_settled
from ..gateway.events import MAX_PATH_BYTES
from ..gateway.exchange import Exchange
from ..gateway.imagined import imagine
from ..gateway.reply import Reply
from .answers import Refused
from .documents import Doubt, Resource, Standing
from .events import history
from .served import Served

HISTORY = 20
"""How many events are told of one resource."""

MAX_DOUBTS = 500
"""How many records in doubt are looked at for one answer."""

_NOBODY = Begin("", "", 0.0, 0.0)
# Where the write that left a record in doubt is still under way, or was not one.
_NO_WRITE = About("", b"", "not known yet")
_STANDING = {
    Phase.ABSENT: Standing.ABSENT,
    Phase.FOREIGN: Standing.LOST_HISTORY,
    Phase.ABANDONED: Standing.ABANDONED,
    Phase.DOUBTFUL: Standing.UNKNOWN,
    Phase.SETTLED: Standing.SETTLED,
}
_IN_DOUBT = frozenset({Standing.QUARANTINE, Standing.ABANDONED, Standing.UNKNOWN})
_EXPLANATIONS = {
    Standing.UNGUARDED: "Requests like this one pass through untouched: no record is kept.",
    Standing.ABSENT: "It was not written through noclobber yet, or so long ago that its record was dropped. A write is granted at once.",
    Standing.SETTLED: "Nothing is in flight. A write is granted at once.",
    Standing.PENDING: "A write is under way, and holds the lease. Other writes wait for it.",
    Standing.QUARANTINE: "A writer holds the lease and waits until an earlier write of unknown outcome cannot be applied any more.",
    Standing.ABANDONED: "Whoever had the lease has let it run out. The next writer waits out the quarantine, and looks at what stands.",
    Standing.UNKNOWN: "Nobody can say whether the last write was applied. The next one waits out the quarantine, and looks at what stands.",
    Standing.LOST_HISTORY: "It is of an earlier history of the store. The next writer looks at what stands.",
}


class Found(NamedTuple):
    """What a URL leads to."""

    exchange: Exchange
    routed: RoutedRules


def find(served: Served, method: str, url: str) -> Found:
    """Judge a request that nobody sent. Refused where noclobber would refuse it, or cannot tell its resource without a body."""
    try:
        request = imagine(method, url)
    except ValueError as error:
        raise Refused(400, f"{error}.") from error
    judged, routed, _ = served.lookups.judge(request.as_parsed)
    if isinstance(judged, Reply):
        raise Refused(400, f"noclobber answers such a request with {judged.status}. {_detail(judged)}".strip())
    if not judged.is_named:
        raise Refused(400, f"On the route {judged.rules.name} the body of a {method} tells which resource it is about: a URL does not.")
    return Found(judged, routed)


def _detail(refusal: Reply) -> str:
    """Why a request was refused; empty where the form that its clients know does not tell."""
    try:
        document = orjson.loads(refusal.body) if isinstance(refusal.body, bytes) else None
    except orjson.JSONDecodeError:
        return ""
    return str(document.get("detail", "")) if isinstance(document, dict) else ""


class Stands(NamedTuple):
    """How a record stands, with the ends of what it waits for; None: it waits for nothing of the kind."""

    state: Standing
    lease_until_at: datetime | None = None
    quarantine_until_at: datetime | None = None
    changed_at: datetime | None = None


def stands(snapshot: Snapshot, apply_delay_seconds: float) -> Stands:
    """Say how a record stands towards a writer who comes when the grace is over."""
    phase, record, clock = phase_at_begin(snapshot, _NOBODY), snapshot.record, _Clock(snapshot.now)
    if record is None or phase is Phase.FOREIGN:
        return Stands(_STANDING[phase])
    state = _STANDING.get(phase, Standing.QUARANTINE if record.state is State.UNKNOWN else Standing.PENDING)
    return Stands(
        state,
        lease_until_at=clock.at(record.lease_end) if phase is Phase.HELD else None,
        quarantine_until_at=clock.at(doubt_began(snapshot, phase) + apply_delay_seconds) if state in _IN_DOUBT else None,
        changed_at=None if record.owner else clock.at(record.lease_end),
    )


async def resource(served: Served, found: Found, url: str, *, with_token: bool) -> Resource:
    """Look a resource up."""
    exchange, rules = found.exchange, found.exchange.rules
    key = exchange.store_key
    snapshot = await served.store.load(key)
    record = snapshot.record if rules.is_guarded else None
    standing = stands(snapshot, rules.apply_delay_seconds) if rules.is_guarded else Stands(Standing.UNGUARDED)
    grace_seconds = served.config.grace_seconds - snapshot.lineage_age
    version, tag = _version(served, exchange, snapshot) if with_token and record is not None else (None, None)
    return Resource(
        url=url,
        route=rules.name,
        key=key if rules.is_guarded else None,
        strategy=rules.strategy.value,
        dialect=rules.dialect.name,
        state=standing.state,
        explanation=_EXPLANATIONS[standing.state],
        with_token=with_token,
        version=version,
        tag=tag,
        operation=None if record is None else record.operation or None,
        holder=None if record is None or standing.lease_until_at is None else record.owner[OWNER_CHARS:] or None,
        last_writer=None if record is None else writer_of(record) or None,
        lease_until_at=standing.lease_until_at,
        quarantine_until_at=standing.quarantine_until_at,
        grace_until_at=_Clock(snapshot.now).at(snapshot.now + grace_seconds) if grace_seconds > 0 else None,
        lineage=snapshot.lineage,
        changed_at=standing.changed_at,
        history=await history(served.streams, key, HISTORY, with_token=with_token) if rules.is_guarded else (),
    )


async def doubts(served: Served, *, with_token: bool) -> tuple[Doubt, ...]:
    """The records that this process has left in doubt, the newest first. Each is looked at: another process may have settled it."""
    known = served.leases.doubts
    newest = list(reversed(known.since))[:MAX_DOUBTS]
    delays = {route.name: route.apply_delay_seconds for route in served.config.routes}
    found: list[Doubt] = []
    for key, snapshot in zip(newest, await asyncio.gather(*(served.store.load(key) for key in newest)), strict=True):
        if is_settled(snapshot):
            known.settle(key)
            continue
        about, since = known.about.get(key, _NO_WRITE), known.since.get(key)
        standing = stands(snapshot, delays.get(about.route, max(delays.values())))
        found.append(
            Doubt(
                route=about.route,
                key=key,
                path=about.path[:MAX_PATH_BYTES].decode("latin-1") if with_token and about.path else None,
                state=standing.state,
                since_at=datetime.fromtimestamp(time.time() if since is None else since, UTC),
                until_at=standing.quarantine_until_at or standing.lease_until_at,
                outcome=about.outcome,
            )
        )
    return tuple(found)


def _version(served: Served, exchange: Exchange, snapshot: Snapshot) -> tuple[str | None, str | None]:
    """The version that the record tells, and the tag that a client is told for it."""
    record, rules = snapshot.record, exchange.rules
    tag = served.labels.tag(snapshot, rules.numbers) if rules.strategy is Strategy.REVISION else _remembered(record)
    if tag is None:
        return None, None
    return tag.opaque.decode("latin-1"), bytes(rules.dialect.shown(tag)).decode("latin-1")


def _remembered(record: Record | None) -> EntityTag | None:
    if record is None or record.state is not State.OK or record.version == NOT_KNOWN:
        return None
    version = undisproved(record.version) if is_disproved(record.version) else record.version
    return EntityTag(version.encode("latin-1")) if version else None


class _Clock:
    """The store's clock, told by the wall's."""

    def __init__(self, now: float) -> None:
        self._offset = time.time() - now

    def at(self, moment: float) -> datetime:
        """The time of day at a moment of the store's clock."""
        return datetime.fromtimestamp(moment + self._offset, UTC)
