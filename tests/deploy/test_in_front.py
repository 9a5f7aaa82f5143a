"""deploy/nginx and deploy/haproxy: they take what we ship for them, and with it tags pass, and a noclobber may go."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.peers import installed
from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port

from .stage import PATH, QUICK, journeys, saves_once
from .tools import DEPLOY, say

NGINX = (DEPLOY / "nginx" / "noclobber.conf").read_text(encoding="utf-8")
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


def led(text: str, ports: list[tuple[int, int]], own: int) -> str:
    """The same configuration with noclobbers on these ports (of clients, and of operators), and a port of its own."""
    for number, (port, admin) in enumerate(ports, 1):
        text = re.sub(
            rf"noclobber-{number}:8080", f"127.0.0.1:{port} check port {admin}" if "backend" in text else f"127.0.0.1:{port}", text
        )
    return text.replace("listen 8080", f"listen 127.0.0.1:{own}").replace("bind :8080", f"bind 127.0.0.1:{own}")


ANYWHERE = [(1, 2), (3, 4)]
SAYS = {
    "nginx": (nginx, NGINX, ["-t"]),
    "HAProxy": (haproxy, HAPROXY, ["-c"]),
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


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", SAYS)
def test_tags_pass_and_a_noclobber_may_go(name: str, tmp_path: Path) -> None:
    make, text, _ = SAYS[name]
    own = free_port()
    with two(tmp_path) as noclobbers:
        command = make(tmp_path, led(text, [(each.port, each.admin_port) for each in noclobbers], own))
        with Child(command, tmp_path / "front.log") as front:
            front.wait_for_port(own)
            # Compressed on the way, so the tag is weak when it comes back.
            assert ask(own, "GET", PATH, accept_encoding="gzip").tag.startswith("W/")
            assert saves_once(own, accept_encoding="gzip") == [200, 412]
            assert noclobbers[0].stop() == 0
            assert {ask(own, "GET", PATH).status for _ in range(6)} == {200}
