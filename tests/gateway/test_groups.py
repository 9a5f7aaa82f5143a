"""Groups: several URLs, one resource, one tag; and writes that change other resources too."""

import asyncio
from pathlib import Path

from proxy.core.record import State
from proxy.core.resource import ResourceKey, key_digest
from proxy.store.port import StoreKey
from proxy.store.sqlite import SqliteStore
from tests.servers import RedisServer

from .client import Answer
from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until

JOB = dict[str, object](strategy="revision", group="jobs", key="{id}", representation="/jobs/{id}/")
ROUTES = (
    route("/jobs/{id}/", name="job", **JOB),
    route("/jobs/{id}/events/create/", name="action", **JOB),
    route("/jobs/{id}/{view}/", name="view", **JOB),
    route("/lines/{line}/", name="lines", changes="@", strategy="content").replace('"@"', '["jobs/{query:job}"]'),
    route("/notes/{rest*}", name="notes", changes="@", strategy="content").replace('"@"', '["jobs/{body:/job}"]'),
)

VIEWS = (("job", ""), ("costs", "costs/"))


def documents(legacy: Legacy) -> None:
    legacy.documents |= {"/jobs/7/": b"job", "/jobs/7/costs/": b"costs", "/jobs/8/": b"another", "/lines/1/": b"line"}


async def write(door: Door, method: bytes, target: bytes, tag: bytes, body: bytes = b"{}") -> Answer:
    return await door.ask(method, target, b"If-Match: " + tag, body=body)


