"""Events and answers: what can happen to a record, and what the one who brought the event is told."""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import ClassVar

from .record import NOT_KNOWN, Version


class Kind(Enum):
    """The name of an event: a column of TRANSITIONS."""

    BEGIN = "begin"
    PROCEED = "confirm, then write"
    SETTLE = "confirm, then stop"
    COMMIT = "commit"
    ABORT = "abort"
    MARK = "mark"
    RENEW = "renew"
    NOTICE = "notice"

    # Members are singletons: hashing them by identity is right, and ten times as fast as by name.
    __hash__ = object.__hash__


OWN = "own"
"""The payload of a replay key that we made of what a client sent, because it has none of its own."""


def is_own(replay_key: str) -> bool:
    """Whether the client sent no Idempotency-Key, and is known by what it sent instead."""
    return replay_key.rpartition(":")[2] == OWN


def is_same_request(replay_key: str, other: str) -> bool:
    """Whether both have one identity. What has none is nobody's retry."""
    identity = replay_key.partition(":")[0]
    return identity != "" and identity == other.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Begin:
    """A writer asks for the lease. `replay_key` empty: its retry could not be recognised, so nothing is replayed to it.

    `counts`: the resource is told apart by its revisions, so its record is to last.

    A replay key is `identity:payload`: who sent which request under which Idempotency-Key, and a digest of what was in it. Without such a
    key the payload is OWN, and all is in the identity. `replay_seconds` is how long after the last commit it is recognised.
    """

    kind: ClassVar[Kind] = Kind.BEGIN
    owner: str
    operation: str
    lease_seconds: float
    grace_seconds: float
    replay_key: str = ""
    counts: bool = False
    replay_seconds: float = inf


@dataclass(frozen=True, slots=True)
class Confirm:
    """The owner of an unknown record has waited and looked: `version` is what stands. `kind` says whether it goes on to write."""

    owner: str
    fence: int
    kind: Kind
    version: Version
    lease_seconds: float
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The owner is done: COMMIT (applied), ABORT (certainly not applied) or MARK (nobody can say).

    `version` NOT_KNOWN after a commit means that the new one could not be had; in an abort, that the remembered one stays.
    """

    owner: str
    fence: int
    kind: Kind
    version: Version = NOT_KNOWN
    replay_key: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Renew:
    """The owner needs the lease for longer."""

    kind: ClassVar[Kind] = Kind.RENEW
    owner: str
    fence: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A reader found `version`, and no lease has been granted since before it asked: somebody went round us."""

    kind: ClassVar[Kind] = Kind.NOTICE
    version: Version


Event = Begin | Confirm | Finish | Renew | Notice


class Why(Enum):
    """Why a record is unknown. RETRIED: the outcome of a write is, and this is the same one again."""

    RETRIED = "unknown outcome of this very write"
    UNKNOWN = "unknown outcome"
    ABANDONED = "abandoned lease"
    LINEAGE = "lost history"


@dataclass(frozen=True, slots=True)
class GraceRunning:
    """No write is granted for `seconds`: older leases of a lost history may still be in use."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Busy:
    """Another writer holds the lease, for `seconds` at most unless it renews."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """This very write has been committed before; `result` is what its client was to be told."""

    result: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """This very write is under way already, for `seconds` at most unless it renews."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reused:
    """The last commit was made by a request of the same identity with another payload."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease is the caller's and the record is pending: it may verify and send. `version` NOT_KNOWN: only a GET can tell."""

    fence: int
    version: Version


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The lease is the caller's, but nobody knows what stands: wait until the ambiguity is `apply delay` old, GET, then Confirm."""

    fence: int
    why: Why
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """The event took effect."""

    revision: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """The record is not the caller's any more: whatever the caller knows of it is out of date."""


NotGranted = GraceRunning | Busy | Replayed | InFlight | Reused
"""What a BEGIN is answered with that does not get the lease."""
Answer = NotGranted | Granted | TakenOver | Done | Fenced
