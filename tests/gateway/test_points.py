"""What happens at the fault points: a client that leaves at any of them, a defect at any of them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.gateway.points import AFTER, BEFORE, Point

from .client import Client, NoAnswer, request
from .legacy import Legacy, answering, delaying
from .serving import SHORT, Door, serving, until

P = Point
TIMES: dict[str, Any] = {**SHORT, "protocol__write_timeout_seconds": 5, "limits__spool_memory_bytes": 1000}
LARGE = b"x" * 50_000


@dataclass
class At:
    """Do something the first time that a point is reached after `armed` was set, and note every point that is passed."""

    point: Point
    act: Callable[[], None]
    armed: bool = False

    def __post_init__(self) -> None:
        self.passed: list[Point] = []

    async def reach(self, point: Point) -> None:
        self._note(point)
        # A turn or two of the loop, so that what was done is noticed here and not later.
        await asyncio.sleep(0.01)

    def reach_gate(self) -> None:
        self._note(Point.GATE)

    def _note(self, point: Point) -> None:
        if self.armed:
            self.passed.append(point)
            if point is self.point:
                self.armed = False
                self.act()


@dataclass(frozen=True)
class Scene:
    """A write that passes `points`. `status` is what the backend answers (0: it does as it is asked), `applied` what becomes of it."""

    points: tuple[Point, ...]
    status: int = 0
    body: bytes = b"new"
    is_doubtful: bool = False
    is_slow: bool = False

    @property
    def is_applied(self) -> bool:
        return self.status == 0


SCENES = {
    "applied": Scene(
        (P.BEGIN, P.BEGUN, P.VERIFY, P.VERIFIED, P.RESERVE, P.GATE, P.HEARD, P.READ_BACK, P.READ, P.COMMIT, P.COMMITTED),
    ),
    "refused": Scene((P.HEARD, P.ABORT, P.ABORTED), status=403),
    "unknown": Scene((P.HEARD, P.MARK, P.MARKED), status=500),
    "in doubt before": Scene((P.QUARANTINE, P.VERIFIED, P.CONFIRM, P.CONFIRMED, P.GATE), is_doubtful=True),
    "large": Scene((P.PIECE,), body=LARGE),
    "slow": Scene((P.RENEW, P.RENEWED), is_slow=True),
}
ROWS = [(scene, point) for scene in SCENES for point in SCENES[scene].points]


def test_every_point_is_passed_by_some_scene() -> None:
    assert {point for scene in SCENES.values() for point in scene.points} == set(Point)
    assert set(BEFORE) == set(AFTER)


async def prepare(scene: Scene, legacy: Legacy, door: Door) -> None:
    """Have everything stand as the scene begins."""
    if scene.is_doubtful:
        legacy.respond = answering(500, b"", "PUT")
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).status == 500
        legacy.respond = None
    if scene.status:
        legacy.respond = answering(scene.status, b"", "PUT")
    if scene.is_slow:
        legacy.respond = delaying(0.8, "PUT")


async def check_writable(legacy: Legacy, door: Door) -> None:
    """A conditional write on what stands goes through. What was abandoned may still be applied meanwhile: then it is read again."""
    legacy.respond = None
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")
    if got.status == 412:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"next")
    assert (got.status, legacy.documents["/doc"]) == (204, b"next")


@pytest.mark.parametrize(("name", "point"), ROWS, ids=[f"{name}-{point.name}" for name, point in ROWS])
async def test_a_client_that_leaves_at_any_point_stops_nothing(legacy: Legacy, name: str, point: Point) -> None:
    """The write is the app's: it goes to its end, once, and is put down as what it was."""
    scene = SCENES[name]
    clients: list[Client] = []
    faults = At(point, lambda: clients[0].leave())
    async with serving(legacy.port, faults=faults, **TIMES) as door:
        tag = await door.tag()
        await prepare(scene, legacy, door)
        sent = legacy.methods().count("PUT")
        clients.append(await door.connect())
        faults.armed = True
        clients[0].send(request(b"PUT", b"/doc", b"If-Match: " + tag, body=scene.body))
        await until(lambda: door.gateway.handler.in_flight > 0 or point in faults.passed)
        await until(lambda: point in faults.passed)
        await until(lambda: legacy.methods().count("PUT") == sent + 1)
        if scene.is_applied:
            await until(lambda: legacy.documents["/doc"] == scene.body)
        await check_writable(legacy, door)
        assert legacy.methods().count("PUT") == sent + 2
        expected = (name == "unknown") + scene.is_doubtful
        assert await door.sample("noclobber_unknown_outcomes_total") == expected


def fail() -> None:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(("name", "point"), ROWS, ids=[f"{name}-{point.name}" for name, point in ROWS])
async def test_a_defect_at_any_point_is_never_taken_for_success(legacy: Legacy, name: str, point: Point) -> None:
    """Before a byte has left it is a 500, and the record is free. From then on nobody knows, and the next writer waits and looks."""
    scene = SCENES[name]
    faults = At(point, fail)
    async with serving(legacy.port, faults=faults, **TIMES) as door:
        tag = await door.tag()
        await prepare(scene, legacy, door)
        sent = legacy.methods().count("PUT")
        faults.armed = True
        try:
            got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=scene.body)
        except NoAnswer:
            pytest.fail("the client must be answered")
        assert point in faults.passed
        was_sent = legacy.methods().count("PUT") - sent
        assert was_sent <= 1
        if point in (P.RENEW, P.RENEWED):
            # A defect ends the renewals, and the write with its lease. (A store that fails does not: it is asked again.)
            assert got.status == 504
        elif not was_sent:
            assert got.status in (500, 503, 504)
        else:
            assert got.status in (403, 500, 504)
        faults.armed = False
        await check_writable(legacy, door)


async def test_a_write_that_was_stopped_at_the_gate_is_not_sent(legacy: Legacy) -> None:
    """The lease runs out while the process sleeps between verifying and sending: the gate says no."""
    legacy.documents["/doc"] = b"old"

    class Sleeping:
        async def reach(self, point: Point) -> None:
            if point is Point.RESERVE:
                await asyncio.sleep(0)
                # The whole process stands still, as under SIGSTOP: nothing is renewed.
                time.sleep(1.2)  # noqa: ASYNC251

        def reach_gate(self) -> None:
            pass

    async with serving(legacy.port, faults=Sleeping(), **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"new")
        assert got.status in (503, 504)
        assert legacy.documents["/doc"] == b"old"
        assert "PUT" not in legacy.methods()


async def test_a_write_that_is_stopped_twice_is_not_called_unsent(legacy: Legacy) -> None:
    """At the end of a drain: cancelled while it reads back, and once more while it puts that down. Found by the simulation, seed 355."""

    class StoppedTwice:
        async def reach(self, point: Point) -> None:
            if point in (Point.READ_BACK, Point.MARK):
                raise asyncio.CancelledError

        def reach_gate(self) -> None:
            pass

    async with serving(legacy.port, faults=StoppedTwice(), **SHORT) as door:
        got = await door.ask(b"PUT", b"/doc", b"If-Match: " + await door.tag(), body=b"new")
        assert (got.status, got.one(b"Noclobber-Outcome")) == (504, b"unknown")
        assert legacy.documents["/doc"] == b"new"
