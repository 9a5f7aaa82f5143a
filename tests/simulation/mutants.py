"""Mutants: the protocol with one protective step taken out. The simulation has to notice each of them, or it is too tame.

Every mutant is put on from outside and taken off again; nothing of noclobber knows of it. The last two were no mutants once: noclobber
was like that until the simulation found it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf

import pytest

from proxy.core import write
from proxy.core.conflict import Problem
from proxy.core.event import Answer, Begin, Done, Event, Kind, Renew
from proxy.core.fields import AnswerFields
from proxy.core.label import Label
from proxy.core.record import NOT_KNOWN, Record, Snapshot, State, Version
from proxy.core.version import is_named
from proxy.core.write import Phase
from proxy.errors import Delivery, OriginError, StoreUnavailable
from proxy.gateway import counting, writing
from proxy.gateway.attempt import Attempt
from proxy.gateway.exchange import Exchange
from proxy.gateway.hearing import Heard
from proxy.gateway.lease import Lease, Leases
from proxy.gateway.metrics import RouteMetrics
from proxy.gateway.reading import Reading
from proxy.gateway.reply import Reply, problem
from proxy.gateway.representation import Representations, Sighting
from proxy.gateway.rules import Verify
from proxy.gateway.several import Keys, Several
from proxy.gateway.spool import Spool
from proxy.gateway.writing import Writing
from proxy.origin.port import OriginAnswer, ReservedConnection
from proxy.store.port import StoreKey

from .store import Register


@dataclass(frozen=True, slots=True)
class Mutant:
    """`removed` says which step is not taken any more, `rule` which rule of the protocol that breaks."""

    name: str
    removed: str
    rule: str
    put_on: Callable[[pytest.MonkeyPatch], None]


def _expired_is_free(patch: pytest.MonkeyPatch) -> None:
    original = write.phase_at_begin

    def phase(snapshot: Snapshot, event: Begin) -> Phase:
        found = original(snapshot, event)
        return Phase.SETTLED if found is Phase.ABANDONED else found

    patch.setattr(write, "phase_at_begin", phase)


def _nobody_is_fenced(patch: pytest.MonkeyPatch) -> None:
    original = write.phase_of_own

    def phase(snapshot: Snapshot, owner: str, fence: int, kind: Kind) -> Phase:
        found = original(snapshot, owner, fence, kind)
        record = snapshot.record
        if found is not Phase.LOST or record is None or record.lineage != snapshot.lineage:
            return found
        is_confirmed = kind in write.CONFIRMS or (record.state is State.UNKNOWN and kind in (Kind.MARK, Kind.RENEW))
        return Phase.OWN_UNKNOWN if is_confirmed else Phase.OWN_PENDING

    patch.setattr(write, "phase_of_own", phase)


def _doubt_is_not_looked_into(patch: pytest.MonkeyPatch) -> None:
    def trusts(attempt: Attempt) -> bool:
        exchange, version = attempt._exchange, attempt._lease.version
        if exchange.rules.verify is not Verify.TRUST_STORE or exchange.conditions.if_none_match is not None:
            return False
        return is_named(exchange.conditions.if_match, version)

    patch.setattr(Attempt, "_trusts_the_store", trusts)


def _doubt_is_not_waited_out(patch: pytest.MonkeyPatch) -> None:
    original = Lease.__init__

    def init(lease: Lease, *arguments: object) -> None:
        original(lease, *arguments)  # type: ignore[arg-type]
        lease.age_seconds = inf

    patch.setattr(Lease, "__init__", init)


def _the_gate_is_open(patch: pytest.MonkeyPatch) -> None:
    def gate(attempt: Attempt) -> bool:
        attempt._may_be_sent = True
        return True

    patch.setattr(Attempt, "_gate", gate)


class _SeenBefore(Representations):
    """What was seen before the lease was had."""

    def __init__(self, real: Representations, sighting: Sighting) -> None:
        self.__dict__ = dict(real.__dict__)
        self._sighting = sighting

    async def look(self, exchange: Exchange, now: float) -> Sighting:
        return self._sighting


def _verified_before_the_lease(patch: pytest.MonkeyPatch) -> None:
    in_turn, verify = Writing._in_turn, Attempt._verify
    seen: dict[int, Sighting] = {}

    async def look_first(
        self: Writing, exchange: Exchange, keys: Keys, body: bytes | Spool | None, until: float, metrics: RouteMetrics
    ) -> Reply:
        try:
            seen[id(exchange)] = await self._representations.look(exchange, 0.0)
        except OriginError:
            return problem(Problem.NOT_SENT, "", b"")
        try:
            return await in_turn(self, exchange, keys, body, until, metrics)
        finally:
            seen.pop(id(exchange), None)

    async def judge_by_that(attempt: Attempt) -> tuple[Reply | None, Sighting | None]:
        real, sighting = attempt._representations, seen.get(id(attempt._exchange))
        if sighting is not None and not attempt._in_doubt:
            attempt._representations = _SeenBefore(real, sighting)
        try:
            return await verify(attempt)
        finally:
            attempt._representations = real

    patch.setattr(Writing, "_in_turn", look_first)
    patch.setattr(Attempt, "_verify", judge_by_that)


def _writes_are_sent_again(patch: pytest.MonkeyPatch) -> None:
    original = Attempt._exchange_once

    async def exchange_twice(attempt: Attempt, connection: ReservedConnection, conditional: bool) -> Heard:
        try:
            return await original(attempt, connection, conditional)
        except OriginError as failure:
            if failure.delivery is Delivery.NOT_SENT:
                raise
            return await original(attempt, await attempt._origin.reserve(), conditional)

    patch.setattr(Attempt, "_exchange_once", exchange_twice)


def _no_grace(patch: pytest.MonkeyPatch) -> None:
    original = write.phase_at_begin
    patch.setattr(write, "phase_at_begin", lambda snapshot, event: original(snapshot, replace(event, grace_seconds=0.0)))


def _labelled_at_the_end(patch: pytest.MonkeyPatch) -> None:
    original = Reading._answer_counted

    async def answer(reading: Reading, exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, asked: bytes) -> Reply:
        assert reading._labels is not None
        exchange.standing = await reading._labels.standing(exchange.store_key)
        return await original(reading, exchange, answer, fields, asked)

    patch.setattr(Reading, "_answer_counted", answer)


def _numbers_begin_anew(patch: pytest.MonkeyPatch) -> None:
    original = Register.begin_anew

    def begin_anew(register: Register, lost_swaps: int = 0) -> None:
        original(register, lost_swaps)
        register.floor = 0

    patch.setattr(Register, "begin_anew", begin_anew)


def _numbers_are_kept_through_doubt(patch: pytest.MonkeyPatch) -> None:
    def keep(snapshot: Snapshot, record: Record, seen: Version) -> Label:
        return Label(record.epoch, record.revision)

    patch.setattr(write, "label_after_doubt", keep)
    patch.setattr(counting, "label_after_doubt", keep)


def _others_are_not_counted_on(patch: pytest.MonkeyPatch) -> None:
    async def finish(self: Several, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> Answer:
        others = Kind.ABORT if kind is Kind.COMMIT else kind
        await asyncio.gather(*(lease.finish(others) for lease in self._others), return_exceptions=True)
        return await self._first.finish(kind, version, replay_key, result)

    patch.setattr(Several, "finish", finish)


def _one_lease_does_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writing, "keys_of", lambda exchange: Keys(exchange.store_key, (exchange.store_key,)))


def _doubts_of_others_are_not_waited_out(patch: pytest.MonkeyPatch) -> None:
    original = Several.__init__

    def init(self: Several, first: Lease, others: Sequence[Lease]) -> None:
        original(self, first, others)
        if first.why is None:
            self.age_seconds = inf

    patch.setattr(Several, "__init__", init)


def _renewals_prove_themselves(patch: pytest.MonkeyPatch) -> None:
    original = Leases.apply

    async def apply(leases: Leases, key: StoreKey, snapshot: Snapshot, event: Event) -> tuple[Snapshot, Answer]:
        try:
            return await original(leases, key, snapshot, event)
        except StoreUnavailable:
            standing = await leases.store.load(key)
            record, before = standing.record, snapshot.record
            if not isinstance(event, Renew) or record is None or before is None or record.fence != before.fence:
                raise
            return standing, Done(record.revision, record.epoch)

    patch.setattr(Leases, "apply", apply)


def _the_grace_is_remembered(patch: pytest.MonkeyPatch) -> None:
    def remember(leases: Leases, key: StoreKey, snapshot: Snapshot) -> None:
        leases._remembered.pop(key, None)
        if snapshot.record is not None and snapshot.record.state is State.OK and not snapshot.record.owner:
            leases._remembered[key] = snapshot

    patch.setattr(Leases, "_remember", remember)


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant("pending marker", "an expired lease is free", "the pending marker outlives the lease", _expired_is_free),
        Mutant("fence", "owner, fence and lease are not checked", "COMMIT, ABORT, MARK, CONFIRM check owner, fence", _nobody_is_fenced),
        Mutant("revalidate", "no GET after the quarantine", "unknown outcome: quarantine, GET, then decide", _doubt_is_not_looked_into),
        Mutant("quarantine", "no wait before that GET", "after an unknown outcome: wait out D", _doubt_is_not_waited_out),
        Mutant("send gate", "the gate is always open", "no byte of a write is sent after the local deadline", _the_gate_is_open),
        Mutant("verify under the lease", "the GET comes before BEGIN", "W3: GET under the lease", _verified_before_the_lease),
        Mutant("no retry", "a write that broke off is sent once more", "nobody retries a write", _writes_are_sent_again),
        Mutant("grace", "G is 0", "after a lineage change writes wait G", _no_grace),
        Mutant("label at start", "a revision is read after the body", "revision: the label is read before the GET", _labelled_at_the_end),
        Mutant("floor", "after a loss numbers begin anew", "numbers never repeat", _numbers_begin_anew),
        Mutant("burning", "a doubt leaves the number as it is", "CONFIRM burns a revision", _numbers_are_kept_through_doubt),
        Mutant("counting others on", "what a write changes too keeps its tag", "all keys are told", _others_are_not_counted_on),
        Mutant("several leases", "only the own resource is leased", "all leases or none", _one_lease_does_for_all),
        Mutant("doubts of others", "only the own doubt is waited out", "wait out D", _doubts_of_others_are_not_waited_out),
        Mutant("lost renewal", "a renewal is taken for done by its record", "our stamp stands, or it does not", _renewals_prove_themselves),
        Mutant("ageing grace", "what was seen in the grace is remembered", "I5: nothing is stuck", _the_grace_is_remembered),
    )
}  # fmt: skip


@contextmanager
def wearing(name: str | None) -> Iterator[None]:
    """Run what stands in the block with one mutant on; None: with noclobber as it is."""
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            MUTANTS[name].put_on(patch)
        yield
