"""The guard: who may see what, and who may change something.

Whoever reaches the listener may read what names neither clients nor paths. Everything else needs the token of `[server] admin_token`. Two
checks are about browsers: a change never comes from another site, and a listener on a loopback address is not reached under a name that
somebody else's DNS has given it.
"""

from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import ip_address

from ..config import Server, UnixPath
from .answers import Refused

BEARER = "bearer "
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="noclobber admin"'}


class Guard:
    """Check requests by their fields. `Refused` where one may not."""

    def __init__(self, server: Server) -> None:
        self._token = server.admin_token.encode()
        address = server.admin_address
        self._is_local = not isinstance(address, UnixPath) and _is_local(address.host)

    def is_trusted(self, headers: Mapping[str, str]) -> bool:
        """Whether the token came along. One that is wrong is refused, rather than taken for none."""
        given = headers.get("Authorization", "")
        if not self._token or not given.lower().startswith(BEARER):
            return False
        if not compare_digest(given[len(BEARER) :].strip().encode("utf-8", "surrogateescape"), self._token):
            raise Refused(403, "The token is not the one of [server] admin_token.")
        return True

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Let a change through that its sender may make."""
        site, origin = headers.get("Sec-Fetch-Site", "none"), headers.get("Origin")
        if site not in ("none", "same-origin") or (origin is not None and origin.partition("://")[2] != headers.get("Host", "")):
            raise Refused(403, f"A page of another site asks for this change (Origin: {origin}). Use the console, or the command line.")
        if not self._token:
            raise Refused(403, "Changes are switched off: no token is configured. Set admin_token in [server] to allow them.")
        if not self.is_trusted(headers):
            raise Refused(401, "A change needs the token of [server] admin_token, as in Authorization: Bearer TOKEN.", headers=_CHALLENGE)

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Refuse a name that is not this machine's own, where this machine is all that can be meant (DNS rebinding)."""
        host = headers.get("Host", "")
        if self._is_local and host and not _is_local_name(host):
            detail = f"The Host field is {host[:100]!r}. A listener on a loopback address answers to localhost and to IP addresses alone."
            raise Refused(403, detail)


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return _is_local_name(host)


def _is_local_name(host: str) -> bool:
    """Whether no DNS can say where a Host field leads: an address, or localhost."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        ip_address(name)
    except ValueError:
        return name.lower() == "localhost" or name.lower().endswith(".localhost")
    return True
