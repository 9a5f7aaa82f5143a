"""Overlap: which routes take the requests of which others."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..core.template import Form, Parameter, Pattern, Template

T = TypeVar("T")

_Segment = bytes | Parameter
"""A literal segment, or the parameter that stands for one."""


@dataclass(slots=True)
class _Node(Generic[T]):
    """What follows a segment, and the patterns that end here or in any further path."""

    literals: "dict[bytes, _Node[T]]" = field(default_factory=dict)
    parameters: "dict[Form | None, _Node[T]]" = field(default_factory=dict)
    here: list[tuple[Pattern, T]] = field(default_factory=list)
    tails: list[tuple[Pattern, T]] = field(default_factory=list)

    def everything(self) -> Iterator[tuple[Pattern, T]]:
        """All patterns from here on."""
        yield from self.here
        yield from self.tails
        for node in (*self.literals.values(), *self.parameters.values()):
            yield from node.everything()


class Patterns(Generic[T]):
    """Patterns, each with what belongs to it, found by what they have in common: not every pair of ten thousand can be looked at."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: Pattern, value: T) -> None:
        """Take a pattern in."""
        node = self._root
        for segment in _segments(pattern.template):
            if isinstance(segment, Parameter):
                node = node.parameters.setdefault(segment.form, _Node())
            else:
                node = node.literals.setdefault(segment, _Node())
        (node.tails if pattern.template.has_tail else node.here).append((pattern, value))

    def covering(self, later: Pattern) -> Iterator[T]:
        """What belongs to the patterns that take every request that later would: it is never reached behind them."""
        return (value for pattern, value in self._walk(self._root, _segments(later.template), later.template) if covers(pattern, later))

    def meeting(self, other: Pattern) -> Iterator[tuple[Pattern, T]]:
        """The patterns that some request's host and path fit as well as other, whatever its method."""
        hosts = other.host
        for pattern, value in self._walk(self._root, _segments(other.template), other.template):
            if _covers_host(pattern.host, hosts) or _covers_host(hosts, pattern.host):
                yield pattern, value

    def _walk(self, node: _Node[T], left: list[_Segment], template: Template) -> Iterator[tuple[Pattern, T]]:
        """The patterns from a node on that a path fits which has the segments that are left."""
        if not left and template.has_tail:
            yield from node.everything()
            return
        yield from node.tails
        if not left:
            yield from node.here
            return
        first, rest = left[0], left[1:]
        if isinstance(first, Parameter):
            children = [child for literal, child in node.literals.items() if _takes(first.form, literal)]
            children += node.parameters.values()
        else:
            children = [child for form, child in node.parameters.items() if _takes(form, first)]
            children += [node.literals[first]] if first in node.literals else []
        for child in children:
            yield from self._walk(child, rest, template)


def covers(earlier: Pattern, later: Pattern) -> bool:
    """Tell whether earlier takes every request that later would: later is then never reached, because the first match wins."""
    return (
        _covers_path(earlier.template, later.template)
        and (not earlier.methods or (bool(later.methods) and later.methods <= with_head(earlier.methods)))
        and _covers_host(earlier.host, later.host)
    )


def with_head(methods: frozenset[bytes]) -> frozenset[bytes]:
    """The methods that a route for these takes: a HEAD is a GET without content."""
    return methods | {b"HEAD"} if b"GET" in methods else methods


def _covers_host(earlier: bytes, later: bytes) -> bool:
    return not earlier or earlier == later or (earlier.startswith(b"*") and later.removeprefix(b"*").endswith(earlier[1:]))


def _covers_path(earlier: Template, later: Template) -> bool:
    depth = len(earlier.segments)
    if len(later.segments) < depth or not (earlier.has_tail or (len(later.segments) == depth and not later.has_tail)):
        return False
    return all(_covers_segment(left, right) for left, right in zip(_segments(earlier), _segments(later), strict=False))


def _covers_segment(earlier: _Segment, later: _Segment) -> bool:
    if isinstance(earlier, bytes):
        return earlier == later
    if isinstance(later, bytes):
        return _takes(earlier.form, later)
    # Digits alone are hexadecimal too.
    return earlier.form in (None, later.form) or (earlier.form, later.form) == (Form.HEX, Form.INT)


def _takes(form: Form | None, literal: bytes) -> bool:
    # A parameter stands for a segment that is not empty.
    return literal != b"" and (form is None or form.takes(literal))


def _segments(template: Template) -> list[_Segment]:
    parameters = iter(template.parameters)
    return [next(parameters) if literal is None else literal for literal in template.segments]
