"""The application: which function answers what. It shares no port with the data plane."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from .. import __version__
from ..errors import StoreError
from ..telemetry.exposition import form_for, page
from .answers import NO_STORE, SAFE, Refused
from .api import Api, Call
from .asked import parameters
from .guard import Guard
from .openapi import document
from .operations import OPERATIONS, PREFIX, Operation
from .pages import read_pages
from .served import Served

Function = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Admin:
    """Answer what the table of paths and methods has; HEAD as GET, and OPTIONS everywhere."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._guard = Guard(served.config.server)
        self._api = Api(served)
        self._pages = read_pages()
        table: dict[str, dict[str, Function]] = {
            "/healthz": {"GET": self._healthz},
            "/readyz": {"GET": self._readyz},
            "/metrics": {"GET": self._metrics},
            f"{PREFIX}/openapi.json": {"GET": self._openapi},
        }
        for path in self._pages:
            table[path] = {"GET": self._page}
        for operation in OPERATIONS:
            table.setdefault(PREFIX + operation.path, {})[operation.method] = self._bound(operation)
        self._table: Mapping[str, Mapping[str, Function]] = table

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry."""
        try:
            return await self._find(request)(request)
        except Refused as refused:
            return refused.answer
        except StoreError as error:
            return Refused(503, f"The store does not answer: {error}.", headers={"Retry-After": "1"}).answer

    def _find(self, request: web.BaseRequest) -> Function:
        functions = self._table.get(request.path)
        if functions is None:
            raise Refused(404, f"There is nothing at {request.path[:200]}.")
        method = "GET" if request.method == "HEAD" else request.method
        if method in functions:
            return functions[method]
        allowed = ", ".join(sorted({*functions, "OPTIONS"} | ({"HEAD"} if "GET" in functions else set())))
        if method == "OPTIONS":
            return _options(allowed)
        raise Refused(405, f"The method is not possible here, allowed: {allowed}.", headers={"Allow": allowed})

    # ---- beside the API -----------------------------------------------------------------------------------------------------------

    async def _healthz(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(200, {"status": "alive", "version": __version__})

    async def _readyz(self, request: web.BaseRequest) -> web.StreamResponse:
        reasons = self._served.readiness.reasons()
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        form = form_for(",".join(request.headers.getall("Accept", ())))
        return web.Response(body=await page(self._served.metrics.registry.samples(), form), headers={"Content-Type": form.value})

    async def _page(self, request: web.BaseRequest) -> web.StreamResponse:
        self._guard.check_host(request.headers)
        return self._pages[request.path].answer(request.headers.get("If-None-Match", ""))

    async def _openapi(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(200, document())

    # ---- the API ------------------------------------------------------------------------------------------------------------------

    def _bound(self, operation: Operation) -> Function:
        run: Callable[[Call], Awaitable[web.StreamResponse]] = getattr(self._api, operation.name)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            self._guard.check_host(request.headers)
            if operation.changes:
                self._guard.check_change(request.headers)
            with_token = self._guard.is_trusted(request.headers)
            return await run(Call(request, parameters(operation, request.query), with_token))

        return answer


def _options(allowed: str) -> Function:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=204, headers={"Allow": allowed})

    return answer


def _json(status: int, document: Mapping[str, object]) -> web.Response:
    fields = {"Content-Type": "application/json", **NO_STORE, **SAFE}
    return web.Response(status=status, body=msgspec.json.encode(document) + b"\n", headers=fields)
