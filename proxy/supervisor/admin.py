"""The public admin listener: what concerns all workers is asked of all, and everything else is asked of one."""

import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from .. import __version__
from ..admin.answers import NO_STORE, SAFE, Refused, answer
from ..admin.asked import body, peer
from ..admin.documents import Nothing
from ..admin.guard import Guard
from ..admin.operations import PREFIX
from ..telemetry.exposition import form_for, page
from .documents import Documents, Other, reload_document
from .figures import Figures
from .fleet import Fleet
from .forwarding import Silent, asking, pass_on
from .reload import Reloaded
from .succession import Succession

WITHOUT_SECONDS = 60.0
"""How long there may be no worker that serves before this noclobber is told to be dead."""
FRESH_SECONDS = 5.0
"""A worker that has not reported for so long is asked only where there is no other."""

Function = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Admin:
    """Answer operators."""

    def __init__(self, fleet: Fleet, figures: Figures, succession: Succession, reload: Callable[[str], Awaitable[Reloaded]]) -> None:
        """`reload` is told who asks."""
        self._fleet = fleet
        self._figures = figures
        self._succession = succession
        self._reload = reload
        documents = Documents(fleet, figures, succession)
        self._own: Mapping[tuple[str, str], Function] = {
            ("GET", "/healthz"): self._health,
            ("GET", "/readyz"): self._readiness,
            ("GET", "/metrics"): self._metrics,
            ("GET", f"{PREFIX}/status"): documents.status,
            ("GET", f"{PREFIX}/routes"): documents.routes,
            ("GET", f"{PREFIX}/hottest"): documents.hottest,
            ("GET", f"{PREFIX}/doubts"): documents.doubts,
            ("POST", f"{PREFIX}/reload"): self._load,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry."""
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await self._own.get((method, request.path), self._forward)(request)
        except Refused as refused:
            return refused.answer
        except Other as other:
            return other.said

    async def _health(self, request: web.BaseRequest) -> web.StreamResponse:
        without_seconds = self._fleet.without_seconds
        if without_seconds > WITHOUT_SECONDS:
            return _json(503, {"status": f"no worker has served for {without_seconds:.0f} s", "version": __version__})
        return _json(200, {"status": "alive", "version": __version__})

    async def _readiness(self, request: web.BaseRequest) -> web.StreamResponse:
        reasons = self._fleet.reasons(await self._fleet.ask_all())
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons, "warnings": self._fleet.troubles()})

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        await self._fleet.ask_all()
        form = form_for(",".join(request.headers.getall("Accept", ())))
        return web.Response(body=await page(self._figures.samples(), form), headers={"Content-Type": form.value})

    async def _load(self, request: web.BaseRequest) -> web.StreamResponse:
        """Reload, for who may ask for it. The token is that of the configuration in use."""
        guard = Guard(self._succession.config.server)
        guard.check_host(request.headers)
        guard.check_change(request.headers)
        await body(request, Nothing)
        return answer(reload_document(await self._reload(peer(request))))

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        """Have a worker answer."""
        serving = sorted(self._fleet.serving, key=lambda worker: time.monotonic() - worker.heard > FRESH_SECONDS)
        if not serving:
            raise Refused(503, "No worker serves at the moment.", headers={"Retry-After": "1"})
        try:
            async with asking(serving[0], request) as heard:
                return await pass_on(request, heard)
        except Silent as silent:
            raise Refused(503, f"{silent}.", headers={"Retry-After": "1"}) from silent


def _json(status: int, document: Mapping[str, object]) -> web.Response:
    fields = {"Content-Type": "application/json", **NO_STORE, **SAFE}
    return web.Response(status=status, body=msgspec.json.encode(document) + b"\n", headers=fields)
