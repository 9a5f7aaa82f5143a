"""deploy/nginx, deploy/haproxy, deploy/apache: they take what we ship for them, and with it tags pass, and a noclobber may go."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.peers import APACHE_USER, MODULES, installed
from tests.e2e.processes import Child, Noclobber
from tests.servers import RedisServer, free_port, valkey_binary

from .stage import PATH, QUICK, journeys, saves_once
from .tools import DEPLOY, say

NGINX = (DEPLOY / "nginx" / "noclobber.conf").read_text(encoding="utf-8")
APACHE = (DEPLOY / "apache" / "noclobber.conf").read_text(encoding="utf-8")
HAPROXY = (DEPLOY / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")


def nginx(directory: Path, text: str) -> list[str]:
    """nginx with one of our files for conf.d; all its own are here."""
    (directory / "noclobber.conf").write_text(text)
    paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr; events {{ worker_connections 64; }}\n"
        f"http {{ access_log off; {paths} include {directory}/noclobber.conf; }}\n"
    )
    return [installed("nginx"), "-p", str(directory), "-e", "stderr", "-c", str(directory / "nginx.conf")]


def haproxy(directory: Path, text: str) -> list[str]:
    (directory / "haproxy.cfg").write_text(text)
    return [installed("haproxy"), "-f", str(directory / "haproxy.cfg")]


def apache(directory: Path, text: str) -> list[str]:
    """Apache with one of our files for sites-available; all its own are here. It has one noclobber behind it."""
    (directory / "noclobber.conf").write_text(text)
    wanted = ("mpm_event", "authz_core", "proxy", "proxy_http", "proxy_wstunnel", "headers", "deflate", "filter")
    there = [name for name in wanted if (MODULES / f"mod_{name}.so").exists()]
    loads = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in there)
    # It refuses to be root.
    user = f"User {APACHE_USER}\nGroup {APACHE_USER}" if os.geteuid() == 0 else ""
    listen = re.findall(r"<VirtualHost (\S+)>", text)[0]
    (directory / "apache.conf").write_text(
        f"ServerRoot {directory}\nServerName localhost\nPidFile {directory}/apache.pid\nDefaultRuntimeDir {directory}\n"
        f"ErrorLog {directory}/apache.error\n{loads}\n{user}\nListen {listen.replace('*:', '')}\nInclude {directory}/noclobber.conf\n"
    )
    return [installed("apache2"), "-d", str(directory), "-f", str(directory / "apache.conf"), "-D", "FOREGROUND"]


def led(text: str, ports: list[tuple[int, int]], own: int) -> str:
    """The same configuration with noclobbers on these ports (of clients, and of operators), and a port of its own."""
    for number, (port, admin) in enumerate(ports, 1):
        text = re.sub(
            rf"noclobber-{number}:8080", f"127.0.0.1:{port} check port {admin}" if "backend" in text else f"127.0.0.1:{port}", text
        )
    return (
        text.replace("listen 8080", f"listen 127.0.0.1:{own}")
        .replace("bind :8080", f"bind 127.0.0.1:{own}")
        .replace("*:8080", f"127.0.0.1:{own}")
    )


ANYWHERE = [(1, 2), (3, 4)]
SAYS = {
    "nginx": (nginx, NGINX, ["-t"]),
    "HAProxy": (haproxy, HAPROXY, ["-c"]),
    "Apache": (apache, APACHE, ["-t"]),
}


@pytest.mark.parametrize("name", SAYS)
def test_its_own_check_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    make, text, check = SAYS[name]
    status, said = say([*make(tmp_path, led(text, ANYWHERE, 1)), *check])
    assert status == 0, said
    assert not re.search(r"warn|alert", said, re.IGNORECASE), said


BROKEN = {
    "nginx, a directive that does not exist": ("nginx", "proxy_next_upstream off", "proxy_next_upstreams off"),
    "nginx, a value that does not exist": ("nginx", "error timeout;", "errors timeout;"),
    "nginx, an upstream that does not exist": ("nginx", "proxy_pass http://noclobber", "proxy_pass http://noclobbers.invalid"),
    "Apache, a directive that does not exist": ("Apache", "ProxyPreserveHost On", "ProxyPreserveHosts On"),
    "Apache, a value that does not exist": ("Apache", "timeout=75", "timeout=long"),
    "HAProxy, a keyword that does not exist": ("HAProxy", "retry-on conn-failure", "retry-on connection-failure"),
    "HAProxy, a backend that does not exist": ("HAProxy", "default_backend ready", "default_backend readied"),
    "HAProxy, a time that is none": ("HAProxy", "timeout connect 5s", "timeout connect soon"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_its_own_check_notices(case: str, tmp_path: Path) -> None:
    name, old, new = BROKEN[case]
    make, text, check = SAYS[name]
    assert old in text
    assert say([*make(tmp_path, led(text.replace(old, new), ANYWHERE, 1)), *check])[0] != 0


MARKED = {"nginx": r'W/"[^"]+"', "HAProxy": r'W/"[^"]+"', "Apache": r'"[^"]+-gzip"'}
"""What each makes of the tag of what it compresses."""
ASKED_SECONDS = 4.0
"""Long enough for HAProxy to have asked everyone twice."""
BALANCERS = ("nginx", "HAProxy")


@contextmanager
def two(directory: Path) -> Iterator[list[Noclobber]]:
    """Two noclobbers on one store, in front of the backend of the demo."""
    settings = QUICK | {"SERVER__TRUSTED_PROXIES": "127.0.0.1", "SERVER__DRAIN_SECONDS": "5"}
    with ExitStack() as stack:
        backend = stack.enter_context(journeys(directory))
        store = f"sqlite:///{directory}/noclobber.db"
        yield [
            stack.enter_context(Noclobber(backend, store, directory / f"{number}.log", settings=settings)).wait_until_ready()
            for number in (1, 2)
        ]


@contextmanager
def in_front(name: str, directory: Path, noclobbers: list[Noclobber]) -> Iterator[int]:
    """One of them, as we ship it, in front of these. Yields its port."""
    make, text, _ = SAYS[name]
    own = free_port()
    directory.mkdir()
    command = make(directory, led(text, [(each.port, each.admin_port) for each in noclobbers], own))
    with Child(command, directory / "front.log") as front:
        front.wait_for_port(own)
        yield own


@pytest.mark.timeout(300)
def test_tags_pass_and_a_noclobber_may_go(tmp_path: Path) -> None:
    with two(tmp_path) as noclobbers, ExitStack() as stack:
        ports = {name: stack.enter_context(in_front(name, tmp_path / name, noclobbers)) for name in SAYS}
        for name, port in ports.items():
            # Compressed on the way, and so is the tag marked when it comes back.
            assert re.fullmatch(MARKED[name], ask(port, "GET", PATH, accept_encoding="gzip").tag), name
            assert saves_once(port, accept_encoding="gzip") == [200, 412], name
        assert noclobbers[0].stop() == 0
        for name in BALANCERS:
            assert {ask(ports[name], "GET", PATH).status for _ in range(6)} == {200}, name


@pytest.mark.timeout(200)
def test_haproxy_leads_reads_to_a_noclobber_that_grants_no_writes(tmp_path: Path) -> None:
    """A grace that outlasts the test stands for a store that is away: /readyz says 503 in both."""
    redis = RedisServer(valkey_binary(), tmp_path / "valkey").start()
    with ExitStack() as stack:
        stack.callback(redis.kill)
        backend = stack.enter_context(journeys(tmp_path))
        settings = {"PROTOCOL__APPLY_DELAY_SECONDS": "600"}
        with Noclobber(backend, redis.url, tmp_path / "log", settings=settings) as noclobber:
            assert noclobber.ask_admin("/readyz")[0] == 503
            with in_front("HAProxy", tmp_path / "haproxy", [noclobber, noclobber]) as port:
                # HAProxy takes whoever it has not asked yet for healthy: it must have asked.
                time.sleep(ASKED_SECONDS)
                assert {ask(port, "GET", PATH).status for _ in range(4)} == {200}
                assert ask(port, "PATCH", PATH, {"owner": "Ana"}).status == 503
