"""Own writes: the retry of an applied write is told what that write was told (protocol §8).

It is known by its Idempotency-Key; where the route says `own_write = "principal+body+tag"`, also by who sends what on which version.
Never by what is in it alone: two clients that each write 5 -> 6 would both be told yes. Only the last commit of a resource is kept; a
retry after somebody else's write is judged like any other.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from ..core.event import OWN, is_own, is_same_request
from ..core.record import Snapshot
from .exchange import Exchange
from .hearing import Heard
from .principal import principal
from .reply import Reply
from .spool import Spool

MAX_KEPT_BYTES = 4096
"""The longest answer whose body is kept in the record. Of a longer one a retry under an Idempotency-Key gets the head alone."""
MAX_OWN_BYTES = 65536
"""The same for a client that has no such key, and takes an answer without its body for the whole. A retry of more is not recognised."""

OUTCOME_REPLAYED = b"Noclobber-Outcome: replayed\r\n"
_KEY_FIELD = b"idempotency-key"
_KEPT_FIELDS = frozenset({b"content-type", b"content-language", b"location", b"content-location", b"last-modified", b"vary"})
_CORS_PREFIX = b"access-control-"


def idempotency_keys(exchange: Exchange) -> Sequence[bytes]:
    """The values of Idempotency-Key, as they came. More than one, or an empty one, is no key."""
    return [line.partition(b":")[2].strip() for line in exchange.fields.content if _name(line) == _KEY_FIELD]


def has_a_key(exchange: Exchange) -> bool:
    """Whether a write came with an Idempotency-Key. Only to be asked once its body is there."""
    return exchange.replay_key != "" and not is_own(exchange.replay_key)


async def replay_key(exchange: Exchange, key: bytes, body: bytes | Spool | None) -> str:
    """Bind key to the principal, the method, the target and the body: `identity:payload`, as `core/event.py` has it."""
    identity = hashlib.sha256()
    for part in (key, exchange.method, exchange.store_key.encode(), exchange.target.forwarded, *principal(exchange)):
        identity.update(b"%d:%b" % (len(part), part))
    payload = hashlib.sha256()
    if isinstance(body, Spool):
        async for piece in body.pieces():
            payload.update(piece)
    else:
        payload.update(body or b"")
    return f"{identity.hexdigest()[:32]}:{payload.hexdigest()[:32]}"


async def own_write_key(exchange: Exchange, body: bytes | Spool | None) -> str:
    """Bind a write to the principal, the method, the target, the body and the tags it names; empty where nobody or nothing is named."""
    tags = exchange.conditions.if_match
    if not isinstance(tags, tuple) or not principal(exchange):
        return ""
    bound = await replay_key(exchange, b"own %b" % b",".join(map(bytes, tags)), body)
    return f"{bound.replace(':', '')}:{OWN}"


def is_recorded(snapshot: Snapshot, replay_key: str) -> bool:
    """Whether this write is the last one that was committed, or one that is under way or in doubt."""
    record = snapshot.record
    return record is not None and any(is_same_request(replay_key, other) for other in (record.replay_key, record.last.replay_key))


def result_of(heard: Heard, lines: Iterable[bytes], replay_key: str, changed: bytes | None = None) -> str:
    """What a retry is to be told: the status, what names the result, and the body if it is short. `lines` are ours.

    `changed` is the body with the version in it; None: it goes out as it came. Empty: there is nothing that a retry could be told.
    """
    kept = [line for line in heard.fields.passing if _name(line) in _KEPT_FIELDS or _name(line).startswith(_CORS_PREFIX)]
    content = heard.content if changed is None else changed
    body = content if isinstance(content, bytes) and len(content) <= (MAX_OWN_BYTES if is_own(replay_key) else MAX_KEPT_BYTES) else None
    if body is None:
        if is_own(replay_key):
            return ""
        body = b""
    texts = [part.decode("latin-1") for part in (heard.answer.reason, b"".join((*kept, *lines)), body)]
    return json.dumps([heard.answer.status, *texts], ensure_ascii=False, separators=(",", ":"))


def replay(result: str) -> Reply:
    """The answer to a retry, of what `result_of` kept."""
    status, reason, lines, body = json.loads(result)
    content = None if status == 204 else body.encode("latin-1")
    return Reply(status, reason.encode("latin-1"), [lines.encode("latin-1"), OUTCOME_REPLAYED], content)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
