"""Where a backend is, and how long and how much of it we put up with."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """One backend. `host` is a name or a literal address, or the absolute path of a Unix socket, whose port is 0.

    `tls` None means plain HTTP; else `server_name` is the name that is asked for and verified, None: `host`.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None

    def __str__(self) -> str:
        return f"unix:{self.host}" if self.host.startswith("/") else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """The limits of one backend's client.

    `connect_seconds`: name lookup, TCP and TLS together. `first_byte_seconds`: from the end of sending, or from the last interim answer,
    to the head of the final one. `idle_seconds`: between two moves of a body, either way, while it is the backend's turn.
    `pool_idle_seconds`: how long an unused connection is kept; Node closes at 5 s, so just under that. `max_connections` counts idle,
    busy and connecting ones. `max_waiting` requests queue for a connection, each for `wait_seconds` at most; zero means nobody waits.
    """

    connect_seconds: float = 5.0
    first_byte_seconds: float = 60.0
    idle_seconds: float = 60.0
    pool_idle_seconds: float = 4.0
    max_connections: int = 256
    max_waiting: int = 1024
    wait_seconds: float = 5.0
