"""Every metric of the catalogue is there from the start, and moves when what it counts happens: real traffic, and /metrics read."""

import asyncio
import io
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from proxy.origin.failures import Failure
from proxy.telemetry.catalogue import CATALOGUE, FAMILIES
from tests.origin.scripted import Close, Hear, Reset, Say, Script, ScriptedBackend, Wait, WaitFor, ok, serve
from tests.servers import RedisServer, free_port

from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until

SUPERVISED = {name for name in CATALOGUE if name.startswith(("noclobber_worker", "noclobber_config_"))}
"""What only the process above the workers can know."""

BROKEN: Mapping[str, Script] = {
    "no HTTP": [Hear(), Say(b"nonsense\r\n\r\n")],
    "closed before its answer": [Hear(), Close()],
    "reset in the middle of the body": [Hear(), Say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Reset()],
}


async def test_what_has_a_closed_set_of_labels_is_there_from_the_start_with_0(legacy: Legacy) -> None:
    async with serving(legacy.port, route(name="docs")) as door:
        page = (await door.ask_admin(b"/metrics")).body.decode()
    found: dict[str, list[Sample]] = {}
    for shown in text_string_to_metric_families(page):
        for sample in shown.samples:
            found.setdefault(sample.name, []).append(sample)
    for family in FAMILIES:
        if family.name in SUPERVISED or family.name == "noclobber_requests_total":
            continue
        name = f"{family.name}_count" if family.buckets else family.name
        assert name in found, "not on the page from the start"
        for label in family.labels:
            if label.values:
                assert {sample.labels[label.name] for sample in found[name]} == set(label.values), (name, label.name)
        if family.labels and family.labels[0].name == "route":
            assert {sample.labels["route"] for sample in found[name]} == {"docs", "unrouted"}, name
            assert all(sample.value == 0 for sample in found[name]), name


async def test_updates_that_were_not_lost(legacy: Legacy) -> None:
    async with serving(legacy.port, route(name="docs", missing="require"), **SHORT) as door:
        tag = await door.tag()
        await asyncio.sleep(0.15)
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"new")).status == 204
        for _ in range(2):
            assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"newer")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-None-Match: *", body=b"newer")).status == 412
        # Neither of these would have overwritten anything unseen.
        assert (await door.ask(b"PUT", b"/none", b'If-Match: "a"', body=b"newer")).status == 412
        assert (await door.ask(b"PUT", b"/doc", body=b"newer")).status == 428
        assert await door.sample("noclobber_lost_updates_prevented_total", route="docs") == 3
        # Two stale ones, whose read was at least so old.
        assert await door.sample("noclobber_losing_read_age_seconds_count", route="docs") == 2
        assert await door.sample("noclobber_losing_read_age_seconds_bucket", route="docs", le="0.1") == 0
        assert await door.sample("noclobber_losing_read_age_seconds_bucket", route="docs", le="60.0") == 2


async def test_a_read_that_nobody_remembers_has_no_age(legacy: Legacy) -> None:
    async with serving(legacy.port, **SHORT) as door:
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "never-given-out"', body=b"new")).status == 412
        assert await door.sample("noclobber_lost_updates_prevented_total") == 1
        assert await door.sample("noclobber_losing_read_age_seconds_count") == 0


async def test_what_is_only_observed_is_not_prevented(legacy: Legacy) -> None:
    async with serving(legacy.port, route(mode="observe"), **SHORT) as door:
        tag = await door.tag()
        for _ in range(2):
            assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"new")).status == 204
        assert await door.sample("noclobber_observed_total", kind="stale") == 1
        assert await door.sample("noclobber_lost_updates_prevented_total") == 0
        assert await door.sample("noclobber_losing_read_age_seconds_count") == 1


async def test_a_doubt_and_what_waits_for_it(legacy: Legacy) -> None:
    async with serving(legacy.port, **SHORT) as door:
        legacy.respond = answering(500, b"", "PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 500
        assert await door.sample("noclobber_in_doubt_records") == 1
        assert await door.sample("noclobber_quarantines_total") == 0
        legacy.respond = None
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"x")).status == 204
        assert await door.sample("noclobber_in_doubt_records") == 0
        assert await door.sample("noclobber_quarantines_total", route="default") == 1
        assert 0.1 < await door.sample("noclobber_quarantine_wait_seconds_total", route="default") < 5


