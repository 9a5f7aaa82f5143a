"""Start the legacy backend and noclobber in front of it, and show or play the session. `./dev run` ends up here.

Standard library only. Everything it starts, it stops.
"""

import argparse
import contextlib
import ctypes
import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import play

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STATE = ROOT / ".dev"
HOST = "127.0.0.1"
# Longer than the 17 s of grace that a store of an earlier boot costs.
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
C_LIBRARY = ctypes.CDLL(None)
# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The demo cannot run; the text says why and what to do. Becomes exit status 1."""


class Stopped(BaseException):
    """Ctrl-C or a signal asked us to stop. Not an Exception, so that nothing on the way swallows it."""


def say(line: str) -> None:
    """Print at once: whoever reads the pipe must see it."""
    print(line, flush=True)


def require_free(port: int, whose: str, option: str) -> None:
    """Raise unless we can listen on the port, so that the user is told which one is in the way."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            raise Failed(f"port {port} for {whose} is not free ({problem.strerror}): stop what listens there, or use {option}") from None


def status_of(port: int, path: str) -> int:
    """Return the status of one GET, 0 when nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def die_with_parent() -> None:
    """Ask Linux to end this child when we are killed hard, so that no port stays taken. Elsewhere nothing happens."""
    with contextlib.suppress(AttributeError):
        C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Service:
    """One process of the demo, with its output in .dev/NAME.log."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.log = STATE / f"{name}.log"
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=die_with_parent
            )

    def require_alive(self) -> None:
        """Raise with the end of the log if the process has ended."""
        if self.process.poll() is not None:
            tail = "\n".join(f"  | {line}" for line in self.log.read_text(errors="replace").splitlines()[-12:])
            raise Failed(f"the {self.name} ended with status {self.process.returncode}; the end of {self.log.relative_to(ROOT)}:\n{tail}")

    def wait_ready(self, port: int, path: str) -> None:
        """Return when a GET of the path answers 200."""
        started = time.monotonic()
        told = False
        while (status := status_of(port, path)) != 200:
            self.require_alive()
            waited = time.monotonic() - started
            if waited > READY_SECONDS:
                raise Failed(f"the {self.name} is not ready after {waited:.0f} s: http://{HOST}:{port}{path} answers {status}")
            if status and waited > 2 and not told:
                told = True
                say(f"waiting: http://{HOST}:{port}{path} answers {status} (new store or reboot: no write until no old lease can run)")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def session_text(backend_port: int, port: int) -> str:
    """Return the curl session for these ports."""
    text = (HERE / "session.sh").read_text()
    return text.replace(f"{HOST}:9000", f"{HOST}:{backend_port}").replace(f"{HOST}:8080", f"{HOST}:{port}")


def start(options: argparse.Namespace, services: list[Service]) -> None:
    """Start the backend and noclobber, and return when both are ready. What was started stands in `services` at every moment."""
    require_free(options.backend_port, "the demo backend", "--backend-port PORT")
    require_free(options.port, "noclobber", "--port PORT")
    require_free(options.admin_port, "noclobber's admin listener", "--admin-port PORT")
    STATE.mkdir(exist_ok=True)
    say(f"starting the legacy backend on {HOST}:{options.backend_port}")
    services.append(Service("backend", [sys.executable, str(HERE / "backend.py"), "--port", str(options.backend_port)]))
    services[-1].wait_ready(options.backend_port, "/api/journeys")
    say(f"starting noclobber on {HOST}:{options.port}, admin on {HOST}:{options.admin_port}")
    noclobber = str(Path(sys.executable).with_name("noclobber"))
    listeners = ["--listen", f"{HOST}:{options.port}", "--admin", f"{HOST}:{options.admin_port}"]
    around = ["--upstream", f"http://{HOST}:{options.backend_port}", "--store", "sqlite:///.dev/journeys.db", "--workers", "1"]
    services.append(Service("noclobber", [noclobber, "run", "--config", "config.toml", *listeners, *around]))
    services[-1].wait_ready(options.admin_port, "/readyz")


def serve(options: argparse.Namespace, services: list[Service]) -> int:
    """Show the session and stay until a signal comes or a service ends."""
    say("ready. Logs are in .dev/. Paste this into another terminal:\n")
    say(session_text(options.backend_port, options.port))
    say("Ctrl-C stops both.")
    while True:
        time.sleep(0.5)
        for service in services:
            service.require_alive()


def stop_on_signal(number: int, frame: object) -> None:
    raise Stopped


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev run", description="Start a legacy backend and noclobber in front of it.")
    parser.add_argument("--backend-port", type=int, default=9000, help="default 9000")
    parser.add_argument("--port", type=int, default=8080, help="default 8080")
    parser.add_argument("--admin-port", type=int, default=8081, help="default 8081")
    parser.add_argument(
        "--play", action="store_true", help="play the session and stop: 0 if the update was lost without noclobber and refused with it"
    )
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, stop_on_signal)
    services: list[Service] = []
    try:
        start(options, services)
        if options.play:
            return play.race(f"{HOST}:{options.backend_port}", f"{HOST}:{options.port}")
        return serve(options, services)
    except Stopped:
        say("stopping")
        # A race that was cut short proves nothing.
        return 1 if options.play else 0
    except Failed as failure:
        print(f"dev: {failure}", file=sys.stderr, flush=True)
        return 1
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for service in reversed(services):
            service.stop()


if __name__ == "__main__":
    sys.exit(main())
