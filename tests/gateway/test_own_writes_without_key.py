"""A retry without an Idempotency-Key, where the route goes by principal, body and tag: told what the write was told, or judged anew."""

import asyncio
from json import loads
from pathlib import Path

import pytest
from aiohttp import web

from proxy.core.event import Begin, TakenOver, Why
from proxy.core.record import Commit, Record, Snapshot, State
from proxy.core.write import Phase, phase_at_begin, step
from proxy.errors import StoreUnavailable
from proxy.gateway.points import Point
from proxy.gateway.reflected import is_reflected
from proxy.gateway.replay import MAX_OWN_BYTES

from .client import Answer
from .legacy import Legacy, Respond, answering, waiting_for
from .serving import Door, route, serving, until

OWN = route("/{path*}", own_write="principal+body+tag")
NUMBERS = route("/{path*}", own_write="principal+body+tag", dialect="body-version")
ANA, BEN = b"Authorization: ana", b"Authorization: ben"


async def put(
    door: Door, tag: bytes, *lines: bytes, body: bytes = b"new", method: bytes = b"PUT"
) -> tuple[int, bytes | None, bytes | None]:
    """Write, and say what came back: the status, the tag, and the outcome that noclobber adds."""
    got = await door.ask(method, b"/doc", b"If-Match: " + tag, *lines, body=body)
    return got.status, got.one(b"ETag"), got.one(b"Noclobber-Outcome")


async def test_the_same_write_by_the_same_client_is_answered_again(legacy: Legacy) -> None:
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        first = await put(door, tag, ANA)
        assert first == (204, await door.tag(), None)
        assert await put(door, tag, ANA) == (204, first[1], b"replayed")
        assert await door.sample("noclobber_own_writes_recognised_total", route="r") == 1
    assert legacy.methods().count("PUT") == 1


@pytest.mark.parametrize(
    ("lines", "body", "method"),
    [
        ([BEN], b"new", b"PUT"),
        ([], b"new", b"PUT"),
        ([ANA], b"other", b"PUT"),
        ([ANA], b"new", b"PATCH"),
        ([ANA, b"Cookie: a=1"], b"new", b"PUT"),
    ],
    ids=["another client", "nobody", "another body", "another method", "other credentials"],
)
async def test_whatever_differs_is_stale(legacy: Legacy, lines: list[bytes], body: bytes, method: bytes) -> None:
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        assert (await put(door, tag, ANA))[0] == 204
        assert (await put(door, tag, *lines, body=body, method=method))[0] == 412
    assert [method for method in legacy.methods() if method != "GET"] == ["PUT"]


async def test_of_clients_that_do_not_say_who_they_are_one_succeeds(legacy: Legacy) -> None:
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        assert [(await put(door, tag))[0] for _ in range(2)] == [204, 412]


async def test_another_tag_is_another_write(legacy: Legacy) -> None:
    """A -> B, B -> A, A -> B again: the third is made, because it is based on what the second left."""
    async with serving(legacy.port, NUMBERS) as door:
        legacy.documents["/doc"] = b'{"n": 0}'
        json = b"Content-Type: application/json"
        for version, n in ((1, 1), (2, 0), (3, 1)):
            got = await door.ask(b"PUT", b"/doc", ANA, json, body=b'{"n": %d, "version": %d}' % (n, version))
            assert (got.status, got.one(b"Noclobber-Outcome")) == (204, None)
    assert legacy.methods().count("PUT") == 3


async def test_after_somebody_elses_write_the_retry_is_stale(legacy: Legacy) -> None:
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        await put(door, tag, ANA)
        assert (await put(door, await door.tag(), BEN, body=b"Ben's"))[0] == 204
        assert (await put(door, tag, ANA))[0] == 412
    assert legacy.documents["/doc"] == b"Ben's"


async def test_a_write_without_a_tag_is_never_taken_for_a_retry(legacy: Legacy) -> None:
    async with serving(legacy.port, OWN) as door:
        for _ in range(2):
            got = await door.ask(b"PUT", b"/doc", ANA, body=b"same")
            assert (got.status, got.one(b"Noclobber-Outcome")) == (204, None)
        assert await put(door, b"*", ANA) == (204, await door.tag(), None)
        assert await put(door, b"*", ANA) == (204, await door.tag(), None)
    assert legacy.methods().count("PUT") == 4


