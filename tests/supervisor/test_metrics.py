"""The page of a parent with two workers: whole, merged by the rules of the catalogue, and without a fault for promtool."""

import asyncio
import http.client
import subprocess
import time
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

from proxy.telemetry.catalogue import FAMILIES
from tests.e2e.asking import ask
from tests.e2e.processes import Noclobber
from tests.gateway.legacy import Legacy
from tests.servers import promtool_binary

REQUESTS = 40
PATIENCE_SECONDS = 60.0


def page(process: Noclobber, accept: str) -> str:
    """The figures, as they are asked for."""
    connection = http.client.HTTPConnection("127.0.0.1", process.admin_port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, accept)
        return answer.read().decode()
    finally:
        connection.close()


def samples(process: Noclobber) -> dict[str, list[Sample]]:
    """All samples by their names."""
    found: dict[str, list[Sample]] = {}
    for family in read_text(page(process, "text/plain")):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def work(process: Noclobber) -> dict[str, list[Sample]]:
    """Have requests served, each over a connection of its own so that both workers have some, and wait until all are counted."""
    for number in range(REQUESTS):
        assert ask(process.port, "GET" if number % 2 else "PUT", "/doc", b"" if number % 2 else b"x").status in (200, 204)
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = samples(process)
    while sum(sample.value for sample in found.get("noclobber_requests_total", ())) < REQUESTS:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        found = samples(process)
    return found


async def test_two_workers_have_one_page(tmp_path: Path) -> None:
    async with Legacy() as legacy:
        legacy.documents["/doc"] = b"something"
        await asyncio.to_thread(whole, legacy.port, tmp_path)


def whole(backend: int, directory: Path) -> None:
    with Noclobber(backend, f"sqlite:///{directory / 'store.db'}", directory / "log", workers=2) as process:
        process.wait_until_ready()
        found = work(process)
        for family in FAMILIES:
            assert found.get(f"{family.name}_count" if family.buckets else family.name), family.name
        of_requests = found["noclobber_requests_total"]
        assert sum(sample.value for sample in of_requests) == REQUESTS
        assert sum(sample.value for sample in found["noclobber_request_duration_seconds_count"]) == REQUESTS
        slots = {sample.labels["worker"]: sample.value for sample in found["noclobber_worker_resident_memory_bytes"]}
        assert slots.keys() == {sample.labels["worker"] for sample in found["noclobber_worker_cpu_seconds_total"]} == {"0", "1"}
        # Those of the workers together, and of nobody else.
        assert sum(slots.values()) <= found["process_resident_memory_bytes"][0].value
        one = {name: found[f"noclobber_{name}"][0].value for name in ("build_info", "ready", "store_up", "config_last_reload_successful")}
        assert set(one.values()) == {1.0}, one
        text = page(process, "text/plain").encode()
        done = subprocess.run([promtool_binary(), "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")
        families = list(read_open_metrics(page(process, "application/openmetrics-text")))  # type: ignore[no-untyped-call]
        assert any(sample.exemplar for family in families for sample in family.samples)
