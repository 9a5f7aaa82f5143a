"""Forwarding: what a worker is asked over its private socket for who has asked the parent.

aiohttp's client is used here and nowhere else. Each request has a connection of its own: on one that is kept, that client would send some
requests a second time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import ClientError as ClientError
from aiohttp import web
from multidict import CIMultiDict

from ..admin.answers import NO_STORE
from ..admin.asked import MAX_BODY_BYTES, PEER
from .worker import Worker

HOPS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", PEER.lower()}
)
"""Fields of one connection (RFC 9110 §7.6.1), the length, which goes with the framing, and who asks, which nobody but us may say."""
ANSWER_SECONDS = 10.0
"""How long the beginning of an answer may take."""
SOMEBODY = "a process on this machine"


class Silent(Exception):
    """A worker does not answer."""


@asynccontextmanager
async def asking(worker: Worker, request: web.BaseRequest) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask a worker what the parent is asked. Raise Silent where it does not answer."""
    fields = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in HOPS)
    fields[PEER] = request.remote or SOMEBODY
    connector = aiohttp.UnixConnector(str(worker.admin), force_close=True)
    patience = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS)
    content = await _content(request)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=patience) as session:
        try:
            heard = await session.request(
                request.method, f"http://worker{request.raw_path}", headers=fields, data=content, allow_redirects=False
            )
        except (ClientError, OSError, TimeoutError) as error:
            raise Silent(f"worker {worker.slot} does not answer: {error}") from error
        async with heard:
            yield heard


async def _content(request: web.BaseRequest) -> bytes | None:
    """The body, or as much of it as is too much for a worker as well."""
    found = bytearray()
    async for piece in request.content.iter_any():
        found += piece
        if len(found) > MAX_BODY_BYTES:
            break
    return bytes(found) or None


async def pass_on(request: web.BaseRequest, heard: aiohttp.ClientResponse) -> web.StreamResponse:
    """Answer as the worker does, piece by piece: its answer may never end."""
    answer = web.StreamResponse(status=heard.status, reason=heard.reason)
    answer.headers.extend((name, value) for name, value in heard.headers.items() if name.lower() not in HOPS)
    answer.headers.setdefault("Cache-Control", NO_STORE["Cache-Control"])
    answer.content_length = heard.content_length
    await answer.prepare(request)
    if request.method == "HEAD":
        return answer
    async for piece in heard.content.iter_any():
        await answer.write(piece)
    await answer.write_eof()
    return answer
