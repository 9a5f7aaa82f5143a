"""A short version of the throughput campaign, without nginx and without a demand on speed: a shared machine says nothing about that."""

from pathlib import Path

import pytest

from tests.campaigns.throughput import MAX_GROWTH_BYTES, run


@pytest.mark.timeout(300)
def test_one_large_body_each_way_takes_little_memory(tmp_path: Path) -> None:
    result = run(100_000_000, 1, tmp_path, with_nginx=False)

    assert result.wrong == []
    assert set(result.rates) == {"download noclobber", "upload noclobber"}
    assert result.growth_bytes < MAX_GROWTH_BYTES
