"""Asking a backend itself, without noclobber between: what the probes have in common."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from .config.forms import UnixPath, parse_upstream
from .origin.http import HttpOrigin
from .origin.options import Address, OriginOptions


class ProbeFailed(Exception):
    """The backend cannot be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Straight:
    """A backend, and one resource of it. `query` is empty where the URL has none; `lines` are Host and the caller's own, ended by CRLF."""

    origin: HttpOrigin
    path: bytes
    query: bytes
    lines: bytes


def straight_to(url: str, lines: Iterable[str]) -> Straight:
    """Read url and open nothing yet. `lines` are fields without CRLF. Raise ProbeFailed for a URL that cannot be used."""
    parts = urlsplit(url)
    try:
        endpoint = parse_upstream(f"{parts.scheme}://{parts.netloc}")
        if isinstance(endpoint.address, UnixPath):
            raise ValueError("is of a Unix socket")
    except ValueError as exc:
        raise ProbeFailed(f"URL {exc}, read {url!r}, allowed is http://HOST:PORT/PATH or https://") from exc
    tls = ssl.create_default_context() if endpoint.is_tls else None
    origin = HttpOrigin(Address(endpoint.address.host, endpoint.address.port, tls), OriginOptions())
    own = "".join(f"{line}\r\n" for line in (f"Host: {endpoint.authority}", *lines)).encode("latin-1")
    return Straight(origin, (parts.path or "/").encode(), parts.query.encode(), own)
