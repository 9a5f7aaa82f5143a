"""Peers: the keys of [server] about who is in front of us and what is passed on of that."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from msgspec import Struct

from ..core.roles import has_a_role
from .choices import Forwarded
from .forms import check_token
from .notes import formed, plain, seconds

UNIX = "unix"


def _check_networks(text: str) -> None:
    for word in _words(text):
        if word != UNIX:
            try:
                ip_network(word)
            except ValueError as error:
                raise ValueError("has something that is no network, or a network with bits set behind its prefix") from error


def _check_field(text: str) -> None:
    check_token(text)
    if "_" in text or has_a_role(text.encode("ascii")):
        raise ValueError("is a field that means something else, or has an underscore")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")] if text.strip() else []


class Peers(Struct, frozen=True, kw_only=True):
    """What [server] holds of this."""

    trusted_proxies: Annotated[
        str,
        formed(
            "Who is believed when it says whose request it passes on.",
            "A network with clients in it: they can pass for anybody.",
            f'networks and addresses with commas between them, "{UNIX}" for whoever comes through a Unix socket; '
            'as in "10.0.0.0/8, ::1"; empty: nobody',
            _check_networks,
        ),
    ] = ""
    forwarded: Annotated[
        Forwarded,
        plain(
            "Which fields tell the backend of the client: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239), both or none.",
            "off: the backend takes us for the client.",
        ),
    ] = Forwarded.X_FORWARDED
    proxy_protocol: Annotated[
        bool,
        plain(
            "Whether connections from trusted_proxies begin with the PROXY protocol, version 1 or 2.",
            "true, and the balancer does not send it: its connections are closed. false, and it does: 400.",
        ),
    ] = False
    request_id_field: Annotated[
        str,
        formed(
            "The field with the id of a request. One that is no id (1 to 128 of A-Z a-z 0-9 . _ ~ -) is replaced.",
            "Another field than the hops before and behind use: logs cannot be put together.",
            'the name of a field that has no other meaning, as in "X-Request-ID"',
            _check_field,
        ),
    ] = "X-Request-ID"
    tunnel_idle_seconds: Annotated[
        float,
        seconds(
            "How long nothing may move in a WebSocket.",
            "Shorter than the pings of the application: it is cut off. Too high: dead ones are kept.",
        ),
    ] = 300.0

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks in `trusted_proxies`."""
        return tuple(ip_network(word) for word in _words(self.trusted_proxies) if word != UNIX)

    @property
    def trusts_unix(self) -> bool:
        """Whether `trusted_proxies` has Unix sockets in it."""
        return UNIX in _words(self.trusted_proxies)
