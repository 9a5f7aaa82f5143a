"""A short version of the memory campaign, under the same limit as the full one."""

from pathlib import Path

import pytest

from tests.campaigns.rss import LIMIT_BYTES, Framing, Load, run


@pytest.mark.parametrize("framing", Framing)
def test_large_bodies_pass_both_ways_within_the_limit(framing: Framing, tmp_path: Path) -> None:
    result = run(Load(framing, clients=10, size_bytes=10_000_000, timeout_seconds=60.0), tmp_path)

    assert result.wrong == {}
    assert result.moved_bytes == 2 * 10 * 10_000_000
    assert result.peak_rss_bytes < LIMIT_BYTES
