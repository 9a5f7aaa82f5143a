"""The plain reverse proxy that anyone would write with aiohttp: an Application, one ClientSession, no tags and no protection.

Tuned as a normal author would: one session, no connection limit, uvloop, no access log, bodies held whole.
"""

import sys
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"})
SESSION = web.AppKey("session", ClientSession)


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def application(upstream: str) -> web.Application:
    async def session(app: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=0)
        timeout = ClientTimeout(total=60)
        async with ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(), timeout=timeout) as client:
            app[SESSION] = client
            yield

    async def forward(request: web.Request) -> web.Response:
        body = await request.read() if request.can_read_body else None
        url = upstream + request.raw_path
        client = request.app[SESSION]
        async with client.request(request.method, url, headers=end_to_end(request.headers), data=body, allow_redirects=False) as answer:
            return web.Response(status=answer.status, headers=end_to_end(answer.headers), body=await answer.read())

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


if __name__ == "__main__":
    web.run_app(
        application(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop()
    )
