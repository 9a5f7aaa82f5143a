"""Move one large body each way through noclobber and through nginx in turn, and compare; watch how much memory noclobber takes for it.

Both stand before the same backend and do the same: uploads are taken in whole, on disk, before they are sent on (nginx by default), and of
downloads both pass on what comes (nginx is told so). Every byte is checked on both sides. The ratio is that of the medians of all rounds.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.campaigns.mass import Noise, read_head
from tests.campaigns.rss import resident_bytes
from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port

LISTENING = re.compile(r"listening on (\d+)")
MAX_GROWTH_BYTES = 32_000_000
LEAST_RATIO = 0.5
PATIENCE_SECONDS = 600.0
SETTINGS = {"PROTOCOL__WRITE_TIMEOUT_SECONDS": "600", "UPSTREAM__FIRST_BYTE_SECONDS": "600"}
NGINX = """
{user} daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_buffering off; proxy_set_header Connection ""; proxy_read_timeout 600;
    location / {{ proxy_pass http://127.0.0.1:{backend}; }}
  }}
}}
"""


def nginx_binary() -> Path:
    """Find Debian's nginx; install it if this is root, and stop where that is impossible."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which("nginx", path=path) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for step in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "nginx-light"]):
            subprocess.run(step, check=False, capture_output=True, timeout=300, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    found = shutil.which("nginx", path=path)
    if found is None:
        raise SystemExit("throughput: nginx is missing and could not be installed: apt-get install nginx-light")
    return Path(found)


@dataclass(slots=True)
class Result:
    """What came of it. Rates are in MB/s, by way and proxy; `ratio`: noclobber's over nginx's, by way; `wrong`: what was not whole."""

    size_bytes: int
    rounds: int
    idle_rss_bytes: int = 0
    peak_rss_bytes: int = 0
    rates: dict[str, list[float]] = field(default_factory=dict)
    ratio: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def growth_bytes(self) -> int:
        """How much the process grew over what it held when idle."""
        return self.peak_rss_bytes - self.idle_rss_bytes

    @property
    def passed(self) -> bool:
        """Whether everything arrived, the memory was bounded, and the ratio (where nginx took part) is high enough."""
        return not self.wrong and self.growth_bytes < MAX_GROWTH_BYTES and all(ratio >= LEAST_RATIO for ratio in self.ratio.values())


def _transfer(way: str, port: int, size_bytes: int, noise: Noise) -> float | None:
    """Move one body; return the seconds that took, None where it was not whole and right."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as sock:
        started = time.monotonic()
        if way == "download":
            sock.sendall(b"GET /%d HTTP/1.1\r\nHost: campaign.example\r\n\r\n" % size_bytes)
            first, fields, rest = read_head(sock)
            is_whole = " 200 " in first and int(fields["content-length"]) == size_bytes and noise.take(sock, size_bytes, rest)
        else:
            sock.sendall(b"PUT /upload HTTP/1.1\r\nHost: campaign.example\r\nContent-Length: %d\r\n\r\n" % size_bytes)
            noise.send(sock, size_bytes)
            first, _, rest = read_head(sock)
            is_whole = " 200 " in first and rest == b"%d" % size_bytes
        return time.monotonic() - started if is_whole else None


def run(size_bytes: int, rounds: int, directory: Path, *, with_nginx: bool) -> Result:
    """Start everything, move, and take it all down again. Logs and spools go into directory."""
    spool = directory / "spool"
    spool.mkdir()
    result = Result(size_bytes, rounds)
    noise = Noise()
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Child([sys.executable, "-m", "tests.campaigns.mass"], directory / "backend.log"))
        port = int(backend.wait_for_line(LISTENING)[1])
        settings = {**SETTINGS, "LIMITS__SPOOL_DIRECTORY": str(spool)}
        store = f"sqlite:///{directory}/throughput.db"
        noclobber = stack.enter_context(Noclobber(port, store, directory / "noclobber.log", settings=settings)).wait_until_ready()
        proxies = {"noclobber": noclobber.port}
        if with_nginx:
            proxies["nginx"] = free_port()
            config = directory / "nginx.conf"
            # Its workers must reach a directory that is its owner's alone.
            user = "user root;" if os.geteuid() == 0 else ""
            config.write_text(NGINX.format(user=user, directory=directory, port=proxies["nginx"], backend=port))
            nginx = stack.enter_context(Child([nginx_binary(), "-c", config], directory / "nginx.log"))
            nginx.wait_for_port(proxies["nginx"])
        result.idle_rss_bytes = resident_bytes(noclobber.worker_pid)
        for _ in range(rounds):
            for way in ("download", "upload"):
                for name, proxy_port in proxies.items():
                    seconds = _transfer(way, proxy_port, size_bytes, noise)
                    if seconds is None:
                        result.wrong.append(f"{way} through {name}")
                    else:
                        result.rates.setdefault(f"{way} {name}", []).append(round(size_bytes / seconds / 1e6, 1))
        result.peak_rss_bytes = max(resident_bytes(noclobber.worker_pid), resident_bytes(noclobber.worker_pid, "VmHWM"))
    if with_nginx and not result.wrong:
        for way in ("download", "upload"):
            ours, theirs = (statistics.median(result.rates[f"{way} {name}"]) for name in ("noclobber", "nginx"))
            result.ratio[way] = round(ours / theirs, 2)
    return result


def main() -> int:
    """Run the campaign as the command line asks; 0 if all arrived within the limits, else 1."""
    parser = argparse.ArgumentParser(prog="throughput", description=__doc__.partition("\n")[0], epilog="exit status: 0 passed, 1 failed")
    parser.add_argument("--megabytes", type=int, default=1000, help="the size of each body (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is gone through each proxy (default: 3)")
    parser.add_argument("--directory", type=Path, help="where the spools go, with room for two bodies (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="noclobber-throughput-", dir=options.directory) as directory:
        result = run(options.megabytes * 1_000_000, options.rounds, Path(directory), with_nginx=True)
    print(json.dumps({**asdict(result), "growth_bytes": result.growth_bytes, "passed": result.passed}, indent=2))
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
