"""Judging a write: its preconditions held against what a look at the resource found, and the refusal when it may not go on."""

from ..core.conflict import Problem, Received
from ..core.etag import Wildcard
from ..core.hops import undo_for_write
from ..core.json_text import read_json
from ..core.patch import patch
from ..core.precondition import IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, Absent, Judgement, Present, Verdict, evaluate
from ..core.record import NOT_KNOWN, Version
from ..core.version import is_named, may_be_named
from .creating import makes_member
from .exchange import Exchange
from .incident import IncidentKind
from .injecting import with_version
from .metrics import RouteMetrics
from .refusing import refuse
from .replay import has_a_key
from .reply import Reply
from .representation import Sighting
from .rules import HopTags, Missing, OnAbsent

DATE_TRUST_SECONDS = 2.0
"""A Last-Modified younger than this says nothing yet: a second write in the same second would leave the date as it is."""


# What a refusal that names what stands is told as in the conflict log.
_NAMING = {IncidentKind.STALE: Problem.STALE, IncidentKind.EXISTS: Problem.EXISTS}
_BOM = b"\xef\xbb\xbf"


def judge(exchange: Exchange, sighting: Sighting, metrics: RouteMetrics) -> Reply | None:
    """Hold the preconditions against what was seen; a reply when the write may not go on."""
    if sighting.tag is not None and exchange.rules.hop_tags is HopTags.UNDO:
        exchange.undo(undo_for_write(exchange.conditions, sighting.tag, sighting.maker))
    judgement = evaluate(exchange.method, exchange.conditions, sighting.current)
    if exchange.rules.missing is Missing.REQUIRE and _rests_on_no_date(exchange, sighting):
        return required(exchange, metrics)
    if judgement.verdict is Verdict.PROCEED and _rests_on_a_young_date(exchange, sighting):
        judgement = Judgement(Verdict.FAILED, IF_UNMODIFIED_SINCE)
    absent = isinstance(sighting.current, Absent)
    verdict = judgement.verdict
    if absent and verdict is Verdict.NOT_APPLICABLE and exchange.rules.absent is OnAbsent.FAILED:
        verdict = Verdict.FAILED
    elif absent and verdict is Verdict.FAILED and exchange.rules.absent is OnAbsent.NOT_FOUND and exchange.conditions.if_match is not None:
        verdict = Verdict.NOT_APPLICABLE
    exchange.verdict = verdict.name.lower()
    if verdict is Verdict.PROCEED:
        return None
    if verdict is Verdict.FAILED:
        return _refusal(exchange, sighting, judgement, metrics)
    refusal = sighting.refusal
    if refusal is None or refusal.status >= 500:
        # Nothing was sent, and the client may safely know that: a 500 of the verifying GET would leave it in doubt.
        return refuse(exchange, Problem.NOT_SENT, "The backend could not show what stands.")
    return refusal


def lacks_a_state(exchange: Exchange) -> bool:
    """Whether a write names no state where the route asks for one."""
    is_left_out = not exchange.names_a_state and exchange.waived is None
    return is_left_out and exchange.rules.missing is Missing.REQUIRE and not makes_member(exchange)


def required(exchange: Exchange, metrics: RouteMetrics) -> Reply:
    """Refuse a write that names no state, where the route asks for one (RFC 6585 §3)."""
    exchange.verdict = "required"
    metrics.count_conflict("missing")
    exchange.note(IncidentKind.MISSING)
    return refuse(exchange, Problem.REQUIRED, "This write names no state that it is based on.")


def refuse_unnamed(exchange: Exchange) -> Reply | None:
    """Refuse again what `judge` has just refused, now that the name of what stands could not be put down: nobody is told it.

    Else another state might be found under it, and a client that holds it would overwrite that unseen. None where it was not told.
    """
    if exchange.verdict != Verdict.FAILED.name.lower() or not exchange.incidents:
        return None
    kind = _NAMING.get(exchange.incidents[-1].kind)
    return None if kind is None else refuse(exchange, kind, "The state that this write is based on does not stand.")


def _rests_on_no_date(exchange: Exchange, sighting: Sighting) -> bool:
    """Whether the only condition is a date, and the backend gives none to hold it against (RFC 9110 §13.1.4 has it ignored)."""
    current, conditions = sighting.current, exchange.conditions
    is_only = conditions.if_match is None and conditions.if_none_match is None
    return is_only and isinstance(current, Present) and current.last_modified is None


def _rests_on_a_young_date(exchange: Exchange, sighting: Sighting) -> bool:
    current, conditions = sighting.current, exchange.conditions
    if conditions.if_unmodified_since is None or conditions.if_match is not None or not isinstance(current, Present):
        return False
    if current.last_modified is None:
        return False
    return current.date is None or current.date - current.last_modified < DATE_TRUST_SECONDS


def _refusal(exchange: Exchange, sighting: Sighting, judgement: Judgement, metrics: RouteMetrics) -> Reply:
    because = judgement.because
    received = exchange.claim if because == IF_MATCH else None
    received = received or Received(because.title(), b", ".join(exchange.fields.conditions.get(because, [])))
    if isinstance(sighting.current, Absent):
        metrics.count_conflict("gone")
        exchange.note(IncidentKind.GONE)
        # A 404 may hide what this client must not see: what it sent is not held up to it, and any tag gets the same octets.
        return refuse(exchange, Problem.GONE, "Nothing is here (any more).")
    if because == IF_NONE_MATCH:
        metrics.count_conflict("exists")
        exchange.note(IncidentKind.EXISTS, sighting.tag)
        return refuse(
            exchange, Problem.EXISTS, "Something is here that the precondition excludes.", received=received, current=sighting.tag
        )
    metrics.count_conflict("stale")
    exchange.note(IncidentKind.STALE, sighting.tag)
    detail = "What is here now is not what the precondition names: someone else has changed it since."
    shown, changes = _what_stands(exchange, sighting), _changes(sighting)
    return refuse(exchange, Problem.STALE, detail, received=received, current=sighting.tag, representation=shown, changes=changes)


def _changes(sighting: Sighting) -> bytes | None:
    """What has changed since the version that the client had, where a copy of that is kept."""
    if sighting.base is None or sighting.content is None:
        return None
    old, new = read_json(sighting.base), read_json(sighting.content)
    return None if old is None or new is None else patch(old, new)


def _what_stands(exchange: Exchange, sighting: Sighting) -> bytes | None:
    """The current representation as this client would read it, where it was kept for that and is JSON."""
    if sighting.content is None or sighting.tag is None:
        return None
    if not exchange.rules.dialect.inject:
        return None if read_json(sighting.content) is None else sighting.content.removeprefix(_BOM)
    return with_version(exchange.rules.dialect, sighting.content, sighting.tag)


def is_likely_stale(exchange: Exchange, remembered: Version) -> bool:
    """Whether the preconditions would fail on the remembered version: reason enough to look, never to refuse.

    With an Idempotency-Key it may be the writer's own write that made the tag stale: only the record can tell.
    """
    if remembered == NOT_KNOWN or has_a_key(exchange):
        return False
    conditions = exchange.conditions
    if conditions.if_match is not None:
        return isinstance(conditions.if_match, tuple) and not may_be_named(conditions.if_match, remembered)
    return conditions.if_none_match is Wildcard.ANY or is_named(conditions.if_none_match, remembered)
