"""Measuring how long a backend goes on with a write after its connection is gone."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.cli import main
from proxy.probe import PAUSES_SECONDS, Finding, Probe, Probing, report
from proxy.straight import ProbeFailed
from tests.gateway.legacy import Legacy, answering
from tests.servers import free_port

BODY = '{"text": "{probe}"}'
LATE_SECONDS = 0.4


@pytest.fixture
async def legacy() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        backend.documents["/doc"] = b"as it was"
        yield backend


def probing(backend: Legacy, **changed: object) -> Probing:
    settings: dict[str, object] = {"url": f"http://127.0.0.1:{backend.port}/doc", "body": BODY, "rounds": 1, "watch_seconds": 5.0}
    return Probing(**{**settings, **changed})  # type: ignore[arg-type]


async def test_a_late_backend_is_measured_and_what_stood_there_is_put_back(legacy: Legacy) -> None:
    async def late(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT" and body != b"as it was":
            await asyncio.sleep(LATE_SECONDS)
        return None

    legacy.respond = late
    findings = await Probe(probing(legacy)).run()
    assert [finding.pause_seconds for finding in findings] == list(PAUSES_SECONDS)
    for finding in findings:
        assert not finding.answered
        assert finding.applied_after is not None
        assert LATE_SECONDS - finding.pause_seconds - 0.1 <= finding.applied_after < LATE_SECONDS + 2
    assert legacy.documents["/doc"] == b"as it was"


async def test_a_backend_that_drops_what_is_abandoned(legacy: Legacy) -> None:
    async def drop(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if legacy.methods().count("PUT") > 1 and request.method == "PUT" and body != b"as it was":
            await asyncio.sleep(0.3)
            return web.Response(status=500)
        return None

    legacy.respond = drop
    findings = await Probe(probing(legacy, watch_seconds=0.5)).run()
    assert {(finding.applied_after, finding.answered) for finding in findings} == {(None, False)}
    assert "none within 0.5 s. apply_delay_seconds = 1.0" in report(findings, 0.5)


async def test_a_backend_that_is_too_quick_is_said_to_be(legacy: Legacy) -> None:
    findings = [Finding(pause, None, answered=True) for pause in PAUSES_SECONDS]
    assert "answered before it could be abandoned" in report(findings, 5.0)
    findings = await Probe(probing(legacy)).run()
    assert findings[-1].answered


def test_the_advice_is_three_times_what_was_seen() -> None:
    text = report([Finding(0.0, 0.5, answered=False), Finding(0.1, 2.0, answered=False)], 15.0)
    assert "at most 2.000 s. apply_delay_seconds = 6.0" in text
    assert re.search(r"0\.100 s +0 +1 +0 +2\.000 s", text)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"url": "ftp://x/doc"}, "read 'ftp://x/doc', allowed is http"), ({"body": "{}"}, "has no {probe}")],
    ids=["url", "body"],
)
async def test_what_cannot_be_used_is_named(legacy: Legacy, changed: dict[str, object], words: str) -> None:
    with pytest.raises(ProbeFailed, match=re.escape(words)):
        Probe(probing(legacy, **changed))


async def test_a_backend_that_refuses_the_write_cannot_be_measured(legacy: Legacy) -> None:
    legacy.respond = answering(403, b"", "PUT")
    with pytest.raises(ProbeFailed, match="plain PUT with 403"):
        await Probe(probing(legacy)).run()


async def test_a_write_that_does_not_show_cannot_be_measured(legacy: Legacy) -> None:
    legacy.respond = answering(200, b"something else", "GET")
    with pytest.raises(ProbeFailed, match="does not show"):
        await Probe(probing(legacy)).run()


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe-apply-delay", f"http://127.0.0.1:{free_port()}/doc", "--body", BODY]) == 1
    assert "noclobber: " in capsys.readouterr().err
    assert main(["probe-apply-delay", "nowhere", "--body", BODY]) == 1
    assert "read 'nowhere'" in capsys.readouterr().err
