"""Lookups: what is known of the resource at a URL. It is named as the data plane names it, and nothing is asked of the backend."""

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
from ..gateway.exchange import Exchange
from ..gateway.imagined import imagine
from ..gateway.reply import Reply
from .answers import Refused
from .documents import Resource, Standing
from .events import history
from .served import Served

HISTORY = 20
"""How many events are told of one resource."""

_NOBODY = Begin("", "", 0.0, 0.0)
_STANDING = {
    Phase.ABSENT: Standing.ABSENT,
    Phase.FOREIGN: Standing.LOST_HISTORY,
    Phase.ABANDONED: Standing.ABANDONED,
    Phase.DOUBTFUL: Standing.UNKNOWN,
    Phase.SETTLED: Standing.SETTLED,
}
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


async def resource(served: Served, found: Found, url: str, *, with_token: bool) -> Resource:
    """Look a resource up."""
    exchange = found.exchange
    key = exchange.store_key
    snapshot = await served.store.load(key)
    phase = phase_at_begin(snapshot, _NOBODY)
    record, state = snapshot.record, _standing(snapshot, phase)
    if not exchange.rules.is_guarded:
        record, state = None, Standing.UNGUARDED
    clock = _Clock(snapshot.now)
    is_held = state in (Standing.PENDING, Standing.QUARANTINE)
    is_in_doubt = state in (Standing.QUARANTINE, Standing.ABANDONED, Standing.UNKNOWN)
    grace_seconds = served.config.grace_seconds - snapshot.lineage_age
    version, tag = _version(served, exchange, snapshot) if with_token and record is not None else (None, None)
    return Resource(
        url=url,
        route=exchange.rules.name,
        key=key if exchange.rules.is_guarded else None,
        strategy=exchange.rules.strategy.value,
        dialect=exchange.rules.dialect.name,
        state=state,
        explanation=_EXPLANATIONS[state],
        with_token=with_token,
        version=version,
        tag=tag,
        operation=None if record is None else record.operation or None,
        holder=None if record is None or not is_held else record.owner[OWNER_CHARS:] or None,
        last_writer=None if record is None else writer_of(record) or None,
        lease_until_at=clock.at(record.lease_end) if record is not None and is_held else None,
        quarantine_until_at=clock.at(doubt_began(snapshot, phase) + exchange.rules.apply_delay_seconds) if is_in_doubt else None,
        grace_until_at=clock.at(snapshot.now + grace_seconds) if grace_seconds > 0 else None,
        lineage=snapshot.lineage,
        changed_at=clock.at(record.lease_end) if record is not None and not record.owner and state is not Standing.LOST_HISTORY else None,
        history=await history(served.streams, key, HISTORY, with_token=with_token) if exchange.rules.is_guarded else (),
    )


def _standing(snapshot: Snapshot, phase: Phase) -> Standing:
    """How a record stands towards a writer who comes when the grace is over."""
    if phase is not Phase.HELD:
        return _STANDING[phase]
    record = snapshot.record
    return Standing.QUARANTINE if record is not None and record.state is State.UNKNOWN else Standing.PENDING


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