async def test_the_same_write_at_once_waits_and_is_answered_alike(legacy: Legacy) -> None:
    goes_on = asyncio.Event()
    legacy.respond = waiting_for(goes_on, "PUT")
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        first = asyncio.get_running_loop().create_task(put(door, tag, ANA))
        await until(lambda: "PUT" in legacy.methods())
        second = asyncio.get_running_loop().create_task(put(door, tag, ANA))
        await asyncio.sleep(0.05)
        assert not second.done()
        goes_on.set()
        new = await door.tag()
        assert (await first, await second) == ((204, new, None), (204, new, b"replayed"))
    assert legacy.methods().count("PUT") == 1


async def test_the_same_write_at_another_process_waits_as_well(legacy: Legacy, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    async with serving(legacy.port, OWN, store=store) as one, serving(legacy.port, OWN, store=store) as other:
        # From here on the other one remembers the resource, so that it might take upon itself to say what is stale.
        assert (await put(other, await other.tag(), BEN, body=b"before"))[0] == 204
        goes_on = asyncio.Event()
        legacy.respond = waiting_for(goes_on, "PUT")
        tag = await one.tag()
        first = asyncio.get_running_loop().create_task(put(one, tag, ANA))
        await until(lambda: "PUT" in legacy.methods())
        second = asyncio.get_running_loop().create_task(put(other, tag, ANA))
        await asyncio.sleep(0.05)
        assert not second.done()
        goes_on.set()
        status, new, _ = await first
        assert status == 204
        assert await second == (204, new, b"replayed")
        assert await put(other, tag, ANA) == (204, new, b"replayed")
    assert legacy.methods().count("PUT") == 2


async def test_a_stale_write_of_another_is_refused_though_the_route_is_busy(legacy: Legacy) -> None:
    """A storm of stale writes does not wait for leases (protocol §5): what the store holds is not theirs."""
    goes_on = asyncio.Event()
    async with serving(legacy.port, OWN) as door:
        old = await door.tag()
        assert (await put(door, old, ANA))[0] == 204
        legacy.respond = waiting_for(goes_on, "PUT")
        writer = asyncio.get_running_loop().create_task(put(door, await door.tag(), ANA, body=b"third"))
        await until(lambda: legacy.methods().count("PUT") == 2)
        # The lease is held, so nothing is remembered as settled: Ben waits for his turn until it is.
        stale = asyncio.get_running_loop().create_task(put(door, old, BEN))
        goes_on.set()
        assert (await writer)[0] == 204
        assert (await stale)[0] == 412


@pytest.mark.parametrize(("size", "status"), [(MAX_OWN_BYTES, 200), (MAX_OWN_BYTES + 1, 412)])
async def test_an_answer_that_cannot_be_kept_whole_is_not_given_in_part(legacy: Legacy, size: int, status: int) -> None:
    async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT":
            legacy.documents[request.path] = body
            return web.Response(body=bytes(size))
        return None

    legacy.respond = respond
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        assert (await put(door, tag, ANA))[0] == 200
        again = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, ANA, body=b"new")
        assert again.status == status
        if status == 200:
            assert again.body == bytes(size)


async def test_the_version_in_the_answer_is_in_the_answer_to_the_retry(legacy: Legacy) -> None:
    legacy.documents["/doc"] = b'{"n": 0}'
    legacy.respond = answering(200, b'{"n": 1}', "PUT", Content_Type="application/json")
    async with serving(legacy.port, NUMBERS) as door:
        body, json = b'{"n": 1, "version": 1}', b"Content-Type: application/json"
        first = await door.ask(b"PUT", b"/doc", ANA, json, body=body)
        again = await door.ask(b"PUT", b"/doc", ANA, json, body=body)
        assert loads(first.body) == {"n": 1, "version": 2}
        assert (again.status, again.etag, again.one(b"Noclobber-Outcome")) == (200, first.etag, b"replayed")
        assert again.body == first.body
    assert legacy.methods().count("PUT") == 1


async def test_an_idempotency_key_goes_first(legacy: Legacy) -> None:
    key = b"Idempotency-Key: k1"
    async with serving(legacy.port, OWN) as door:
        tag = await door.tag()
        assert (await put(door, tag, ANA, key))[0] == 204
        # Without the key it is another request, and with another body under the key it is a mistake.
        assert (await put(door, tag, ANA))[0] == 412
        assert (await put(door, tag, ANA, key, body=b"other"))[0] == 422
        assert (await put(door, tag, ANA, key))[2] == b"replayed"


AGES = [(0.0, Phase.REPEATED), (60.0, Phase.REPEATED), (60.1, Phase.SETTLED)]


@pytest.mark.parametrize(("age", "phase"), AGES)
def test_it_is_recognised_for_as_long_as_the_route_says(age: float, phase: Phase) -> None:
    record = Record(State.OK, "lineage", "epoch", lease_end=100.0, last=Commit("owner", 1, "who:own", "result"))
    snapshot = Snapshot(record, "stamp", 100.0 + age, "lineage", 1000.0)

    assert phase_at_begin(snapshot, Begin("other", "PUT", 5.0, 17.0, "who:own", replay_seconds=60.0)) is phase


