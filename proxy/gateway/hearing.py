"""Hearing a backend out after a write was sent to it: its answer, as far as it came."""

from collections.abc import Sequence

from ..core.fields import read_answer_fields, without_digests
from ..errors import OriginError, SpoolFailed
from ..origin.port import OriginAnswer
from .reply import Body, Held, Reply, Streamed
from .spool import Spool, SpoolLimits


class Heard:
    """The backend's answer to the write, as far as it came. `is_whole`: to its end."""

    __slots__ = ("answer", "content", "fields", "is_whole")

    def __init__(self, answer: OriginAnswer) -> None:
        self.answer = answer
        self.fields = read_answer_fields(answer.fields)
        self.content: bytes | Spool = b""
        self.is_whole = False

    async def listen(self, limits: SpoolLimits) -> None:
        """Take the content in. Where it is cut, what had come is kept: the head alone says what became of the write."""
        arrived = self.answer.arrived()
        if arrived is not None:
            self.content, self.is_whole = arrived, True
            return
        spool: Spool | None = None
        try:
            while piece := await self.answer.read():
                if not self.content:
                    self.content = piece
                    continue
                if spool is None:
                    spool = Spool(limits)
                    await spool.add(self.content if isinstance(self.content, bytes) else b"")
                    self.content = spool
                await spool.add(piece)
        except OriginError:
            return
        except SpoolFailed:
            self.content = b""
            self.answer.abandon()
            return
        except BaseException:
            self.answer.abandon()
            raise
        self.is_whole = True

    def replace(self, content: bytes) -> None:
        """Put other content in the place of what the backend sent, whose digests would be wrong of it."""
        if isinstance(self.content, Spool):
            self.content.close()
        self.content = content
        self.fields.passing = without_digests(self.fields.passing)

    def reply(self, lines: list[bytes], trailers: Sequence[bytes] = ()) -> Reply:
        """Pass the answer on. One that was cut is cut for the client as well: it must not take a half for the whole."""
        answer, fields, content = self.answer, self.fields, self.content
        body: Body = content if isinstance(content, bytes) else Held(content, 0, content.size_bytes)
        if answer.status in (204, 304):
            body = None
        elif not self.is_whole:
            body = Streamed(answer.content_length, content, answer)
        return Reply(answer.status, answer.reason, [*fields.passing, *lines], body, fields.date, trailers)
