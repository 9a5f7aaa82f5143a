"""Forcing: a write that overwrites whatever stands there, on purpose. It is counted, and one with a reason stands in the conflict log."""

from ..core.conflict import Problem
from ..core.outcome import Outcome
from ..core.precondition import NO_CONDITIONS
from .creating import makes_member
from .exchange import Exchange
from .incident import CONFLICTS, IncidentKind
from .metrics import RouteMetrics
from .principal import principal_digest
from .refusing import refuse
from .reply import Reply
from .representation import Representations
from .would import observes

_APPLIED, _UNKNOWN = Outcome.APPLIED.value, Outcome.UNKNOWN.value
ANYONE = "*"
FORCED_SECONDS = 600.0
"""How long after its own conflict a principal's unconditional write of the same resource counts as forced by that."""
MAX_REASON_CHARS = 200


def take_override(exchange: Exchange, salt: bytes | None) -> Reply | None:
    """Take the route's override field for a reason to set all preconditions aside; a reply where its sender may not, or gives none."""
    name = exchange.rules.override_field
    if not name:
        return None
    fields = exchange.fields
    given = [line for line in fields.passing if line.partition(b":")[0].lower() == name]
    if not given:
        return None
    # It is said to us: the backend knows no such field.
    fields.passing = [line for line in fields.passing if line not in given]
    shown = name.decode("ascii").title()
    reason = given[0].partition(b":")[2].strip().decode("utf-8", "replace")
    if len(given) > 1 or not reason:
        return refuse(exchange, Problem.BAD_REQUEST, f"The field {shown} must give one reason.")
    allowed = exchange.rules.override_principals
    if ANYONE not in allowed and (not (who := principal_digest(exchange, salt)) or who not in allowed):
        exchange.note(IncidentKind.OVERRIDE_REFUSED, reason=reason[:MAX_REASON_CHARS])
        return refuse(exchange, Problem.FORBIDDEN, f"The field {shown} is not for you to use here.")
    exchange.reason = reason[:MAX_REASON_CHARS]
    set_aside(exchange)
    return None


def set_aside(exchange: Exchange) -> None:
    """Leave the preconditions of an overriding write alone, those in its query or its body as well."""
    if exchange.reason and (exchange.waived is None or exchange.conditions is not NO_CONDITIONS):
        exchange.waived, exchange.conditions = exchange.conditions, NO_CONDITIONS


def account(exchange: Exchange, representations: Representations, metrics: RouteMetrics) -> None:
    """Count what was forced, and remember who has met a conflict, so that it shows when the same one forces its way next."""
    if exchange.outcome == _UNKNOWN:
        exchange.note(IncidentKind.UNKNOWN_OUTCOME)
    if exchange.incidents:
        _time_losing_reads(exchange, representations, metrics)
    if observes(exchange):
        return
    history = representations.history
    if exchange.incidents and any(incident.kind in CONFLICTS for incident in exchange.incidents):
        if who := principal_digest(exchange, representations.salt):
            history.refuse(who, exchange.key)
        return
    if exchange.outcome != _APPLIED or exchange.names_a_state or makes_member(exchange):
        return
    if exchange.reason:
        metrics.count_forced("override")
        exchange.note(IncidentKind.OVERRIDE, reason=exchange.reason)
    elif exchange.waived is None:
        metrics.count_forced("unconditional")
    if history.has_refused:
        who = principal_digest(exchange, representations.salt)
        age = history.refused_seconds(who, exchange.key) if who else None
        if age is not None and age <= FORCED_SECONDS:
            metrics.forced_after_conflict.inc()
            exchange.note(IncidentKind.FORCED_AFTER_CONFLICT, reason=exchange.reason)


def _time_losing_reads(exchange: Exchange, representations: Representations, metrics: RouteMetrics) -> None:
    """Count how old the read was on which a stale write was based, where this process remembers it."""
    for incident in exchange.incidents:
        tags = exchange.named
        if incident.kind is IncidentKind.STALE and isinstance(tags, tuple) and tags:
            age = representations.history.age_seconds(exchange.key, tags[0])
            if age is not None:
                metrics.losing_read_age.observe(age)
