"""A write of unknown outcome that comes again: whether its change is in what stands, so that it need not be refused as stale.

RFC 9110 §13.1.1 allows a 2xx where "the final state is already reflected in the current state of the target resource". That is asked only
of the very write whose outcome is unknown (core/event.py: Why.RETRIED), where the route says `own_write = "principal+body+tag"`.
"""

from collections.abc import Mapping, Sequence

from ..core.conflict import Problem
from ..core.event import Fenced, Kind
from ..core.json_text import read_json
from ..core.pointer import Pointer
from ..core.record import Version
from ..core.version import is_named, version_of
from ..errors import StoreError
from .aside import aside
from .exchange import Exchange
from .injecting import with_version
from .lease import Lease
from .metrics import RouteMetrics
from .refusing import refuse
from .replay import OUTCOME_REPLAYED
from .reply import Reply
from .representation import Sighting
from .rules import OwnWrite
from .several import Several
from .spool import Spool
from .unprotected import NoLease

_METHODS = frozenset({b"PUT", b"PATCH"})


async def reflection(exchange: Exchange, body: bytes | Spool | None, sighting: Sighting) -> Reply | None:
    """What stands, as the answer to a write whose change is in it; None where it is not, or where the write can be made as it came.

    Told apart for JSON objects: each member that was sent stands as it was sent. `sighting` has the tag that will stand once it is settled.
    """
    tag, content = sighting.tag, sighting.content
    if exchange.rules.own_write is not OwnWrite.SAME or exchange.method not in _METHODS or not isinstance(body, bytes):
        return None
    if tag is None or content is None or is_named(exchange.conditions.if_match, version_of(tag)):
        return None
    if not await aside(len(content), is_reflected, body, content, exchange.rules.ignored):
        return None
    dialect = exchange.rules.dialect
    shown = await aside(len(content), with_version, dialect, content, tag) if dialect.inject else content
    lines = [b"Content-Type: application/json\r\n", b"Cache-Control: no-store\r\n", dialect.tag_line(tag)]
    return Reply(200, b"", [*lines, OUTCOME_REPLAYED], content if shown is None else shown, is_own=True)


async def settled(exchange: Exchange, lease: Lease | Several | NoLease, version: Version, reply: Reply, metrics: RouteMetrics) -> Reply:
    """Put down that what was in doubt stands, as version, and give the reply: its tag is that of the settled record."""
    try:
        answer = await lease.confirm(Kind.SETTLE, version)
    except StoreError:
        answer = Fenced()
    if isinstance(answer, Fenced):
        return refuse(exchange, Problem.OUTCOME_UNKNOWN, "The write was applied, but not recorded.")
    exchange.outcome = "replayed"
    metrics.own_writes.inc()
    return reply


def is_reflected(sent: bytes, standing: bytes, ignored: Sequence[Pointer] = ()) -> bool:
    """Whether both are JSON objects, and each member of `sent` that is not ignored has the same value in `standing`.

    Where there is none to compare, nothing is said.
    """
    wanted, found = read_json(sent), read_json(standing)
    if wanted is None or found is None or wanted.has_duplicates or found.has_duplicates:
        return False
    members = wanted.value(())
    if not isinstance(members, Mapping) or not isinstance(found.value(()), Mapping):
        return False
    places = [(name,) for name in members if (name,) not in ignored]
    return bool(places) and all(wanted.canonical(pointer=place) == found.canonical(pointer=place) for place in places)
