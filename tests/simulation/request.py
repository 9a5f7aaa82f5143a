"""A request as aiohttp would hand it over, and the answer as its client would take it in: no sockets in between."""

import sys
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from .journal import Journal


class Injected(Exception):
    """A defect that the simulation put there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of `fields` are in lower case. `is_cut`: the connection broke in the middle of it."""

    status: int
    fields: dict[str, str]
    content: bytes
    is_cut: bool


class Logger:
    """Whatever noclobber calls a defect is one, unless it was put there."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def exception(self, message: str) -> None:
        """Called where noclobber answers 500."""
        error = sys.exc_info()[1]
        if not isinstance(error, Injected):
            self._journal.violation(f"a defect: {message}: {error!r}")


class _Content:
    """The body, in the pieces in which it arrives."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def read_nowait(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def is_eof(self) -> bool:
        return not self._pieces


class _Protocol:
    def __init__(self, logger: Logger) -> None:
        self.logger = logger


class _Transport:
    """The way to the client, to which something may be written at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_cut = False

    def is_closing(self) -> bool:
        return self.is_cut

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_cut = True


class Request:
    """One request and its writer in one."""

    version = HttpVersion11
    output_size = 0
    keep_alive = True

    def __init__(self, method: str, path: str, fields: dict[str, str], pieces: list[bytes], logger: Logger) -> None:
        if pieces:
            fields = {**fields, "Content-Length": str(sum(map(len, pieces)))}
        self.method = method
        self.raw_path = path
        self.raw_headers = tuple((name.encode(), value.encode()) for name, value in {"Host": "simulation.example", **fields}.items())
        self.body_exists = bool(pieces)
        self.content = _Content(pieces)
        self.protocol = _Protocol(logger)
        self.writer = self
        self.transport = _Transport()

    def as_request(self) -> web.BaseRequest:
        """The type by which noclobber knows it. It has everything of that which noclobber uses."""
        return cast(web.BaseRequest, self)

    async def write(self, chunk: bytes) -> None:
        """Take in what is sent to the client."""
        self.transport.write(chunk)

    def answer(self) -> Answer | None:
        """What was written. None: nothing."""
        head, end, content = b"".join(self.transport.written).partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split(" ", 2)[1]), fields, content, self.transport.is_cut)
