"""The data plane: from aiohttp's request to an exchange, to a reply, to bytes; and one line and a few counts for each.

aiohttp parses and keeps the connection; it neither routes nor writes. `request.path`, `request.url` and `request.if_match` are never
used: the first two rewrite the target, the last fails open.
"""

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Generator
from time import perf_counter
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpVersion10

from ..core.conflict import Problem
from ..core.dialect import Post
from ..core.method import SAFE
from ..errors import BodyMalformed, BodyTooLarge, BodyTooSlow, OriginError
from ..telemetry.refusal import Refusal
from ..telemetry.samples import Exemplar
from .arrival import Arrivals, HasPeer, RoutedRules
from .events import AccessLog, Figures
from .exchange import Exchange
from .limits import Refuse, uncounted
from .reading import Reading
from .refusing import backend_failed, refuse
from .reply import Reply, problem, send, short_message
from .rules import ScimRole
from .scim import Bulk, with_versions_supported
from .served import Served, overhead_of
from .tasks import Tasks
from .traceparent import exemplar_of
from .tunnel import Opened, Tunnels, pump
from .writing import Writing

_READS = frozenset({b"GET", b"HEAD"})
CLOSE = b"Connection: close\r\n"
_LINGER_ZERO = struct.pack("ii", 1, 0)
GATE_SECONDS = 30.0
"""How long a write is held back at most before it gets 503."""
_KEEP_ALIVE_10 = b"Connection: keep-alive\r\n"


