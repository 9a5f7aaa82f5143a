"""Overlap: which routes take the requests of which others."""

from itertools import zip_longest

from ..core.template import Form, Parameter, Pattern, Template

_Segment = bytes | Parameter
"""A literal segment, or the parameter that stands for one."""


def covers(earlier: Pattern, later: Pattern) -> bool:
    """Tell whether earlier takes every request that later would: later is then never reached, because the first match wins."""
    return (
        _covers_path(earlier.template, later.template)
        and (not earlier.methods or (bool(later.methods) and later.methods <= _with_head(earlier.methods)))
        and _covers_host(earlier.host, later.host)
    )


def meets(left: Pattern, right: Pattern) -> bool:
    """Tell whether some path fits both, of the same host."""
    hosts = _covers_host(left.host, right.host) or _covers_host(right.host, left.host)
    return hosts and _meets_path(left.template, right.template)


def _with_head(methods: frozenset[bytes]) -> frozenset[bytes]:
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
        # A parameter stands for a segment that is not empty.
        return later != b"" and (earlier.form is None or earlier.form.takes(later))
    return earlier.form in (None, later.form) or (earlier.form, later.form) == (Form.HEX, Form.INT)


def _meets_path(left: Template, right: Template) -> bool:
    for one, other in zip_longest(_segments(left), _segments(right)):
        if one is None or other is None:
            return left.has_tail if one is None else right.has_tail
        if not (_covers_segment(one, other) or _covers_segment(other, one) or _may_be_one(one, other)):
            return False
    return True


def _may_be_one(left: _Segment, right: _Segment) -> bool:
    """Whether two forms have a segment in common: digits alone are hexadecimal, and so is a UUID without hyphens."""
    return isinstance(left, Parameter) and isinstance(right, Parameter)


def _segments(template: Template) -> list[_Segment]:
    parameters = iter(template.parameters)
    return [next(parameters) if literal is None else literal for literal in template.segments]
