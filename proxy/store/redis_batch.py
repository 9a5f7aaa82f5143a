"""The batcher: all commands of one tick of the loop in one piece, on a connection that no caller owns."""

import asyncio
from typing import NamedTuple

from ..errors import StoreError, StoreRefused, StoreUnavailable
from .redis_line import Command, Dial, Line, Refusal
from .redis_script import SCRIPT

MAX_BATCH = 256
"""How many commands go out in one piece, so that the last one of a burst is still answered within the timeout."""


class Request(NamedTuple):
    """A command, and what must stand directly before it on the same connection (nothing but ASKING does)."""

    command: Command
    preface: tuple[Command, ...] = ()


Entry = tuple[Request, asyncio.Future[object]]


class Batcher:
    """Send all commands of one tick of the loop in one piece, and hand each reply to its own caller.

    One exchange runs at a time: what arrives meanwhile goes out together with the next (two or four at a time were measured, and gain
    nothing). So a caller waits for two timeouts at most. The conversation belongs to the task in here: a caller that is cancelled leaves
    a future that nobody reads, and nothing else.
    """

    def __init__(self, dial: Dial, timeout_seconds: float) -> None:
        """Start the task. An exchange that takes longer than timeout_seconds counts as unanswered; finding the server is part of it."""
        self._line = Line(dial)
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Entry] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task = self._loop.create_task(self._run(), name="noclobber-store")

    def submit(self, request: Request) -> asyncio.Future[object]:
        """Queue request and return the future of its reply, which fails with a StoreError."""
        if self._closing:
            raise StoreRefused("the store is closed")
        future = self._loop.create_future()
        self._waiting.append((request, future))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Send what waits, end the task, disconnect."""
        self._closing = True
        self._wake.set()
        try:
            await self._task
        finally:
            await self._line.close()

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch = [entry for entry in self._waiting[:MAX_BATCH] if not entry[1].done()]
                    del self._waiting[:MAX_BATCH]
                    if batch:
                        await self._serve(batch)
                if self._closing:
                    return
        finally:
            self._closing = True
            for _, future in self._waiting:
                _fail(future, StoreRefused("the store was closed before the command was sent"))

    async def _serve(self, batch: list[Entry]) -> None:
        """Exchange one batch. Whatever goes wrong, no caller is left waiting."""
        try:
            replies = await self._exchange([request for request, _ in batch])
        except BaseException:
            for _, future in batch:
                _fail(future, StoreUnavailable("the store was closed before it answered"))
            raise
        for (_, future), reply in zip(batch, replies, strict=True):
            if isinstance(reply, StoreError):
                _fail(future, reply)
            elif not future.done():
                future.set_result(reply)

    async def _exchange(self, requests: list[Request]) -> list[object]:
        deadline = self._loop.time() + self._timeout_seconds
        replies = await self._send(requests, deadline)
        # NOSCRIPT says that nothing was executed: this alone is sent again, with the text of the script, which also makes it known.
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, Refusal) and reply.code == "NOSCRIPT"]
        if unknown:
            texts = (requests[index] for index in unknown)
            again = await self._send([Request(("EVAL", SCRIPT, *text.command[2:]), text.preface) for text in texts], deadline)
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _send(self, requests: list[Request], deadline: float) -> list[object]:
        commands: list[Command] = []
        places: list[int] = []
        for command, preface in requests:
            commands += preface
            places.append(len(commands))
            commands.append(command)
        replies = await self._line.exchange(commands, deadline)
        return [replies[place] for place in places]


def _fail(future: asyncio.Future[object], error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)
