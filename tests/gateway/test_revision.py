"""Routes whose tags are revisions: a counter in the store, taken before the backend is asked and counted on by every write."""

import asyncio
import re
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.gateway.points import Point
from tests.servers import RedisServer

from .client import Answer
from .legacy import Legacy, answering, waiting_for
from .serving import SHORT, Door, route, serving, until
from .volatile import Volatile

REVISION = route(strategy="revision")
TRUSTING = route(strategy="revision", verify="trust-store", writers="proxy-only")
TAG = re.compile(rb'"([0-9a-f]{8})\.(\d+)"')


def number(answer: Answer) -> int:
    """The revision in an answer's tag."""
    found = TAG.fullmatch(answer.etag)
    assert found is not None, answer.etag
    return int(found[2])


async def put(door: Door, tag: bytes, body: bytes = b"{}") -> Answer:
    return await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=body)


async def test_a_save_counts_up_by_one_and_its_answer_says_so(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        first = await door.ask(b"GET", b"/doc")
        assert number(first) == 0
        answer = first
        for revision in range(1, 4):
            answer = await put(door, answer.etag, b"%d" % revision)
            assert (answer.status, number(answer)) == (204, revision)
        assert (await door.tag()) == answer.etag
        stale = await put(door, first.etag)
        assert (stale.status, legacy.documents["/doc"]) == (412, b"3")


async def test_a_head_goes_as_a_head_and_has_the_label(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        answer = await door.ask(b"HEAD", b"/doc")
        assert (legacy.methods(), answer.etag) == (["HEAD"], await door.tag())


async def test_the_label_of_a_read_is_from_before_the_backend_was_asked(legacy: Legacy) -> None:
    """A slow GET that shows a newer body has the older label: it costs its holder a 412. The other way round it would cost an update."""
    async with serving(legacy.port, REVISION) as door:
        tag, gate = await door.tag(), asyncio.Event()
        legacy.respond = waiting_for(gate, "GET")
        slow = asyncio.get_running_loop().create_task(door.ask(b"GET", b"/doc"))
        await until(lambda: legacy.methods().count("GET") == 2)
        legacy.respond = None
        assert (await put(door, tag, b"newer")).status == 204
        gate.set()
        answer = await slow
        assert (answer.body, answer.etag) == (b"newer", tag)
        assert (await put(door, answer.etag)).status == 412


async def test_a_change_from_outside_makes_the_writer_stale_and_burns_the_number(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        legacy.documents["/doc"] = b"from outside"
        refused = await put(door, tag, b"two")
        assert (refused.status, legacy.documents["/doc"]) == (412, b"from outside")
        assert await door.sample("noclobber_out_of_band_changes_total") == 1
        again = await door.ask(b"GET", b"/doc")
        assert number(again) == 2
        assert (await put(door, again.etag, b"two")).status == 204


async def test_a_read_after_a_change_from_outside_has_a_number_that_stands(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        legacy.documents["/doc"] = b"from outside"
        shown = await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)
        assert (shown.status, shown.body, number(shown)) == (200, b"from outside", 2)
        assert await door.sample("noclobber_out_of_band_changes_total") == 1
        assert (await put(door, tag, b"two")).status == 412
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + shown.etag)).status == 304
        assert (await put(door, shown.etag, b"two")).status == 204
        assert await door.sample("noclobber_out_of_band_changes_total") == 1


async def test_only_the_last_writers_reads_find_changes_from_outside(legacy: Legacy) -> None:
    """Whoever is shown a resource in another way must not take its number from those who write it."""
    ana, ben = b"Authorization: Bearer ana", b"Authorization: Bearer ben"
    async with serving(legacy.port, REVISION) as door:
        first = await door.ask(b"GET", b"/doc", ana)
        written = await door.ask(b"PUT", b"/doc", b"If-Match: " + first.etag, ana, body=b"one")
        legacy.documents["/doc"] = b"as Ben is shown it"
        assert (await door.ask(b"GET", b"/doc", ben)).etag == written.etag
        assert number(await door.ask(b"GET", b"/doc", ana)) == 2


async def test_what_varies_says_nothing_of_changes_from_outside(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        legacy.documents["/doc"] = b"eins"
        legacy.extra = {"Vary": "Accept-Encoding, Accept-Language"}
        assert (await door.ask(b"GET", b"/doc")).etag == tag
        legacy.extra = {"Vary": "Accept-Encoding"}
        assert number(await door.ask(b"GET", b"/doc")) == 2


async def test_a_read_that_was_overtaken_by_a_write_counts_nothing_on(legacy: Legacy) -> None:
    """Its content is not what the last commit left, but no change from outside either."""
    async with serving(legacy.port, REVISION) as door:
        tag, gate = (await put(door, await door.tag(), b"one")).etag, asyncio.Event()
        legacy.asked.clear()
        legacy.respond = waiting_for(gate, "GET")
        slow = asyncio.get_running_loop().create_task(door.ask(b"GET", b"/doc"))
        await until(lambda: legacy.methods() == ["GET"])
        legacy.respond = None
        newer = await put(door, tag, b"two")
        gate.set()
        assert ((await slow).etag, await door.tag()) == (tag, newer.etag)
        assert await door.sample("noclobber_out_of_band_changes_total") == 0


async def test_what_is_ignored_is_no_change_from_outside(legacy: Legacy) -> None:
    backend = Volatile({"title": "one"})
    legacy.respond = backend.respond()
    async with serving(legacy.port, route(strategy="revision", ignore=["/serverTime", "/meta/lastViewed"])) as door:
        tag = (await put(door, await door.tag(), b'{"title": "two"}')).etag
        assert (await put(door, tag, b'{"title": "three"}')).status == 200
        tag = await door.tag()
        backend.state["title"] = "from outside"
        assert (await put(door, tag, b'{"title": "four"}')).status == 412


async def test_a_store_that_is_trusted_is_asked_and_the_backend_is_not(legacy: Legacy) -> None:
    async with serving(legacy.port, TRUSTING) as door:
        tag = await door.tag()
        legacy.asked.clear()
        assert (await put(door, tag)).status == 204
        assert legacy.methods() == ["PUT"]
        assert (await put(door, tag)).status == 412
        assert legacy.methods() == ["PUT", "GET"]


async def test_an_unknown_outcome_burns_the_number_of_what_was_changed(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION, **SHORT) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        legacy.respond = answering(500, only="PUT")
        assert (await put(door, tag, b"two")).status == 500
        # The backend had applied it all the same.
        legacy.respond, legacy.documents["/doc"] = None, b"two"
        shown = await door.ask(b"GET", b"/doc")
        assert (shown.body, shown.etag) == (b"two", tag)
        assert (await put(door, shown.etag, b"three")).status == 412
        assert (await put(door, await door.tag(), b"three")).status == 204
        assert number(await door.ask(b"GET", b"/doc")) == 3


async def test_an_unknown_outcome_that_changed_nothing_leaves_the_number(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION, **SHORT) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        legacy.respond = answering(500, only="PUT")
        assert (await put(door, tag, b"two")).status == 500
        legacy.respond = None
        assert (await put(door, tag, b"two")).status == 204


async def test_a_number_does_not_come_again_after_a_deletion(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = await door.tag()
        assert (await door.ask(b"DELETE", b"/doc", b"If-Match: " + tag)).status == 204
        assert (await door.ask(b"GET", b"/doc")).one(b"ETag") is None
        assert (await door.ask(b"PUT", b"/doc", b"If-None-Match: *", body=b"anew")).status == 201
        assert number(await door.ask(b"GET", b"/doc")) == 2
        assert (await put(door, tag)).status == 412


async def test_who_may_not_read_learns_nothing_of_the_number(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = await door.tag()
        legacy.respond = answering(403, b"no", only="GET")
        right, wrong = await put(door, tag), await put(door, b'"00000000.7"')
        assert (right.status, right.body, right.one(b"ETag")) == (wrong.status, wrong.body, wrong.one(b"ETag")) == (403, b"no", None)


async def test_an_action_that_cannot_be_read_is_judged_by_its_label(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = await door.tag()
        legacy.respond = answering(405, only="GET")
        done = await door.ask(b"POST", b"/doc", b"If-Match: " + tag, body=b"x")
        assert (done.status, number(done)) == (201, 1)
        assert (await door.ask(b"POST", b"/doc", b"If-Match: " + tag, body=b"x")).status == 412


async def test_nothing_has_changed_is_said_only_where_that_is_sure(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        legacy.documents["/doc"] = b"from outside"
        changed = await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)
        assert (changed.status, changed.body) == (200, b"from outside")


async def test_nothing_has_changed_is_not_said_while_a_write_is_under_way(legacy: Legacy) -> None:
    async with serving(legacy.port, TRUSTING) as door:
        tag, gate = (await put(door, await door.tag(), b"one")).etag, asyncio.Event()
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        legacy.respond = waiting_for(gate, "PUT")
        writing = asyncio.get_running_loop().create_task(put(door, tag, b"two"))
        await until(lambda: legacy.methods().count("PUT") == 2)
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 200
        gate.set()
        assert (await writing).status == 204


async def test_a_range_is_not_cut_where_one_label_may_be_on_two_bodies(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        answer = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1")
        assert (answer.status, answer.body) == (200, legacy.documents["/doc"])


async def test_a_retry_under_its_key_is_told_the_label(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION) as door:
        lines = b"If-Match: " + await door.tag(), b"Idempotency-Key: k"
        first = await door.ask(b"PUT", b"/doc", *lines, body=b"x")
        again = await door.ask(b"PUT", b"/doc", *lines, body=b"x")
        assert (again.status, again.etag, again.one(b"Noclobber-Outcome")) == (204, first.etag, b"replayed")


async def test_one_of_twenty_with_one_label_is_applied(legacy: Legacy) -> None:
    async with serving(legacy.port, REVISION, protocol__lease_wait_seconds=20) as door:
        tag = await door.tag()
        answers = await asyncio.gather(*(put(door, tag, b"%d" % each) for each in range(20)))
        assert sorted(answer.status for answer in answers) == [204] + [412] * 19
        assert number(await door.ask(b"GET", b"/doc")) == 1


async def test_without_the_store_there_is_no_label_and_no_write(legacy: Legacy, server: RedisServer) -> None:
    server.start()
    async with serving(legacy.port, REVISION, store=server.url, **SHORT) as door:
        await until(door.is_ready)
        tag = await door.tag()
        assert tag
        server.kill()
        await until(lambda: _is_untagged(door))
        assert (await put(door, tag)).status == 503
        assert legacy.documents["/doc"] == b'{"count": 1}'


async def _is_untagged(door: Door) -> bool:
    answer = await door.ask(b"GET", b"/doc")
    assert answer.status == 200
    return answer.one(b"ETag") is None


@pytest.mark.parametrize("body", [b"x", b"y" * 300_000])
async def test_a_large_answer_is_streamed_with_its_label(legacy: Legacy, body: bytes) -> None:
    legacy.documents["/doc"] = body
    async with serving(legacy.port, REVISION, limits__max_tagged_body_bytes=1000) as door:
        answer = await door.ask(b"GET", b"/doc")
        assert (answer.body, number(answer)) == (body, 0)
        assert (await put(door, answer.etag)).status == 204


async def test_counters_survive_a_restart(legacy: Legacy, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    async with serving(legacy.port, REVISION, store=store) as door:
        tag = (await put(door, await door.tag())).etag
    async with serving(legacy.port, REVISION, store=store) as door:
        assert await door.tag() == tag
        assert number(await put(door, tag)) == 2


class Unreached:
    """Faults: as long as `away`, the store is not reached with what ends a write that was not sent."""

    def __init__(self) -> None:
        self.away = False

    async def reach(self, point: Point) -> None:
        """Called where a write may wait."""
        if self.away and point in (Point.CONFIRM, Point.ABORT):
            raise StoreUnavailable("away")

    def reach_gate(self) -> None:
        """Called when the send gate opens."""


@pytest.mark.parametrize("is_doubtful", [True, False], ids=["in doubt", "changed from outside"])
async def test_a_number_that_could_not_be_put_down_is_told_to_nobody(legacy: Legacy, is_doubtful: bool) -> None:
    """It might be another state's in the end: who holds it would overwrite that unseen."""
    faults, before = Unreached(), SHORT | {"protocol__lease_seconds": 0.4, "protocol__margin_seconds": 0.1}
    async with serving(legacy.port, REVISION, faults=faults, **before) as door:
        tag = (await put(door, await door.tag(), b"one")).etag
        if is_doubtful:
            legacy.respond = answering(500, only="PUT")
            assert (await put(door, tag, b"lost")).status == 500
            legacy.respond = None
        legacy.documents["/doc"], faults.away = b"from outside", True
        refused = await put(door, tag, b"two")
        assert (refused.status, refused.one(b"ETag"), b"currentTag" in refused.body) == (412, None, False)
        legacy.documents["/doc"], faults.away = b"from outside again", False
        named = await put(door, tag, b"two")
        assert (named.status, number(named)) == (412, 2)
        assert (await put(door, named.etag, b"two")).status == 204
