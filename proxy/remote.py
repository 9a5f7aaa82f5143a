"""A running noclobber, as commands ask it: over its admin listener, with the standard library alone. A health check costs little."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlencode

from .config import UnixPath
from .config.forms import parse_listener
from .errors import AdminAway, AdminRefused

SECONDS = 10.0
"""How long an answer may take. A change may wait for the store."""
API = "/api/v1"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Remote:
    """Where to ask, and with what. `place` is `HOST:PORT`, `http://HOST:PORT`, `https://...` or `unix:/PATH`; an empty `token`: without."""

    place: str
    token: str = ""

    def read(self, path: str, seconds: float = SECONDS, **query: str) -> object:
        """GET a document. Raise AdminError."""
        return self._document("GET", path + (f"?{urlencode(query, quote_via=quote)}" if query else ""), None, seconds)

    def change(self, path: str, body: Mapping[str, object], seconds: float = SECONDS) -> object:
        """POST a document, and return the one that comes back. Raise AdminError."""
        return self._document("POST", path, json.dumps(body).encode(), seconds)

    def _document(self, method: str, path: str, body: bytes | None, seconds: float) -> object:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection = self._connection(seconds)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminAway(
                f"nobody answers at {self.place} ({why}): does noclobber run, and is its admin listener there? See --admin"
            ) from error
        return _read(status, content, self.place)

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        place = self.place
        is_tls = place.startswith("https://")
        for scheme in _SCHEMES:
            place = place.removeprefix(scheme)
        address = parse_listener(place.rstrip("/") if not place.startswith("unix:") else place)
        if isinstance(address, UnixPath):
            return _Unix(address.path, seconds)
        if address.port == 0:
            raise AdminAway("port 0 is any free one: say with --admin where the admin listener is")
        host = _EVERYWHERE.get(address.host, address.host)
        if is_tls:
            return http.client.HTTPSConnection(host, address.port, timeout=seconds, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, address.port, timeout=seconds)


class _Unix(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        held.settimeout(self.timeout)
        try:
            held.connect(self._path)
        except BaseException:
            held.close()
            raise
        self.sock = held


def _read(status: int, content: bytes, place: str) -> object:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise AdminAway(f"what answers at {place} is not noclobber's admin listener: --admin says where that is") from error
    if status >= 400:
        raise AdminRefused(status, cast(Mapping[str, object], document) if isinstance(document, dict) else {})
    return cast(object, document)
