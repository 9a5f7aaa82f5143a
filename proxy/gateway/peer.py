"""Peers: who is at the other end of a client's connection, and what the backend is told of that (RFC 7239, X-Forwarded-*).

What a peer says of the client behind it counts only where the peer is trusted; from anybody else it is removed and said anew.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from ..config.choices import Forwarded
from ..core.fields import Field

Network = IPv4Network | IPv6Network


class Forwarding:
    """What is told, and who is believed: `trusted` networks, and `trusts_unix` whoever comes through a Unix socket."""

    def __init__(self, style: Forwarded, trusted: Iterable[Network], trusts_unix: bool) -> None:
        self._trusted = tuple(trusted)
        self._trusts_unix = trusts_unix
        self.says_x = style in (Forwarded.X_FORWARDED, Forwarded.BOTH)
        self.says_rfc = style in (Forwarded.FORWARDED, Forwarded.BOTH)

    def trusts(self, address: str | None) -> bool:
        """Whether a peer with this address is believed. None: it has none, as through a Unix socket."""
        if address is None:
            return self._trusts_unix
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._trusted)

    def peer(self, address: str | None, scheme: bytes) -> "Peer":
        """The peer with this address. `scheme` is the one that the connection was made by."""
        return Peer(self, address, scheme)


class Peer:
    """One end of one connection. What is the same for all its requests is made once."""

    __slots__ = ("_address", "_forwarding", "_host", "_lines", "_scheme", "is_trusted")

    def __init__(self, forwarding: Forwarding, address: str | None, scheme: bytes) -> None:
        self._forwarding = forwarding
        self._address = b"" if address is None else address.partition("%")[0].encode("ascii", "replace")
        self._scheme = scheme
        self._host: bytes | None = None
        self._lines = b""
        self.is_trusted = forwarding.trusts(address)

    @property
    def address(self) -> bytes:
        """Its address; empty where it has none, as through a Unix socket."""
        return self._address

    def lines(self, host: bytes, received: Sequence[Field]) -> bytes:
        """The lines that a request with this Host goes on with, of those that it came with and of ours."""
        if received and self.is_trusted:
            return b"".join(self._added_to(host, received))
        if host != self._host:
            self._host, self._lines = host, b"".join(self._added_to(host, ()))
        return self._lines

    def _added_to(self, host: bytes, received: Sequence[Field]) -> list[bytes]:
        said: dict[bytes, list[bytes]] = {}
        for name, value in received:
            said.setdefault(name.lower(), []).append(value)
        lines = []
        chain, schemes, hosts = (said.get(b"x-forwarded-" + each, []) for each in (b"for", b"proto", b"host"))
        if self._forwarding.says_x:
            # The chain grows at every hop; scheme and host are those that the client used, which the first hop saw.
            chain = [*chain, self._address] if self._address else chain
            schemes, hosts = schemes or [self._scheme], hosts or [host]
        for name, values in ((b"For", chain), (b"Proto", schemes), (b"Host", hosts)):
            if values:
                lines.append(b"X-Forwarded-%b: %b\r\n" % (name, b", ".join(values)))
        elements = said.get(b"forwarded", [])
        if self._forwarding.says_rfc:
            elements = [*elements, b'for=%b;host="%b";proto=%b' % (self._node(), host, self._scheme)]
        if elements:
            lines.append(b"Forwarded: %b\r\n" % b", ".join(elements))
        return lines

    def _node(self) -> bytes:
        """RFC 7239 §6: an IPv6 address in brackets and quotes, "unknown" where there is none."""
        if not self._address:
            return b"unknown"
        return b'"[%b]"' % self._address if b":" in self._address else self._address
