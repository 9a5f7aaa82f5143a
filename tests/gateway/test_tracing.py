"""Spans as a receiver gets them over OTLP, and what the backend is told. Without tracing nothing of it is even loaded."""

import asyncio
import io
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.origin.scripted import Close, Hear, ScriptedBackend
from tests.servers import free_port

from .collector import Collector
from .legacy import Legacy, waiting_for
from .serving import SHORT, route, serving, until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = b"traceparent: 00-%b-%b-01" % (TRACE.encode(), SPAN.encode())
STATE = b"tracestate: rojo=00f067aa0ba902b7,  congo=t61rcWkgMzE"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as collector:
        yield collector


def told(legacy: Legacy, method: str) -> list[str]:
    """The parts of the traceparent that the backend was told last."""
    return legacy.last(method).fields["traceparent"].split("-")


async def test_without_tracing_both_fields_are_passed_on_as_they_came(legacy: Legacy) -> None:
    odd = b"TraceParent:  00-%b-%b-01 " % (TRACE.encode(), SPAN.encode())
    async with ScriptedBackend([Hear(), Close()]) as backend, serving(backend.port, route(guarded=False)) as door:
        await door.ask(b"GET", b"/doc", odd, STATE, b"traceparent: nonsense")
        heard = backend.heard
    for line in (odd.strip(), STATE, b"traceparent: nonsense"):
        assert line.partition(b":")[2].strip() in heard
    async with serving(legacy.port, **SHORT) as door:
        await door.ask(b"PUT", b"/doc", PARENT, STATE, b"If-Match: *", body=b"x")
    for method in ("GET", "PUT"):
        fields = legacy.last(method).fields
        assert (fields["traceparent"], fields["tracestate"]) == (PARENT[13:].decode(), STATE[12:].decode())


def test_without_tracing_nothing_of_it_is_loaded() -> None:
    program = "import sys, proxy.app, proxy.cli; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_read_has_a_span_and_so_has_the_call_of_the_backend(legacy: Legacy, collector: Collector) -> None:
    async with serving(legacy.port, route(name="docs"), tracing__endpoint=collector.endpoint, tracing__service_name="edge") as door:
        answer = await door.ask(b"GET", b"/doc?token=secret", PARENT, STATE)
        missing = await door.ask(b"GET", b"/none")
    served, root = collector.of("server")
    called, _ = collector.of("client")
    assert (answer.status, missing.status, len(collector.spans)) == (200, 404, 4)
    assert (served.name, served.trace, served.parent, served.service) == ("GET docs", TRACE, SPAN, "edge")
    request_id = answer.one(b"X-Request-ID")
    assert request_id is not None
    assert served.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/doc",
        "noclobber.route": "docs",
        "noclobber.request_id": request_id.decode(),
        "noclobber.verdict": "",
        "noclobber.outcome": "",
        "noclobber.store_trips": 0,
    }
    assert (called.name, called.trace, called.parent) == ("GET", TRACE, served.id)
    assert called.attributes == {"http.request.method": "GET", "http.response.status_code": 200, "noclobber.upstream": "default"}
    # A trace of its own, where the client has begun none.
    assert (root.parent, len(root.trace)) == ("", 32)
    assert root.trace != TRACE
    assert not served.is_error


async def test_the_backend_is_told_the_span_of_its_call(legacy: Legacy, collector: Collector) -> None:
    async with serving(legacy.port, **SHORT, tracing__endpoint=collector.endpoint) as door:
        await door.ask(b"PUT", b"/doc", PARENT, STATE, b"If-Match: *", body=b"x")
    written = next(span for span in collector.of("client") if span.name == "PUT")
    assert told(legacy, "PUT") == ["00", TRACE, written.id, "01"]
    assert legacy.last("PUT").fields["tracestate"] == STATE[12:].decode()


async def test_the_backend_is_told_one_parent_alone(collector: Collector) -> None:
    async with (
        ScriptedBackend([Hear(), Close()], [Hear(), Close()]) as backend,
        serving(backend.port, tracing__endpoint=collector.endpoint) as door,
    ):
        await door.ask(b"GET", b"/doc", PARENT.replace(b"traceparent", b"TraceParent"))
        heard = backend.heard.lower()
    assert heard.count(b"\r\ntraceparent:") == 1
    assert SPAN.encode() not in heard


async def test_a_write_has_spans_of_what_it_waits_for(legacy: Legacy, collector: Collector) -> None:
    async with serving(legacy.port, route(name="docs"), tracing__endpoint=collector.endpoint, **SHORT) as door:
        tag = await door.tag()
        assert (await door.ask(b"PUT", b"/doc", PARENT, b"If-Match: " + tag, body=b"new")).status == 204
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"newer")).status == 412
    (served,) = [span for span in collector.of("server") if span.trace == TRACE]
    assert (served.name, served.attributes["noclobber.verdict"], served.attributes["noclobber.outcome"]) == (
        "PUT docs",
        "proceed",
        "applied",
    )
    inner = [span for span in collector.spans if span.trace == TRACE and span is not served]
    names = [span.name for span in inner]
    assert [name for name in names if name in ("turn", "lease", "PUT")] == ["turn", "lease", "PUT"]
    # Verified before, read back after.
    assert names.count("GET") == 2
    (lease,) = (span for span in inner if span.name == "lease")
    assert (lease.kind, lease.parent, lease.attributes) == ("internal", served.id, {"noclobber.granted": True})
    swaps = [span for span in inner if span.name == "store swap"]
    # The grant is a part of the wait, the commit is not.
    assert [swap.parent for swap in swaps] == [lease.id, served.id]
    assert [swap.attributes for swap in swaps] == [{"noclobber.swapped": True}] * 2
    trips = [span for span in inner if span.name.startswith("store ")]
    assert served.attributes["noclobber.store_trips"] == len(trips)
    (refused,) = [span for span in collector.of("server") if span.attributes["http.response.status_code"] == 412]
    assert (refused.attributes["noclobber.verdict"], refused.is_error) == ("failed", False)


