"""Naming: which resource a request is about, and which others it changes, where its path alone does not say so."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from ..core.alias import EXACT, Aliases, Case, fold_case, query_pairs
from ..core.conflict import Problem
from ..core.json_text import Document, read_json
from ..core.naming import Source, Sources, Unnamed, filled
from ..core.pointer import NOTHING, Pointer
from ..core.resource import ResourceKey
from .exchange import Exchange
from .refusing import refuse
from .reply import Reply
from .rules import Rules
from .spool import Spool, in_one_piece_up_to

MAX_NAMED_BYTES = 8 * 1024 * 1024
"""The largest body that a key is looked for in: it is held in memory for that."""


class Told(Enum):
    """When it is known which resources a request is about: with its target, its head, or its body."""

    BY_TARGET = "target"
    BY_HEAD = "head"
    BY_BODY = "body"


class Named(NamedTuple):
    """The resource that a request is about, and what else a write of it has to know. Unnamed: that is not to be told.

    `others` are the keys of the resources that a write changes too, each once and without `key`. `view` is the path whose GET shows
    the resource; empty: the request's own.
    """

    key: ResourceKey | Unnamed
    others: tuple[ResourceKey, ...] | Unnamed = ()
    view: bytes | Unnamed = b""

    @property
    def missing(self) -> Unnamed | None:
        """What a write cannot go without; None where all is there."""
        return next((each for each in self if isinstance(each, Unnamed)), None)


def told(rules: Rules) -> Told:
    """When it is known which resources a write is about."""
    templates = [rules.naming.template] if rules.naming else []
    templates += [naming.template for naming in rules.changes]
    templates += [rules.representation] if rules.representation else []
    sources = {part.source for template in templates for part in template.parts}
    return Told.BY_BODY if Source.BODY in sources else Told.BY_HEAD if Source.HEADER in sources else Told.BY_TARGET


def named(rules: Rules, by_path: ResourceKey, sources: Sources) -> Named:
    """Name the resources of a request. `by_path` is the key where the path alone tells."""
    key = by_path if rules.naming is None else rules.naming.key(sources)
    others: list[ResourceKey] = []
    for naming in rules.changes:
        other = naming.key(sources)
        if isinstance(other, Unnamed):
            return Named(key, other)
        if other != key and other not in others:
            others.append(other)
    view = b"" if rules.representation is None else filled(rules.representation, sources)
    return Named(key, tuple(others), view)


def take_names(exchange: Exchange, names: Named) -> Reply | None:
    """Let a write go on under its names; 400 where one of them is not to be told."""
    key, others, view = names
    if isinstance(key, Unnamed) or isinstance(others, Unnamed) or isinstance(view, Unnamed):
        missing = names.missing
        return refuse(exchange, Problem.BAD_REQUEST, "" if missing is None else missing.why)
    exchange.key, exchange.other_keys, exchange.view, exchange.is_named = key, others, view, True
    return None


async def name_by_body(exchange: Exchange, body: bytes | Spool | None) -> Reply | None:
    """Name the resources of a write whose body has come; 400 where that does not tell them."""
    octets = body if isinstance(body, bytes) else b"" if body is None else await in_one_piece_up_to(body, MAX_NAMED_BYTES)
    document = None if octets is None else read_json(octets)
    if document is not None and document.has_duplicates:
        detail = "An object in the body has a name twice, and the resource is known by the body."
        return refuse(exchange, Problem.BAD_REQUEST, detail)
    sources = RequestSources(exchange.parameters or {}, exchange.target.query, exchange.fields.passing, document, exchange.rules.aliases)
    return take_names(exchange, named(exchange.rules, exchange.key, sources))


class RequestSources:
    """The parts of keys, as one request has them. `document` None: its body is no JSON, or has not been read."""

    def __init__(
        self,
        parameters: Mapping[str, bytes],
        query: bytes | None,
        passing: Sequence[bytes],
        document: Document | None,
        aliases: Aliases = EXACT,
    ) -> None:
        self._is_blind = aliases.case is Case.INSENSITIVE
        self._parameters = parameters
        self._query = query
        self._passing = passing
        self._document = document

    def parameter(self, name: str) -> bytes:
        """The segment of the path that a parameter stands for, folded."""
        return self._parameters[name]

    def query(self, name: str) -> Sequence[bytes]:
        """The values of a parameter of the query, decoded."""
        wanted, pairs = name.encode(), query_pairs(self._query or b"")
        if self._is_blind:
            wanted, pairs = fold_case(wanted), [(fold_case(each), value) for each, value in pairs]
        return [value for each, value in pairs if each == wanted]

    def header(self, name: str) -> Sequence[bytes]:
        """The values of a field of the head."""
        start = name.encode("latin-1") + b":"
        return [line[len(start) :].strip(b" \t\r\n") for line in self._passing if line[: len(start)].lower() == start]

    def body(self, pointer: Pointer) -> object:
        """A value of the body's JSON; NOTHING where it has none, or is no JSON."""
        return NOTHING if self._document is None else self._document.value(pointer)
