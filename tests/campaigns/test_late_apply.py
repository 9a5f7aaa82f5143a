"""A backend that applies a write after it was given up: harmless within the apply delay D, and seen by the checker where D is too small."""

import asyncio
import time
from typing import Any

from tests.campaigns.backend import Backend, listening
from tests.campaigns.history import SEED, History, Outcome, Read, Write, violations
from tests.gateway.serving import Door, serving

TIMES: dict[str, Any] = {"protocol__lease_seconds": 5, "protocol__margin_seconds": 0.5, "protocol__write_timeout_seconds": 5}


class Writer:
    """Write what is told, and put down what came of it."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.history = History()

    async def look(self) -> tuple[bytes, str]:
        """The tag and the value of what stands."""
        began = time.monotonic()
        got = await self._door.ask(b"GET", b"/1")
        value = got.body.decode().split('"write": "')[1].split('"')[0]
        self.history.reads.append(Read("/1", value, got.etag.decode(), began))
        return got.etag, value

    async def write(self, value: str, seen: tuple[bytes, str], script: str = "") -> Outcome:
        """Put value in place of what was seen."""
        lines = [b"If-Match: " + seen[0], *([b"X-Script: " + script.encode()] if script else [])]
        got = await self._door.ask(b"PUT", b"/1", *lines, body=b'{"write": "%b"}' % value.encode())
        outcome = {204: Outcome.ACKNOWLEDGED, 412: Outcome.STALE, 504: Outcome.UNKNOWN}[got.status]
        self.history.writes.append(Write("/1", value, seen[1], seen[0].decode(), outcome, time.monotonic()))
        return outcome


async def story(apply_delay_seconds: float, late_seconds: float) -> tuple[list[Outcome], list[str], list[str]]:
    """Two clients saw one state. The write of the first is given up and applied late; the second writes at once.

    What the two were told (and a third one, who writes on what is there in the end), the log, and what the checker says.
    """
    backend = Backend()
    async with listening(backend) as port, serving(port, protocol__apply_delay_seconds=apply_delay_seconds, **TIMES) as door:
        writer = Writer(door)
        seen = await writer.look()
        told = [await writer.write("late", seen, f"late:{late_seconds} reset"), await writer.write("second", seen)]
        await asyncio.sleep(late_seconds)
        told.append(await writer.write("third", await writer.look()))
        log = [entry.write for entry in backend.documents.log["/1"]]
        return told, log, violations(writer.history, {"/1": log})


async def test_a_late_write_within_the_delay_is_waited_for() -> None:
    """The second writer is held until the late one must have come, finds it, and is refused: one predecessor, one acknowledged write."""
    told, log, found = await story(apply_delay_seconds=1.0, late_seconds=0.2)

    assert told == [Outcome.UNKNOWN, Outcome.STALE, Outcome.ACKNOWLEDGED]
    assert log == ["late", "third"]
    assert found == []


async def test_a_delay_that_is_too_small_is_flagged() -> None:
    """The second writer is let through, and what it was told was saved is overwritten: the check can fail."""
    told, log, found = await story(apply_delay_seconds=0.05, late_seconds=1.0)

    assert told == [Outcome.UNKNOWN, Outcome.ACKNOWLEDGED, Outcome.ACKNOWLEDGED]
    assert log == ["second", "late", "third"]
    assert found == [f"/1: late was made from {SEED} and applied on second"]


async def test_a_write_that_is_never_applied_is_waited_for_and_no_more() -> None:
    """Only the wait tells that it was not applied; then the tag that both saw is still good."""
    backend = Backend()
    async with listening(backend) as port, serving(port, protocol__apply_delay_seconds=0.5, **TIMES) as door:
        writer = Writer(door)
        seen = await writer.look()
        assert await writer.write("lost", seen, "reset") is Outcome.UNKNOWN
        started = time.monotonic()
        assert await writer.write("second", seen) is Outcome.ACKNOWLEDGED
        assert time.monotonic() - started > 0.4
        log = [entry.write for entry in backend.documents.log["/1"]]
        assert (log, violations(writer.history, {"/1": log})) == (["second"], [])


async def test_a_view_that_lags_is_flagged() -> None:
    """A GET that does not show the primary copy (A4) breaks the promise to readers: the check can fail there as well."""
    backend = Backend(lag_seconds=0.6)
    async with listening(backend) as port, serving(port, **TIMES) as door:
        writer = Writer(door)
        seen = await writer.look()
        assert await writer.write("first", seen) is Outcome.ACKNOWLEDGED
        await writer.look()

    assert violations(writer.history, {"/1": ["first"]}) == [f"/1: {SEED} was read after a later value had been acknowledged"]
