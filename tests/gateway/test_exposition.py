"""The pages: both formats as others read them, which one is sent, and that making a large one does not hold the loop."""

import asyncio
import subprocess
import time
from collections.abc import Mapping, Sequence

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from proxy.gateway.metrics import Metrics, RouteMetrics
from proxy.telemetry.catalogue import CATALOGUE, FAMILIES
from proxy.telemetry.exposition import Form, form_for, page
from proxy.telemetry.family import Kind
from proxy.telemetry.samples import Distribution, Exemplar, Samples
from tests.servers import promtool_binary

from .legacy import Legacy
from .serving import SHORT, Door, route, serving

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
ACCEPTS = {
    "": Form.TEXT,
    "*/*": Form.TEXT,
    "text/html,application/xhtml+xml,*/*;q=0.8": Form.TEXT,
    "text/plain": Form.TEXT,
    "text/plain;version=0.0.4": Form.TEXT,
    "application/json": Form.TEXT,
    "application/openmetrics-text": Form.OPEN_METRICS,
    "application/openmetrics-text; version=1.0.0; charset=utf-8": Form.OPEN_METRICS,
    'Application/OpenMetrics-Text; Version="1.0.0"': Form.OPEN_METRICS,
    "application/openmetrics-text;version=2.0.0": Form.TEXT,
    "application/openmetrics-text;q=0": Form.TEXT,
    "application/openmetrics-text;q=soon,text/plain": Form.TEXT,
    "application/openmetrics-text;q=0.5,text/plain;q=0.9": Form.TEXT,
    "text/plain;q=0.5,application/openmetrics-text;q=0.9": Form.OPEN_METRICS,
    "text/plain,application/openmetrics-text": Form.TEXT,
    "application/openmetrics-text,text/plain": Form.OPEN_METRICS,
    PROMETHEUS: Form.OPEN_METRICS,
}


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS.items())
def test_the_form_that_is_liked_best(accept: str, expected: Form) -> None:
    assert form_for(accept) is expected


async def work(door: Door) -> None:
    """Some traffic of each kind."""
    tag = await door.tag()
    for _ in range(2):
        await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"x")
    await door.ask(b"PUT", b"/doc", body=b"y")
    await door.ask(b"MOVE", b"/doc", b'If-None-Match: "a"')
    await door.ask(b"GET", b"/%zz")


@pytest.mark.parametrize("form", Form)
async def test_a_page_after_real_traffic_is_read_by_others_as_it_was_meant(legacy: Legacy, form: Form) -> None:
    async with serving(legacy.port, route(name="docs"), **SHORT) as door:
        await work(door)
        answer = await door.ask_admin(b"/metrics", b"GET", b"Accept: " + form.value.encode())
    assert answer.one(b"Content-Type") == form.value.encode()
    text = answer.body.decode()
    families = {family.name: family for family in (read_text if form is Form.TEXT else read_open_metrics)(text)}
    for family in families.values():
        known = CATALOGUE.get(family.name) or CATALOGUE[f"{family.name}_total"]
        assert family.type == known.kind.value
        assert family.documentation == known.help
        assert family.unit == (known.unit if form is Form.OPEN_METRICS else "")
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == {label.name for label in known.labels}
    of_route = [sample for sample in families["noclobber_request_duration_seconds"].samples if sample.labels["route"] == "docs"]
    duration = {sample.name: sample.value for sample in of_route}
    assert duration["noclobber_request_duration_seconds_count"] == 5
    assert duration["noclobber_request_duration_seconds_sum"] > 0


async def test_a_name_is_escaped(legacy: Legacy) -> None:
    metrics = Metrics()
    metrics.registry.read("noclobber_upstream_up", "default", 'un"usu\\al\n', by=lambda: 1)
    for form, read in ((Form.TEXT, read_text), (Form.OPEN_METRICS, read_open_metrics)):
        text = (await page(metrics.registry.samples(), form)).decode()
        (found,) = (family for family in read(text) if family.name == "noclobber_upstream_up")
        assert found.samples[0].labels["server"] == 'un"usu\\al\n'


