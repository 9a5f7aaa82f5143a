"""A backend as they are: the last write wins, no validators, no preconditions. It remembers what it was asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

Respond = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse | None]]


@dataclass(frozen=True)
class Asked:
    """One request as the backend got it. Names are in lower case; of several lines of one field the last one stands."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes


class Legacy:
    """Documents by path. `respond` may answer in place of the backend (None: it does not); `extra` fields go with each GET."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.extra: dict[str, str] = {}
        self.respond: Respond | None = None
        self.port = 0
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None, auto_decompress=False), shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()

    def methods(self) -> list[str]:
        """The methods of all requests so far, in order."""
        return [asked.method for asked in self.asked]

    def last(self, method: str) -> Asked:
        """The last request with method."""
        return next(asked for asked in reversed(self.asked) if asked.method == method)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        fields = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.raw_path, fields, body))
        if self.respond is not None:
            answer = await self.respond(request, body)
            if answer is not None:
                return answer
        return self._answer(request, body)

    def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        documents, path = self.documents, request.path
        match request.method:
            case "GET" | "HEAD":
                if path not in documents:
                    return web.Response(status=404, text="no such thing\n", headers={"X-From": "backend"})
                return web.Response(body=documents[path], headers=self.extra)
            case "PUT":
                status = 204 if path in documents else 201
                documents[path] = body
                return web.Response(status=status)
            case "PATCH":
                if path not in documents:
                    return web.Response(status=404, text="no such thing\n", headers={"X-From": "backend"})
                documents[path] += body
                return web.Response(body=documents[path])
            case "DELETE":
                return web.Response(status=204 if documents.pop(path, None) is not None else 404)
            case "POST":
                made = f"{path}/{len(documents)}"
                documents[made] = body
                return web.Response(status=201, headers={"Location": made})
            case _:
                return web.Response(status=200, text=request.method)


def answering(status: int, body: bytes = b"", only: str = "", **fields: str) -> Respond:
    """A `respond` that gives one answer to everything, or to the method `only`. Underscores in names of fields stand for hyphens."""

    async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if only and request.method != only:
            return None
        return web.Response(status=status, body=body, headers={name.replace("_", "-"): value for name, value in fields.items()})

    return respond


def delaying(seconds: float, only: str) -> Respond:
    """A `respond` that takes its time before the backend does what it is asked with the method `only`."""

    async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method == only:
            await asyncio.sleep(seconds)
        return None

    return respond


def waiting_for(event: asyncio.Event, only: str) -> Respond:
    """A `respond` that waits for the test before the backend does what it is asked with the method `only`."""

    async def respond(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.method == only:
            await event.wait()
        return None

    return respond
