"""The API: each operation by its name, on the parts of a running gateway."""

import asyncio
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from ..errors import StoreError
from ..gateway.lasting import LastingHandler
from . import lookup, overview
from .answers import NO_STORE, SAFE, Refused, answer
from .asked import body, peer
from .changing import Change, carry_out
from .documents import Meant
from .events import follow, page
from .served import Served

MAX_LISTENERS = 32
SLOW_SECONDS = 20.0
"""How long who listens to events may take none of what is written before it is dropped."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation. `with_token`: it came with the token."""

    request: web.BaseRequest
    parameters: dict[str, str]
    with_token: bool


class Api:
    """Answer operations. A method is named as its operation is."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._listeners = 0

    async def status(self, call: Call) -> web.StreamResponse:
        return answer(overview.status(self._served))

    async def routes(self, call: Call) -> web.StreamResponse:
        return answer(overview.routes(self._served))

    async def conflicts(self, call: Call) -> web.StreamResponse:
        route, kind = call.parameters["route"], call.parameters["kind"]
        limit, before = int(call.parameters["limit"]), call.parameters["before"]
        found = await page(
            self._served.streams,
            limit,
            before,
            lambda event: (not route or event.route == route) and (not kind or event.kind == kind),
            with_token=call.with_token,
        )
        return answer(found)

    async def resource(self, call: Call) -> web.StreamResponse:
        url, method = call.parameters["url"], call.parameters["method"]
        found = lookup.find(self._served, method, url)
        return answer(await lookup.resource(self._served, found, url, with_token=call.with_token))

    async def hottest(self, call: Call) -> web.StreamResponse:
        return answer(overview.hottest(self._served, int(call.parameters["limit"]), with_token=call.with_token))

    async def doubts(self, call: Call) -> web.StreamResponse:
        return answer(await lookup.doubts(self._served, with_token=call.with_token))

    async def forget(self, call: Call) -> web.StreamResponse:
        return await self._change(call, Change.FORGET)

    async def mark_unknown(self, call: Call) -> web.StreamResponse:
        return await self._change(call, Change.MARK_UNKNOWN)

    async def reload(self, call: Call) -> web.StreamResponse:
        raise Refused(501, "Only the process that has started this one can load the configuration anew.")

    async def _change(self, call: Call, change: Change) -> web.StreamResponse:
        meant = await body(call.request, Meant)
        found = lookup.find(self._served, meant.method, meant.url)
        await carry_out(self._served, found, change, peer(call.request))
        # Named anew: what was found has been used up.
        again = lookup.find(self._served, meant.method, meant.url)
        return answer(await lookup.resource(self._served, again, meant.url, with_token=True))

    async def stream(self, call: Call) -> web.StreamResponse:
        if self._listeners >= MAX_LISTENERS:
            raise Refused(503, f"{MAX_LISTENERS} listen already.", headers={"Retry-After": "10"})
        self._listeners += 1
        try:
            return await self._stream(call)
        finally:
            self._listeners -= 1

    async def _stream(self, call: Call) -> web.StreamResponse:
        request, readiness = call.request, self._served.readiness

        def is_over() -> bool:
            # Who has closed its side does not listen: a browser never closes the one without the other.
            return readiness.is_draining or request.transport is None or cast(LastingHandler, request.protocol).has_said_all

        events = follow(self._served.streams, request.headers.get("Last-Event-ID"), is_over, with_token=call.with_token)
        # Before the head is out: a store that is away is a 503, and not a stream that ends.
        first = await anext(events)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", **NO_STORE, **SAFE})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await response.write(first)
            async for piece in events:
                async with asyncio.timeout(SLOW_SECONDS):
                    await response.write(piece)
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        except StoreError:
            # It is asked again when the listener comes back.
            pass
        return response
