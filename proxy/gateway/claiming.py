"""Claims: the version that a write is based on, where it comes in the query or in the body, made a precondition like that of If-Match.

What noclobber has written into representations (`Dialect.inject`) is taken out of what clients send back: the backend knows no such thing.
"""

from ..core.conflict import Problem, Received
from ..core.dialect import Dialect, Place, Post
from ..core.etag import EntityTag, Malformed, Wildcard
from ..core.fields import without_digests
from ..core.json_text import Document, read_json
from ..core.pointer import NOTHING, Pointer, write_pointer
from ..core.token import also_named, read_query, read_value
from .aside import aside
from .exchange import Exchange
from .forcing import set_aside
from .injecting import says_json
from .judging import lacks_a_state, required
from .metrics import RouteMetrics
from .refusing import refuse
from .reply import Reply
from .spool import Spool, in_one_piece_up_to


def claim_in_query(exchange: Exchange) -> Reply | None:
    """Take the version in the query for a precondition; a reply where it cannot be read."""
    dialect = exchange.rules.dialect
    found = read_query(exchange.target.query, dialect.token.name, dialect.compare)
    return None if found is None else _claim(exchange, f"query:{dialect.token.name}", *found)


async def claimed_body(
    exchange: Exchange, body: bytes | Spool | None, max_bytes: int, metrics: RouteMetrics
) -> Reply | bytes | Spool | None:
    """The body as the backend is to have it, and a look at the version in it; a reply where that forbids the write already."""
    dialect = exchange.rules.dialect
    if dialect.token.place is not Place.BODY and not dialect.inject:
        return body
    claimed = await _claim_in_body(exchange, body, max_bytes)
    set_aside(exchange)
    if not isinstance(claimed, Reply) and lacks_a_state(exchange):
        return required(exchange, metrics)
    return claimed


async def _claim_in_body(exchange: Exchange, body: bytes | Spool | None, max_bytes: int) -> Reply | bytes | Spool | None:
    """Take the version in the body for a precondition, if the dialect has it there. Return the body as the backend is to have it.

    A reply where the version cannot be read, or a body that may hold it is larger than `max_bytes`. A body that is not JSON holds none.
    """
    dialect = exchange.rules.dialect
    # What a POST is to create has no version that it could be based on.
    in_body = dialect.token.place is Place.BODY and not (exchange.method == b"POST" and dialect.post is Post.CREATE)
    if not body or not (dialect.token.place is Place.BODY or dialect.inject):
        return body
    content = await in_one_piece_up_to(body, max_bytes)
    if content is None:
        detail = f"The body is larger than {max_bytes} bytes, too large to look for a version in it."
        return refuse(exchange, Problem.TOO_LARGE, detail) if in_body else body
    document = await aside(len(content), read_json, content)
    if document is None:
        lines = exchange.fields.content
        is_coded = any(line[:17].lower() == b"content-encoding:" for line in lines)
        return _unreadable(exchange) if in_body and (is_coded or says_json(lines)) else body
    if in_body and (refused := _claim_in(exchange, document)) is not None:
        return refused
    return _without(exchange, dialect, document, content)


def _claim_in(exchange: Exchange, document: Document) -> Reply | None:
    dialect, rules = exchange.rules.dialect, exchange.rules
    pointer = dialect.token.pointer
    if document.has_duplicates:
        # Readers do not agree on which of two values counts: the backend may take the one, we the other.
        return refuse(exchange, Problem.MALFORMED, "An object in the body has two members of one name.")
    value = document.value(pointer)
    base = read_value(value, dialect.compare, is_number=rules.numbers is not None)
    return None if base is None else _claim(exchange, f"body:{write_pointer(pointer)}", _shown(document, pointer), base)


def _claim(exchange: Exchange, place: str, text: bytes, base: EntityTag | Wildcard | Malformed) -> Reply | None:
    exchange.claim = Received(place.encode(), text)
    named = base if isinstance(base, Malformed) else also_named(exchange.conditions, base)
    if isinstance(named, Malformed):
        detail = f"The version in {place} cannot be read: {named.why}."
        return refuse(exchange, Problem.MALFORMED, detail, received=exchange.claim)
    exchange.conditions = named
    return None


def _shown(document: Document, pointer: Pointer) -> bytes:
    """A version as it came, for those who are to be shown it."""
    value = document.value(pointer)
    return value.encode("utf-8", "replace") if isinstance(value, str) else document.canonical(pointer=pointer) or b""


def _without(exchange: Exchange, dialect: Dialect, document: Document, content: bytes) -> bytes:
    """The body without what is ours in it. Digests of the body go where it changes: they would be wrong."""
    pointers = {*dialect.inject, dialect.token.pointer} if dialect.token.place is Place.BODY else set(dialect.inject)
    ours = [pointer for pointer in pointers if document.value(pointer) is not NOTHING]
    if not ours:
        return content
    # Of two places of which one holds the other, the outer one is enough.
    outer = [pointer for pointer in ours if not any(pointer[: len(other)] == other for other in ours if other != pointer)]
    fields = exchange.fields
    fields.content = without_digests(fields.content)
    return document.edited(dict.fromkeys(outer))


def _unreadable(exchange: Exchange) -> Reply:
    return refuse(exchange, Problem.MALFORMED, "The body is not plain JSON in UTF-8, so the version in it cannot be read.")
