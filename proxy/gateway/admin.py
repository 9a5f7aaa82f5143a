"""The admin listener: liveness, readiness, metrics. It never shares a port with the data plane."""

import orjson
from aiohttp import web

from .. import __version__
from .metrics import CONTENT_TYPE, Metrics
from .readiness import Readiness

_INDEX = f"noclobber {__version__}\n\n/healthz  alive\n/readyz   writes are granted\n/metrics  Prometheus\n"


class Admin:
    """Answer GET and HEAD on a handful of paths."""

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="only GET and HEAD\n", headers={"Allow": "GET, HEAD"})
        match request.path:
            case "/healthz":
                return _json(200, {"status": "alive", "version": __version__})
            case "/readyz":
                reasons = self._readiness.reasons()
                return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})
            case "/metrics":
                return web.Response(body=self._metrics.page(), headers={"Content-Type": CONTENT_TYPE})
            case "/":
                return web.Response(text=_INDEX)
            case _:
                return web.Response(status=404, text="not found\n")


def _json(status: int, document: dict[str, object]) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), headers=headers)
