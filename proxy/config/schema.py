"""The schema: every key of the configuration, once, with type, default, unit, limits, what it does and what goes wrong with it.

Two rules of this file. A key stands here and nowhere else: reading, error texts, environment variables, flags and the reference in
`docs/configuration.md` are made from it. And a section holds plain values of TOML; a property gives the parsed form.
"""

from typing import Annotated

from msgspec import Struct

from .choices import History, Level, LogForm
from .dialect import NamedDialect
from .forms import check_store_url
from .limits import Limits
from .notes import count, formed, plain, seconds, seconds_or_none
from .route import EVERYTHING, Route
from .server import Server
from .tracing import Tracing
from .upstream import NamedUpstream, Upstream

SPARE_SECONDS = 1.0
"""What the grace is longer than the sum of its parts (protocol §1)."""


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
    history: Annotated[
        History,
        plain(
            "Whether a data set that is met for the first time may follow one that was lost (unknown), or is known to follow none (kept).",
            "kept where one was lost: counters begin anew, and a version that a client holds may name another state.",
        ),
    ] = History.UNKNOWN
    kept_conflicts: Annotated[
        int,
        count(
            "events",
            "How many events of the conflict log the store keeps for `noclobber conflicts`, at about 500 bytes each; 0: none.",
            "Too low: what happened overnight is gone in the morning.",
            0,
        ),
    ] = 10_000


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


class Log(Struct, frozen=True, kw_only=True):
    """What is written to standard output and standard error."""

    access: Annotated[
        LogForm,
        plain(
            "A line for each request: JSON, text for people, auto (text on a terminal, else JSON), or none.",
            "off: no trace of who lost an update.",
        ),
    ] = LogForm.AUTO
    conflicts: Annotated[
        LogForm,
        plain("A line for each conflict, forced write, unknown outcome and change from elsewhere, or none.", "off: see access."),
    ] = LogForm.AUTO
    level: Annotated[Level, plain("The least grave message of the process that is written.", "debug costs throughput.")] = Level.INFO


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, with every default filled in."""

    server: Server = Server()
    upstream: Upstream
    store: Store = Store()
    protocol: Protocol = Protocol()
    limits: Limits = Limits()
    log: Log = Log()
    tracing: Tracing = Tracing()
    upstreams: tuple[NamedUpstream, ...] = ()
    dialects: tuple[NamedDialect, ...] = ()
    routes: tuple[Route, ...] = (EVERYTHING,)

    @property
    def grace_seconds(self) -> float:
        """How long no write is granted after the store's history was lost (protocol §1)."""
        protocol = self.protocol
        apply_delay_seconds = max(route.apply_delay_seconds for route in self.routes)
        return protocol.lease_seconds + protocol.margin_seconds + apply_delay_seconds + protocol.max_replica_lag_seconds + SPARE_SECONDS
