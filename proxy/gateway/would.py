"""What enforcing would have answered, on a route that is only observed: counted, and told with the answer that the backend gives."""

import time

from ..core.etag import EntityTag
from ..core.record import NOT_KNOWN, Version
from ..core.version import version_of
from ..errors import OriginError
from .counting import Counting
from .exchange import Exchange
from .incident import IncidentKind
from .metrics import RouteMetrics
from .principal import principal_digest
from .reply import Reply
from .representation import Representations, Sighting
from .rules import Mode

_TOO_LARGE = 413
# What has been counted as a conflict by then, by the kind of it.
_CONFLICTS = frozenset({"failed", "required"})


def observes(exchange: Exchange) -> bool:
    """Whether nothing of this exchange is refused."""
    return exchange.rules.mode is Mode.OBSERVE


def let_pass(exchange: Exchange, refused: Reply | None, metrics: RouteMetrics) -> Reply | None:
    """Put a refusal aside where its route is only observed. A body that is too large stays refused."""
    if refused is None or not observes(exchange) or refused.status == _TOO_LARGE:
        return refused
    refused.close()
    exchange.would = refused.status
    if exchange.verdict not in _CONFLICTS:
        metrics.count_observed("refused" if exchange.verdict else "malformed")
    return None


def let_read_pass(exchange: Exchange, refused: Reply) -> Reply | None:
    """Put the refusal of a read aside where its route is only observed."""
    if not observes(exchange):
        return refused
    exchange.would = refused.status
    return None


async def look_for_blindness(
    exchange: Exchange, representations: Representations, remembered: Version, counting: Counting | None
) -> tuple[Sighting | None, EntityTag | None]:
    """Find out whether an unconditional write replaces a state that its sender has not seen: not the one that it was told of last.

    Looked at only where the last commit left another one. Return what was seen, and the tag of what is replaced unseen. Nothing is known of
    who does not say who it is, or was told nothing by this process.
    """
    who = principal_digest(exchange, representations.salt)
    seen = representations.history.seen(who, exchange.key) if who else None
    standing = remembered if counting is None else version_of(counting.standing_tag())
    if seen is None or standing in (NOT_KNOWN, seen.decode("latin-1")):
        return None, None
    try:
        sighting = await representations.look(exchange, time.time())
    except OriginError:
        return None, None
    if counting is not None:
        sighting = counting.sight(sighting)
    tag = sighting.tag
    return sighting, None if tag is None or tag.opaque == seen else tag


def count_unprotected(exchange: Exchange, metrics: RouteMetrics, overwritten: EntityTag | None) -> None:
    """Count an unconditional write that was applied, where that is all that is done about it."""
    if not observes(exchange):
        return
    if not exchange.would:
        metrics.count_observed("unprotected")
    if overwritten is not None:
        metrics.count_observed("blind-overwrite")
        exchange.note(IncidentKind.BLIND, overwritten)
