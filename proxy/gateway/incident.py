"""Incidents: what a write can run into that operators want to know of, whether it was refused or not."""

from dataclasses import dataclass
from enum import Enum

from ..core.etag import EntityTag


class IncidentKind(Enum):
    """The names of events in the conflict log."""

    STALE = "stale"
    MISSING = "missing"
    EXISTS = "exists"
    GONE = "gone"
    UNKNOWN_OUTCOME = "unknown-outcome"
    OUT_OF_BAND = "out-of-band"
    BLIND = "blind-overwrite"
    OVERRIDE = "override"
    OVERRIDE_REFUSED = "override-refused"
    FORCED_AFTER_CONFLICT = "forced-after-conflict"
    FORGOTTEN = "forgotten"
    MARKED_UNKNOWN = "marked-unknown"


CONFLICTS = frozenset({IncidentKind.STALE, IncidentKind.MISSING, IncidentKind.EXISTS, IncidentKind.GONE})
"""Those of writes that were refused to save an update, or would have been."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One of them. `current` is the tag that stood; None: nothing did, or it was not looked at. `reason` is what the client gave as one."""

    kind: IncidentKind
    current: EntityTag | None = None
    reason: str = ""
