"""Injecting: the version of a resource, written into what its representations say, where its clients look for it."""

import json
import logging
from collections.abc import Mapping, Sequence

from ..core.dialect import Dialect, Written
from ..core.etag import EntityTag
from ..core.fields import AnswerFields, is_json, without_digests
from ..core.json_text import Document, read_json
from ..core.pointer import Pointer
from ..origin.port import OriginAnswer
from .aside import aside
from .exchange import Exchange
from .hearing import Heard
from .reply import Reply
from .spool import Spool, in_one_piece, in_one_piece_up_to

_logger = logging.getLogger("noclobber")


def written(dialect: Dialect, tag: EntityTag) -> bytes | None:
    """A version as JSON text; None where the dialect writes numbers, and this is none."""
    if dialect.written is Written.NUMBER:
        return tag.opaque if tag.opaque.isdigit() else None
    shown = EntityTag(tag.opaque, weak=dialect.written is Written.WEAK_TAG)
    return json.dumps(bytes(shown).decode("latin-1")).encode("ascii")


def with_version(dialect: Dialect, content: bytes, tag: EntityTag) -> bytes | None:
    """A representation with its version in it; None where it is no JSON object, so that there is no place for one."""
    text = written(dialect, tag)
    document = None if text is None else read_json(content)
    if document is None or text is None:
        return None
    return with_versions(dialect, document, {(): text})


def with_versions(dialect: Dialect, document: Document, versions: Mapping[Pointer, bytes]) -> bytes | None:
    """A document with versions in the objects that pointers lead to; None where none of them is an object."""
    changes = {
        (*base, *place): text for base, text in versions.items() if isinstance(document.value(base), Mapping) for place in dialect.inject
    }
    return document.edited(changes) if changes else None


def may_change(lines: Sequence[bytes]) -> bool:
    """Whether a body may be looked into and changed on the way: it is JSON, in no coding, and not under `no-transform` (RFC 9110 §7.7)."""
    for line in lines:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"cache-control" and _NO_TRANSFORM in [part.strip() for part in value.lower().split(b",")]:
            return False
        if lower == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            return False
    return says_json(lines)


def says_json(lines: Sequence[bytes]) -> bool:
    """Whether a body is said to be JSON; where nothing is said, it may be."""
    types = [line.partition(b":")[2] for line in lines if line[:13].lower() == b"content-type:"]
    return not types or any(is_json(value.rstrip(b"\r\n")) for value in types)


_NO_TRANSFORM = b"no-transform"


def has_place(exchange: Exchange, fields: AnswerFields) -> bool:
    """Whether a version is to be written into the answer to a read, and may be."""
    return bool(exchange.rules.dialect.inject) and may_change(fields.passing) and may_change(exchange.fields.passing)


async def changed_reply(
    exchange: Exchange, answer: OriginAnswer, fields: AnswerFields, tag: EntityTag, content: bytes | Spool
) -> Reply | None:
    """The answer to a read with the version in it, content closed; None, and nothing done, where there is no place for one.

    No range is cut of what is changed on the way: a client that has a part of it may have it from a time when it was not.
    """
    dialect = exchange.rules.dialect
    whole = await in_one_piece(content)
    changed = await aside(len(whole), with_version, dialect, whole, tag)
    if changed is None:
        return None
    if isinstance(content, Spool):
        content.close()
    lines = [*without_digests(fields.passing), dialect.tag_line(tag)]
    return Reply(answer.status, answer.reason, lines, changed, fields.date)


class Unwritten:
    """Say once of each route that there was no version to write, or too much to write it into."""

    def __init__(self) -> None:
        self._routes: set[str] = set()

    def tell(self, exchange: Exchange) -> None:
        """Note an answer that goes out without its version, where it should have one."""
        rules = exchange.rules
        if rules.dialect.inject and rules.name not in self._routes:
            self._routes.add(rules.name)
            _logger.warning("route %s: a representation has no tag, or is too large: its version is not written into it", rules.name)


async def changed_answer(exchange: Exchange, heard: Heard, tag: EntityTag, max_bytes: int) -> bytes | None:
    """What the backend answered to a write, with the version in it that the write has made; None where there is no place for one."""
    dialect, content = exchange.rules.dialect, heard.content
    if not dialect.inject or not heard.is_whole or exchange.method == b"DELETE" or not may_change(heard.fields.passing):
        return None
    whole = content if isinstance(content, bytes) else await in_one_piece_up_to(content, max_bytes)
    return None if whole is None else await aside(len(whole), with_version, dialect, whole, tag)
