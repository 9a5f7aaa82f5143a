"""Aliases: which spellings of a target a backend takes for one resource, as its route declares them.

The rule of this file: what is forwarded is the client's spelling, and the key is made of that same string, folded. Two targets share a key
if and only if what is forwarded for them is equal up to what is declared here. Folding errs on the coarse side: two resources
that share a key cost a wait, two keys for one resource an update.
"""

import re
from dataclasses import dataclass
from enum import Enum

from .target import RefusedTarget, Target


class Case(Enum):
    """Whether capitals make another resource."""

    SENSITIVE = "sensitive"
    INSENSITIVE = "insensitive"


class TrailingSlash(Enum):
    """Whether a slash at the end makes another resource."""

    SIGNIFICANT = "significant"
    IGNORED = "ignored"


class Query(Enum):
    """Whether the query makes another resource."""

    IGNORED = "ignored"
    SIGNIFICANT = "significant"


class PathParameters(Enum):
    """What becomes of `;jsessionid=1` in a path: 400, taken out before anything looks at it, or part of the path."""

    REFUSE = "refuse"
    STRIP = "strip"
    KEEP = "keep"


_PARAMETERS = re.compile(rb";[^/]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# RFC 3986 §3.3: pchar without the escapes, and the slash.
_OF_A_PATH = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/")
# Backends of before 2014 split at ";" as well (W3C HTML 4.01 §B.2.2).
_PAIRS = re.compile(rb"[&;]")


def without_parameters(path: bytes) -> bytes:
    """The path without the `;` parameters of its segments."""
    return _PARAMETERS.sub(b"", path) if b";" in path else path


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """The names and values of a query, decoded, in order. A name without "=" has an empty value, as backends have it."""
    pairs = []
    for piece in _PAIRS.split(query):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            # PHP drops the spaces around a name, and whatever stands behind a NUL.
            pairs.append((unquote(name).partition(b"\0")[0].strip(), unquote(value)))
    return pairs


@dataclass(frozen=True, slots=True)
class Aliases:
    """What one route declares. `query` may be the names of the parameters that tell resources apart; `suffixes` are those of paths."""

    case: Case = Case.SENSITIVE
    trailing_slash: TrailingSlash = TrailingSlash.SIGNIFICANT
    query: Query | tuple[str, ...] = Query.IGNORED
    suffixes: tuple[str, ...] = ()
    path_parameters: PathParameters = PathParameters.REFUSE

    def admit(self, target: Target) -> Target | RefusedTarget:
        """The target as it is forwarded: without the parameters of its path where they are stripped."""
        if b";" in target.path and self.path_parameters is not PathParameters.KEEP:
            if self.path_parameters is PathParameters.REFUSE:
                return RefusedTarget('has a ";" parameter in its path')
            path = without_parameters(target.path)
            target = Target(path, target.query, path if target.query is None else path + b"?" + target.query)
        if isinstance(self.query, tuple) and target.query:
            names = [name for name, _ in self._named_pairs(target.query)]
            if len(names) != len(set(names)):
                # Which of the two a backend takes is anyone's guess.
                return RefusedTarget("has a parameter twice in its query that the resource is known by")
        return target

    def fold(self, target: Target) -> bytes:
        """What the key of an admitted target is made of."""
        path = self.fold_path(target.path)
        if not target.query or self.query is Query.IGNORED:
            return path
        pairs = sorted(self._named_pairs(target.query), key=lambda pair: pair[0])
        folded = b"&".join(b"%b=%b" % (quote(name, _UNRESERVED), quote(value, _UNRESERVED)) for name, value in pairs)
        return path + b"?" + folded if folded else path

    def fold_path(self, path: bytes) -> bytes:
        """The one path that stands for all its spellings."""
        is_blind = self.case is Case.INSENSITIVE
        if b"%" in path or is_blind:
            # RFC 3986 §2.2 tells "%2C" from ",", and hardly any backend does. What would make another path of it has been refused.
            plain = unquote(path)
            path = quote(fold_case(plain) if is_blind else plain, _OF_A_PATH)
        if self.trailing_slash is TrailingSlash.IGNORED and path != b"/":
            path = path.removesuffix(b"/")
        return self._without_suffix(path)

    def fold_segments(self, segments: tuple[bytes | None, ...], has_tail: bool) -> tuple[bytes | None, ...]:
        """The segments of a template, folded as the paths are that it is for. `has_tail`: any further path may follow them."""
        inner = Aliases(case=self.case)
        folded = [None if segment is None else inner.fold_path(b"/" + segment)[1:] for segment in segments]
        if has_tail or folded == [b""]:
            return tuple(folded)
        if folded[-1] == b"" and self.trailing_slash is TrailingSlash.IGNORED:
            folded.pop()
        if folded[-1]:
            folded[-1] = self._without_suffix(b"/" + folded[-1])[1:]
        return tuple(folded)

    def _without_suffix(self, path: bytes) -> bytes:
        if not self.suffixes:
            return path
        suffixes = [suffix.encode() for suffix in self.suffixes]
        if self.case is Case.INSENSITIVE:
            suffixes = [quote(fold_case(suffix), _OF_A_PATH) for suffix in suffixes]
        while True:
            shorter = min((path.removesuffix(suffix) for suffix in suffixes), key=len)
            if shorter == path or shorter.endswith(b"/"):
                return path
            path = shorter

    def _named_pairs(self, query: bytes) -> list[tuple[bytes, bytes]]:
        pairs = query_pairs(query)
        names = self.query
        if self.case is Case.INSENSITIVE:
            pairs = [(fold_case(name), fold_case(value)) for name, value in pairs]
        if isinstance(names, tuple):
            wanted = {name.encode() for name in names}
            if self.case is Case.INSENSITIVE:
                wanted = {fold_case(name) for name in wanted}
            pairs = [pair for pair in pairs if pair[0] in wanted]
        return pairs


EXACT = Aliases()
"""No aliases beyond those of every target: escapes are what they stand for, and the query tells nothing apart."""


def fold_case(text: bytes) -> bytes:
    """Fold as file systems do that keep case and ignore it: by Unicode where it is UTF-8."""
    return text.decode("utf-8", "surrogateescape").casefold().encode("utf-8", "surrogateescape")


def unquote(text: bytes) -> bytes:
    """Undo every escape."""
    return _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), text)


def quote(text: bytes, kept: frozenset[int] = _UNRESERVED) -> bytes:
    """Escape (RFC 3986 §2.1) every byte of text that is not one of kept."""
    return b"".join(b"%c" % byte if byte in kept else b"%%%02X" % byte for byte in text)
