"""Servers from the distribution, as real processes with configurations of the test's: proxies in front of noclobber that compress, and
WebDAV servers behind it. Nothing of the system's own services is started or stopped.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.processes import Child
from tests.servers import free_port

PACKAGES = {
    "nginx": "nginx-light",
    "apache2": "apache2",
    "varnishd": "varnish",
    "haproxy": "haproxy",
    "litmus": "litmus",
    "node": "nodejs",
    "npm": "npm",
    "systemd-analyze": "systemd",
    "strace": "strace",
    "chromium": "chromium",
}
"""Command -> the Debian package that has it."""

APACHE_USER = "www-data"
MODULES = Path("/usr/lib/apache2/modules")
INSTALL_SECONDS = 110
_SBIN = ("/usr/sbin", "/sbin")


def installed(command: str) -> str:
    """Find command; install its package if this is root. The tests fail, and do not skip, where that is impossible."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))
    found = shutil.which(command, path=path)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with open(Path(tempfile.gettempdir(), "noclobber-apt.lock"), "w") as lock:
            # Two test processes may come here at once.
            fcntl.flock(lock, fcntl.LOCK_EX)
            _install(PACKAGES[command])
        found = shutil.which(command, path=path)
    if found is None:
        pytest.fail(f"{command} is missing and could not be installed: apt-get install {PACKAGES[command]}")
    return found


def _install(package: str) -> None:
    """Install package without having its service started: invoke-rc.d starts none in runlevel 1."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for step in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
        subprocess.run(step, check=False, capture_output=True, timeout=INSTALL_SECONDS, env=environment)


# ---- in front ---------------------------------------------------------------------------------------------------------------------------


def nginx_in_front(directory: Path, upstream_port: int) -> tuple[Child, int]:
    """nginx with gzip: it weakens tags."""
    port = free_port()
    server = f"""
      gzip on; gzip_proxied any; gzip_min_length 1; gzip_types *;
      server {{ listen 127.0.0.1:{port}; location / {{
        proxy_pass http://127.0.0.1:{upstream_port}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      }} }}"""
    return _nginx(directory, server), port


def _nginx(directory: Path, http: str) -> Child:
    # Workers of root's that stay root, so that they can write where the test does.
    user = "user root;" if os.geteuid() == 0 else ""
    # One worker, in the foreground, with all its files here.
    paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(
        f"daemon off; {user} worker_processes 1; pid {directory}/nginx.pid; error_log stderr;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ access_log off; {paths} {http}\n}}\n"
    )
    command = [installed("nginx"), "-p", str(directory), "-e", "stderr", "-c", str(directory / "nginx.conf")]
    return Child(command, directory / "nginx.log")


def apache_in_front(directory: Path, upstream_port: int) -> tuple[Child, int]:
    """Apache with mod_deflate: it writes -gzip behind tags."""
    port = free_port()
    modules = ("proxy", "proxy_http", "filter", "deflate", "headers")
    lines = f"""
      ProxyPass / http://127.0.0.1:{upstream_port}/ disablereuse=on
      ProxyPreserveHost On
      SetOutputFilter DEFLATE"""
    return _apache(directory, port, modules, lines), port


def _apache(directory: Path, port: int, modules: Sequence[str], lines: str) -> Child:
    # It refuses to be root, so its workers become another; `apache_dav` has files where they can be reached.
    user = f"User {APACHE_USER}\nGroup {APACHE_USER}" if os.geteuid() == 0 else ""
    needed = ("mpm_event", "authz_core", *modules)
    program = installed("apache2")
    # What is built in has no file.
    loads = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in needed if (MODULES / f"mod_{name}.so").exists())
    (directory / "apache.conf").write_text(
        f"ServerRoot {directory}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {directory}/apache.pid\n"
        f"DefaultRuntimeDir {directory}\nErrorLog {directory}/apache.error\n{loads}\n{user}\n"
        f"ServerLimit 1\nStartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nMinSpareThreads 1\nMaxSpareThreads 16\n{lines}\n"
    )
    return Child([program, "-f", str(directory / "apache.conf"), "-D", "FOREGROUND"], directory / "apache.log")


def varnish_in_front(directory: Path, upstream_port: int) -> tuple[Child, int]:
    """Varnish that compresses what it fetches: it weakens tags."""
    port = free_port()
    (directory / "default.vcl").write_text(
        f"""vcl 4.1;
        backend default {{ .host = "127.0.0.1"; .port = "{upstream_port}"; }}
        sub vcl_recv {{ if (req.method == "GET" || req.method == "HEAD") {{ return (hash); }} return (pass); }}
        sub vcl_backend_response {{ set beresp.do_gzip = true; set beresp.ttl = 0s; set beresp.grace = 0s; set beresp.uncacheable = true; }}
        """
    )
    command = [
        installed("varnishd"),
        "-F",
        "-n",
        str(directory / "varnish"),
        "-a",
        f"127.0.0.1:{port}",
        "-f",
        str(directory / "default.vcl"),
    ]
    return Child(
        [*command, "-s", "malloc,16m", "-j", "none", "-p", "thread_pool_min=5", "-p", "thread_pools=1"], directory / "varnish.log"
    ), port


def haproxy_in_front(directory: Path, upstream_port: int) -> tuple[Child, int]:
    """HAProxy with compression: it weakens tags."""
    port = free_port()
    (directory / "haproxy.cfg").write_text(
        "global\n  maxconn 64\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 30s\n  timeout client 60s\n  timeout server 60s\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n"
        f"backend b\n  compression algo gzip\n  server s 127.0.0.1:{upstream_port}\n"
    )
    return Child([installed("haproxy"), "-db", "-f", str(directory / "haproxy.cfg")], directory / "haproxy.log"), port


FRONTS: dict[str, Callable[[Path, int], tuple[Child, int]]] = {
    "nginx": nginx_in_front,
    "Apache": apache_in_front,
    "Varnish": varnish_in_front,
    "HAProxy": haproxy_in_front,
}

# ---- behind -----------------------------------------------------------------------------------------------------------------------------


def nginx_dav(directory: Path) -> tuple[Child, int]:
    """nginx with its dav module: PUT, DELETE, MKCOL, COPY and MOVE, and tags of whole seconds and size."""
    port = free_port()
    (directory / "files").mkdir()
    server = f"""
      server {{ listen 127.0.0.1:{port}; root {directory}/files; client_body_temp_path {directory}/put;
        location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; dav_access user:rw; default_type text/plain; }}
      }}"""
    return _nginx(directory, server), port


def apache_dav(directory: Path) -> tuple[Child, int]:
    """Apache with mod_dav: the whole of WebDAV, locks among it."""
    port = free_port()
    place = Path(tempfile.mkdtemp(prefix="noclobber-dav-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for made in (place, place / "files"):
        made.mkdir(exist_ok=True)
        made.chmod(0o777 if os.geteuid() == 0 else 0o700)
    lines = f"""
      DocumentRoot {place}/files
      DavLockDB {place}/locks
      <Directory {place}/files>
        Dav On
        Require all granted
        AllowOverride None
      </Directory>"""
    return _apache(directory, port, ("dav", "dav_fs", "dav_lock"), lines), port
