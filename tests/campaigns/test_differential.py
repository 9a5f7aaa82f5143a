"""The differential campaign in short, and with defects put into noclobber that it has to find: a check that cannot fail shows nothing."""

import pytest

from proxy.core.target import Target
from proxy.gateway.arriving import ArrivingBody
from proxy.gateway.exchange import Exchange
from tests.campaigns.differential import run

MESSAGES = 20_000


@pytest.mark.timeout(600)
def test_what_was_judged_is_what_the_backend_parsed() -> None:
    result = run(seed=20, messages=MESSAGES)
    assert result.disagreements == []
    assert result.crashes == []
    assert result.hangs == 0
    assert result.messages >= MESSAGES
    assert result.mutated > MESSAGES / 10
    assert result.in_pieces > 100
    assert result.passed


def test_a_field_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Exchange.lines_to_pass
    monkeypatch.setattr(Exchange, "lines_to_pass", lambda exchange: lines(exchange).replace(b"Accept: a\r\n", b""))
    assert "judged fields" in run(seed=0, messages=2000).disagreements[0]


def test_a_target_that_is_changed_on_its_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.arrival.parse_target", lambda raw, host: Target(raw, None, raw))
    assert "meant" in run(seed=0, messages=2000).disagreements[0]


def test_a_body_that_is_changed_on_its_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = ArrivingBody.read

    async def reading(body: ArrivingBody) -> bytes:
        return (await read(body)).replace(b"abc", b"abd")

    monkeypatch.setattr(ArrivingBody, "read", reading)
    assert "meant" in run(seed=0, messages=2000).disagreements[0]
