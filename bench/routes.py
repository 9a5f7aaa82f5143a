"""What it costs to find the route of a request, with ten routes and with ten thousand. `./dev routes`."""

import statistics
import sys
from collections.abc import Sequence
from time import perf_counter_ns

from proxy.core.resource import Routes
from proxy.core.template import Pattern, parse_template

FEW, MANY = 10, 10_000
BOUND_US = 5.0
"""What the match of a request may cost more with MANY routes than with FEW."""

ROUNDS = 41
REPEATS = 200
KINDS = ("/api/{name}/{{id:int}}", "/api/{name}/{{id}}/parts/{{part}}", "/{name}/{{rest*}}")
HOSTS = (b"", b"api.example.org", b"*.example.net")
METHODS = (frozenset[bytes](), frozenset({b"GET", b"PUT"}), frozenset({b"POST"}))


def routes(count: int) -> Routes[int]:
    """That many routes: of every kind, some for a host or for methods, and all under names of their own."""
    patterns = []
    for number in range(count):
        template = parse_template(KINDS[number % 3].format(name=f"thing-{number // 3}"))
        patterns.append((Pattern(template, HOSTS[number // 3 % 3], METHODS[number // 9 % 3]), number))
    return Routes(patterns)


def requests(count: int) -> list[tuple[bytes, bytes, bytes]]:
    """Paths, methods and hosts that lead to the first, the middle and the last of the routes, and to none."""
    paths = []
    for number in (0, count // 6, (count - 1) // 3):
        name = f"thing-{number}".encode()
        paths += [b"/api/%b/17" % name, b"/api/%b/17/parts/x" % name, b"/%b/a/b/c" % name]
    return [(path, b"GET", b"api.example.org:8080") for path in (*paths, b"/", b"/nothing/of/ours", b"/api/thing-x/17")]


def cost_us(found: Routes[int], asked: Sequence[tuple[bytes, bytes, bytes]]) -> float:
    """The time for one match, in microseconds: the tenth of all rounds that was fastest, since what runs beside us only adds to it."""
    rounds = []
    for _ in range(ROUNDS):
        started = perf_counter_ns()
        for _ in range(REPEATS):
            for path, method, host in asked:
                found.match(path, method, host)
        rounds.append((perf_counter_ns() - started) / (REPEATS * len(asked) * 1000))
    return statistics.quantiles(rounds, n=10)[0]


def main() -> int:
    """Print both costs and their difference; 1 where it is above the bound."""
    few, many = (cost_us(routes(count), requests(count)) for count in (FEW, MANY))
    print(f"matching a request: {few:.2f} us with {FEW} routes, {many:.2f} us with {MANY}: {many - few:+.2f} us (bound {BOUND_US:+.2f} us)")
    return 0 if many - few < BOUND_US else 1


if __name__ == "__main__":
    sys.exit(main())
