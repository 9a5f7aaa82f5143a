"""The keys of [upstream] and of [[upstreams]]: the backends, and the connections to them. The rules of `schema.py` hold here too."""

from typing import Annotated

from msgspec import Struct

from .choices import TlsMinimum
from .forms import Endpoint, check_name, check_server_name, check_upstream, parse_upstream
from .notes import count, formed, listed, plain, seconds

DEFAULT = "default"
"""What [upstream] is called where backends have names."""

_URL = 'http://HOST[:PORT] or https://HOST[:PORT] without a path, as in "http://127.0.0.1:9000"; or http+unix:///PATH of a socket'
_RISK = "A load balancer that retries writes, or that reads from lagging replicas, breaks the guarantee."

Alternatives = Annotated[
    tuple[str, ...],
    listed(
        "Other servers of the very same data set, in order: asked where those before them are down. See docs/upstreams.md.",
        "Servers with data of their own, or replicas that lag behind: lost updates.",
        "URLs of the same scheme as url",
        check_upstream,
        "[]",
    ),
]
CaFile = Annotated[
    str,
    plain(
        "The authorities, in PEM, that vouch for an https backend; empty: those of the system.",
        "Too many of them: more can take the backend's place.",
    ),
]
ClientCertificate = Annotated[
    str, plain("The certificate that we show to an https backend, with its chain, in PEM; empty: none.", "Expired: all requests get 502.")
]
ClientKey = Annotated[str, plain("Its key, in PEM, not encrypted.", "Readable for others: they can take our place.")]
ServerName = Annotated[
    str,
    formed(
        "The name that an https backend's certificate must have, and that it is asked for (SNI); empty: the host of url.",
        "Another server's name: that one is trusted in the backend's place.",
        "a host name",
        check_server_name,
    ),
]
Minimum = Annotated[TlsMinimum, plain("The oldest version of TLS that is spoken with the backend.", "1.3: old backends cannot be reached.")]


class Upstream(Struct, frozen=True, kw_only=True):
    """The backend, and the connections to it."""

    url: Annotated[str, formed("The backend.", _RISK, _URL, check_upstream, "upstream", "URL")]
    alternatives: Alternatives = ()
    ca_file: CaFile = ""
    client_certificate: ClientCertificate = ""
    client_key: ClientKey = ""
    server_name: ServerName = ""
    tls_minimum: Minimum = TlsMinimum.TLS_1_2
    connect_seconds: Annotated[
        float, seconds("How long a connection may take to be made.", "Too high: a dead backend is noticed late.")
    ] = 5.0
    first_byte_seconds: Annotated[
        float,
        seconds(
            "How long the head of an answer may take; a write has write_timeout_seconds of [protocol] as well, whichever is shorter.",
            "Too low: slow pages become 504.",
        ),
    ] = 60.0
    idle_seconds: Annotated[
        float, seconds("How long a pause within an answer may be.", "Too low: answers that trickle are cut. Too high: hung ones are kept.")
    ] = 60.0
    pool_idle_seconds: Annotated[
        float,
        seconds(
            "How long an unused connection is kept.",
            "Higher than the backend's own limit: requests meet connections that it is just closing, and writes get 503.",
        ),
    ] = 4.0
    max_connections: Annotated[
        int,
        count("connections", "How many are open to the backend at most.", "Too high: the backend drowns. Too low: requests queue."),
    ] = 256
    max_waiting: Annotated[
        int, count("requests", "How many requests may wait for a connection; more get 503.", "Too high: they wait in vain.", 0)
    ] = 1024
    wait_seconds: Annotated[
        float, seconds("How long a request waits for a connection before it gets 503.", "Too high: clients give up first.")
    ] = 5.0
    max_failures: Annotated[
        int,
        count(
            "requests",
            "How many in a row may get nothing of an answer before a server that has alternatives is down.",
            "Too low: one slow answer moves all traffic. Too high: many requests wait for a dead server first.",
        ),
    ] = 3
    down_seconds: Annotated[
        float,
        seconds(
            "How long a server that is down is not asked; then one request tries it, and without an answer the pause doubles.",
            "Too low: many requests wait for a dead server first.",
        ),
    ] = 1.0
    max_down_seconds: Annotated[
        float, seconds("How long that pause becomes at most.", "Too high: a server that is back is noticed late.")
    ] = 30.0

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """`url` and `alternatives`, parsed."""
        return tuple(parse_upstream(url) for url in (self.url, *self.alternatives))

    @property
    def endpoint(self) -> Endpoint:
        """`url`, parsed."""
        return parse_upstream(self.url)


class NamedUpstream(Struct, frozen=True, kw_only=True):
    """A further backend, for the routes that name it. Limits and times are those of [upstream], counted for each backend by itself."""

    name: Annotated[
        str,
        formed(
            "The name that routes and metrics use, unique; [upstream] is default.",
            "Renaming it begins new time series.",
            "characters of a-z, 0-9 and -",
            check_name,
        ),
    ]
    url: Annotated[str, formed("The backend.", _RISK, _URL, check_upstream)]
    alternatives: Alternatives = ()
    ca_file: CaFile = ""
    client_certificate: ClientCertificate = ""
    client_key: ClientKey = ""
    server_name: ServerName = ""
    tls_minimum: Minimum = TlsMinimum.TLS_1_2

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """`url` and `alternatives`, parsed."""
        return tuple(parse_upstream(url) for url in (self.url, *self.alternatives))
