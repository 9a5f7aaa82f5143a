"""Own writes: a retry that comes with the Idempotency-Key of an applied write is told what that write was told (protocol §8).

Never recognised by what is in it alone: two clients that each write 5 -> 6 would both be told yes. Only the last commit of a resource is
kept; a retry after somebody else's write is judged like any other.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from .exchange import Exchange
from .hearing import Heard
from .principal import principal
from .reply import Reply
from .spool import Spool

MAX_KEPT_BYTES = 4096
"""The longest answer whose body is kept in the record. Of a longer one a retry gets the head alone."""

OUTCOME_REPLAYED = b"Noclobber-Outcome: replayed\r\n"
_KEY_FIELD = b"idempotency-key"
_KEPT_FIELDS = frozenset({b"content-type", b"content-language", b"location", b"content-location", b"last-modified", b"vary"})
_CORS_PREFIX = b"access-control-"


def idempotency_keys(exchange: Exchange) -> Sequence[bytes]:
    """The values of Idempotency-Key, as they came. More than one, or an empty one, is no key."""
    return [line.partition(b":")[2].strip() for line in exchange.fields.content if _name(line) == _KEY_FIELD]


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


def result_of(heard: Heard, lines: Iterable[bytes], changed: bytes | None = None) -> str:
    """What a retry is to be told: the status, what names the result, and the body if it is short. `lines` are ours.

    `changed` is the body with the version in it; None: it goes out as it came.
    """
    kept = [line for line in heard.fields.passing if _name(line) in _KEPT_FIELDS or _name(line).startswith(_CORS_PREFIX)]
    content = heard.content if changed is None else changed
    body = content if isinstance(content, bytes) and len(content) <= MAX_KEPT_BYTES else b""
    texts = [part.decode("latin-1") for part in (heard.answer.reason, b"".join((*kept, *lines)), body)]
    return json.dumps([heard.answer.status, *texts], ensure_ascii=False, separators=(",", ":"))


def replay(result: str) -> Reply:
    """The answer to a retry, of what `result_of` kept."""
    status, reason, lines, body = json.loads(result)
    content = None if status == 204 else body.encode("latin-1")
    return Reply(status, reason.encode("latin-1"), [lines.encode("latin-1"), OUTCOME_REPLAYED], content)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
