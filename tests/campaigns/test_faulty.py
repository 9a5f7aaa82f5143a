"""The faults of the campaigns happen where and when they are asked for, and the nursery tells what became of its children."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.gateway.points import Point
from tests.campaigns.backend import Backend, listening
from tests.campaigns.faulty import Action, Fault, Once, parse
from tests.campaigns.nursery import Nursery
from tests.campaigns.wire import Wire
from tests.servers import free_port

FAULTS = {
    "COMMIT:kill": Fault(Point.COMMIT, Action.KILL),
    "GATE:stop:3": Fault(Point.GATE, Action.STOP, 3),
    "BEGIN:delay:2:0.25": Fault(Point.BEGIN, Action.DELAY, 2, 0.25),
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert parse(text) == fault
    assert parse(str(fault)) == fault


@pytest.mark.parametrize("text", ["COMMIT", "NOWHERE:kill", "COMMIT:burn", "COMMIT:kill:x", "COMMIT:kill:1:2:3"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)


async def test_a_fault_comes_once_at_its_place_and_turn() -> None:
    faults = Once(Fault(Point.COMMIT, Action.RAISE, 2))
    await faults.reach(Point.BEGIN)
    await faults.reach(Point.COMMIT)
    with pytest.raises(StoreUnavailable):
        await faults.reach(Point.COMMIT)
    await faults.reach(Point.COMMIT)


async def test_elsewhere_what_is_raised_is_a_defect() -> None:
    with pytest.raises(RuntimeError):
        await Once(Fault(Point.VERIFY, Action.RAISE)).reach(Point.VERIFY)
    with pytest.raises(RuntimeError):
        Once(Fault(Point.GATE, Action.RAISE)).reach_gate()


async def test_a_delay_takes_its_time() -> None:
    started = time.monotonic()
    await Once(Fault(Point.READ, Action.DELAY, 1, 0.05)).reach(Point.READ)
    Once(Fault(Point.GATE, Action.DELAY, 1, 0.05)).reach_gate()
    assert time.monotonic() - started >= 0.09


@pytest.mark.parametrize(
    ("fault", "what", "is_applied"),
    [
        ("RESERVE:kill", "killed 9", False),
        ("GATE:kill", "killed 9", False),
        ("GATE:kill:1:0.05", "killed 9", True),
        ("HEARD:kill", "killed 9", True),
        ("HEARD:stop", "stopped", True),
    ],
)
async def test_a_child_is_struck_where_it_was_told_to(fault: str, what: str, is_applied: bool, tmp_path: Path) -> None:
    """At the gate no byte has left yet, and a moment later all have: that is what the backend has heard."""
    backend, port = Backend(), free_port()
    async with listening(backend) as upstream, Nursery() as nursery:
        flags = {"--upstream": f"http://127.0.0.1:{upstream}", "--listen": f"127.0.0.1:{port}", "--admin": "127.0.0.1:0"}
        arguments = [
            "run",
            "--fault",
            fault,
            "--store",
            f"sqlite:///{tmp_path}/store.db",
            *(word for pair in flags.items() for word in pair),
        ]
        pid = await nursery.start(arguments, {"NOCLOBBER__LOG__ACCESS": "off"}, tmp_path / "log")
        wire = Wire(port)
        while not await wire.connects():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
        asked = asyncio.get_running_loop().create_task(wire.ask("PUT", "/1", {"X-Script": "apply wait:0.2 answer"}, b'{"write": "a"}'))
        assert await asyncio.wait_for(nursery.hear(pid), 20) == what
        await asyncio.sleep(0.05)
        assert [entry.write for entry in backend.documents.log["/1"]] == ["a"] * is_applied
        if what == "stopped":
            assert not asked.done()
            nursery.signal(pid, signal.SIGCONT)
            assert (await asked).status == 204
            nursery.signal(pid, signal.SIGTERM)
            assert await asyncio.wait_for(nursery.hear(pid), 20) == "exited 0"
        else:
            with pytest.raises((OSError, EOFError)):
                await asked
        wire.close()