def test_what_is_under_way_is_waited_for_and_not_refused() -> None:
    record = Record(State.PENDING, "lineage", "epoch", owner="owner", lease_end=105.0, replay_key="who:own")
    snapshot = Snapshot(record, "stamp", 100.0, "lineage", 1000.0)

    assert phase_at_begin(snapshot, Begin("other", "PUT", 5.0, 17.0, "who:own")) is Phase.HELD
    assert phase_at_begin(snapshot, Begin("other", "PUT", 5.0, 17.0, "who:payload")) is Phase.IN_FLIGHT


# ---- of unknown outcome ------------------------------------------------------------------------------------------------------------------

JSON = b"Content-Type: application/json"
DOUBTFUL = route("/{path*}", own_write="principal+body+tag", dialect="body-version", apply_delay_seconds=0.1)
SENT = b'{"n": 1, "version": 1}'
BEFORE = b'{"n": 0, "at": "noon"}'


def failing_once(legacy: Legacy, standing: bytes) -> Respond:
    """A `respond` that answers 500 to the first PUT, with which standing has come to stand. Those after it store what they are sent."""

    async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method != "PUT":
            return None
        is_first = legacy.methods().count("PUT") == 1
        legacy.documents[request.path] = standing if is_first else body
        return web.Response(status=500 if is_first else 200, body=body, content_type="application/json")

    return respond


async def failed_and_retried(legacy: Legacy, door: Door, standing: bytes, *lines: bytes) -> Answer:
    """Ana's write ends in a 500 that leaves standing behind; then it comes again, with these lines."""
    legacy.documents["/doc"] = BEFORE
    legacy.respond = failing_once(legacy, standing)
    failed = await door.ask(b"PUT", b"/doc", ANA, JSON, body=SENT)
    assert (failed.status, failed.one(b"Noclobber-Outcome")) == (500, b"unknown")
    return await door.ask(b"PUT", b"/doc", *lines, JSON, body=SENT)


async def test_what_was_applied_after_all_is_no_conflict_with_oneself(legacy: Legacy) -> None:
    async with serving(legacy.port, DOUBTFUL) as door:
        again = await failed_and_retried(legacy, door, b'{"n": 1, "at": "one"}', ANA)
        assert (again.status, again.one(b"Noclobber-Outcome")) == (200, b"replayed")
        assert loads(again.body) == {"n": 1, "at": "one", "version": 2}
        assert await door.tag() == again.etag == b'"2"'
        assert legacy.methods().count("PUT") == 1
        assert await door.sample("noclobber_own_writes_recognised_total", route="r") == 1
        assert await door.sample("noclobber_conflicts_total", route="r") == 0
        assert (await door.ask(b"PUT", b"/doc", ANA, JSON, body=b'{"n": 2, "version": 2}')).status == 200
        assert (await door.ask(b"PUT", b"/doc", BEN, JSON, body=b'{"n": 3, "version": 2}')).status == 409


async def test_what_was_not_applied_is_made(legacy: Legacy) -> None:
    async with serving(legacy.port, DOUBTFUL) as door:
        legacy.documents["/doc"] = BEFORE
        first = await door.ask(b"PUT", b"/doc", BEN, JSON, body=b'{"n": 5, "version": 1}')
        assert first.etag == b'"2"'
        stood = legacy.documents["/doc"]

        async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
            return web.Response(status=500) if request.method == "PUT" and legacy.methods().count("PUT") == 2 else None

        legacy.respond = respond
        body = b'{"n": 1, "version": 2}'
        assert (await door.ask(b"PUT", b"/doc", ANA, JSON, body=body)).status == 500
        assert legacy.documents["/doc"] == stood
        again = await door.ask(b"PUT", b"/doc", ANA, JSON, body=body)
        assert (again.status, again.etag, again.one(b"Noclobber-Outcome")) == (204, b'"3"', None)
    assert legacy.documents["/doc"] == b'{"n": 1}'


@pytest.mark.parametrize(
    ("standing", "lines"),
    [(b'{"n": 7}', [ANA]), (b'{"at": "one"}', [ANA]), (b'["n", 1]', [ANA]), (b'{"n": 1}', [BEN]), (b'{"n": 1}', [])],
    ids=["another value", "not there", "no object", "another client", "nobody"],
)
async def test_whatever_else_came_of_it_is_a_conflict(legacy: Legacy, standing: bytes, lines: list[bytes]) -> None:
    async with serving(legacy.port, DOUBTFUL) as door:
        assert (await failed_and_retried(legacy, door, standing, *lines)).status == 409
    assert legacy.methods().count("PUT") == 1
    assert legacy.documents["/doc"] == standing


