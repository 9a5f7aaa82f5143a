"""The whole table of what a backend's answer means (protocol §5, W5), each row on a real socket: one write is one request, whatever comes.

`test_outcomes.py` goes through the statuses one by one, `test_wire_count.py` through the places where a connection may break; here a row is
held to all that it says at once: what the client is told, what the record is afterwards, and what the backend has done.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.core.record import NOT_KNOWN, Record, State
from proxy.store.codec import decode
from tests.campaigns.backend import Backend, listening
from tests.servers import free_port

from .client import Answer
from .serving import SHORT, Door, route, serving

LONG = {**SHORT, "protocol__lease_seconds": 20, "protocol__write_timeout_seconds": 20, "protocol__apply_delay_seconds": 30}
"""Times that nobody waits for: what is seen is what the write itself has left."""

WRITES = (b"PUT", b"PATCH", b"POST", b"DELETE")


@dataclass(frozen=True)
class Row:
    """`status` and `outcome` are what the client is told; `is_applied`: what the backend has done. Times are those of LONG if not short."""

    status: int
    state: State
    is_applied: bool
    is_cut: bool = False
    times: str = "long"

    @property
    def outcome(self) -> bytes | None:
        """The Noclobber-Outcome field."""
        return b"unknown" if self.state is State.UNKNOWN else None


APPLIED = Row(204, State.OK, True)
UNKNOWN = Row(504, State.UNKNOWN, True)
UNKNOWN_LOST = Row(504, State.UNKNOWN, False)

TABLE: dict[str, Row] = {
    # 2xx, even if its body is cut: applied.
    "apply answer": APPLIED,
    "apply answer:200": Row(200, State.OK, True),
    "apply hint answer": APPLIED,
    "wait:0.05 apply wait:0.05 answer": APPLIED,
    "apply answer close": APPLIED,
    "apply half-body close": Row(200, State.OK, True, is_cut=True),
    "apply half-body reset": Row(200, State.OK, True, is_cut=True),
    # The statuses of a refusal: not applied.
    **{f"answer:{status}": Row(status, State.OK, False) for status in (400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 422, 428, 429)},
    "hint answer:422": Row(422, State.OK, False),
    # Anything else: unknown, in the backend's own words where there are any.
    **{f"answer:{status}": Row(status, State.UNKNOWN, False) for status in (301, 304, 408, 409, 410, 412, 423, 500, 502, 503, 504)},
    "apply answer:500": Row(500, State.UNKNOWN, True),
    "apply answer:303": Row(303, State.UNKNOWN, True),
    "half-body:400 close": Row(400, State.UNKNOWN, False, is_cut=True),
    "apply half-body:500 close": Row(500, State.UNKNOWN, True, is_cut=True),
    "close": UNKNOWN_LOST,
    "reset": UNKNOWN_LOST,
    "apply close": UNKNOWN,
    "apply reset": UNKNOWN,
    "apply half-head close": UNKNOWN,
    "apply half-head wait:0.05 reset": UNKNOWN,
    "hint close": UNKNOWN_LOST,
    "apply hint reset": UNKNOWN,
    "apply nonsense": UNKNOWN,
    "apply two-lengths": UNKNOWN,
    "late:0.01 reset": UNKNOWN,
    "hold": Row(504, State.UNKNOWN, False, times="short"),
    "apply hold": Row(504, State.UNKNOWN, True, times="short"),
}


@dataclass(frozen=True)
class Rig:
    """A backend, a noclobber in front of it, and the file of its store."""

    backend: Backend
    door: Door
    file: Path

    async def write(self, method: bytes, script: str) -> Answer:
        """One conditional write on what stands."""
        tag = await self.door.tag()
        body = None if method == b"DELETE" else b'{"write":"a"}'
        return await self.door.ask(method, b"/doc", b"If-Match: " + tag, b"X-Write: a", b"X-Script: " + script.encode(), body=body)

    def record(self) -> Record | None:
        """The one record; None as long as there is none."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute("SELECT record, lease_end FROM records").fetchall()
        assert len(rows) <= 1
        return decode(*rows[0]) if rows else None