async def test_writes_that_wait_for_their_turn(legacy: Legacy) -> None:
    release = asyncio.Event()
    legacy.respond = waiting_for(release, "PUT")
    async with serving(legacy.port) as door:
        clients = [await door.connect() for _ in range(3)]
        for client in clients:
            client.send(b"PUT /doc HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        try:

            async def two_wait() -> bool:
                return await door.sample("noclobber_lease_queue_writes") == 2

            await until(two_wait)
            assert await door.sample("noclobber_in_flight_requests") == 3
            assert await door.sample("noclobber_connections") >= 3
        finally:
            release.set()
        assert [(await client.answer(b"PUT")).status for client in clients] == [204, 204, 204]
        assert await door.sample("noclobber_lease_queue_writes") == 0


async def test_clients_that_take_more_than_they_may(legacy: Legacy) -> None:
    limits: dict[str, Any] = {"limits__max_line_bytes": 1000, "limits__max_body_bytes": 1000}
    async with serving(legacy.port, **limits) as door:
        assert (await door.ask(b"GET", b"/" + b"a" * 2000)).status == 414
        assert (await door.ask(b"PUT", b"/doc", body=b"x" * 2000)).status == 413
        counts = {reason: await door.sample("noclobber_refusals_total", reason=reason) for reason in ("line-too-long", "body-too-large")}
        assert counts == {"line-too-long": 1, "body-too-large": 1}
        assert await door.sample("noclobber_refusals_total") == 2


# ---- the store -----------------------------------------------------------------------------------------------------------------------


async def test_what_the_store_is_asked_for(legacy: Legacy) -> None:
    async with serving(legacy.port, store__kept_conflicts=10, **SHORT) as door:
        before = {name: await door.sample("noclobber_store_round_trips_total", operation=name) for name in ("load", "swap", "append")}
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 204
        assert await door.sample("noclobber_store_round_trips_total", operation="swap") == before["swap"] + 2
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "stale"', body=b"x")).status == 412

        async def is_appended() -> bool:
            return await door.sample("noclobber_store_round_trips_total", operation="append") == before["append"] + 1

        await until(is_appended)
        assert await door.sample("noclobber_store_round_trips_total", operation="settle") == 1
        assert await door.sample("noclobber_store_duration_seconds_count", operation="swap") >= before["swap"] + 2


async def test_a_store_that_goes_and_comes_back_without_its_history(legacy: Legacy, server: RedisServer) -> None:
    settings = {**SHORT, "store__timeout_seconds": 0.3}
    async with serving(legacy.port, store=server.start().url, **settings) as door:
        await until(door.is_ready)

        async def is_down() -> bool:
            return await door.sample("noclobber_store_up") == 0

        async def is_lost() -> bool:
            return await door.sample("noclobber_store_losses_total") == 1

        assert (await door.sample("noclobber_store_up"), await door.sample("noclobber_ready")) == (1, 1)
        server.kill()
        await until(is_down)
        assert await door.sample("noclobber_ready") == 0
        assert await door.sample("noclobber_store_errors_total", operation="load", kind="unavailable") > 0
        server.start()
        await until(is_lost)
        # A new history has its grace, during which no write is granted.
        assert 0 < await door.sample("noclobber_grace_remaining_seconds") < 60
        assert (await door.sample("noclobber_store_up"), await door.sample("noclobber_ready")) == (1, 0)


# ---- backends ------------------------------------------------------------------------------------------------------------------------


async def errors(door: Door) -> dict[str, float]:
    """The errors of the backend, by kind, without those that there are none of."""
    counts = {
        kind: await door.sample("noclobber_upstream_errors_total", upstream="default", kind=kind)
        for kind in [each.value for each in Failure]
    }
    return {kind: count for kind, count in counts.items() if count}


async def test_a_backend_that_cannot_be_reached() -> None:
    port = free_port()
    async with serving(port, **SHORT) as door:
        assert await door.sample("noclobber_upstream_up", upstream="default") == 1
        assert (await door.ask(b"GET", b"/doc")).status == 502
        assert await errors(door) == {"unreachable": 1}
        assert await door.sample("noclobber_upstream_up", upstream="default", server=f"127.0.0.1:{port}") == 0


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_a_backend_that_breaks_off(script: Script) -> None:
    async with ScriptedBackend(script, serve(ok())) as backend, serving(backend.port, **SHORT) as door:
        await door.ask(b"GET", b"/doc")
        assert await errors(door) == {"broken": 1}
        assert (await door.ask(b"GET", b"/doc")).status == 200
        assert await errors(door) == {"broken": 1}
        assert await door.sample("noclobber_upstream_up", upstream="default") == 1


async def test_a_connection_that_was_closed_while_idle_is_no_error() -> None:
    async with ScriptedBackend([*serve(ok()), Hear(), Close()], serve(ok())) as backend, serving(backend.port) as door:
        for _ in range(2):
            assert (await door.ask(b"GET", b"/doc")).status == 200
        assert backend.requests == 3
        assert await errors(door) == {}


async def test_a_backend_that_hangs() -> None:
    settings = {**SHORT, "upstream__first_byte_seconds": 0.2}
    async with ScriptedBackend([Hear(), Wait(5)]) as backend, serving(backend.port, **settings) as door:
        assert (await door.ask(b"GET", b"/doc")).status == 504
        assert await errors(door) == {"timeout": 1}
        assert await door.sample("noclobber_upstream_up", upstream="default") == 0


async def test_a_backend_that_takes_too_long_for_a_write() -> None:
    async with ScriptedBackend([Hear(), Wait(10)]) as backend, serving(backend.port, **SHORT) as door:
        # The write timeout comes long before any limit of the connection.
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 504
        assert await errors(door) == {"timeout": 1}
        assert await door.sample("noclobber_upstream_up", upstream="default") == 0


async def test_a_client_that_leaves_is_no_error_of_the_backend() -> None:
    piece = b"x" * 100_000
    left = asyncio.Event()
    script: Script = [
        Hear(),
        Say(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + piece),
        WaitFor(left),
        *(step for _ in range(90) for step in (Say(piece), Wait(0.05))),
    ]
    async with ScriptedBackend(script) as backend, serving(backend.port, route(guarded=False)) as door:
        client = await door.connect()
        client.send(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        client.leave()
        left.set()

        async def is_over() -> bool:
            return await door.sample("noclobber_in_flight_requests") == 0

        await until(is_over)
        assert await errors(door) == {}
        assert await door.sample("noclobber_upstream_up") == 1


async def test_a_backend_with_too_few_connections(legacy: Legacy) -> None:
    release = asyncio.Event()
    legacy.respond = waiting_for(release, "GET")
    limits: dict[str, Any] = {"upstream__max_connections": 1, "upstream__max_waiting": 1}
    async with serving(legacy.port, **limits) as door:
        clients = [await door.connect() for _ in range(2)]
        for client in clients:
            client.send(b"GET /doc HTTP/1.1\r\nHost: a\r\n\r\n")
        try:

            async def one_waits() -> bool:
                return await door.sample("noclobber_upstream_waiting_requests", upstream="default") == 1

            await until(one_waits)
            assert await door.sample("noclobber_upstream_connections", upstream="default", state="busy") == 1
            assert (await door.ask(b"GET", b"/doc")).status == 502
            assert await errors(door) == {"crowded": 1}
            assert await door.sample("noclobber_upstream_up", upstream="default") == 1
        finally:
            release.set()
        assert [(await client.answer(b"GET")).status for client in clients] == [200, 200]
        assert await door.sample("noclobber_upstream_connections", upstream="default", state="idle") == 1
        assert await door.sample("noclobber_upstream_connections", state="busy") == 0


# ---- the process ---------------------------------------------------------------------------------------------------------------------


async def test_a_loop_that_is_held_up_is_late(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await asyncio.sleep(0.1)
        # Longer than the pause between two looks: this one surely comes too late.
        time.sleep(0.5)  # noqa: ASYNC251 - that is what is measured

        async def is_noticed() -> bool:
            buckets = [await door.sample("noclobber_loop_lag_seconds_bucket", le=le) for le in ("0.1", "+Inf")]
            return buckets[0] < buckets[1]

        await until(is_noticed)


async def test_the_process_is_there(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        for name in ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds"):
            assert await door.sample(f"process_{name}") > 0, name
        assert await door.sample("noclobber_tasks") > 0


class Full(io.BytesIO):
    """Standard output that nobody reads any more."""

    def write(self, data: object) -> int:
        raise BrokenPipeError


async def test_lines_that_cannot_be_written(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdout:
        buffer = Full()

    monkeypatch.setattr(sys, "stdout", Stdout())
    async with serving(legacy.port, log__access="json") as door:
        await door.ask(b"GET", b"/doc")

        async def is_lost() -> bool:
            return await door.sample("noclobber_access_log_lines_lost_total") == 1

        await until(is_lost)
