"""Bodies that must be had whole before something is decided: in memory while small, on disk beyond.

Fifty clients that send 200 MB each cost fifty times `memory_bytes` of memory, and 10 GB of disk.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from io import FileIO

from ..errors import BodyTooLarge, SpoolFailed

PIECE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """`memory_bytes` are kept in memory before the disk is used, `max_bytes` is the cap, `directory` None the system's temporary one."""

    memory_bytes: int
    max_bytes: int
    directory: str | None = None


class Spool:
    """Take a body in piece by piece, and give it out as often as needed. Close it, or its file stays until it is collected."""

    __slots__ = ("_file", "_limits", "_pending_bytes", "_pieces", "size_bytes")

    def __init__(self, limits: SpoolLimits) -> None:
        self._limits = limits
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._file: FileIO | None = None
        self.size_bytes = 0

    async def add(self, piece: bytes) -> None:
        """Take in the next piece; BodyTooLarge past the cap, SpoolFailed where the disk does not take it."""
        self.size_bytes += len(piece)
        if self.size_bytes > self._limits.max_bytes:
            self.close()
            raise BodyTooLarge(self._limits.max_bytes)
        self._pieces.append(piece)
        self._pending_bytes += len(piece)
        # Once there is a file, holding more than a piece back saves nothing.
        if self._pending_bytes > (self._limits.memory_bytes if self._file is None else PIECE_BYTES):
            await self._flush()

    async def _flush(self) -> None:
        pieces, self._pieces, self._pending_bytes = self._pieces, [], 0

        def write() -> FileIO:
            file = self._file or tempfile.TemporaryFile(dir=self._limits.directory, buffering=0)  # noqa: SIM115 - closed in close()
            for piece in pieces:
                left = memoryview(piece)
                # A raw file may take a part only, as a disk that is getting full does.
                while left:
                    left = left[file.write(left) :]
            return file

        try:
            self._file = await asyncio.to_thread(write)
        except OSError as exc:
            self.close()
            raise SpoolFailed(str(exc)) from exc

    def whole(self) -> bytes | None:
        """The body in one piece; None if it went to disk."""
        if self._file is not None:
            return None
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    async def pieces(self, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The body, or length bytes of it from first on, in pieces of some tens of kilobytes."""
        left = self.size_bytes - first if length is None else length
        held = self.whole()
        if held is not None:
            if left:
                yield held[first : first + left]
            return
        if self._pieces:
            await self._flush()
        position = first
        while left:
            # Made here: what a thread allocates comes from a heap of its own, and those of a pool are never quite given back.
            buffer = bytearray(min(left, PIECE_BYTES))
            size = await asyncio.to_thread(self._read_at, position, buffer)
            if not size:
                raise SpoolFailed("the file is shorter than what was put into it")
            position += size
            left -= size
            yield bytes(memoryview(buffer)[:size])

    def _read_at(self, position: int, buffer: bytearray) -> int:
        if self._file is None:
            raise ValueError("the spool is closed")
        try:
            self._file.seek(position)
            return self._file.readinto(buffer)
        except OSError as exc:
            raise SpoolFailed(str(exc)) from exc

    def close(self) -> None:
        """Let go of memory and file. Harmless when repeated."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


async def in_one_piece(body: bytes | Spool) -> bytes:
    """The content of a body, whole."""
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body.pieces()])


async def in_one_piece_up_to(body: bytes | Spool, max_bytes: int) -> bytes | None:
    """The content of a body, whole; None where it is larger than max_bytes."""
    size_bytes = len(body) if isinstance(body, bytes) else body.size_bytes
    return await in_one_piece(body) if size_bytes <= max_bytes else None


async def take(read: Callable[[], Awaitable[bytes]], limits: SpoolLimits) -> bytes | Spool:
    """Read a body to its end; as plain bytes if it came in one small piece, as most do. BodyTooLarge past the cap."""
    first = await read()
    following = await read() if first else b""
    if not following and len(first) <= min(limits.memory_bytes, limits.max_bytes):
        return first
    spool = Spool(limits)
    try:
        await spool.add(first)
        while following:
            await spool.add(following)
            following = await read()
    except BaseException:
        spool.close()
        raise
    return spool
