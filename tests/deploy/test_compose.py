"""deploy/compose.yaml: Compose itself takes it, it fits noclobber and the files it mounts, and its Redis is one that noclobber likes."""

import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from proxy.config import load_config
from tests.e2e.processes import Noclobber
from tests.servers import RedisServer, redis_8_binary

from .cluster import IMAGE, SPARE_SECONDS, drain_seconds
from .stage import QUICK, journeys, least_rights, saves_once
from .tools import DEPLOY, ROOT, mistakes, of_a_wheel, say

COMPOSE = DEPLOY / "compose.yaml"
FOLDER = DEPLOY / "compose"
Service: TypeAlias = Mapping[str, Any]


def compose(file: Path) -> tuple[int, str]:
    """What Compose makes of a file, with everything filled in; or what it says is wrong."""
    return say([of_a_wheel("docker-compose"), "--project-directory", DEPLOY, "-f", file, "config"])


@pytest.fixture(scope="module")
def services() -> Mapping[str, Service]:
    status, said = compose(COMPOSE)
    assert status == 0, said
    found: Mapping[str, Service] = yaml.safe_load(said)["services"]
    return found


def complaints(services: Mapping[str, Service]) -> Iterator[str]:
    """What Compose does not look at."""
    for name, service in services.items():
        if re.fullmatch(r"[\w./-]+:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?", service["image"]) is None:
            yield f"{name}: an image without a version"
        if "noclobber" in service["image"] and service["image"] != IMAGE:
            yield f"{name}: the image is not {IMAGE}"
        for port in service.get("ports", ()):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name}: port {port['target']} is open to all"
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service["security_opt"]:
            yield f"{name}: is not hardened"
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind" and not Path(volume["source"]).exists():
                yield f"{name}: mounts {volume['source']}, which is not there"
        if not name.startswith("noclobber") and "healthcheck" not in service:
            yield f"{name}: nobody asks whether it is healthy"
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] != "service_healthy":
                yield f"{name}: does not wait until {other} is healthy"
    for name in ("legacy", "cms"):
        if {"back"} != set(services[name]["networks"]):
            yield f"{name}: is reached past noclobber"


def test_compose_takes_it_and_nothing_is_left_open(services: Mapping[str, Service]) -> None:
    assert list(complaints(services)) == []


COMPOSE_BROKEN = {
    "a key that does not exist": ("    networks: [back]\n", "    network: [back]\n", "network"),
    "a wrong type": ("stop_grace_period: 60s", "stop_grace_period: [60]", "stop_grace_period"),
    "a network that does not exist": ("networks: [monitoring]", "networks: [monitor]", "monitor"),
    "a secret that does not exist": ("secrets: [store-url", "secrets: [store-uri", "store-uri"),
    "a service that does not exist": ("      prometheus:\n        condition", "      prometheuz:\n        condition", "prometheuz"),
    "a condition that does not exist": ("condition: service_healthy", "condition: healthy", "condition"),
    "a time that is none": ("interval: 5s", "interval: often", "often"),
}


@pytest.mark.parametrize("case", COMPOSE_BROKEN)
def test_compose_notices(case: str, tmp_path: Path) -> None:
    old, new, complaint = COMPOSE_BROKEN[case]
    text = COMPOSE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(old, new))
    status, said = compose(file)
    assert status != 0
    assert complaint in said


