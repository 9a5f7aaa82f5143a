"""What the shared stores keep: a record as bytes, and the stamp it answers to.

A record is the digit of its format and then one flat JSON array. The digit also says whether a store may drop the record when it is old:
an older noclobber, which would drop what must last, refuses to read it instead. The end of the lease is not in it: the store sets that
at each swap and keeps it beside the bytes. Reading is strict. Malformed is never absent, so bytes that are not wholly a record raise and
nothing is guessed.
"""

import math
import os

import orjson

from ..core.record import Commit, Record, State, Version
from ..errors import StoreRefused

FORMAT = b"1"
LASTING_FORMAT = b"2"
"""The first byte of every record. Another digit was written by another noclobber."""

STAMP_BYTES = 16
"""As random as an owner: two stamps that are ever equal could let a late writer match."""

_STATES = (State.OK, State.PENDING, State.UNKNOWN)


def fresh_stamp() -> str:
    """Make a stamp that no store has ever given out. Drawn from the kernel each time: a buffer would be shared by forked workers."""
    return os.urandom(STAMP_BYTES).hex()


def encode(record: Record) -> bytes:
    """Write record as bytes, without its `lease_end`. Raise StoreRefused for what could not be read back as it was."""
    state, lineage, epoch, revision, version, fence, owner, _, since, operation, last, replay_key, is_lasting = record
    # JSON has no infinity: it would come back as None, which means something else.
    if since is not None and not math.isfinite(since := float(since)):
        raise StoreRefused(f"a record cannot be unknown since {since}")
    code = 0 if state is State.OK else 1 if state is State.PENDING else 2
    layout = LASTING_FORMAT if is_lasting else FORMAT
    try:
        return layout + orjson.dumps((code, lineage, epoch, revision, version, fence, owner, since, operation, *last, replay_key))
    except orjson.JSONEncodeError as exc:
        raise StoreRefused(f"the record cannot be written: {exc}") from exc


def decode(blob: bytes, lease_end: float) -> Record:
    """Read what `encode` wrote; lease_end is in seconds. Raise StoreRefused for anything else."""
    layout = blob[:1]
    if layout not in (FORMAT, LASTING_FORMAT):
        raise StoreRefused(f"a record has format {layout!r}, this noclobber reads {FORMAT!r} and {LASTING_FORMAT!r}")
    try:
        code, lineage, epoch, revision, version, fence, owner, since, operation, by, at, key, result, replay_key = orjson.loads(blob[1:])
    except (ValueError, TypeError) as exc:
        raise StoreRefused(f"a record is damaged: {exc}") from exc
    # Chains of `is` and not a loop over a table: this runs for every write, and it halves the cost.
    names = type(lineage) is type(epoch) is type(version) is type(owner) is type(operation) is str
    texts = names and type(by) is type(key) is type(result) is type(replay_key) is str
    numbers = type(code) is type(revision) is type(fence) is type(at) is int and (since is None or type(since) is float)
    if not (texts and numbers) or revision < 0 or fence < 0 or at < 0 or not 0 <= code <= 2:
        raise StoreRefused("a record is damaged: a field has the wrong type or size")
    last = Commit(by, at, key, result)
    is_lasting = layout == LASTING_FORMAT
    return Record(
        _STATES[code], lineage, epoch, revision, Version(version), fence, owner, lease_end, since, operation, last, replay_key, is_lasting
    )
