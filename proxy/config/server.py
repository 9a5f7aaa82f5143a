"""The keys of [server]. The rules of `schema.py` hold here too."""

from typing import Annotated

from .choices import Mode, TlsMinimum
from .forms import Address, UnixPath, check_listener, check_mode, check_secret, check_token, parse_listener
from .notes import Note, at_least, formed, plain, seconds, seconds_or_none, secret, unlimited
from .peers import Peers

ADDRESS = 'HOST:PORT, an IPv6 address in brackets, as in "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"; or unix:/PATH'


class Server(Peers, frozen=True, kw_only=True):
    """The listeners and the process."""

    listen: Annotated[
        str,
        formed(
            "Where clients are served; port 0 takes any free one.",
            "0.0.0.0 serves everyone who can reach the machine.",
            ADDRESS,
            check_listener,
            "listen",
            "HOST:PORT",
        ),
    ] = "127.0.0.1:8080"
    admin: Annotated[
        str,
        formed(
            "Where health, metrics, the admin API and the console are served.",
            "Whoever reaches it sees the names of routes, the rates of traffic, and digests of who lost to whom.",
            ADDRESS,
            check_listener,
            "admin",
            "HOST:PORT",
        ),
    ] = "127.0.0.1:8081"
    admin_token: Annotated[
        str,
        secret(
            "What a change over the admin API needs (Authorization: Bearer TOKEN), and what it takes to see paths, tags and reasons there; "
            "empty: no change is possible.",
            "Known to others: they can have records forgotten, which costs refusals and waits, never an update.",
            "16 characters or more of letters, digits and - . _ ~ + / =, as `openssl rand -hex 32` gives; empty: none",
            check_secret,
        ),
    ] = ""
    socket_mode: Annotated[
        str,
        formed(
            "The permissions of the file of a Unix socket, in octal.",
            "666: every user of the machine is served.",
            'three octal digits, as in "660"',
            check_mode,
        ),
    ] = "660"
    tls_certificate: Annotated[
        str,
        plain(
            "The certificate of listen, with its chain, in PEM; empty: plain HTTP. It is read again when it changes.",
            "Empty on a listener that others reach: credentials can be read on the way.",
        ),
    ] = ""
    tls_key: Annotated[str, plain("Its key, in PEM, not encrypted.", "Readable for others: they can take our place.")] = ""
    tls_directory: Annotated[
        str,
        plain(
            "Further certificates, chosen by the name that a client asks for: HOST.pem holds chain and key, _.example.org.pem any label.",
            "A file under another name is never chosen, and its clients get tls_certificate.",
        ),
    ] = ""
    tls_client_ca: Annotated[
        str,
        plain(
            "The authorities, in PEM, whose certificate every client must show; empty: none is asked for.",
            "Empty where a certificate is the only thing that keeps strangers out: they come in.",
        ),
    ] = ""
    tls_minimum: Annotated[
        TlsMinimum, plain("The oldest version of TLS that is spoken with clients.", "1.3: old clients cannot connect.")
    ] = TlsMinimum.TLS_1_2
    workers: Annotated[
        int,
        at_least(
            Note(
                "How many processes serve, under one that watches them; 0: one for each core that may be used, and 1 with memory://.",
                "More than there are cores: they take turns, and each costs 60 MB. Some limits hold for each: docs/processes.md.",
                "processes",
                flag="workers",
                metavar="N",
            ),
            ge=0,
        ),
    ] = 0
    mode: Annotated[
        Mode,
        unlimited(
            Note(
                "Whether verdicts are enforced, or only counted and logged (observe), where a route does not say so itself.",
                "observe: lost updates, as without us.",
                flag="mode",
                metavar="MODE",
            )
        ),
    ] = Mode.ENFORCE
    drain_seconds: Annotated[
        float,
        seconds_or_none(
            "How long requests in flight may go on after the signal to stop.",
            "Too low: writes are cut off and their outcome is unknown. Higher than the supervisor's patience: it kills us first.",
        ),
    ] = 30.0
    drain_delay_seconds: Annotated[
        float,
        seconds_or_none(
            "How long clients are still let in after the signal to stop, while /readyz says 503 already.",
            "0 behind a load balancer that asks /readyz: it sends clients to a door that is closed.",
        ),
    ] = 0.0
    header_seconds: Annotated[
        float,
        seconds(
            "How long a request head may take to arrive before it gets 408, a TLS handshake may take, and a connection may stay idle.",
            "Too low: slow clients are cut off. Too high: idle ones hold connections.",
        ),
    ] = 15.0
    via_name: Annotated[
        str,
        formed(
            "The name in the Via field (RFC 9110 §7.6.3).",
            "The same name on two proxies in a row looks like a loop.",
            'a token, as in "noclobber"',
            check_token,
        ),
    ] = "noclobber"

    @property
    def listen_address(self) -> Address | UnixPath:
        """`listen`, parsed."""
        return parse_listener(self.listen)

    @property
    def admin_address(self) -> Address | UnixPath:
        """`admin`, parsed."""
        return parse_listener(self.admin)
