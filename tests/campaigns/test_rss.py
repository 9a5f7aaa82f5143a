"""A short version of the memory campaign, with as many clients and under the same limit as the full one.

Fewer clients would show nothing: what noclobber holds grows with their number, hardly with the size of the bodies.
"""

from pathlib import Path

import pytest

from tests.campaigns.rss import LIMIT_BYTES, Framing, Load, run

CLIENTS = 50
# Downloads above 8 MiB stream through; smaller ones are held to be tagged, and go to disk.
LOADS = {
    "length, streamed": Load(Framing.LENGTH, CLIENTS, 10_000_000, timeout_seconds=100.0),
    "chunked, held": Load(Framing.CHUNKED, CLIENTS, 4_000_000, timeout_seconds=100.0),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS.keys())
def test_large_bodies_pass_both_ways_within_the_limit(load: Load, tmp_path: Path) -> None:
    result = run(load, tmp_path)

    assert result.wrong == {}
    assert result.moved_bytes == 2 * load.clients * load.size_bytes
    assert result.peak_rss_bytes < LIMIT_BYTES
