"""Changes from outside that a read finds on a counted route: it counts on for them, so that its reader holds a number that stands.

Else the reader would be told the old number with the new content, and its next save be refused once for nothing. The rule of this file:
who is shown a resource in a way of their own must not count on for the others. So only the last writer's reads do, and none that vary.
"""

from ..core.etag import EntityTag
from ..core.fields import AnswerFields
from ..core.label import is_changed_from_outside, is_settled
from ..core.record import NOT_KNOWN
from ..core.version import version_of
from .conflicts import writer_of
from .counting import tells_the_whole
from .exchange import Exchange
from .incident import IncidentKind
from .labels import Labels
from .principal import principal_digest
from .representation import Representations

# What these name changes neither what a JSON document says nor the digest of it.
_HARMLESS = frozenset({b"origin", b"accept-encoding"})


def is_comparable(exchange: Exchange, fields: AnswerFields, salt: bytes | None) -> bool:
    """Whether what a read is shown can be held against what the last commit left."""
    standing = exchange.standing
    if standing is None or standing.record is None or standing.record.version == NOT_KNOWN or exchange.method != b"GET":
        return False
    is_whole = tells_the_whole(exchange) and exchange.view in (b"", exchange.target.forwarded)
    is_writer = writer_of(standing.record) == principal_digest(exchange, salt)
    return is_whole and is_settled(standing) and is_writer and not _varies(fields)


async def count_on(exchange: Exchange, seen: EntityTag | None, labels: Labels, representations: Representations) -> None:
    """Count on where `seen` is not what the last commit left, and let what stands then be the standing of the exchange."""
    standing, version = exchange.standing, version_of(seen)
    if standing is None or standing.record is None or not is_changed_from_outside(standing.record, version):
        return
    after = await labels.count_on(exchange.store_key, standing, version)
    if after is None:
        return
    exchange.standing = after
    tag = labels.tag(after, exchange.rules.numbers)
    if tag is not None:
        representations.history.find_strange(exchange.key, tag)
    exchange.note(IncidentKind.OUT_OF_BAND, tag)


def _varies(fields: AnswerFields) -> bool:
    """Whether the backend says that others may be shown something else (RFC 9110 §12.5.5)."""
    lines = (line.partition(b":") for line in fields.passing)
    names = (name for field, _, value in lines if field.lower() == b"vary" for name in value.split(b","))
    return any(name.strip().lower() not in _HARMLESS for name in names)
