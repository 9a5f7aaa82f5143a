"""The backend of the campaigns does what its scripts say, and its log says what it did."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.campaigns.backend import Backend, listening
from tests.campaigns.history import SEED as SEED_VALUE
from tests.campaigns.script import MIX, READ_MIX, STEPS, Chance, Step, parse
from tests.campaigns.wire import Wire


class Talk:
    """A backend and one connection to it."""

    def __init__(self, backend: Backend, port: int) -> None:
        self.backend = backend
        self.port = port
        self.wire = Wire(port)

    async def write(self, method: str, value: str, script: str = "", path: str = "/1", **members: object) -> int | None:
        """The status of the answer; None where none came."""
        fields = {"X-Script": script} if script else {}
        body = None if method == "DELETE" else json.dumps({"write": value, **members}).encode()
        try:
            return (await self.wire.ask(method, path, {**fields, "X-Write": value}, body)).status
        except (OSError, EOFError):
            return None

    async def raw(self, script: str) -> bytes:
        """Every byte that comes back on a connection of its own; it is given up when nothing more comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f'PUT /1 HTTP/1.1\r\nX-Script: {script}\r\nContent-Length: 13\r\n\r\n{{"write":"a"}}'.encode())
        heard = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.5):
                while piece := await reader.read(65_536):
                    heard += piece
        writer.transport.abort()
        return heard

    async def shown(self, path: str = "/1") -> dict[str, Any] | None:
        answer = await self.wire.ask("GET", path)
        document: dict[str, Any] | None = json.loads(answer.body) if answer.status == 200 else None
        return document

    def log(self, path: str = "/1") -> list[str]:
        return [entry.write for entry in self.backend.documents.log[path]]


@contextlib.asynccontextmanager
async def talk(backend: Backend | None = None) -> AsyncIterator[Talk]:
    backend = backend or Backend()
    async with listening(backend) as port:
        one = Talk(backend, port)
        yield one
        one.wire.close()


async def test_the_methods_change_what_is_there_and_the_log_has_them_in_order() -> None:
    async with talk() as backend:
        assert await backend.shown() == {"count": 0, "write": SEED_VALUE}
        assert await backend.write("PUT", "a", count=1) == 204
        assert await backend.write("PATCH", "b", more=True) == 204
        assert await backend.write("POST", "c", count=3) == 204
        assert await backend.shown() == {"write": "c", "count": 3, "more": True}
        assert await backend.write("DELETE", "d") == 204
        assert await backend.shown() is None
        assert [await backend.write(method, method) for method in ("DELETE", "PATCH", "POST")] == [404] * 3
        assert await backend.write("PUT", "e") == 201
        log = json.loads((await backend.wire.ask("GET", "/log")).body)
        assert [(entry["write"], entry["method"], entry["count"]) for entry in log["/1"]] == [
            ("a", "PUT", 1),
            ("b", "PATCH", None),
            ("c", "POST", 3),
            ("d", "DELETE", None),
            ("e", "PUT", None),
        ]


async def test_a_strong_tag_is_sent_where_it_is_asked_for() -> None:
    async with talk() as backend:
        native = await backend.wire.ask("GET", "/native/1")
        assert native.fields["etag"].startswith('"')
        assert "etag" not in (await backend.wire.ask("GET", "/1")).fields
        await backend.write("PUT", "a", path="/native/1")
        assert (await backend.wire.ask("GET", "/native/1")).fields["etag"] != native.fields["etag"]


async def test_what_no_two_looks_have_in_common_is_shown_where_it_is_asked_for() -> None:
    async with talk() as backend:
        for path in ("/json/1", "/field/1", "/header/1"):
            await backend.write("PUT", "a", path=path)
            looks = [await backend.wire.ask("GET", path) for _ in range(6)]
            assert len({look.body for look in looks}) == 6
            assert {json.loads(look.body)["write"] for look in looks} == {"a"}
            assert len({tuple(json.loads(look.body)) for look in looks}) > 1
            numbers = {json.loads(look.body).get("version") for look in looks}, {look.fields.get("x-version") for look in looks}
            assert numbers == ({None if path == "/json/1" else 1}, {"1" if path == "/header/1" else None})
            await backend.write("PATCH", "b", path=path)
            assert json.loads((await backend.wire.ask("GET", path)).body).get("version") == (None if path == "/json/1" else 2)


