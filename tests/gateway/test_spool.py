"""Spools: bodies in memory while small, on disk beyond, and gone in the end."""

import os
from pathlib import Path

import pytest

from proxy.errors import BodyTooLarge, SpoolFailed
from proxy.gateway.spool import PIECE_BYTES, Spool, SpoolLimits, take

CONTENT = bytes(range(256)) * 1000


def limits(memory_bytes: int, max_bytes: int = 1 << 30, directory: Path | None = None) -> SpoolLimits:
    return SpoolLimits(memory_bytes, max_bytes, None if directory is None else str(directory))


async def filled(spool: Spool, content: bytes, step: int) -> Spool:
    for start in range(0, len(content), step):
        await spool.add(content[start : start + step])
    return spool


async def read(spool: Spool, *part: int) -> bytes:
    return b"".join([piece async for piece in spool.pieces(*part)])


@pytest.mark.parametrize("memory_bytes", [0, 10, 100_000, 1 << 20])
@pytest.mark.parametrize("step", [1_000, 70_000, 300_000])
async def test_what_went_in_comes_out_as_often_as_needed(memory_bytes: int, step: int) -> None:
    spool = await filled(Spool(limits(memory_bytes)), CONTENT, step)
    assert spool.size_bytes == len(CONTENT)
    for _ in range(2):
        assert await read(spool) == CONTENT
        assert await read(spool, 100_000, 150_000) == CONTENT[100_000:250_000]
        assert await read(spool, len(CONTENT) - 1, 1) == CONTENT[-1:]
        assert await read(spool, 5, 0) == b""
    assert (spool.whole() is None) == (memory_bytes < len(CONTENT))
    spool.close()


async def test_small_bodies_never_see_a_disk(tmp_path: Path) -> None:
    spool = await filled(Spool(limits(1000, directory=tmp_path / "missing")), b"a" * 1000, 100)
    assert spool.whole() == b"a" * 1000
    spool.close()


async def test_large_bodies_come_in_pieces_of_a_bounded_size() -> None:
    spool = await filled(Spool(limits(10)), CONTENT, 1000)
    assert {len(piece) <= PIECE_BYTES async for piece in spool.pieces()} == {True}
    spool.close()


async def test_an_empty_spool() -> None:
    spool = Spool(limits(0))
    assert (spool.whole(), spool.size_bytes, await read(spool)) == (b"", 0, b"")
    spool.close()


@pytest.mark.parametrize("memory_bytes", [10, 1000])
async def test_the_cap(memory_bytes: int) -> None:
    spool = await filled(Spool(limits(memory_bytes, 100)), bytes(100), 25)
    with pytest.raises(BodyTooLarge) as caught:
        await spool.add(b"x")
    assert caught.value.limit_bytes == 100


async def test_the_file_is_in_the_directory_and_goes_with_the_spool(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    spool = await filled(Spool(limits(10, directory=tmp_path)), CONTENT, 1000)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert os.listdir(tmp_path) == []
    spool.close()
    spool.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_closed_spool_says_so() -> None:
    spool = await filled(Spool(limits(10)), CONTENT, 1000)
    pieces = spool.pieces()
    await anext(pieces)
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        await anext(pieces)


async def test_a_file_that_lost_its_end_is_an_error() -> None:
    """Never a body that is shorter than what was put in."""
    spool = await filled(Spool(limits(10)), bytes(1000), 100)
    assert spool.whole() is None
    await read(spool)
    assert spool._file is not None
    spool._file.truncate(500)
    with pytest.raises(SpoolFailed, match="shorter"):
        await read(spool)
    spool.close()


# ---- take ----------------------------------------------------------------------------------------------------------------------------


class Source:
    """Pieces to be read, then the end."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


async def test_a_body_in_one_piece_needs_no_spool() -> None:
    assert await take(Source().read, limits(10)) == b""
    assert await take(Source(b"0123456789").read, limits(10)) == b"0123456789"


@pytest.mark.parametrize("pieces", [(b"a", b"b"), (b"01234567890",), (b"0123", b"4567", b"89ab")])
async def test_any_other_is_spooled(pieces: tuple[bytes, ...]) -> None:
    spool = await take(Source(*pieces).read, limits(10))
    assert isinstance(spool, Spool)
    assert await read(spool) == b"".join(pieces)
    spool.close()


@pytest.mark.parametrize("pieces", [(b"012345",), (b"0123", b"45")])
async def test_the_cap_holds_whether_it_is_spooled_or_not(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(BodyTooLarge):
        await take(Source(*pieces).read, limits(2, 5))


async def test_a_source_that_fails_leaves_no_file() -> None:
    before = len(os.listdir("/proc/self/fd"))

    source = Source(bytes(100), bytes(100))

    async def fail() -> bytes:
        if not source.pieces:
            raise ConnectionResetError
        return await source.read()

    with pytest.raises(ConnectionResetError):
        await take(fail, limits(10))
    assert len(os.listdir("/proc/self/fd")) == before
