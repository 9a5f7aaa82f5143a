"""Accounts: what is taken down of each write once it is over, for operators. The protocol rests on none of it."""

from .conflicts import ConflictLog
from .doubts import About
from .exchange import Exchange
from .forcing import account
from .incident import CONFLICTS
from .lease import Leases
from .metrics import RouteMetrics
from .reply import Reply
from .representation import Representations
from .several import keys_of


class Accounts:
    """Count writes, note what they have fought over and left in doubt, and tell the conflict log. `conflicts` None: there is none."""

    def __init__(self, representations: Representations, leases: Leases, conflicts: ConflictLog | None) -> None:
        self._representations = representations
        self._leases = leases
        self._conflicts = conflicts

    def write(self, exchange: Exchange, metrics: RouteMetrics, reply: Reply | None) -> None:
        """Take down what became of a write. `reply` None: it was stopped."""
        account(exchange, self._representations, metrics)
        leases, rules, path = self._leases, exchange.rules, exchange.target.path
        if exchange.is_named:
            lost = sum(incident.kind in CONFLICTS for incident in exchange.incidents)
            leases.heat.write(exchange.store_key, rules.name, path, lost)
        if leases.doubts.since:
            leases.doubts.describe(keys_of(exchange).ordered, About(rules.name, path, exchange.outcome or "not sent"))
        self._tell(exchange, None if reply is None else reply.status)

    def outside(self, exchange: Exchange, metrics: RouteMetrics) -> None:
        """Take down what a read has found: a change that went round us."""
        metrics.out_of_band_changes.inc()
        self._tell(exchange, None)

    def _tell(self, exchange: Exchange, status: int | None) -> None:
        if exchange.incidents and self._conflicts is not None:
            self._conflicts.record(exchange, status)
