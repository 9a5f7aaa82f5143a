"""Methods: which change nothing, and the one that is meant where a request says that it means another than the one in its first line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from .alias import query_pairs
from .fields import Field

# Methods that change nothing (RFC 9110 §9.2.1; RFC 4918, 3253, 5323 for the WebDAV ones). Whatever is not named here is a write.
SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"SEARCH", b"QUERY"})
# Frameworks compare without regard to case, so only one spelling is let through; CONNECT is none of ours.
_METHOD = re.compile(rb"(?!CONNECT$)[A-Z]{1,20}")
_PARAMETER = b"_method"


class MethodOverride(Enum):
    """Where a request may say which method it means: nowhere, in one field, or in the parameter `_method` of its query."""

    REFUSE = "refuse"
    X_HTTP_METHOD_OVERRIDE = "x-http-method-override"
    X_HTTP_METHOD = "x-http-method"
    X_METHOD_OVERRIDE = "x-method-override"
    QUERY = "_method"


@dataclass(frozen=True, slots=True)
class RefusedMethod:
    """A method override that is answered with 400. `why` is a sentence."""

    why: str


def parameters_of(query: bytes | None) -> Sequence[Field]:
    """Every `_method` of a query, as a name and a value."""
    if not query:
        return ()
    return tuple((_PARAMETER, value) for name, value in query_pairs(query) if name.lower() == _PARAMETER)


def meant(method: bytes, overrides: Sequence[Field], declared: MethodOverride) -> bytes | RefusedMethod:
    """The method that a request is judged by: that of its line, unless it has an override (a name in lower case, and a value).

    A POST alone may mean another method, and only one that may change something: taken for a POST after all, it is a write too.
    """
    if not overrides:
        return method
    name, value = overrides[0]
    shown = name.decode("ascii")
    if name != declared.value.encode() or len(overrides) > 1:
        return RefusedMethod(f"{shown} would make this another method than the one that is judged.")
    if method != b"POST":
        return RefusedMethod(f"{shown} may only stand in a POST.")
    if _METHOD.fullmatch(value) is None or value in SAFE:
        return RefusedMethod(f"{shown} names no method in capitals that may change something.")
    return value
