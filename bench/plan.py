"""The plan: which rows are measured, at how many connections, on which targets."""

from dataclasses import dataclass

from .backend import SIZES
from .generator import Mode
from .targets import NAMES, STORES

PEERS = ("direct", "naive", "caddy")
ON_EVERY_STORE = tuple(f"noclobber-{kind}" for kind in STORES)
CONNECTIONS = (1, 32)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request. `folder` chooses the route, and with it how much of the protocol is asked for.

    `upstream_requests` is what the title implies that the backend gets for one of them; a row that differs fails the bench.
    """

    name: str
    title: str
    mode: Mode
    folder: str
    upstream_requests: int
    targets: tuple[str, ...]

    @property
    def body_bytes(self) -> int:
        return SIZES[self.folder.rpartition("/")[2].encode()]


# A read of a content-tagged resource makes no store call, so one store stands for all.
SCENARIOS = (
    Scenario("get-1k", "GET, 1 KB", Mode.READ, "docs/1k", 1, (*PEERS, "noclobber-memory")),
    Scenario("get-64k", "GET, 64 KB", Mode.READ, "docs/64k", 1, (*PEERS, "noclobber-memory")),
    Scenario("304", "GET with the current tag, 1 KB: 304", Mode.REVALIDATE, "docs/1k", 1, ("noclobber-memory",)),
    Scenario("put-plain", "PUT without a condition, 1 KB", Mode.WRITE, "docs/1k", 1, PEERS),
    Scenario(
        "put-default", "PUT with If-Match, 1 KB, all defaults: GET, PUT, GET upstream", Mode.WRITE_GUARDED, "docs/1k", 3, ON_EVERY_STORE
    ),
    Scenario(
        "put-proxy-only", "PUT with If-Match, 1 KB, trust-store: PUT, GET upstream", Mode.WRITE_GUARDED, "proxy-only/1k", 2, ON_EVERY_STORE
    ),
    Scenario(
        "put-verbatim",
        "PUT with If-Match, 1 KB, trust-store, tag from the request: one PUT upstream",
        Mode.WRITE_GUARDED,
        "verbatim/1k",
        1,
        ON_EVERY_STORE,
    ),
    Scenario("412", "PUT with a stale tag, 1 KB: 412 after one GET upstream", Mode.WRITE_STALE, "docs/1k", 1, ON_EVERY_STORE),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table."""

    scenario: Scenario
    connections: int
    target: str

    @property
    def name(self) -> str:
        return f"{self.scenario.name} {self.target} {self.connections}"

    @property
    def path(self) -> str:
        """Each target writes to resources of its own: to another's store they would be changes from outside."""
        return f"/{self.scenario.folder}/{self.target}-{self.scenario.name}-"


def cells(words: list[str]) -> list[Cell]:
    """Return the cells whose scenario or target is one of the words, or begins with it and a hyphen; all without words.

    Words of both kinds narrow each other: `put naive` is the PUT of naive.
    """
    scenarios = {word for word in words if any(matches(s.name, word) for s in SCENARIOS)}
    targets = {word for word in words if any(matches(name, word) for name in NAMES)}
    unknown = set(words) - scenarios - targets
    if unknown:
        known = ", ".join([*(s.name for s in SCENARIOS), *NAMES])
        raise ValueError(f"--only does not know {', '.join(sorted(unknown))}; it knows {known}")
    return [
        Cell(scenario, connections, target)
        for scenario in SCENARIOS
        for connections in CONNECTIONS
        for target in scenario.targets
        if (not scenarios or any(matches(scenario.name, word) for word in scenarios))
        and (not targets or any(matches(target, word) for word in targets))
    ]


def matches(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word}-")
