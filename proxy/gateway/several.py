"""Several leases for one write: that of its own resource, and those of the resources that it changes too.

They are asked for one after the other, in the order of their keys, which is the same for everybody: so no two writes wait for each other.
All are held, or none: whoever does not get one gives back what it has. The preconditions are about the first resource alone; the others
only move on, as nobody has looked at them. Whatever ends the write in between leaves every one of its records pending, and so unknown.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from math import inf
from typing import NamedTuple

from ..core.event import Answer, Done, Fenced, Kind, NotGranted, Why
from ..core.record import NOT_KNOWN, Snapshot, Version
from ..core.resource import key_digest
from ..errors import StoreError
from ..store.port import StoreKey
from .exchange import Exchange
from .lease import Lease, Leases
from .points import Faults


class Keys(NamedTuple):
    """What a write takes: the key of its own resource, and all of them in the order in which everybody takes them."""

    own: StoreKey
    ordered: Sequence[StoreKey]


def keys_of(exchange: Exchange) -> Keys:
    """The keys of what a request changes."""
    own = exchange.store_key
    if not exchange.other_keys:
        return Keys(own, (own,))
    return Keys(own, sorted({own, *(StoreKey(key_digest(key)) for key in exchange.other_keys)}))


async def begin_all(
    leases: Leases,
    keys: Keys,
    until: float,
    operation: str,
    replay_key: str = "",
    writer: str = "",
    *,
    counts: bool = False,
    replay_seconds: float = inf,
) -> "Lease | Several | NotGranted":
    """Ask for the leases of keys, as `Leases.begin` does for one. Where it does not come to all of them none is held any more."""
    own = keys.own
    if len(keys.ordered) == 1:
        return await leases.begin(own, until, operation, replay_key, writer, counts=counts, replay_seconds=replay_seconds)
    granted: list[Lease] = []
    first: Lease | None = None
    try:
        for key in keys.ordered:
            is_own = key == own
            # What is changed from elsewhere has a label that must never come again, however its own route is told apart.
            retried = replay_key if is_own else ""
            lease = await leases.begin(key, until, operation, retried, writer, counts=counts or not is_own, replay_seconds=replay_seconds)
            if not isinstance(lease, Lease):
                await _give_back(granted)
                return lease
            granted.append(lease)
            first = lease if is_own else first
    except BaseException:
        await _give_back(granted)
        raise
    if first is None:
        raise TypeError("a write whose own key is not among its keys")
    return Several(first, [lease for lease in granted if lease is not first])


async def _give_back(granted: Sequence[Lease]) -> None:
    """Let go of leases under which nothing was done. Where the store cannot be told they run out, and are looked into."""
    kinds = [Kind.ABORT if lease.why is None else Kind.MARK for lease in granted]
    await asyncio.gather(*(lease.finish(kind) for lease, kind in zip(granted, kinds, strict=True)), return_exceptions=True)


class Several:
    """What a write holds that changes several resources: a Lease to whoever carries it through. `first` is that of its own resource."""

    def __init__(self, first: Lease, others: Sequence[Lease]) -> None:
        self._first = first
        self._others = others
        self._all = (first, *others)
        self._doubtful = {id(lease) for lease in self._all if lease.why is not None}
        doubts = [lease for lease in self._all if lease.why is not None and lease.why is not Why.LINEAGE]
        # The youngest doubt has to be waited out; what a lost history left behind has been, by the grace.
        self.why = doubts[0].why if doubts else next((lease.why for lease in self._all if lease.why is not None), None)
        self.age_seconds = min((lease.age_seconds for lease in doubts), default=0.0)
        record = first.snapshot.record
        self._done = Done(0, "") if record is None else Done(record.revision, record.epoch)

    @property
    def snapshot(self) -> Snapshot:
        """What stands in the store of the write's own resource."""
        return self._first.snapshot

    @property
    def version(self) -> Version:
        """The version that the last commit of the write's own resource left."""
        return self._first.version

    @property
    def faults(self) -> Faults | None:
        """What a test does at the fault points."""
        return self._first.faults

    def is_running(self) -> bool:
        """Whether every lease still runs: the send gate."""
        return all(lease.is_running() for lease in self._all)

    @property
    def left_seconds(self) -> float:
        """How long all of them still run."""
        return min(lease.left_seconds for lease in self._all)

    def watch(self, on_move: Callable[[], None] | None) -> None:
        """Have on_move called whenever one of the deadlines has moved."""
        for lease in self._all:
            lease.watch(on_move)

    def limit_write(self) -> None:
        """Stop renewing one write timeout from now."""
        for lease in self._all:
            lease.limit_write()

    async def stop_renewing(self) -> None:
        """End the renewals of all."""
        for lease in self._all:
            await lease.stop_renewing()

    async def confirm(self, kind: Kind, version: Version) -> Answer:
        """Settle what is in doubt: PROCEED to go on with the write, SETTLE to stop there, and let go of the rest too.

        `version` is what was seen of the write's own resource. Of the others nothing was: their numbers are burned.
        """
        doubtful = [lease for lease in self._all if id(lease) in self._doubtful]
        clean = [lease for lease in self._all if id(lease) not in self._doubtful]
        confirms = (lease.confirm(kind, version if lease is self._first else NOT_KNOWN) for lease in doubtful)
        if kind is Kind.SETTLE:
            aborts = (lease.finish(Kind.ABORT, version if lease is self._first else NOT_KNOWN) for lease in clean)
            return await self._gathered([*confirms, *aborts], [*doubtful, *clean])
        answers = await asyncio.gather(*confirms, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        if any(isinstance(answer, Fenced) for answer in answers):
            held = [lease for lease, answer in zip(doubtful, answers, strict=True) if not isinstance(answer, Fenced)]
            await asyncio.gather(*(lease.finish(Kind.ABORT) for lease in (*held, *clean)), return_exceptions=True)
            return Fenced()
        self._doubtful.clear()
        own = [answer for lease, answer in zip(doubtful, answers, strict=True) if lease is self._first]
        return own[0] if own and isinstance(own[0], Done) else self._done

    async def finish(self, kind: Kind, version: Version = NOT_KNOWN, replay_key: str = "", result: str = "") -> Answer:
        """Report what became of the write on all, and let them go. The answer is that of the write's own resource.

        One of the others that cannot be told stays pending: it is looked into, and its number burned, before it is written again.
        """
        first = self._first.finish(kind, version, replay_key, result)
        return await self._gathered([first, *(lease.finish(kind) for lease in self._others)], self._all)

    async def _gathered(self, reports: Sequence[Coroutine[object, object, Answer]], leases: Sequence[Lease]) -> Answer:
        answers = await asyncio.gather(*reports, return_exceptions=True)
        own: Answer = self._done
        for lease, answer in zip(leases, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, StoreError):
                raise answer
            if lease is self._first:
                if isinstance(answer, BaseException):
                    raise answer
                own = answer
        return own
