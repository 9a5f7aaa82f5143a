"""Writes that overwrite on purpose: allowed to whom, counted, and in the conflict log with their reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.gateway import forcing
from proxy.gateway.conflicts import STREAM
from proxy.store.sqlite import SqliteStore

from .legacy import Legacy
from .serving import Door, route, serving

ANN, BOB = b"Authorization: Bearer ann", b"Authorization: Bearer bob"
WHY = b"X-Force-Save: the draft of "
STRICT: dict[str, str] = {"missing": "require", "override_field": "X-Force-Save"}


async def put(door: Door, *lines: bytes, body: bytes = b"new") -> int:
    return (await door.ask(b"PUT", b"/doc", *lines, body=body)).status


async def forced(door: Door) -> tuple[float, float, float]:
    """How many writes were unconditional, overriding, and forced after a conflict."""
    kinds = [await door.sample("noclobber_forced_writes_total", kind=kind) for kind in ("unconditional", "override")]
    return kinds[0], kinds[1], await door.sample("noclobber_forced_after_conflict_total")


async def events(path: Path) -> list[dict[str, Any]]:
    """The conflict log of a noclobber that has stopped."""
    store = await SqliteStore.open(path)
    found = [json.loads(entry.content) for entry in await store.tail(STREAM, "", 100)]
    await store.close()
    return found


def listing(*principals: str) -> str:
    """A route that lets these override."""
    return route(**STRICT) + f"override_principals = {json.dumps(principals)}\n"


async def test_who_may_overrides_with_a_reason(legacy: Legacy, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with serving(legacy.port, route(**STRICT), store=url) as door:
        assert await put(door, ANN, WHY + b"x") == 403
        assert await put(door, BOB, WHY + b"y") == 403
        assert "PUT" not in legacy.methods()
    # The log names who asked, in the form that the configuration takes.
    refused, _ = await events(tmp_path / "store.db")
    assert (refused["event"], refused["reason"]) == ("override-refused", "the draft of x")
    async with serving(legacy.port, listing(refused["principal"]), store=url) as door:
        tag = await door.tag()
        assert await put(door, BOB, b"If-Match: " + tag, body=b"his") == 204
        assert await put(door, BOB, WHY + b"him") == 403
        assert await put(door, WHY + b"nobody") == 403
        # The tag is stale, and another one is not there: neither is held against her.
        assert await put(door, ANN, b"If-Match: " + tag, WHY + "Käthe".encode(), body=b"hers") == 204
        assert await put(door, ANN, WHY + b"her", body=b"hers again") == 204
        assert legacy.documents["/doc"] == b"hers again"
        assert "x-force-save" not in legacy.last("PUT").fields
        assert await forced(door) == (0, 2, 0)
        assert await door.sample("noclobber_unprotected_writes_total") == 0
    *_, first, second = await events(tmp_path / "store.db")
    assert (first["event"], first["reason"], second["reason"]) == ("override", "the draft of Käthe", "the draft of her")
    assert first["principal"] == refused["principal"] == second["lastWriter"]
    # What she overwrote was his, and the tag that she named is told.
    assert first["lastWriter"] not in (None, first["principal"])
    assert first["clientTag"] is not None
    assert second["clientTag"] is None


@pytest.mark.parametrize("lines", [[b"X-Force-Save:"], [b"X-Force-Save:  "], [WHY + b"a", WHY + b"b"]], ids=["none", "blank", "two"])
async def test_a_reason_is_needed(legacy: Legacy, lines: list[bytes]) -> None:
    async with serving(legacy.port, listing("*")) as door:
        assert await put(door, *lines) == 400
        assert await put(door) == 428
        assert await put(door, WHY + b"anyone") == 204
    assert legacy.methods().count("PUT") == 1


async def test_without_the_key_the_field_means_nothing(legacy: Legacy) -> None:
    async with serving(legacy.port, route(missing="require")) as door:
        assert await put(door, WHY + b"x") == 428


async def test_unconditional_writes_are_counted(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert await put(door, ANN) == 204
        assert await put(door, ANN, b"If-Match: " + await door.tag()) == 204
        assert (await door.ask(b"DELETE", b"/none")).status == 404
        assert await forced(door) == (1, 0, 0)


async def test_who_forces_its_way_after_its_own_conflict_shows(legacy: Legacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(legacy.port, store=f"sqlite:///{tmp_path}/store.db") as door:
        assert await put(door, ANN, b'If-Match: "x"') == 412
        assert await put(door, BOB) == 204
        assert await put(door) == 204
        assert await forced(door) == (2, 0, 0)
        assert await put(door, ANN) == 204
        assert await forced(door) == (3, 0, 1)
        assert (await door.ask(b"PUT", b"/other", ANN, body=b"x")).status == 201
        assert await forced(door) == (4, 0, 1)
        monkeypatch.setattr(forcing, "FORCED_SECONDS", 0.0)
        assert await put(door, ANN) == 204
        assert await forced(door) == (5, 0, 1)
    assert [event["event"] for event in await events(tmp_path / "store.db")] == ["stale", "forced-after-conflict"]


async def test_an_override_after_a_conflict_is_both(legacy: Legacy) -> None:
    async with serving(legacy.port, listing("*")) as door:
        assert await put(door, ANN, b'If-Match: "x"') == 412
        assert await put(door, ANN, b'If-Match: "x"', WHY + b"her") == 204
        assert await forced(door) == (0, 1, 1)


@pytest.mark.parametrize("dialect", ["body-version", "version-number"])
async def test_a_version_in_the_body_is_set_aside_too(legacy: Legacy, dialect: str) -> None:
    keys = f'dialect = "{dialect}"\noverride_field = "X-Force-Save"\noverride_principals = ["*"]\n'
    stale = b'{"version": 7, "a": 1}' if dialect == "body-version" else b'{"version": {"number": 70}, "a": 1}'
    async with serving(legacy.port, route() + keys) as door:
        assert (await door.ask(b"PUT", b"/doc", b"Content-Type: application/json", body=stale)).status == 409
        assert (await door.ask(b"PUT", b"/doc", b"Content-Type: application/json", WHY + b"her", body=stale)).status == 204
        assert b'"a": 1' in legacy.documents["/doc"]
        assert b"number" not in legacy.documents["/doc"]
        assert b"7" not in legacy.documents["/doc"]
