"""A short version of the campaign of slow connections. What their presence costs the others is the full one's to measure."""

from pathlib import Path

from tests.campaigns.slow import Load, run

LOAD = Load(
    slow_heads=100,
    slow_bodies=20,
    clients=2,
    quiet_seconds=1.0,
    hold_seconds=4.0,
    header_seconds=2.0,
    body_start_seconds=2.0,
    byte_seconds=0.3,
)


def test_slow_connections_are_cut_on_time_and_nothing_is_left_of_them(tmp_path: Path) -> None:
    result = run(LOAD, tmp_path)

    assert result.wrong == {}
    assert result.cut_heads >= LOAD.slow_heads
    assert result.cut_bodies >= LOAD.slow_bodies
    assert (result.left_descriptors, result.left_tasks) == (0, 0)
    assert result.requests_with > 0
    assert set(result.refusals) == {"head-too-slow", "body-too-slow"}
