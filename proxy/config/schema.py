"""The schema: every key of the configuration, once, with type, default, unit, limits, what it does and what goes wrong with it.

Two rules of this file. A key stands here and nowhere else: reading, error texts, environment variables, flags and the reference in
`docs/configuration.md` are made from it. And a section holds plain values of TOML; a property gives the parsed form.
"""

from typing import Annotated

from msgspec import Struct

from .choices import AccessLog, Level, Mode
from .forms import Address, Endpoint, check_address, check_store_url, check_token, check_upstream, parse_address, parse_upstream
from .notes import Note, at_least, byte_count, count, formed, plain, seconds, seconds_or_none
from .route import EVERYTHING, Route

SPARE_SECONDS = 1.0
"""What the grace is longer than the sum of its parts (protocol §1)."""


def _check_mode(text: str) -> None:
    if text == "observe":
        raise ValueError("is not possible in this version, which only enforces")


ADDRESS = 'HOST:PORT, an IPv6 address in brackets, as in "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"'


class Server(Struct, frozen=True, kw_only=True):
    """The listeners and the process."""

    listen: Annotated[
        str,
        formed(
            "Where clients are served; port 0 takes any free one.",
            "0.0.0.0 serves everyone who can reach the machine.",
            ADDRESS,
            check_address,
            "listen",
            "HOST:PORT",
        ),
    ] = "127.0.0.1:8080"
    admin: Annotated[
        str,
        formed(
            "Where health, metrics and the console are served.",
            "It asks for no password: whoever reaches it sees the names of routes and the rates of traffic.",
            ADDRESS,
            check_address,
            "admin",
            "HOST:PORT",
        ),
    ] = "127.0.0.1:8081"
    workers: Annotated[
        int,
        at_least(
            Note(
                "How many processes serve.",
                "Only 1 is possible in this version.",
                "processes",
                "1 in this version: for more, start several processes on one store",
                flag="workers",
                metavar="N",
            ),
            ge=1,
            le=1,
        ),
    ] = 1
    mode: Annotated[
        Mode,
        formed("What is done with a verdict.", 'Only "enforce" is possible in this version.', '"enforce"', _check_mode, "mode", "MODE"),
    ] = Mode.ENFORCE
    drain_seconds: Annotated[
        float,
        seconds_or_none(
            "How long requests in flight may go on after the signal to stop.",
            "Too low: writes are cut off and their outcome is unknown. Higher than the supervisor's patience: it kills us first.",
        ),
    ] = 30.0
    header_seconds: Annotated[
        float,
        seconds(
            "How long a request head may take to arrive, and a connection may stay idle.",
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
    def listen_address(self) -> Address:
        """`listen`, parsed."""
        return parse_address(self.listen)

    @property
    def admin_address(self) -> Address:
        """`admin`, parsed."""
        return parse_address(self.admin)


class Upstream(Struct, frozen=True, kw_only=True):
    """The backend, and the connections to it."""

    url: Annotated[
        str,
        formed(
            "The backend.",
            "A load balancer that retries writes, or that reads from lagging replicas, breaks the guarantee.",
            'http://HOST[:PORT] or https://HOST[:PORT] without a path, as in "http://127.0.0.1:9000"',
            check_upstream,
            "upstream",
            "URL",
        ),
    ]
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

    @property
    def endpoint(self) -> Endpoint:
        """`url`, parsed."""
        return parse_upstream(self.url)


class Store(Struct, frozen=True, kw_only=True):
    """Where versions and leases are remembered."""

    url: Annotated[
        str,
        formed(
            "The store. All processes in front of one backend must share one.",
            "Two stores in front of one backend protect nothing. A relative SQLite path depends on the directory of the start.",
            "memory://, sqlite:///RELATIVE, sqlite:////ABSOLUTE, redis://HOST[:PORT][/DB], unix:///SOCKET, "
            "redis+sentinel://HOST[:PORT],.../SERVICE[/DB] or redis+cluster://HOST[:PORT],...; rediss for TLS",
            check_store_url,
            "store",
            "URL",
        ),
    ] = "sqlite:///noclobber.db"
    timeout_seconds: Annotated[
        float,
        seconds(
            "How long one command to the store may take.",
            "Near lease_seconds or above: a slow store costs leases, and writes become unknown.",
        ),
    ] = 1.0


class Protocol(Struct, frozen=True, kw_only=True):
    """The times that the guarantee rests on. All processes on one store must agree on them."""

    lease_seconds: Annotated[
        float,
        seconds(
            "How long a lease runs between renewals.",
            "Too low: a pause of the process or the store costs writes. Too high: a crashed writer blocks its resource for longer.",
        ),
    ] = 5.0
    apply_delay_seconds: Annotated[
        float,
        seconds(
            "How long after we gave a write up the backend may still apply it.",
            "Too low: lost updates. Too high: 503 for that long after each unknown outcome.",
        ),
    ] = 10.0
    margin_seconds: Annotated[
        float,
        seconds(
            "The part of a lease that is not used, for pauses between looking at the clock and sending; below lease_seconds.",
            "Shorter than a pause of the process (garbage collection, a suspended machine): lost updates.",
        ),
    ] = 1.0
    write_timeout_seconds: Annotated[
        float,
        seconds(
            "How long a write may take at the backend; lease_seconds or more.",
            "Too low: slow writes become unknown. Too high: a hung one blocks its resource for that long.",
        ),
    ] = 30.0
    max_replica_lag_seconds: Annotated[
        float,
        seconds_or_none(
            "How far a replica of the store may lag behind before its primary stops taking writes; 0 without replicas.",
            "0 with replicas: a failover loses updates.",
        ),
    ] = 0.0
    lease_wait_seconds: Annotated[
        float,
        seconds_or_none("How long a write waits for another's lease before it gets 503.", "Too low: busy resources answer 503 often."),
    ] = 2.0


class Limits(Struct, frozen=True, kw_only=True):
    """What a request, an answer or a queue may come to."""

    max_tagged_body_bytes: Annotated[
        int,
        byte_count(
            "The largest answer that is held to be tagged; larger ones stream through untagged.",
            "Memory: each read in flight may hold it.",
            0,
        ),
    ] = 8_388_608
    max_body_bytes: Annotated[
        int, byte_count("The largest body of a write; larger ones get 413.", "Disk: each write in flight may spool it.")
    ] = 1_073_741_824
    spool_memory_bytes: Annotated[
        int, byte_count("The part of a body that is held in memory; the rest goes to disk.", "Memory: each write in flight may hold it.", 0)
    ] = 262_144
    max_waiters_per_key: Annotated[
        int,
        count("writes", "How many writes may queue for one resource; more get 503.", "Too high: the last ones wait in vain.", 0),
    ] = 16
    max_field_bytes: Annotated[
        int, byte_count("The longest header field of a request.", "Too low: requests with large cookies or tokens get 400.")
    ] = 8190
    max_line_bytes: Annotated[int, byte_count("The longest request line.", "Too low: requests with long queries get 400.")] = 8190
    max_fields: Annotated[
        int, count("fields", "How many header fields a request may have.", "Too low: requests through many proxies get 400.")
    ] = 100
    spool_directory: Annotated[
        str, plain("Where bodies are spooled; empty: the system's directory for temporary files.", "On a RAM disk, spooling takes memory.")
    ] = ""


class Log(Struct, frozen=True, kw_only=True):
    """What is written to standard output and standard error."""

    access: Annotated[AccessLog, plain("A line of JSON for each request, or none.", "off: no trace of who lost an update.")] = (
        AccessLog.JSON
    )
    level: Annotated[Level, plain("The least grave message of the process that is written.", "debug costs throughput.")] = Level.INFO


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, with every default filled in."""

    server: Server = Server()
    upstream: Upstream
    store: Store = Store()
    protocol: Protocol = Protocol()
    limits: Limits = Limits()
    log: Log = Log()
    routes: tuple[Route, ...] = (EVERYTHING,)

    @property
    def grace_seconds(self) -> float:
        """How long no write is granted after the store's history was lost (protocol §1)."""
        protocol = self.protocol
        apply_delay_seconds = max(route.apply_delay_seconds for route in self.routes)
        return protocol.lease_seconds + protocol.margin_seconds + apply_delay_seconds + protocol.max_replica_lag_seconds + SPARE_SECONDS