BROKEN = {
    "a port for everybody": ('"127.0.0.1:9090:9090"', '"9090:9090"', "port 9090 is open to all"),
    "the newest image": ("redis:8.2-alpine", "redis:latest", "an image without a version"),
    "another version of ours": ("noclobber:0.1.0", "noclobber:0.0.9", "the image is not"),
    "a file that is not there": ("./compose/redis.conf", "./compose/redis.cnf", "redis.cnf, which is not there"),
    "a root that can be written": ("read_only: true", "read_only: false", "is not hardened"),
    "a start that does not wait": ("condition: service_healthy", "condition: service_started", "does not wait"),
    "a way around": ("    networks: [back]\n    healthcheck", "    networks: [back, front]\n    healthcheck", "past noclobber"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_noticed(case: str, tmp_path: Path) -> None:
    old, new, complaint = BROKEN[case]
    text = COMPOSE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(old, new))
    status, said = compose(file)
    assert status == 0, said
    found = list(complaints(yaml.safe_load(said)["services"]))
    assert any(complaint in each for each in found), found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that secrets.sh makes, made by it."""
    shutil.copy(FOLDER / "secrets.sh", tmp_path)
    status, said = say([tmp_path / "secrets.sh"])
    assert (status, said) == (0, "")
    return tmp_path / "secrets"


def test_secrets_are_made_once_and_for_nobody_else(secrets: Path) -> None:
    made = {file.name: file.read_text() for file in secrets.iterdir()}
    declared = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["secrets"]
    assert {Path(secret["file"]).name for secret in declared.values()} == set(made)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert least_rights() in made["redis-acl"]
    assert say([secrets.parent / "secrets.sh"]) == (0, "")
    assert {file.name: file.read_text() for file in secrets.iterdir()} == made
    assert say(["git", "check-ignore", "-q", "deploy/compose/secrets/store-url"])[0] == 0


def test_noclobber_is_told_what_it_takes(services: Mapping[str, Service], secrets: Path) -> None:
    for name in ("noclobber-1", "noclobber-2"):
        given = services[name]["environment"]
        environment = {key: value.replace("/run/secrets", str(secrets)) for key, value in given.items()}
        assert mistakes(FOLDER / "config.toml", environment) == []
        server = load_config(FOLDER / "config.toml", environment, {}).server
        assert parse_seconds(services[name]["stop_grace_period"]) >= drain_seconds(server) + SPARE_SECONDS
        assert server.trusted_proxies == "172.30.80.0/24"


def test_its_routes_are_those_of_the_demo() -> None:
    files = (FOLDER / "config.toml", ROOT / "examples" / "journeys" / "stack.toml")
    ours, demo = (tomllib.loads(file.read_text(encoding="utf-8"))["route"] for file in files)
    assert ours == demo


def parse_seconds(text: str) -> int:
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text).groups()  # type: ignore[union-attr]
    return int(minutes or 0) * 60 + int(seconds or 0)


def test_prometheus_scrapes_what_is_there(services: Mapping[str, Service]) -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {target for job in jobs for static in job["static_configs"] for target in static["targets"]}
    assert targets == {f"{name}:8081" for name in services if name.startswith("noclobber")}
    sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8"))
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"


class ConfiguredRedis(RedisServer):
    """A Redis with redis.conf as it is, but for its places."""

    def __init__(self, directory: Path, secrets: Path) -> None:
        super().__init__(redis_8_binary(), directory)
        text = (FOLDER / "redis.conf").read_text(encoding="utf-8")
        self._file = directory.with_suffix(".conf")
        self._file.write_text(text.replace("/run/secrets", str(secrets)).replace("dir /data", f"dir {directory}"))

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        self._directory.mkdir(exist_ok=True)
        command = [
            str(self._binary),
            str(self._file),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--logfile",
            str(self._directory / "log"),
        ]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.timeout(200)
def test_its_redis_is_one_that_noclobber_has_nothing_against(tmp_path: Path, secrets: Path) -> None:
    redis = ConfiguredRedis(tmp_path / "redis", secrets).start()
    try:
        assert "PONG" in redis.command("PING")
        assert "NOPERM" in redis.command("GET", "noclobber:readiness")
        url = (secrets / "store-url").read_text().strip().replace("redis:6379", f"127.0.0.1:{redis.port}")
        with journeys(tmp_path) as backend, Noclobber(backend, url, tmp_path / "noclobber.log", settings=QUICK) as noclobber:
            noclobber.wait_until_ready()
            assert saves_once(noclobber.port) == [200, 412]
            said = noclobber.log.read_text()
        assert "WARNING" not in said, said
    finally:
        redis.kill()
