"""deploy/docker: hadolint says nothing, and what the Dockerfile makes serves as an unprivileged user, is healthy, and stops when told."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import __version__
from tests.e2e.processes import SERVING, START_SECONDS
from tests.servers import free_port

from .image import Image, context, instructions
from .tools import DEPLOY, ROOT, of_a_wheel, say

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"


def hadolint(dockerfile: Path) -> tuple[int, str]:
    return say([of_a_wheel("hadolint"), "--no-color", dockerfile])


def test_hadolint_says_nothing() -> None:
    assert hadolint(DOCKERFILE) == (0, "")


BROKEN = {
    "an image without a version": ("FROM python:3.11-slim-bookworm AS", "FROM python AS", "DL3006"),
    "the newest image": ("FROM python:3.11-slim-bookworm AS", "FROM python:latest AS", "DL3007"),
    "an instruction that does not exist": ("STOPSIGNAL SIGTERM", "STOPSIGNALS SIGTERM", "missing whitespace"),
    "a relative place": ("WORKDIR /var/lib/noclobber", "WORKDIR var/lib", "DL3000"),
    "whatever pip finds": ("-r uv.txt", "uv", "DL3013"),
    "a shell between us and the signal": ('ENTRYPOINT ["noclobber"]', "ENTRYPOINT noclobber", "DL3025"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_hadolint_notices(case: str, tmp_path: Path) -> None:
    old, new, rule = BROKEN[case]
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "Dockerfile"
    broken.write_text(text.replace(old, new))
    status, said = hadolint(broken)
    assert status != 0
    assert rule in said


def test_the_image_has_our_version_and_our_user() -> None:
    found = dict(instructions(DOCKERFILE))
    assert f'org.opencontainers.image.version="{__version__}"' in found["LABEL"]
    assert found["USER"] == "65532:65532"
    assert found["STOPSIGNAL"] == "SIGTERM"
    bases = [rest.split()[0] for word, rest in instructions(DOCKERFILE) if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base) for base in bases)


def test_a_build_sees_what_it_needs_and_nothing_else() -> None:
    seen = {file.as_posix() for file in context(ROOT / ".dockerignore")}
    assert {"proxy/cli.py", "proxy/store/swap.lua", "pyproject.toml", "constraints.txt", "deploy/docker/config.toml"} <= seen
    assert not [name for name in seen if name.startswith(("tests/", ".git", "docs/", "examples/")) or name.endswith((".pyc", ".db"))]


def python_of_everybody() -> str:
    """A Python that other users than this one may start: one below root's home is not."""
    candidates = (str(sys._base_executable), *(f"/usr/bin/python3.{minor}" for minor in (11, 12, 13, 14)), "/usr/local/bin/python3")  # type: ignore[attr-defined]
    for candidate in candidates:
        place = Path(candidate).resolve()
        if place.is_file() and all(folder.stat().st_mode & stat.S_IXOTH for folder in place.parents):
            return candidate
    pytest.fail(f"no Python 3.11 or newer that every user may start, only {sys.executable}: apt-get install python3")


@pytest.fixture
def root() -> Iterator[Path]:
    """A place that another user can get at: those of pytest belong to root alone."""
    place = Path(tempfile.mkdtemp(prefix="noclobber-image-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.timeout(300)
def test_what_the_dockerfile_makes_serves_unprivileged_and_stops_with_status_0(root: Path) -> None:
    image = Image(DOCKERFILE, root, python_of_everybody())
    state, temporary = root / "var/lib/noclobber", root / "tmp"
    temporary.mkdir()
    user, group = 65532, 65532
    if os.geteuid() == 0:
        os.chown(state, user, group)
        os.chown(temporary, user, group)
    else:
        user, group = os.geteuid(), os.getegid()
    config = root / "etc/noclobber/config.toml"
    places = {"/var/lib/noclobber": str(state), "0.0.0.0:8080": "127.0.0.1:0", "0.0.0.0:8081": f"127.0.0.1:{free_port()}"}
    text = config.read_text()
    for place, ours in places.items():
        assert place in text
        text = text.replace(place, ours)
    config.write_text(text)
    environment = {
        **image.environment(),
        "HOME": "/nonexistent",
        "TMPDIR": str(temporary),
        "NOCLOBBER__UPSTREAM__URL": f"http://127.0.0.1:{free_port()}",
    }
    program = root / "opt/noclobber/bin"
    command = [str(program / word) for word in image.exec_form("ENTRYPOINT")] + image.exec_form("CMD")
    before = sorted(path for path in (root / "opt").rglob("*"))
    health = [str(program / word) if number == 0 else word for number, word in enumerate(image.exec_form("HEALTHCHECK"))]
    log = root / "log"

    def healthy() -> bool:
        """What the image's health check says."""
        done = subprocess.run(health, cwd=state, env=environment, timeout=START_SECONDS, check=False, user=user, group=group)
        return done.returncode == 0

    assert not healthy()
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=state, env=environment, stdout=output, stderr=output, user=user, group=group) as served,
    ):
        try:
            wait_for(log, served)
            assert healthy()
            assert places["0.0.0.0:8081"] in log.read_text()
            served.send_signal(signal.SIGTERM)
            assert served.wait(START_SECONDS) == 0, log.read_text()
        finally:
            served.kill()
            served.wait()
    assert (state / "noclobber.db").exists()
    assert sorted(path for path in (root / "opt").rglob("*")) == before


def wait_for(log: Path, served: "subprocess.Popen[bytes]") -> None:
    """Wait until it says that it serves."""
    deadline = time.monotonic() + START_SECONDS
    while not SERVING.search(log.read_text()):
        assert served.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
