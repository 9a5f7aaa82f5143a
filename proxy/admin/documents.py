"""The documents of the admin API. What stands here is its schema: `openapi.py` is made from it.

Times are in UTC, durations in seconds. None: there is nothing of the kind, or it is shown only to who has the token.
"""

from datetime import datetime
from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Counts = dict[str, int]


class Document(Struct, frozen=True, kw_only=True):
    """What all documents are."""


class Bucket(Document, frozen=True, kw_only=True):
    """How many durations were at most `le_seconds`, shorter ones among them; None: how many there were."""

    le_seconds: Seconds | None
    count: Count


class WorkerState(Enum):
    """What a worker does."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Worker(Document, frozen=True, kw_only=True):
    """A process that serves. `restarts` is how often the one in its place has ended before its time."""

    worker: Count
    pid: Count
    state: WorkerState
    uptime_seconds: Seconds
    restarts: Count
    in_flight: Count
    connections: Count


class StoreLatency(Document, frozen=True, kw_only=True):
    """How long operations of the store took, since the start. None: there were none."""

    p50_seconds: Seconds | None
    p99_seconds: Seconds | None
    buckets: tuple[Bucket, ...]


class StoreStatus(Document, frozen=True, kw_only=True):
    """The store. `url` is without passwords. `grace_remaining_seconds` is how long no write is granted yet.

    `kept` is how many events of the conflict log it keeps.
    """

    kind: str
    url: str
    up: bool
    grace_remaining_seconds: Seconds
    operations: Count
    errors: Count
    kept: Count
    latency: StoreLatency


class ServerStatus(Document, frozen=True, kw_only=True):
    """One server of a backend."""

    url: str
    up: bool


class UpstreamStatus(Document, frozen=True, kw_only=True):
    """A backend, and the connections to it. `waiting` are requests that have found none free."""

    name: str
    url: str
    servers: tuple[ServerStatus, ...]
    idle: Count
    busy: Count
    waiting: Count
    errors: Count


class Totals(Document, frozen=True, kw_only=True):
    """What has been counted since the start. `prevented` are the lost updates that did not happen; `would_refuse` is of observed routes."""

    requests: Count
    reads: Count
    writes: Count
    errors: Count
    conflicts: Counts
    prevented: Count
    unprotected: Count
    forced: Count
    forced_after_conflict: Count
    unknown: Count
    out_of_band: Count
    own_writes: Count
    would_refuse: Count


class Latency(Document, frozen=True, kw_only=True):
    """How long requests took since the start, what is noclobber's of it and what the backend's. None: there were none."""

    overhead_p50_seconds: Seconds | None
    overhead_p99_seconds: Seconds | None
    upstream_p50_seconds: Seconds | None
    upstream_p99_seconds: Seconds | None
    overhead: tuple[Bucket, ...]
    upstream: tuple[Bucket, ...]


class Reload(Document, frozen=True, kw_only=True):
    """The last attempt to load the configuration anew."""

    at: datetime
    ok: bool
    errors: tuple[str, ...]


class ConfigStatus(Document, frozen=True, kw_only=True):
    """The configuration that is served. `path` None: no file was named. `reload` None: none was asked for."""

    path: str | None
    loaded_at: datetime
    reload: Reload | None


class Status(Document, frozen=True, kw_only=True):
    """What noclobber does, and how it does. `reasons` say why writes are not granted, and are empty exactly when they are."""

    version: str
    mode: str
    started_at: datetime
    uptime_seconds: Seconds
    ready: bool
    reasons: tuple[str, ...]
    workers: tuple[Worker, ...]
    store: StoreStatus
    upstreams: tuple[UpstreamStatus, ...]
    totals: Totals
    latency: Latency
    in_flight: Count
    lease_queue: Count
    in_doubt: Count
    config: ConfigStatus


class Match(Document, frozen=True, kw_only=True):
    """What a route is for. No `methods`: all; an empty `host`: any."""

    path: str
    methods: tuple[str, ...]
    host: str


class RouteTotals(Document, frozen=True, kw_only=True):
    """What has been counted on a route since the start."""

    requests: Count
    verdicts: Counts
    conflicts: Counts
    prevented: Count
    unprotected: Count
    forced: Count
    unknown: Count
    out_of_band: Count
    would_refuse: Count


class Route(Document, frozen=True, kw_only=True):
    """A route. The one named `unrouted` is what no other takes."""

    name: str
    match: Match
    strategy: str
    dialect: str
    missing: str
    mode: str
    guarded: bool
    totals: RouteTotals


class Conflict(Document, frozen=True, kw_only=True):
    """An event of the conflict log. Who and what is told by digests, the same in all processes on one store.

    `status` is what the client was answered with, None: not known. `winner` is who wrote what stood, and `read_age_seconds` the least that
    the read was old on which the write was based. `reason` is what who forced a write gave as one, and is shown only with the token.
    """

    id: str
    at: datetime
    kind: str
    mode: str
    route: str
    method: str
    status: int | None
    key: str
    principal: str | None
    winner: str | None
    read_age_seconds: Seconds | None
    client_tag: str | None
    current_tag: str | None
    request_id: str
    reason: str | None


class Conflicts(Document, frozen=True, kw_only=True):
    """Events, newest first. `next` is what `before` has to be for those before them; None: there are none."""

    events: tuple[Conflict, ...]
    next: str | None


class Standing(Enum):
    """How the record of a resource stands."""

    UNGUARDED = "unguarded"
    ABSENT = "absent"
    SETTLED = "settled"
    PENDING = "pending"
    QUARANTINE = "quarantine"
    ABANDONED = "abandoned"
    UNKNOWN = "unknown"
    LOST_HISTORY = "lost-history"


class Resource(Document, frozen=True, kw_only=True):
    """What is known of one resource. `key` None: no record is kept of what the URL leads to.

    `explanation` says in words what `state` means. `version`, and `tag` as a client would be told it, are shown only with the token, where
    the record tells them. `holder` and `last_writer` are digests of who has the lease, and of who wrote last. `changed_at` None: there is
    no record, or a lease runs. `grace_until_at` None: writes are granted as far as the store's history goes.
    """

    url: str
    route: str
    key: str | None
    strategy: str
    dialect: str
    state: Standing
    explanation: str
    with_token: bool
    version: str | None
    tag: str | None
    operation: str | None
    holder: str | None
    last_writer: str | None
    lease_until_at: datetime | None
    quarantine_until_at: datetime | None
    grace_until_at: datetime | None
    lineage: str
    changed_at: datetime | None
    history: tuple[Conflict, ...]


class Hot(Document, frozen=True, kw_only=True):
    """A resource that many write. `path` is shown only with the token. `conflicts` are writes that were refused, or would have been.

    `heat` counts all that happened, each event half as much after ten minutes; `waits` are writes that had to wait for another.
    """

    route: str
    key: str
    path: str | None
    writes: Count
    conflicts: Count
    waits: Count
    heat: Annotated[float, Meta(ge=0)]
    last_at: datetime


class Doubt(Document, frozen=True, kw_only=True):
    """A record that this noclobber has left pending or unknown, and that still is. `path` is shown only with the token.

    `outcome` is the last that is known of the write. `until_at`: from then on a writer need not wait any more before it looks.
    """

    route: str
    key: str
    path: str | None
    state: Standing
    since_at: datetime
    until_at: datetime | None
    outcome: str


class Meant(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which resource is meant: a path, or a URL where routes ask for the host; and the method of the request where they ask for it."""

    url: str
    method: str = "GET"


class Nothing(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty object."""


class Problem(Document, frozen=True, kw_only=True):
    """What is wrong with a request (RFC 9457). `until_at`: when it may succeed."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    until_at: datetime | None = None
