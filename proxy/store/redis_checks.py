"""What a Redis server tells of itself when it is first spoken to, and which of its settings an operator must hear about."""

import logging
from collections.abc import Mapping
from enum import Enum

from .redis_line import Address, Refusal

_logger = logging.getLogger("noclobber")

OLDEST = (6, 2)

Facts = Mapping[str, str]
"""The fields of INFO. Empty where the server keeps it to itself."""


class Deployment(Enum):
    """What kind of store a URL names."""

    ONE = "one server"
    SENTINEL = "Sentinel"
    CLUSTER = "Cluster"


def facts_of(reply: object) -> Facts:
    """Read the reply to INFO. Anything else than text has no facts."""
    if not isinstance(reply, bytes):
        return {}
    pairs = (line.partition(":") for line in reply.decode("latin-1").splitlines())
    return {name: value for name, colon, value in pairs if colon}


def check(facts: Facts, deployment: Deployment) -> None:
    """Raise Refusal if the server cannot be a store. What it does not tell is let pass: the script finds out."""
    version = facts.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST:
        raise Refusal(f"the server is Redis {version}, and 6.2 is the oldest that can be used")
    # A node of a Cluster says itself where a slot is; elsewhere a replica would answer loads with what was.
    if deployment is not Deployment.CLUSTER and facts.get("role") == "slave":
        raise Refusal("READONLY the server is a read only replica of another one", "READONLY")
    if deployment is not Deployment.CLUSTER and facts.get("cluster_enabled") == "1":
        raise Refusal("the server is a node of a Cluster: the URL must start with redis+cluster:// or rediss+cluster://")
    if deployment is Deployment.CLUSTER and facts.get("cluster_enabled") == "0":
        raise Refusal("the server is no node of a Cluster: the URL must start with redis:// or rediss://")


def warnings(facts: Facts, deployment: Deployment) -> list[str]:
    """Say what about the server's settings is dangerous, one line each."""
    found = []
    policy = facts.get("maxmemory_policy", "noeviction")
    # Without a limit nothing is evicted, whatever the policy says.
    if facts.get("maxmemory", "0") != "0" and policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}: the server may throw records away; set it to noeviction")
    has_replicas = facts.get("connected_slaves", "0") != "0"
    # The field is there exactly if min-replicas-to-write and min-replicas-max-lag are both set.
    if "role" in facts and "min_slaves_good_slaves" not in facts and (has_replicas or deployment is Deployment.SENTINEL):
        found.append(
            "min-replicas-to-write is 0: a primary that is cut off goes on granting writes while its successor does the same (split brain) "
            "and updates are lost; set min-replicas-to-write 1 and min-replicas-max-lag 5, and max_replica_lag_seconds to the same"
        )
    if facts.get("aof_enabled") == "0":
        found.append("appendonly is no: a restart loses records, not only the time of one grace as every restart does; set it to yes")
    return found


class Notices:
    """Log each warning once for each server, when it is first met."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._given: set[tuple[Address, str]] = set()

    def meet(self, address: Address, facts: Facts) -> None:
        """Check a server that was just connected to. Raise Refusal if it cannot be used."""
        check(facts, self._deployment)
        for warning in warnings(facts, self._deployment):
            if (address, warning) not in self._given:
                self._given.add((address, warning))
                _logger.warning("store %s: %s", address, warning)
