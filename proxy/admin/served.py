"""What the admin application is told of the gateway that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..config import Config
from ..gateway.arrival import Arrivals
from ..gateway.conflicts import ConflictLog
from ..gateway.connection import ClientServer
from ..gateway.handler import Handler
from ..gateway.labels import Labels
from ..gateway.lease import Leases
from ..gateway.metrics import Metrics
from ..gateway.readiness import Readiness
from ..origin.port import Upstream
from ..store.port import Store, Streams


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Served:
    """The parts of a running gateway. `lookups` judges requests that nobody sent. `streams` is the store that keeps the conflict log."""

    config: Config
    metrics: Metrics
    readiness: Readiness
    handler: Handler
    clients: ClientServer
    lookups: Arrivals
    labels: Labels
    leases: Leases
    conflicts: ConflictLog
    store: Store
    streams: Streams
    upstreams: Mapping[str, Upstream]
    started_at: datetime = field(default_factory=utc_now)
