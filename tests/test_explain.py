"""What a request is said to become: by the code that serves, with a backend that is only read and a store that stays as it is."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.config import explain_config
from proxy.explain import Question, explain
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving

ROUTES = "\n".join(
    (
        '[[dialect]]\nname = "ours"\nbase = "conflict-409"\nmissing = "require"\n',
        route("/jobs/{id:int}/", "job", group="job", strategy="revision"),
        route("/costs/{id}", "cost", changes=["job/{body:/job}"], representation="/costs/{id}", strategy="revision"),
        route("/docs/{id}", "doc", dialect="ours", stale_status=410),
        route("/open/{rest*}", "open", guarded=False),
        route("/seen/{id}", "seen", mode="observe", missing="require"),
    )
)


@pytest.fixture
async def legacy() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        backend.documents |= {"/docs/1": b"here", "/jobs/1/": b"here"}
        yield backend


async def told(tmp_path: Path, backend: int, method: str, url: str, *lines: str, body: str = "", store: str = "memory://") -> list[str]:
    """What is told of a request."""
    file = tmp_path / "config.toml"
    file.write_text(ROUTES, encoding="utf-8")
    built = explain_config(file, {}, {"upstream": f"http://127.0.0.1:{backend}", "store": store})
    text = await asyncio.to_thread(explain, built, Question(method, url, lines, body))
    return text.splitlines()


def line(name: str, lines: list[str]) -> str:
    """The text of one line."""
    return next(line for line in lines if line.startswith(f"{name} "))[12:]


async def test_route_resource_and_settings_are_told_with_their_places(legacy: Legacy, tmp_path: Path) -> None:
    lines = await told(tmp_path, legacy.port, "GET", "/docs/1")
    assert lines[0] == "GET /docs/1"
    assert line("route", lines) == "doc"
    assert line("resource", lines).startswith("/docs/1 (digest ")
    assert (line("strategy", lines), line("dialect", lines)) == ("auto", "ours")
    assert "  stale_status = 410  (line 23)" in lines
    assert '  missing = "require"  (dialect ours)' in lines
    assert '  absent = "404"  (dialect conflict-409)' in lines
    assert not any(each.startswith(("  name", "  compare", "  verify")) for each in lines)


async def test_a_resource_is_named_by_path_and_body(legacy: Legacy, tmp_path: Path) -> None:
    assert line("resource", await told(tmp_path, legacy.port, "GET", "http://h/jobs/007/?x=1")).startswith("job:7 (digest ")
    lines = await told(tmp_path, legacy.port, "PATCH", "/costs/9", body='{"job": 3}')
    assert line("resource", lines).startswith("/costs/9 (digest ")
    assert line("changes too", lines).startswith("job:3 (digest ")
    assert line("looked at", lines) == "/costs/9"
    lines = await told(tmp_path, legacy.port, "PATCH", "/costs/9", body="{}")
    assert line("decision", lines) == "400 Bad Request"
    assert any("The member /job of the body is missing" in each for each in lines)


# Method, path, fields -> the decision, and a word of what it rests on.
DECISIONS = [
    ("GET", "/docs/1", (), "200 OK", 'ETag: "'),
    ("GET", "/docs/none", (), "404 Not Found", ""),
    ("PUT", "/docs/1", (), "428 Precondition Required (required)", "names no state"),
    ("PUT", "/docs/1", ('If-Match: "other"',), "410 Gone (failed)", "VERSION_CONFLICT"),
    ("PUT", "/docs/1", ("If-Match: *",), "it would be sent: PUT /docs/1 (it was not)", "its precondition holds"),
    ("PUT", "/docs/new", ("If-None-Match: *",), "it would be sent: PUT /docs/new (it was not)", "its precondition holds"),
    ("PUT", "/jobs/1/", (), "it would be sent: PUT /jobs/1/ (it was not)", "the route allows that"),
    ("DELETE", "/open/x", (), "it would be sent: DELETE /open/x (it was not)", "nothing is judged here"),
    ("DELETE", "/else", (), "it would be sent: DELETE /else (it was not)", "no route takes it"),
    ("GET", "/docs//1", (), "400 Bad Request", "empty path segment"),
    ("PUT", "/docs/1", ("If-Match: other",), "400 Bad Request", "If-Match"),
]


@pytest.mark.parametrize(("method", "path", "lines", "decision", "word"), DECISIONS)
async def test_what_would_be_decided_and_why(
    legacy: Legacy, tmp_path: Path, method: str, path: str, lines: tuple[str, ...], decision: str, word: str
) -> None:
    found = await told(tmp_path, legacy.port, method, path, *lines, body="x" if method == "PUT" else "")
    assert line("decision", found) == decision
    assert word in "\n".join(found)
    assert set(legacy.methods()) <= {"GET"}
    assert legacy.documents == {"/docs/1": b"here", "/jobs/1/": b"here"}


async def test_a_backend_that_is_away_is_said(tmp_path: Path, unused_tcp_port: int) -> None:
    assert line("decision", await told(tmp_path, unused_tcp_port, "GET", "/docs/1")).startswith("502 ")
    assert line("decision", await told(tmp_path, unused_tcp_port, "PUT", "/docs/1", "If-Match: *", body="x")).startswith("503 ")


def content(path: Path) -> list[str]:
    """All that a database holds."""
    with sqlite3.connect(path) as database:
        return list(database.iterdump())


async def test_a_tag_that_a_client_has_is_known_and_the_store_stays_as_it_is(legacy: Legacy, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with serving(legacy.port, ROUTES, store=url, protocol__lease_seconds=0.4, protocol__margin_seconds=0.1) as door:
        tag = await tag_after_a_write(door)
    before = content(tmp_path / "store.db")
    right = await told(tmp_path, legacy.port, "PUT", "/docs/1", f"If-Match: {tag}", body="x", store=url)
    wrong = await told(tmp_path, legacy.port, "PUT", "/docs/1", 'If-Match: "x"', body="x", store=url)
    assert content(tmp_path / "store.db") == before
    assert line("decision", wrong).startswith("410 ")
    assert line("decision", right) == "it would be sent: PUT /docs/1 (it was not)"
    assert line("store", right) == url


async def tag_after_a_write(door: Door) -> str:
    """Write a document, and return the tag that its writer is given."""
    while True:
        answer = await door.ask(b"PUT", b"/docs/1", b"If-Match: *", body=b"here")
        if answer.status != 503:
            return (await door.ask(b"GET", b"/docs/1")).etag.decode()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(("lines", "status"), [(('If-Match: "x"',), "412 Precondition Failed"), ((), "428 Precondition Required")])
async def test_what_a_route_that_observes_lets_pass_is_not_said_to_hold(
    legacy: Legacy, tmp_path: Path, lines: tuple[str, ...], status: str
) -> None:
    legacy.documents["/seen/1"] = b"here"
    told_lines = await told(tmp_path, legacy.port, "PUT", "/seen/1", *lines, body="x")
    assert line("decision", told_lines) == "it would be sent: PUT /seen/1 (it was not)"
    assert line("because", told_lines) == f"the route only observes: enforcing would answer {status}"
    assert legacy.documents["/seen/1"] == b"here"


async def test_a_store_that_is_not_there_yet_is_not_made(legacy: Legacy, tmp_path: Path) -> None:
    await told(tmp_path, legacy.port, "PUT", "/docs/1", "If-Match: *", body="x", store=f"sqlite:///{tmp_path}/store.db")
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    ("method", "url", "lines", "why"),
    [
        ("get", "/a", (), "METHOD is not in capitals"),
        ("P T", "/a", (), "METHOD is not in capitals"),
        ("GET", "/a", ("X Y: z",), "NAME: VALUE"),
        ("GET", "/a", ("X: y\r\nZ: z",), "NAME: VALUE"),
        ("GET", "a", (), "URL is neither a path nor an http:// URL"),
        ("GET", "/a", ("X",), "a field is written 'NAME: VALUE'"),
    ],
)
async def test_a_request_that_is_none_is_refused(tmp_path: Path, method: str, url: str, lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        await told(tmp_path, 9, method, url, *lines)


async def test_the_command(legacy: Legacy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text(ROUTES, encoding="utf-8")
    to = ["--config", str(file), "--upstream", f"http://127.0.0.1:{legacy.port}", "--store", "memory://"]
    stale = ["explain", "PUT", "/docs/1", "-H", 'If-Match: "x"', "-H", "X-A: b", "--data", "x", *to]
    assert await asyncio.to_thread(main, stale) == 0
    assert line("decision", capsys.readouterr().out.splitlines()).startswith("410 ")
    assert await asyncio.to_thread(main, ["explain", "put", "/docs/1", *to]) == 2
    assert capsys.readouterr().err.startswith("noclobber: METHOD is not in capitals")
    file.write_text("x = 1", encoding="utf-8")
    assert await asyncio.to_thread(main, ["explain", "GET", "/docs/1", *to]) == 2
    assert "x: is unknown" in capsys.readouterr().err