class ConfirmsLost:
    """Faults: as long as `away`, the store is not reached with a CONFIRM."""

    away = True

    async def reach(self, point: Point) -> None:
        """Called where a write may wait."""
        if self.away and point is Point.CONFIRM:
            raise StoreUnavailable("away")

    def reach_gate(self) -> None:
        """Called when the send gate opens."""


async def test_it_is_not_told_before_the_record_is_settled(legacy: Legacy) -> None:
    """The tag that goes with it would name another state, were one to come before the doubt is settled."""
    faults = ConfirmsLost()
    async with serving(legacy.port, DOUBTFUL, faults=faults, protocol__lease_seconds=0.4, protocol__margin_seconds=0.1) as door:
        again = await failed_and_retried(legacy, door, b'{"n": 1}', ANA)
        assert (again.status, again.one(b"Noclobber-Outcome"), again.one(b"ETag")) == (504, b"unknown", None)
        faults.away = False
        third = await door.ask(b"PUT", b"/doc", ANA, JSON, body=SENT)
        assert (third.status, third.one(b"Noclobber-Outcome"), third.etag) == (200, b"replayed", b'"2"')
    assert legacy.methods().count("PUT") == 1


async def test_where_the_route_does_not_say_so_it_is_a_conflict(legacy: Legacy) -> None:
    async with serving(legacy.port, route("/{path*}", dialect="body-version", apply_delay_seconds=0.1)) as door:
        assert (await failed_and_retried(legacy, door, b'{"n": 1}', ANA)).status == 409


REFLECTED = [
    (b'{"a": 1}', b'{"a": 1, "b": 2}', True),
    (b'{"a": {"x": 1, "y": [1.0]}}', b'{"a": {"y": [1.0], "x": 1}}', True),
    (b'{"a": null}', b'{"a": null}', True),
    (b'{"a": null}', b"{}", False),
    (b'{"a": 1}', b'{"a": 1.0}', False),
    (b'{"a": {"x": 1}}', b'{"a": {"x": 1, "y": 2}}', False),
    (b"{}", b"{}", False),
    (b"[1]", b"[1]", False),
    (b'{"a": 1}', b'{"a": 1, "a": 2}', False),
    (b'{"a": 1, "a": 1}', b'{"a": 1}', False),
    (b"a=1", b'{"a": 1}', False),
]


def test_what_the_backend_sets_by_itself_can_be_left_out() -> None:
    sent, standing = b'{"a": 1, "at": "noon"}', b'{"a": 1, "at": "one"}'

    assert not is_reflected(sent, standing)
    assert is_reflected(sent, standing, [("at",)])
    assert not is_reflected(sent, standing, [("a",)])
    assert not is_reflected(sent, sent, [("at",), ("a",)])


@pytest.mark.parametrize(("sent", "standing", "expected"), REFLECTED)
def test_reflected_is_what_stands_as_it_was_sent(sent: bytes, standing: bytes, expected: bool) -> None:
    assert is_reflected(sent, standing) is expected


DOUBTS = [
    ("who:own", Record(State.UNKNOWN, "lineage", "epoch", replay_key="who:own"), Why.RETRIED),
    ("who:own", Record(State.PENDING, "lineage", "epoch", owner="gone", lease_end=90.0, replay_key="who:own"), Why.RETRIED),
    ("who:own", Record(State.UNKNOWN, "lineage", "epoch", replay_key="other:own"), Why.UNKNOWN),
    ("", Record(State.UNKNOWN, "lineage", "epoch"), Why.UNKNOWN),
    ("who:own", Record(State.UNKNOWN, "lost", "epoch", replay_key="who:own"), Why.LINEAGE),
    # The reply to its own BEGIN was lost: the key is its own, and the doubt need not be.
    ("who:own", Record(State.UNKNOWN, "lineage", "epoch", owner="me", lease_end=105.0, replay_key="who:own"), Why.UNKNOWN),
]


@pytest.mark.parametrize(("replay_key", "record", "why"), DOUBTS)
def test_a_doubt_is_ones_own_only_where_the_record_says_so(replay_key: str, record: Record, why: Why) -> None:
    answer = step(Snapshot(record, "stamp", 100.0, "lineage", 1000.0), Begin("me", "PUT", 5.0, 17.0, replay_key)).answer

    assert isinstance(answer, TakenOver)
    assert answer.why is why
