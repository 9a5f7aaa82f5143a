"""Resources: which route a path belongs to, and the key that its lock and its record go by.

The key is the canonical path, folded as the route says that the backend does (`alias.py`). Unless the route says so the query does not
belong to it, so that `?page=2` or a cache-buster is no way round a lock; that costs a wait where the backend means two resources by it,
never an update.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Generic, NamedTuple, NewType, TypeVar

from .alias import EXACT, Aliases, without_parameters
from .template import Form, Pattern

ResourceKey = NewType("ResourceKey", bytes)
"""What a lock is taken on: the canonical path of a resource, and what of its query counts."""

KEY_DIGEST_BYTES = 18
"""144 bits: no two of 2^60 resources share a digest by chance, and 24 characters without padding."""

R = TypeVar("R")


def resource_key(folded: bytes) -> ResourceKey:
    """The key of the resource at a target, folded."""
    return ResourceKey(folded)


def key_digest(key: ResourceKey) -> str:
    """A name for key of fixed length and alphabet, so that no byte of a client's reaches a store's key names or a log."""
    return urlsafe_b64encode(sha256(key).digest()[:KEY_DIGEST_BYTES]).decode("ascii")


class _Candidate(NamedTuple, Generic[R]):
    """A route at a node. The least `position`, its place in the file, comes first."""

    position: int
    methods: frozenset[bytes]
    value: R


@dataclass(slots=True)
class _Node(Generic[R]):
    """One segment of the tree: those that follow it, and the routes that end here, or in any further path, in the order of the file."""

    literals: dict[bytes, "_Node[R]"] = field(default_factory=dict)
    parameters: "dict[Form | None, _Node[R]]" = field(default_factory=dict)
    here: list[_Candidate[R]] = field(default_factory=list)
    tails: list[_Candidate[R]] = field(default_factory=list)


# A preflight asks about other methods than its own, and a HEAD is a GET without content.
_ALWAYS = frozenset({b"OPTIONS"})


class Routes(Generic[R]):
    """Segment trees over path templates: the cost of a match grows with the depth of the path, not with the number of routes.

    There is one tree for each host, and for each kind of aliases among the routes (`aliases` tells those of one): a path is looked for in
    each as it is folded there, so that no spelling that a backend takes for a guarded resource leads past its route.
    """

    def __init__(self, routes: Iterable[tuple[Pattern, R]], aliases: Callable[[R], Aliases] = lambda _: EXACT) -> None:
        self._roots: dict[bytes, dict[Aliases, _Node[R]]] = {}
        self.minds_heads = False
        """Whether more than its path decides which route is taken."""
        for position, (pattern, value) in enumerate(routes):
            template, methods = pattern.template, pattern.methods
            self.minds_heads = self.minds_heads or bool(pattern.host or methods)
            kind = aliases(value)
            node = self._roots.setdefault(pattern.host.removeprefix(b"*"), {}).setdefault(kind, _Node())
            forms = iter(template.parameters)
            for segment in kind.fold_segments(template.segments, template.has_tail):
                if segment is None:
                    node = node.parameters.setdefault(next(forms).form, _Node())
                else:
                    node = node.literals.setdefault(segment, _Node())
            taken = methods | _ALWAYS | (frozenset({b"HEAD"}) if b"GET" in methods else frozenset()) if methods else methods
            (node.tails if template.has_tail else node.here).append(_Candidate(position, taken, value))

    def match(self, path: bytes, method: bytes = b"GET", host: bytes = b"") -> R | None:
        """The route that stands first in the file of those that a request fits; None if there is none.

        `;` parameters of the path do not count. `host` is a Host field, with or without a port.
        """
        best: _Candidate[R] | None = None
        plain = without_parameters(path)
        for name in _names(host) if self.minds_heads else (b"",):
            for kind, root in self._roots.get(name, {}).items():
                best = _match(root, kind.fold_path(plain), method, best)
        return None if best is None else best.value


def _names(host: bytes) -> list[bytes]:
    """What the trees for a host are called: any, itself, and all that end in what it ends in."""
    name = host.lower().removesuffix(b".") if host.endswith(b"]") else host.lower().partition(b":")[0].removesuffix(b".")
    labels = name.split(b".")
    return [b"", name, *(b"." + b".".join(labels[first:]) for first in range(1, len(labels)))]


def _match(root: _Node[R], path: bytes, method: bytes, best: _Candidate[R] | None) -> _Candidate[R] | None:
    nodes = [root]
    for segment in path[1:].split(b"/"):
        following: list[_Node[R]] = []
        for node in nodes:
            best = _first(best, node.tails, method)
            literal = node.literals.get(segment)
            if literal is not None:
                following.append(literal)
            if segment:
                following += [child for form, child in node.parameters.items() if form is None or form.takes(segment)]
        nodes = following
        if not nodes:
            break
    for node in nodes:
        best = _first(best, node.here, method)
        # `/files/{rest*}` matches `/files/` (an empty rest was looked at above) and, as its own root, `/files`.
        best = _first(best, node.tails, method)
    return best


def _first(best: _Candidate[R] | None, candidates: list[_Candidate[R]], method: bytes) -> _Candidate[R] | None:
    for candidate in candidates:
        if best is not None and best.position < candidate.position:
            return best
        if not candidate.methods or method in candidate.methods:
            return candidate
    return best