class Sent:
    """What aiohttp is given in place of a response: everything has been written by then, so what it waits for is over."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value] # `await` is content with an iterator, and this one is cheaper than a coroutine

    def prepare(self, request: web.BaseRequest) -> Awaitable[None]:
        """Do nothing: the head has been written."""
        return self

    def write_eof(self) -> Awaitable[None]:
        """Do nothing: the body has been written."""
        return self


_KEEPS, _ENDS = cast(web.StreamResponse, Sent(True)), cast(web.StreamResponse, Sent(False))


class Hurrying(Protocol):
    """A connection that can end without waiting for more of its client."""

    def hurry(self) -> None:
        """Close as soon as the answer is written."""


class Handler:
    """Serve one request after the other. `in_flight` counts those being served; `is_draining` closes each connection after its answer.

    Writes wait at `gate`, where there is one.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        reading: Reading,
        writing: Writing,
        log: AccessLog | None,
        refuse: Refuse = uncounted,
        max_in_flight: int = sys.maxsize,
        tunnels: Tunnels | None = None,
        tasks: Tasks | None = None,
    ) -> None:
        """`refuse` counts refusals. Over `max_in_flight` requests get 503. `tasks` None: Bulk requests of SCIM are passed on."""
        self._arrivals = arrivals
        self._reading = reading
        self._writing = writing
        self._log = log
        self._refuse = refuse
        self._max_in_flight = max_in_flight
        self._tunnels = tunnels
        self._bulk = None if tasks is None else Bulk(arrivals, tasks, self.answer, self._account)
        self.grants = reading.grants
        self.in_flight = 0
        self.is_draining = False
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry: serve request, and say whether the connection can be used again."""
        started = perf_counter()
        self.in_flight += 1
        exchange: Exchange | None = None
        routed = self._arrivals.unrouted
        reply: Reply | None = None
        keeps = request.keep_alive
        request_id = b""
        judged: Reply | Exchange
        try:
            if self.in_flight > self._max_in_flight:
                judged, request_id = self._overloaded(), self._arrivals.new_id()
            else:
                judged, routed, request_id = self._arrivals.judge(request)
            if isinstance(judged, Reply):
                reply = judged
                # Where a head was refused it is not sure where the next one begins.
                keeps = keeps and reply.status == 200
            else:
                exchange = judged
                try:
                    if routed.rules.scim is ScimRole.RESOURCES:
                        reply = await self.answer(exchange, routed)
                    else:
                        reply = await self._answer_scim(exchange, routed, request, request_id)
                except ConnectionError:
                    raise
                except Exception as failure:
                    reply, keeps = self._excuse(request, exchange, failure), False
                if exchange.would:
                    reply.lines.append(b"Noclobber-Would: %d\r\n" % exchange.would)
                if exchange.incidents and exchange.method in _READS:
                    self._writing.accounts.outside(exchange, routed.metrics)
                if reply.is_own:
                    self.grants.complete(exchange, reply)
            keeps, hop = self._complete(request, reply, keeps, request_id)
            short = short_message(reply, hop) if not isinstance(reply, Opened) else None
            if short is None:
                keeps = await self._send(request, reply, keeps, hop)
            else:
                _write(request, short)
            return _KEEPS if keeps else _ENDS
        finally:
            self.in_flight -= 1
            if reply is not None:
                self._account(request, exchange, routed, reply, started, request_id)

    # ---- the answer ---------------------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, routed: RoutedRules) -> Awaitable[Reply]:
        """Have a request answered by what its method and its route ask for."""
        if exchange.fields.upgrades and exchange.interim is not None and self._tunnels is not None and self._tunnels.wants(exchange):
            return self._tunnels.open(exchange)
        if not routed.rules.is_guarded:
            return self._reading.pass_on(exchange)
        if exchange.method in _READS and exchange.body.size_bytes == 0:
            return self._reading.read(exchange)
        if exchange.method in SAFE:
            # A GET with content is among them: it may ask for anything (RFC 9110 §9.3.1), so no tag of ours would name its answer.
            return self._reading.pass_on(exchange)
        if exchange.method == b"POST" and routed.rules.dialect.post is Post.SAFE:
            return self._reading.pass_on(exchange) if routed.rules.dialect.members is None else self._search(exchange)
        if self.gate is not None:
            return self._write_later(exchange, routed, self.gate)
        return self._writing.write(exchange, routed.metrics)

    async def _write_later(self, exchange: Exchange, routed: RoutedRules, gate: asyncio.Event) -> Reply:
        """Write when those can no more whose locks are not ours."""
        try:
            async with asyncio.timeout(GATE_SECONDS):
                await gate.wait()
        except TimeoutError:
            return refuse(exchange, Problem.OVERLOADED, "Writes under the configuration before this one are not at their end yet.")
        return await self._writing.write(exchange, routed.metrics)

    async def _search(self, exchange: Exchange) -> Reply:
        """Answer a POST that changes nothing, and whose answer is a list."""
        try:
            return await self._reading.lists.search(exchange)
        except OriginError as failure:
            return backend_failed(exchange, failure)
        except BodyTooLarge as too_large:
            return refuse(exchange, Problem.TOO_LARGE, f"A search has {too_large.limit_bytes} bytes at most.")

    async def _answer_scim(self, exchange: Exchange, routed: RoutedRules, request: web.BaseRequest, request_id: bytes) -> Reply:
        """Answer what SCIM has beside its resources."""
        if routed.rules.scim is ScimRole.BULK and exchange.method == b"POST" and self._bulk is not None:
            return await self._bulk.answer(exchange, request, request_id)
        if routed.rules.scim is ScimRole.CONFIG and exchange.method in _READS:
            # The answer is made anew: its length and its ranges are not the backend's.
            exchange.method, exchange.fields.ranges, exchange.fields.range_lines = b"GET", (), ()
            return with_versions_supported(await self.answer(exchange, routed))
        return await self.answer(exchange, routed)

    def _excuse(self, request: web.BaseRequest, exchange: Exchange, failure: Exception) -> Reply:
        """Answer a request whose body cannot be had, or that met a defect."""
        if isinstance(failure, BodyMalformed):
            return refuse(exchange, Problem.BAD_REQUEST, "The body is not framed as its head says.")
        if isinstance(failure, BodyTooSlow):
            self._refuse(Refusal.SLOW_BODY)
            # Nor is the rest of it waited for, as it is for other refusals.
            cast(Hurrying, request.protocol).hurry()
            return refuse(exchange, Problem.TOO_SLOW, "The body did not arrive in time.")
        request.protocol.logger.exception("noclobber failed")
        return refuse(exchange, Problem.INTERNAL, "This is a defect of noclobber's.")

    def _overloaded(self) -> Reply:
        self._refuse(Refusal.IN_FLIGHT)
        return problem(Problem.OVERLOADED, "Too many requests are being served.", b"")

    def _complete(self, request: web.BaseRequest, reply: Reply, keeps: bool, request_id: bytes) -> tuple[bool, bytes]:
        """Say whether the connection is to be used again, and the lines that this hop adds to the reply."""
        old = request.version == HttpVersion10
        if self.is_draining or (old and not reply.has_own_length()):
            keeps = False
        reply.may_chunk = not old
        if not request.content.is_eof():
            # Refused before its body was read: the client may or may not send it now.
            keeps = False
        connection = b"" if isinstance(reply, Opened) else CLOSE if not keeps else _KEEP_ALIVE_10 if old else b""
        if request.method == "HEAD":
            reply.withhold_body()
        ids = self._arrivals.ids
        if ids is None:
            return keeps, connection
        reply.lines = ids.without(reply.lines)
        return keeps, ids.line(request_id) + connection

    async def _send(self, request: web.BaseRequest, reply: Reply, keeps: bool, hop: bytes) -> bool:
        """Write the reply; False when the connection must not be used again."""
        try:
            await send(reply, request.writer, hop)
            if isinstance(reply, Opened):
                await pump(reply, request, request.writer)
                return False
        except (OriginError, OSError) as cut:
            # The client must not take a part for the whole: its connection is cut as ours was.
            transport = request.transport
            if transport is not None:
                if not reply.may_chunk and not reply.has_own_length():
                    # Such a body ends where the connection does: only a reset tells a cut from its end.
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
                transport.abort()
            if isinstance(cut, ConnectionError):
                raise
            return False
        finally:
            reply.close()
        return keeps

    def _account(
        self,
        request: web.BaseRequest,
        exchange: Exchange | None,
        routed: RoutedRules,
        reply: Reply,
        started: float,
        request_id: bytes,
    ) -> None:
        now = perf_counter()
        seconds = now - started
        served: Served
        if exchange is None:
            served = request.method, reply.status, "", "", seconds, 0.0, 0.0
        else:
            upstream, waiting = exchange.upstream_seconds, exchange.waiting_seconds
            served = request.method, reply.status, exchange.verdict, exchange.undone, seconds, upstream, waiting
        if routed.metrics.served.note(served, now):
            exemplar = self._exemplar(exchange, request_id, seconds)
            if exemplar is not None:
                routed.metrics.served.exemplify(exemplar, served, now)
        if self._log is not None:
            self._log_request(request, exchange, routed.rules.name, served, request_id)

    def _log_request(self, request: web.BaseRequest, exchange: Exchange | None, route: str, served: Served, request_id: bytes) -> None:
        assert self._log is not None
        method, status, verdict, _, *seconds = served
        outcome, path, trips = "", b"", 0
        if exchange is not None:
            outcome, path = exchange.outcome, exchange.target.path
            trips = 0 if exchange.trips is None else exchange.trips.count
        times = seconds[0], seconds[1], overhead_of(*seconds)
        client = cast(HasPeer, request.protocol).peer.address
        figures = Figures(*times, trips, request.writer.output_size, client, request_id, self._trace_id())
        self._log.write((method, route, status, verdict, outcome), path, time.time(), figures)

    def _trace_id(self) -> bytes:
        """The trace that a request is recorded in; empty where nothing is traced."""
        return b""

    def _exemplar(self, exchange: Exchange | None, request_id: bytes, seconds: float) -> Exemplar | None:
        return exemplar_of(() if exchange is None else exchange.fields.passing, request_id, seconds)


def _write(request: web.BaseRequest, data: bytes) -> None:
    """Write what is short, and tell aiohttp, which must not put an error behind it."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    transport.write(data)
    request.writer.output_size += len(data)