async def test_all_views_of_a_group_have_one_tag_and_each_write_moves_it(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        tag = await door.tag(b"/jobs/7/")
        assert await door.tag(b"/jobs/7/costs/") == tag
        done = await write(door, b"PUT", b"/jobs/7/costs/", tag)
        assert done.status == 204
        assert done.etag != tag
        assert await door.tag(b"/jobs/7/") == await door.tag(b"/jobs/7/costs/") == done.etag
        assert (await write(door, b"PUT", b"/jobs/7/", tag)).status == 412
        assert (await write(door, b"PUT", b"/jobs/7/", done.etag, b"new")).status == 204


async def test_an_action_is_looked_at_as_its_job_and_answers_with_the_tag(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        tag = await door.tag(b"/jobs/7/")
        legacy.asked.clear()
        done = await write(door, b"POST", b"/jobs/7/events/create/", tag)
        looked_at = [(asked.method, asked.target) for asked in legacy.asked]
        assert looked_at == [("GET", "/jobs/7/"), ("POST", "/jobs/7/events/create/"), ("GET", "/jobs/7/")]
        assert done.status == 201
        assert await door.tag(b"/jobs/7/") == done.etag
        stale = await write(door, b"POST", b"/jobs/7/events/create/", tag)
        assert (stale.status, legacy.methods().count("POST")) == (412, 1)


async def test_a_change_of_the_job_from_outside_makes_an_action_stale(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        done = await write(door, b"PUT", b"/jobs/7/", await door.tag(b"/jobs/7/"))
        legacy.documents["/jobs/7/"] = b"from outside"
        assert (await write(door, b"POST", b"/jobs/7/events/create/", done.etag)).status == 412
        assert await door.sample("noclobber_out_of_band_changes_total", route="action") == 1


async def test_what_the_job_does_not_let_be_seen_is_the_actions_answer(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        tag = await door.tag(b"/jobs/7/")
        legacy.respond = answering(403, b"no", only="GET")
        right, wrong = [await write(door, b"POST", b"/jobs/7/events/create/", each) for each in (tag, b'"00000000.9"')]
        assert (right.status, right.body) == (wrong.status, wrong.body) == (403, b"no")


async def test_a_write_elsewhere_moves_the_tag_of_what_it_changes(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        tag, other = await door.tag(b"/jobs/7/"), await door.tag(b"/jobs/8/")
        done = await write(door, b"PUT", b"/lines/1/?job=7", await door.tag(b"/lines/1/"))
        assert done.status == 204
        assert (await door.tag(b"/jobs/7/") != tag, await door.tag(b"/jobs/8/") == other) == (True, True)
        assert (await write(door, b"PUT", b"/jobs/7/", tag)).status == 412
        assert (await write(door, b"PUT", b"/jobs/7/", await door.tag(b"/jobs/7/"))).status == 204


async def test_what_a_write_changes_may_stand_in_its_body(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES) as door:
        tag = await door.tag(b"/jobs/7/")
        assert (await door.ask(b"POST", b"/notes/", body=b'{"job": "007", "text": "x"}')).status == 201
        assert await door.tag(b"/jobs/7/") != tag
        refused = await door.ask(b"POST", b"/notes/", body=b'{"text": "x"}')
        assert (refused.status, legacy.methods().count("POST")) == (400, 1)


async def test_a_creation_moves_the_tag_of_what_it_changes(legacy: Legacy) -> None:
    documents(legacy)
    new_line = route("/new/", name="new", changes="@", post="create", strategy="revision").replace('"@"', '["jobs/{body:/job}"]')
    async with serving(legacy.port, *ROUTES, new_line) as door:
        tag = await door.tag(b"/jobs/7/")
        assert (await door.ask(b"POST", b"/new/", body=b'{"job": 7}')).status == 201
        assert await door.tag(b"/jobs/7/") != tag
        refused = await door.ask(b"POST", b"/new/", body=b"{}")
        assert (refused.status, legacy.methods().count("POST")) == (400, 1)


async def test_a_write_elsewhere_waits_for_the_one_under_way(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES, protocol__lease_wait_seconds=20) as door:
        tag, gate = await door.tag(b"/jobs/7/"), asyncio.Event()
        legacy.respond = waiting_for(gate, "PUT")
        loop = asyncio.get_running_loop()
        job = loop.create_task(write(door, b"PUT", b"/jobs/7/", tag))
        await until(lambda: legacy.methods().count("PUT") == 1)
        line = loop.create_task(door.ask(b"PUT", b"/lines/1/?job=7", body=b"x"))
        await asyncio.sleep(0.2)
        assert legacy.methods().count("PUT") == 1
        gate.set()
        assert [(await job).status, (await line).status] == [204, 204]


async def test_two_that_change_what_the_other_is_do_not_wait_for_each_other(legacy: Legacy) -> None:
    routes = [
        route(f"/{own}/{{id}}", name=own, strategy="revision", group=own, key="{id}", changes="@").replace('"@"', f'["{other}/{{id}}"]')
        for own, other in (("left", "right"), ("right", "left"))
    ]
    async with serving(legacy.port, *routes, protocol__lease_wait_seconds=20, limits__max_waiters_per_key=64) as door:
        asks = [door.ask(b"PUT", target, body=b"x") for _ in range(20) for target in (b"/left/1", b"/right/1")]
        assert {answer.status for answer in await asyncio.gather(*asks)} <= {201, 204}
        assert (await door.tag(b"/left/1")).endswith(b'.40"')
        assert (await door.tag(b"/right/1")).endswith(b'.40"')


async def test_an_unknown_outcome_leaves_every_key_unknown(legacy: Legacy, tmp_path: Path) -> None:
    documents(legacy)
    path = tmp_path / "store.db"
    async with serving(legacy.port, *ROUTES, store=f"sqlite:///{path}", **SHORT) as door:
        tag = await door.tag(b"/jobs/7/")
        legacy.respond = answering(500, only="PUT")
        assert (await door.ask(b"PUT", b"/lines/1/?job=7", body=b"x")).status == 500
        store = await SqliteStore.open(path)
        for key in (b"/lines/1/", b"jobs:7"):
            record = (await store.load(StoreKey(key_digest(ResourceKey(key))))).record
            assert record is not None
            assert record.state is State.UNKNOWN
        await store.close()
        legacy.respond = None
        # Nobody knows whether the job is as it was: one view of it that has not changed does not say so of the others.
        assert (await write(door, b"PUT", b"/jobs/7/costs/", tag)).status == 412
        assert (await write(door, b"PUT", b"/jobs/7/costs/", await door.tag(b"/jobs/7/"))).status == 204


async def test_a_doubt_burns_the_number_of_a_group_though_what_can_be_seen_of_it_is_as_it_was(legacy: Legacy) -> None:
    documents(legacy)
    async with serving(legacy.port, *ROUTES, **SHORT) as door:
        tag = (await write(door, b"PUT", b"/jobs/7/", await door.tag(b"/jobs/7/"), b"job")).etag
        legacy.respond = answering(500, only="PUT")
        assert (await write(door, b"PUT", b"/jobs/7/costs/", tag, b"new")).status == 500
        # It was applied all the same, and /jobs/7/ does not show it.
        legacy.respond, legacy.documents["/jobs/7/costs/"] = None, b"new"
        assert (await write(door, b"PUT", b"/jobs/7/costs/", tag, b"mine")).status == 412
        assert legacy.documents["/jobs/7/costs/"] == b"new"


async def test_without_a_representation_no_view_is_taken_for_the_whole(legacy: Legacy) -> None:
    documents(legacy)
    routes = [route(f"/jobs/{{id}}/{rest}", name=name, strategy="revision", group="jobs", key="{id}") for name, rest in VIEWS]
    async with serving(legacy.port, *routes) as door:
        tag = await door.tag(b"/jobs/7/")
        for target in (b"/jobs/7/", b"/jobs/7/costs/", b"/jobs/7/"):
            done = await write(door, b"PUT", target, tag, b"new")
            assert done.status == 204
            tag = done.etag
        assert await door.sample("noclobber_out_of_band_changes_total") == 0


async def test_without_the_store_nothing_is_written_that_changes_a_counted_resource(legacy: Legacy, server: RedisServer) -> None:
    documents(legacy)
    server.start()
    lines = route("/lines/{line}/", strategy="content", on_store_loss="verify-only", changes="@").replace('"@"', '["jobs/{query:job}"]')
    async with serving(legacy.port, lines, *ROUTES[:3], store=server.url, **SHORT) as door:
        await until(door.is_ready)
        tag = await door.tag(b"/lines/1/")
        server.kill()
        assert (await write(door, b"PUT", b"/lines/1/?job=7", tag, b"new")).status == 503
        assert legacy.documents["/lines/1/"] == b"line"