SCRIPTS: dict[str, tuple[int | None, bool]] = {
    "apply answer": (204, True),
    "answer": (204, False),
    "answer:503": (503, False),
    "apply answer:500": (500, True),
    "apply wait:0.01 answer:200": (200, True),
    "reset": (None, False),
    "close": (None, False),
    "apply reset": (None, True),
    "apply half-head reset": (None, True),
    "apply half-body close": (None, True),
    "half-body:400 close": (None, False),
}


@pytest.mark.parametrize(("script", "status", "is_applied"), [(key, *value) for key, value in SCRIPTS.items()], ids=SCRIPTS)
async def test_a_script_is_done(script: str, status: int | None, is_applied: bool) -> None:
    async with talk() as backend:
        assert await backend.write("PUT", "a", script) == status
        assert backend.log() == ["a"] * is_applied
        assert backend.backend.heard == {"a": 1}


BYTES = {
    "hint apply answer": b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 Done\r\n\r\n",
    "half-head close": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half-body close": b"HTTP/1.1 200 Told\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\nthe backen",
    "half-body:400 close": b"HTTP/1.1 400 Told\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\nthe backen",
    "surplus": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore than four",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "nonsense close": b"nonsense\r\n\r\n",
    "hold": b"",
    "close": b"",
}


@pytest.mark.parametrize(("script", "said"), BYTES.items(), ids=BYTES)
async def test_what_is_said_is_said_to_the_byte(script: str, said: bytes) -> None:
    async with talk() as backend:
        assert await backend.raw(script) == said


async def test_a_late_write_is_applied_when_its_connection_is_gone() -> None:
    async with talk() as backend:
        assert await backend.write("PUT", "a", "late:0.1 reset") is None
        assert await backend.write("PUT", "b") == 204
        assert backend.log() == ["b"]
        await asyncio.sleep(0.2)
        assert backend.log() == ["b", "a"]


async def test_a_view_that_lags_shows_what_stood_before() -> None:
    async with talk(Backend(lag_seconds=0.3)) as backend:
        await backend.write("PUT", "a")
        await asyncio.sleep(0.35)
        await backend.write("PUT", "b")
        assert (await backend.shown() or {})["write"] == "a"
        await asyncio.sleep(0.35)
        assert (await backend.shown() or {})["write"] == "b"


@pytest.mark.parametrize(
    "text", ["applied", "apply:1", "wait", "wait:x", "wait:-1", "answer:99", "answer:200.5", "late", "reset:1", "wait:inf"]
)
def test_what_is_not_a_script_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"script|float"):
        parse(text)


def test_the_mixes_are_scripts_and_use_every_step() -> None:
    steps = {step.name for text in (*MIX, *READ_MIX) for step in parse(text.format(some="0.1"))}
    # Who holds its tongue for ever costs a write timeout each time: too dear for a mix.
    assert steps == STEPS.keys() - {"hold"}


def test_chance_is_seeded_and_keeps_its_share() -> None:
    drawn = [Chance(0.2, 0.1, 7).draw(MIX) for _ in range(2)]
    assert drawn[0] == drawn[1]
    chance = Chance(0.2, 0.1, 7)
    scripts = [chance.draw(MIX) for _ in range(5000)]
    assert 800 < sum(script is not None for script in scripts) < 1200
    longest = max((step.argument or 0) for script in scripts if script for step in script if step.name in ("late", "wait"))
    assert 0.05 < longest <= 0.1
    assert Chance(0.0, 0.1, 7).draw(MIX) is None
    assert isinstance((Chance(1.0, 0.1, 7).draw(MIX) or ())[0], Step)
