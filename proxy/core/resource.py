"""Resources: which route a path belongs to, and the key that its lock and its record go by.

The key is the canonical path, folded as the route says that the backend does (`alias.py`). Unless the route says so the query does not
belong to it, so that `?page=2` or a cache-buster is no way round a lock; that costs a wait where the backend means two resources by it,
never an update.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Generic, NamedTuple, NewType, TypeVar

from .alias import EXACT, Aliases, without_parameters

ResourceKey = NewType("ResourceKey", bytes)
"""What a lock is taken on: the canonical path of a resource, and what of its query counts."""

KEY_DIGEST_BYTES = 18
"""144 bits: no two of 2^60 resources share a digest by chance, and 24 characters without padding."""

_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z]+)|(\*))?\}")

R = TypeVar("R")


def resource_key(folded: bytes) -> ResourceKey:
    """The key of the resource at a target, folded."""
    return ResourceKey(folded)


def key_digest(key: ResourceKey) -> str:
    """A name for key of fixed length and alphabet, so that no byte of a client's reaches a store's key names or a log."""
    return urlsafe_b64encode(sha256(key).digest()[:KEY_DIGEST_BYTES]).decode("ascii")


class Form(Enum):
    """What a segment must look like that a parameter of this form stands for."""

    INT = "int"
    UUID = "uuid"
    HEX = "hex"


class TemplateError(ValueError):
    """A path template is not of the form `/literal/{parameter}/{rest*}`."""


class Parameter(NamedTuple):
    """A parameter of a path. `form` None: any segment that is not empty."""

    name: str
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A path template in segments: bytes for a literal one, None for a parameter. `has_tail`: it ends in `{name*}`, any further path.

    `parameters` are those of the segments, in order, and the tail's last.
    """

    text: str
    segments: tuple[bytes | None, ...]
    has_tail: bool
    parameters: tuple[Parameter, ...] = ()


def parse_template(text: str) -> Template:
    """Read a template. A parameter stands for one whole segment that is not empty; `{name*}` may only stand last, and may match nothing."""
    if not text.startswith("/"):
        raise TemplateError('must begin with "/"')
    segments: list[bytes | None] = []
    parameters: list[Parameter] = []
    parts = text[1:].split("/")
    for position, part in enumerate(parts):
        found = _PARAMETER.fullmatch(part)
        if found is None:
            if "{" in part or "}" in part or "*" in part:
                raise TemplateError(f'"{part}" is neither a literal segment nor one {{parameter}}')
            segments.append(part.encode())
            continue
        if found[1] in {parameter.name for parameter in parameters}:
            raise TemplateError(f'uses the parameter "{found[1]}" twice')
        parameters.append(Parameter(found[1], _form(found[2])))
        if found[3]:
            if position != len(parts) - 1:
                raise TemplateError(f'"{part}" may only stand at the end')
            return Template(text, tuple(segments), True, tuple(parameters))
        segments.append(None)
    return Template(text, tuple(segments), False, tuple(parameters))


def _form(name: str | None) -> Form | None:
    if name is None:
        return None
    try:
        return Form(name)
    except ValueError:
        raise TemplateError(f'has the unknown form "{name}": there are {", ".join(form.value for form in Form)}') from None


@dataclass(slots=True)
class _Node(Generic[R]):
    """One segment of the tree. Values carry the place of their route in the file, because the first match wins."""

    literals: dict[bytes, "_Node[R]"] = field(default_factory=dict)
    parameter: "_Node[R] | None" = None
    here: tuple[int, R] | None = None
    tail: tuple[int, R] | None = None


class Routes(Generic[R]):
    """A segment tree over path templates: the cost of a match grows with the depth of the path, not with the number of routes.

    There is one tree for each kind of aliases among the routes (`aliases` tells those of one): a path is looked for in each as it is
    folded there, so that no spelling that a backend takes for a guarded resource leads past its route.
    """

    def __init__(self, routes: Iterable[tuple[Template, R]], aliases: Callable[[R], Aliases] = lambda _: EXACT) -> None:
        self._roots: dict[Aliases, _Node[R]] = {}
        for position, (template, value) in enumerate(routes):
            kind = aliases(value)
            node = self._roots.setdefault(kind, _Node())
            for segment in kind.fold_segments(template.segments, template.has_tail):
                if segment is None:
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            if template.has_tail:
                node.tail = node.tail or (position, value)
            else:
                node.here = node.here or (position, value)

    def match(self, path: bytes) -> R | None:
        """The route whose template matches path and stands first in the file; None if there is none. `;` parameters do not count."""
        best: tuple[int, R] | None = None
        plain = without_parameters(path)
        for kind, root in self._roots.items():
            best = _first(best, _match(root, kind.fold_path(plain)))
        return None if best is None else best[1]


def _match(root: _Node[R], path: bytes) -> tuple[int, R] | None:
    best: tuple[int, R] | None = None
    nodes = [root]
    for segment in path[1:].split(b"/"):
        following: list[_Node[R]] = []
        for node in nodes:
            best = _first(best, node.tail)
            literal = node.literals.get(segment)
            if literal is not None:
                following.append(literal)
            if node.parameter is not None and segment:
                following.append(node.parameter)
        nodes = following
        if not nodes:
            break
    for node in nodes:
        best = _first(best, node.here)
        # `/files/{rest*}` matches `/files/` (an empty rest was looked at above) and, as its own root, `/files`.
        best = _first(best, node.tail)
    return best


def _first(left: tuple[int, R] | None, right: tuple[int, R] | None) -> tuple[int, R] | None:
    if left is None or (right is not None and right[0] < left[0]):
        return right
    return left