async def test_a_backend_that_fails_is_an_error_in_both_spans(collector: Collector) -> None:
    async with serving(free_port(), tracing__endpoint=collector.endpoint) as door:
        assert (await door.ask(b"GET", b"/doc")).status == 502
    (served,), (called,) = collector.of("server"), collector.of("client")
    assert (served.is_error, called.is_error) == (True, True)
    assert called.attributes["error.type"] == "OriginUnreachable"


async def test_a_write_that_waits_for_another_says_for_how_long(legacy: Legacy, collector: Collector) -> None:
    release = asyncio.Event()
    legacy.respond = waiting_for(release, "PUT")
    async with serving(legacy.port, tracing__endpoint=collector.endpoint, protocol__lease_wait_seconds=0.1) as door:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(door.ask(b"PUT", b"/doc", body=b"x"))
            await until(lambda: "PUT" in legacy.methods())
            assert (await door.ask(b"PUT", b"/doc", body=b"y")).status == 503
            release.set()
        assert first.result().status == 204
    assert sorted(str(span.attributes["noclobber.granted"]) for span in collector.named("turn")) == ["False", "True"]


async def test_what_keeps_to_one_server_is_traced_too(legacy: Legacy, collector: Collector) -> None:
    alternatives: dict[str, Any] = {"upstream__alternatives": f'["http://127.0.0.1:{free_port()}"]'}
    async with serving(legacy.port, tracing__endpoint=collector.endpoint, **SHORT, **alternatives) as door:
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"x")).status == 204
    assert [span.name for span in collector.of("client") if span.attributes.get("noclobber.upstream")] == ["GET", "PUT", "GET"]


# ---- sampling ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "ratio", "is_recorded"),
    [((), 0, False), ((), 1, True), ((PARENT,), 0, True), ((PARENT[:-1] + b"0",), 1, False)],
    ids=["none here", "all here", "its own decision", "its own decision against"],
)
async def test_who_begins_a_trace_decides(
    legacy: Legacy, collector: Collector, lines: tuple[bytes, ...], ratio: int, is_recorded: bool
) -> None:
    async with serving(legacy.port, tracing__endpoint=collector.endpoint, tracing__sample_ratio=ratio) as door:
        assert (await door.ask(b"GET", b"/doc", *lines)).status == 200
    assert bool(collector.spans) is is_recorded
    # The backend is told in any case. Bit 0: recorded; bit 1 says that the id is random (W3C Trace Context 2, §3.2.2.5).
    assert bool(int(told(legacy, "GET")[3], 16) & 1) is is_recorded
    assert not lines or told(legacy, "GET")[1] == TRACE


# ---- around it -----------------------------------------------------------------------------------------------------------------------


async def test_log_and_exemplars_lead_to_the_trace(legacy: Legacy, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdout:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Stdout())
    async with serving(legacy.port, tracing__endpoint=collector.endpoint, log__access="json") as door:
        await door.ask(b"GET", b"/doc")
        page = (await door.ask_admin(b"/metrics", b"GET", b"Accept: application/openmetrics-text")).body.decode()
    (line,) = (json.loads(each) for each in Stdout.buffer.getvalue().splitlines())
    (served,) = collector.of("server")
    assert line["traceId"] == served.trace
    assert f'# {{trace_id="{served.trace}"}}' in page


async def test_what_no_request_asks_for_has_no_spans(legacy: Legacy, collector: Collector) -> None:
    async with serving(legacy.port, tracing__endpoint=collector.endpoint) as door:
        before = await door.sample("noclobber_store_round_trips_total", operation="load")

        async def has_looked() -> bool:
            return await door.sample("noclobber_store_round_trips_total", operation="load") > before

        await until(has_looked)
    assert collector.spans == []


async def test_a_receiver_that_is_away_holds_nobody_up(legacy: Legacy) -> None:
    started = time.monotonic()
    async with serving(legacy.port, tracing__endpoint=f"http://127.0.0.1:{free_port()}/v1/traces") as door:
        assert (await door.ask(b"GET", b"/doc")).status == 200
    assert time.monotonic() - started < 30


CHECK = """
import sys
sys.modules["opentelemetry"] = None
from proxy.config import load_config
from proxy.errors import ConfigError
for endpoint in ("http://127.0.0.1:4318/v1/traces", ""):
    try:
        load_config(None, {"NOCLOBBER__TRACING__ENDPOINT": endpoint}, {"upstream": "http://127.0.0.1:1"})
        print("fine")
    except ConfigError as error:
        print(error)
"""


def test_spans_without_the_packages_for_them_are_a_mistake() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=60, check=True)
    wrong, right = done.stdout.splitlines()
    assert wrong.startswith(
        "NOCLOBBER__TRACING__ENDPOINT: tracing.endpoint: needs packages that are not installed: pip install 'noclobber[otel]'"
    )
    assert right == "fine"
