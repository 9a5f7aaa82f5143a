"""Judging a write: its preconditions held against what a look at the resource found, and the refusal when it may not go on."""

from ..core.conflict import Problem, Received
from ..core.hops import undo_for_write
from ..core.precondition import IF_NONE_MATCH, IF_UNMODIFIED_SINCE, Absent, Judgement, Present, Verdict, evaluate
from .exchange import Exchange
from .metrics import RouteMetrics
from .reply import Reply, problem
from .representation import Sighting
from .rules import HopTags, Missing, OnAbsent

DATE_TRUST_SECONDS = 2.0
"""A Last-Modified younger than this says nothing yet: a second write in the same second would leave the date as it is."""


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
        return problem(Problem.NOT_SENT, "The backend could not show what stands.", exchange.target.path)
    return refusal


def required(exchange: Exchange, metrics: RouteMetrics) -> Reply:
    """Refuse a write that names no state, where the route asks for one (RFC 6585 §3)."""
    exchange.verdict = "required"
    metrics.count_conflict("missing")
    return problem(Problem.REQUIRED, "This write names no state that it is based on.", exchange.target.path)


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
    received = Received(because.title(), b", ".join(exchange.fields.conditions.get(because, [])))
    path = exchange.target.path
    if isinstance(sighting.current, Absent):
        metrics.count_conflict("gone")
        # A 404 may hide what this client must not see: what it sent is not held up to it, and any tag gets the same octets.
        return problem(Problem.GONE, "Nothing is here (any more).", path)
    if because == IF_NONE_MATCH:
        metrics.count_conflict("exists")
        return problem(Problem.EXISTS, "Something is here that the precondition excludes.", path, received=received, current=sighting.tag)
    metrics.count_conflict("stale")
    detail = "What is here now is not what the precondition names: someone else has changed it since."
    return problem(Problem.STALE, detail, path, received=received, current=sighting.tag)
