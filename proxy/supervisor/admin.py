"""The public admin listener: what concerns all workers is asked of all, and everything else is asked of one."""

from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDict

from .. import __version__
from ..gateway.exposition import form_for, page
from .figures import Figures
from .fleet import Fleet
from .reload import Reloaded
from .succession import Succession

HOPS = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length")
"""Fields of one connection (RFC 9110 §7.6.1), and the length, which goes with the framing."""
CLIENT_FIELD = "X-Forwarded-For"
MAX_BODY_BYTES = 64 * 1024


class Admin:
    """Answer operators."""

    def __init__(self, fleet: Fleet, figures: Figures, succession: Succession, reload: Callable[[], Awaitable[Reloaded]]) -> None:
        self._fleet = fleet
        self._figures = figures
        self._succession = succession
        self._reload = reload
        self._own: Mapping[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry."""
        answer = self._own.get(request.path)
        if answer is None:
            return await self._forward(request)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="only GET and HEAD\n", headers={"Allow": "GET, HEAD"})
        return await answer(request)

    async def _health(self, request: web.BaseRequest) -> web.Response:
        return _json(200, {"status": "alive", "version": __version__})

    async def _readiness(self, request: web.BaseRequest) -> web.Response:
        reasons = self._fleet.reasons(await self._fleet.ask_all())
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons, "warnings": self._fleet.troubles()})

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        await self._fleet.ask_all()
        form = form_for(",".join(request.headers.getall("Accept", ())))
        return web.Response(body=await page(self._figures.samples(), form), headers={"Content-Type": form.value})

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        """Have a worker answer, and pass its answer on as it comes: it may never end."""
        serving = self._fleet.serving
        if not serving:
            return _json(503, {"title": "no worker serves", "status": 503}, "application/problem+json")
        fields = CIMultiDict(request.headers)
        for name in (*HOPS, CLIENT_FIELD):
            fields.popall(name, None)
        fields[CLIENT_FIELD] = request.remote or "unix"
        request._client_max_size = MAX_BODY_BYTES
        # A connection for each: on one that is kept, aiohttp would send some requests a second time.
        connector = aiohttp.UnixConnector(str(serving[0].admin), force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(None)) as session:
            url = f"http://worker{request.raw_path}"
            content = await request.read()
            async with session.request(request.method, url, headers=fields, data=content or None, allow_redirects=False) as heard:
                return await _pass_on(request, heard)


async def _pass_on(request: web.BaseRequest, heard: aiohttp.ClientResponse) -> web.StreamResponse:
    answer = web.StreamResponse(status=heard.status, reason=heard.reason)
    for name, value in heard.headers.items():
        if name.lower() not in map(str.lower, HOPS):
            answer.headers.add(name, value)
    answer.content_length = heard.content_length
    await answer.prepare(request)
    async for piece in heard.content.iter_any():
        await answer.write(piece)
    await answer.write_eof()
    return answer


def _json(status: int, document: dict[str, object], kind: str = "application/json") -> web.Response:
    headers = {"Content-Type": kind, "Cache-Control": "no-store"}
    return web.Response(status=status, body=orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), headers=headers)