@contextlib.asynccontextmanager
async def rig(directory: Path, times: dict[str, Any], *routes: str) -> AsyncIterator[Rig]:
    backend, file = Backend(), directory / "store.db"
    async with listening(backend) as port, serving(port, *routes, store=f"sqlite:///{file}", **times) as door:
        yield Rig(backend, door, file)


# A status is a status whatever the method; where bytes or connections go wrong each method has its turn.
CASES = [(script, row, method) for script, row in TABLE.items() for method in WRITES if method == b"PUT" or ":" not in script]


@pytest.mark.parametrize(("script", "row", "method"), CASES, ids=[f"{method.decode()}: {script}" for script, _, method in CASES])
async def test_a_row_of_the_table(script: str, row: Row, method: bytes, tmp_path: Path) -> None:
    async with rig(tmp_path, LONG if row.times == "long" else SHORT) as it:
        got = await it.write(method, script)

        assert (got.status, got.one(b"Noclobber-Outcome"), got.is_cut) == (row.status, row.outcome, row.is_cut)
        record = it.record()
        assert record is not None
        assert (record.state, record.owner) == (row.state, "")
        await asyncio.sleep(0.03)
        assert [entry.write for entry in it.backend.documents.log["/doc"]] == ["a"] * (row.is_applied or script.startswith("late"))
        assert it.backend.heard == {"a": 1}
        has_tag = row.state is State.OK and row.is_applied and not row.is_cut and method != b"DELETE"
        assert (b"etag" in got.names) == has_tag
        if has_tag:
            assert got.etag == await it.door.tag() == b'"%b"' % record.version.encode()
        elif row.is_applied and row.state is State.OK:
            assert record.version == NOT_KNOWN


async def test_bytes_after_the_answer_are_nobodys(tmp_path: Path) -> None:
    """The write is applied; what comes after its answer does not become the answer to the next request."""
    async with rig(tmp_path, LONG) as it:
        got = await it.write(b"PUT", "apply surplus")
        assert (got.status, got.body) == (200, b"more")
        record = it.record()
        assert record is not None
        assert record.state is State.OK
        assert (await it.door.ask(b"GET", b"/doc")).body == b'{"write": "a"}'
        assert it.backend.heard == {"a": 1}


async def test_a_refused_connection_is_not_applied_and_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    async with serving(free_port(), store=f"sqlite:///{tmp_path}/store.db", **LONG) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"{}")
        assert (got.status, got.kind, got.one(b"Noclobber-Outcome")) == (503, "not-sent", None)
        record = Rig(Backend(), door, tmp_path / "store.db").record()
        assert record is not None
        assert (record.state, record.owner) == (State.OK, "")


NATIVE: dict[str, Row] = {
    "answer:412": Row(412, State.OK, False),
    "apply answer": APPLIED,
    "apply reset": UNKNOWN,
    "answer:500": Row(500, State.UNKNOWN, False),
}


@pytest.mark.parametrize(("script", "row"), NATIVE.items(), ids=NATIVE)
async def test_a_backend_that_judges_for_itself(script: str, row: Row, tmp_path: Path) -> None:
    """With tags of its own it is sent the conditions, so its 412 is a refusal."""
    async with rig(tmp_path, LONG, route(strategy="native")) as it:
        tag = await it.door.tag(b"/native/1")
        lines = (b"If-Match: " + tag, b"X-Script: " + script.encode())
        got = await it.door.ask(b"PUT", b"/native/1", *lines, body=b'{"write":"a"}')

        assert (got.status, got.one(b"Noclobber-Outcome")) == (row.status, row.outcome)
        record = it.record()
        assert record is not None
        assert record.state is row.state
        assert it.backend.heard == {"a": 1}
