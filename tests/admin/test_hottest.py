"""Which resources are fought over, and which records are in doubt."""

import asyncio
from typing import Any

from tests.gateway.legacy import Legacy, answering, waiting_for
from tests.gateway.serving import SHORT, Door, route, serving, until

from .asking import BEARER, TOKEN, read


async def test_the_hottest_come_first_with_what_happened(legacy: Legacy) -> None:
    legacy.documents["/quiet"] = b"1"
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        tag = await door.tag()
        for number in range(3):
            await door.ask(b"PUT", b"/doc?secret=1", b"If-Match: " + tag, body=b"%d" % number)
        assert (await door.ask(b"PUT", b"/quiet", body=b"2")).status == 204
        first, second = await read(door, "/hottest", BEARER)
        assert [each["path"] for each in await read(door, "/hottest")] == [None, None]
        assert len(await read(door, "/hottest?limit=1")) == 1
    assert (first["path"], first["writes"], first["conflicts"], first["route"]) == ("/doc", 3, 2, "default")
    assert (second["path"], second["writes"], second["conflicts"], second["waits"]) == ("/quiet", 1, 0, 0)
    assert first["heat"] > second["heat"] > 0


async def test_who_had_to_wait_is_counted_here_and_in_another_process(legacy: Legacy, tmp_path: Any) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    url = f"sqlite:///{tmp_path}/store.db"
    async with serving(legacy.port, store=url) as door, serving(legacy.port, store=url) as other:

        async def write(at: Door) -> int:
            return (await at.ask(b"PUT", b"/doc", body=b"x")).status

        async with asyncio.TaskGroup() as group:
            first = group.create_task(write(door))
            await until(lambda: "PUT" in legacy.methods())
            others = [group.create_task(write(door)), group.create_task(write(other))]
            await until(lambda: door.gateway.handler.in_flight == 2 and other.gateway.handler.in_flight == 1)
            await asyncio.sleep(0.05)
            goes_on.set()
        assert {task.result() for task in (first, *others)} == {204}
        assert [each["waits"] for each in await read(door, "/hottest")] >= [1]
        assert [each["waits"] for each in await read(other, "/hottest")] == [1]


async def test_a_record_in_doubt_is_told_until_it_is_settled_by_whom_ever(legacy: Legacy, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    settings = {"server__admin_token": TOKEN, **SHORT}
    async with serving(legacy.port, store=url, **settings) as door, serving(legacy.port, store=url, **settings) as other:
        legacy.respond = answering(500, only="PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 500
        (doubt,) = await read(door, "/doubts", BEARER)
        assert (doubt["state"], doubt["route"], doubt["path"], doubt["outcome"]) == ("unknown", "default", "/doc", "unknown")
        assert doubt["since_at"] < doubt["until_at"]
        (plain,) = await read(door, "/doubts")
        assert (plain["path"], plain["key"]) == (None, doubt["key"])
        assert (await read(door, "/status"))["in_doubt"] == 1
        assert await read(other, "/doubts") == []
        legacy.respond = None
        assert (await other.ask(b"PUT", b"/doc", body=b"y")).status == 204
        assert await read(door, "/doubts") == []
        assert (await read(door, "/status"))["in_doubt"] == 0


async def test_a_doubt_waits_as_long_as_its_route_says(legacy: Legacy) -> None:
    slow = route("/doc", "slow", apply_delay_seconds=600)
    async with serving(legacy.port, slow, server__admin_token=TOKEN) as door:
        legacy.respond = answering(500, only="PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 500
        (doubt,) = await read(door, "/doubts")
        found = await read(door, "/resource?url=/doc")
    assert doubt["until_at"][:16] == found["quarantine_until_at"][:16]
    assert doubt["until_at"] > doubt["since_at"]
