"""Request targets: the one string that a resource is known by, and that the backend is asked for.

The rule of this file: what is forwarded is exactly what the key was computed from. A target that two parties could read differently
(dot segments, `//`, encoded slashes) is refused rather than repaired, because a second name for one resource is a way
round its lock. What one backend reads differently from another (`;` parameters, case) is for the route to say: see `alias.py`.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

# RFC 3986 §3.3: pchar = unreserved / pct-encoded / sub-delims / ":" / "@". Here without "%" and ";": those two take the slow way.
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9\-._~!$&'()*+,=:@]+)+/?|/")
# RFC 3986 §3.4: query = *( pchar / "/" / "?" ). Backends see other visible ASCII as well ("|", "[", "{"), so we let it through.
_QUERY = re.compile(rb"[!-\"$-~]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
# "/a/;b/c" is "/a//c" where parameters are taken out. At the end it is an ordinary trailing slash.
_EMPTY_BUT_FOR_PARAMETERS = re.compile(rb"/;[^/]*/")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_CHARS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%")
_AMBIGUOUS_ESCAPES = {b"%2F": "an encoded slash", b"%5C": "an encoded backslash", b"%00": "an encoded NUL"}
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


class Target(NamedTuple):
    """A target in origin-form. `path` is canonical, `query` None where there was no "?"; `forwarded` is both, as they go upstream."""

    path: bytes
    query: bytes | None
    forwarded: bytes


@dataclass(frozen=True, slots=True)
class RefusedTarget:
    """A target that is answered with 400. `why` completes the sentence "The request target …"."""

    why: str


def parse_target(raw: bytes, authority: bytes) -> Target | RefusedTarget:
    """Read an origin-form or absolute-form request-target (RFC 9112 §3.2) of a request whose Host is authority.

    The absolute form counts as the origin form if it names the same authority, and is refused otherwise: §3.2.2 lets it override Host,
    and a proxy whose upstream is fixed must not be told another one. `*` and the authority form belong to OPTIONS and CONNECT only.
    """
    if not raw.startswith(b"/"):
        absolute = _ABSOLUTE.match(raw)
        if absolute is None:
            return RefusedTarget("is neither a path nor an absolute URL")
        if absolute[1].lower() != authority.lower():
            return RefusedTarget("names another authority than the Host field")
        raw = raw[absolute.end() :]
        if not raw.startswith(b"/"):
            raw = b"/" + raw
    path, mark, query = raw.partition(b"?")
    if mark and _QUERY.fullmatch(query) is None:
        return RefusedTarget("has a fragment, a space or bytes outside ASCII in its query")
    if _PLAIN_PATH.fullmatch(path) is None:
        canonical = _canonical(path)
        if isinstance(canonical, RefusedTarget):
            return canonical
        path = canonical
        raw = path + mark + query
    # "/." stands before every dot segment; a name that merely begins with a dot is fine. "/..;a/" is one where parameters are taken out.
    if b"/." in path and any(segment.partition(b";")[0] in (b".", b"..") for segment in path.split(b"/")):
        return RefusedTarget("has a dot segment")
    return Target(path, query if mark else None, raw)


def _canonical(path: bytes) -> bytes | RefusedTarget:
    """Upper-case the hex digits of escapes and undo those of unreserved characters (RFC 3986 §6.2.2)."""
    if b"//" in path or _EMPTY_BUT_FOR_PARAMETERS.search(path):
        return RefusedTarget("has an empty path segment")
    for byte in path:
        if byte not in _PATH_CHARS:
            return RefusedTarget(f"has the byte 0x{byte:02X} in its path, which must be percent-encoded or may not occur")
    pieces: list[bytes] = []
    end = 0
    for escape in _ESCAPE.finditer(path):
        if escape[1] is None:
            return RefusedTarget('has a "%" that no two hex digits follow')
        upper = escape[0].upper()
        if upper in _AMBIGUOUS_ESCAPES:
            return RefusedTarget(f"has {_AMBIGUOUS_ESCAPES[upper]} in its path")
        byte = int(escape[1], 16)
        pieces.append(path[end : escape.start()])
        pieces.append(bytes((byte,)) if byte in _UNRESERVED else upper)
        end = escape.end()
    pieces.append(path[end:])
    return b"".join(pieces)