@pytest.mark.parametrize(("value", "shown"), [(float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"), (3.0, "3.0")])
async def test_numbers_that_are_none(value: float, shown: str) -> None:
    samples: Samples = {"noclobber_tasks": {(): value}}
    assert f"noclobber_tasks {shown}\n".encode() in await page(samples, Form.TEXT)


async def test_an_exemplar_stands_behind_its_bucket_in_open_metrics_alone() -> None:
    exemplar = Exemplar("request_id", "a-1", 0.75, 1_700_000_000.5)
    buckets = CATALOGUE["noclobber_request_duration_seconds"].buckets
    place = next(number for number, bound in enumerate(buckets) if bound > exemplar.seconds)
    counts = tuple(int(number == place) for number in range(len(buckets) + 1))
    samples: Samples = {"noclobber_request_duration_seconds": {("r",): Distribution(counts, 0.75, {place: exemplar})}}
    text = (await page(samples, Form.OPEN_METRICS)).decode()
    (family,) = read_open_metrics(text)  # type: ignore[no-untyped-call]
    found = {sample.labels["le"]: sample.exemplar for sample in family.samples if sample.exemplar is not None}
    (shown,) = found.values()
    assert found.keys() == {"1.0"}
    assert (shown.labels, shown.value, float(shown.timestamp)) == ({"request_id": "a-1"}, 0.75, 1_700_000_000.5)
    assert b"a-1" not in await page(samples, Form.TEXT)


async def test_a_large_page_lets_the_loop_have_its_turns() -> None:
    metrics = Metrics()
    for number in range(200):
        RouteMetrics(metrics, f"route-{number}")
    samples = metrics.registry.samples()
    turns = 0
    done = False

    async def take_turns() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(take_turns())
        text = await page(samples, Form.TEXT)
        done = True
    assert text.count(b"\n") > 20_000
    # Where the page is made on the loop itself there are two.
    assert turns > 10


def checked(text: bytes) -> subprocess.CompletedProcess[bytes]:
    """Have promtool look at a page."""
    return subprocess.run([promtool_binary(), "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)


async def test_promtool_finds_nothing_to_say_of_a_page(legacy: Legacy) -> None:
    async with serving(legacy.port, route(name="docs"), **SHORT) as door:
        await work(door)
        text = (await door.ask_admin(b"/metrics")).body
    done = await asyncio.to_thread(checked, text)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_catalogue_follows_the_rules_of_names() -> None:
    assert len(CATALOGUE) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.startswith(("noclobber_", "process_"))
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert family.help.endswith(".")
        assert family.action.endswith(".")
        assert not {'"', "\\", "\n"} & set(family.help)
        assert all(label.means for label in family.labels)
        assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
        assert list(family.buckets) == sorted(family.buckets)


def test_promtool_would_find_something() -> None:
    assert checked(b"# TYPE a_total gauge\na_total 1\n").returncode != 0


TRACE = b"0af7651916cd43dd8448eb211c80319c"
ID = b"X-Request-ID: "
EXEMPLARS: Mapping[str, tuple[Sequence[bytes], Mapping[str, str]]] = {
    "a trace": ((b"traceparent: 00-%b-b7ad6b7169203331-01" % TRACE,), {"trace_id": TRACE.decode()}),
    "a trace of a later version": ((b"TraceParent:01-%b-b7ad6b7169203331-01-more" % TRACE,), {"trace_id": TRACE.decode()}),
    "no trace": ((ID + b"abc-1",), {"request_id": "abc-1"}),
    "two traces": ((ID + b"abc-1", *[b"traceparent: 00-%b-b7ad6b7169203331-01" % TRACE] * 2), {"request_id": "abc-1"}),
    "a trace of zeros": ((ID + b"abc-1", b"traceparent: 00-%b-b7ad6b7169203331-01" % (b"0" * 32)), {"request_id": "abc-1"}),
    "no hex": ((ID + b"abc-1", b'traceparent: 00-"-b7ad6b7169203331-01'), {"request_id": "abc-1"}),
    "an id that is too long": ((ID + b"a" * 119,), {}),
    "an id of the longest length": ((ID + b"a" * 118,), {"request_id": "a" * 118}),
}


@pytest.mark.parametrize(("lines", "expected"), EXEMPLARS.values(), ids=EXEMPLARS)
async def test_a_request_is_the_exemplar_of_what_it_took(legacy: Legacy, lines: Sequence[bytes], expected: Mapping[str, str]) -> None:
    async with serving(legacy.port, route(name="docs")) as door:
        await door.ask(b"GET", b"/doc", *lines)
        answer = await door.ask_admin(b"/metrics", b"GET", b"Accept: " + PROMETHEUS.encode())
    families = {family.name: family for family in read_open_metrics(answer.body.decode())}  # type: ignore[no-untyped-call]
    for name in ("request_duration", "upstream_duration", "overhead"):
        samples = families[f"noclobber_{name}_seconds"].samples
        found = [sample for sample in samples if sample.exemplar is not None]
        assert [sample.exemplar.labels for sample in found] == ([expected] if expected else []), name
        for sample in found:
            assert sample.labels["route"] == "docs"
            assert 0 < sample.exemplar.value <= float(sample.labels["le"])
            assert abs(float(sample.exemplar.timestamp) - time.time()) < 60


async def test_an_exemplar_stays_for_a_while() -> None:
    routed = RouteMetrics(Metrics(), "r")
    taken = []
    for now, seconds in ((1.0, 0.2), (2.0, 0.2), (5.9, 0.2), (6.0, 0.2), (6.1, 7.0), (6.2, 7.0)):
        served = "GET", 200, "", "", seconds, 0.0, 0.0
        if routed.served.note(served, now):
            routed.served.exemplify(Exemplar("request_id", str(now), seconds, now), served, now)
            taken.append(now)
    # Of each bucket one in five seconds, so that what is rare and slow always has one.
    assert taken == [1.0, 6.0, 6.1]
    assert sorted(exemplar.value for exemplar in routed.served.duration.exemplars.values()) == ["6.0", "6.1"]
