"""The measurement of what metrics cost must notice a cost over the bound, and must really switch them."""

import asyncio
from pathlib import Path

import pytest

from bench import metrics_cost
from bench.metered import REPLACED, turn
from bench.metrics_cost import BOUND_US, Row, show
from proxy.telemetry.series import Count, Durations

OFF = [40.0 + number for number in range(20)]


@pytest.mark.parametrize(("cost", "keeps"), [(BOUND_US - 0.1, True), (BOUND_US + 0.1, False), (-1.0, True)])
def test_a_bound_that_is_not_kept_is_noticed(cost: float, keeps: bool, capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("a read", [run + cost for run in OFF], OFF)
    assert row.cost_us == pytest.approx(cost)
    assert show([row]) is keeps
    assert "a read" in capsys.readouterr().out


def test_off_is_off_and_on_is_on_again() -> None:
    count, durations = Count(), Durations((1.0,))
    for word, expected in (("on", 1), ("off", 1), ("off", 1), ("on", 2)):
        turn(word, [durations])
        count.inc()
        durations.observe(0.5)
        assert (count.value, sum(durations.counts)) == (expected, expected), word
    assert all(getattr(owner, name).__module__.startswith("proxy.") for owner, name, _ in REPLACED)


def test_the_whole_measurement_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures are not judged here: other tests run meanwhile."""
    monkeypatch.setattr("sys.argv", ["metrics-cost", "--rounds", "2", "--requests", "16"])
    assert metrics_cost.main() in (0, 1)
    printed = capsys.readouterr().out
    for title in metrics_cost.KINDS:
        assert title in printed


def test_an_answer_that_is_no_success_fails_the_measurement(tmp_path: Path) -> None:
    async def refused() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = metrics_cost.User(*await asyncio.open_connection("127.0.0.1", port), 1)
        try:
            await user.read()
        finally:
            user.close()
            server.close()

    with pytest.raises(metrics_cost.Unfit, match="503"):
        asyncio.run(refused())
