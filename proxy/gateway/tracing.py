"""Tracing: spans for OpenTelemetry, of a request, of what it waits for, and of what the backend and the store are asked on its behalf.

It is put around the parts when they are made, and only where it is asked for: without it none of this is imported, and nothing is asked.
The environment variables of OpenTelemetry's SDK (OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES, ...) hold here too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import inf
from typing import Any

from aiohttp import web
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .. import __version__
from ..core.event import NotGranted
from ..core.record import Record, Snapshot, Swapped
from ..errors import NoclobberError
from ..origin.port import Interim, OriginAnswer, OriginRequest, ReservedConnection, Switched, Upstream
from ..store.port import Entry, StoreKey, StreamingStore
from ..telemetry.samples import Exemplar
from .arrival import RoutedRules
from .exchange import Exchange
from .handler import Handler
from .lease import Lease, Leases
from .reply import Reply
from .turns import Turns

EXPORT_SECONDS = 5.0
"""How long one piece may take to be sent: the end of the process may wait for it."""
_PARENT = re.compile(rb"^traceparent:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)
_CONTEXT = TraceContextTextMapPropagator()


class Tracing:
    """Make spans, and send them. `endpoint` is the URL of an OTLP receiver; `sample_ratio` that part of the traces which begin here."""

    def __init__(self, endpoint: str, sample_ratio: float, service_name: str) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(sample_ratio)), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)))
        self.tracer = self._provider.get_tracer("noclobber", __version__)

    def store(self, store: StreamingStore) -> StreamingStore:
        """A store whose operations have spans."""
        return TracedStore(store, self)

    def upstreams(self, upstreams: Mapping[str, Upstream]) -> Mapping[str, Upstream]:
        """Backends whose calls have spans."""
        return {name: TracedUpstream(name, upstream, self) for name, upstream in upstreams.items()}

    @property
    def leases(self) -> type[Leases]:
        """Leases the waits for which have spans."""
        return type("Leases", (TracedLeases,), {"tracing": self})

    @property
    def handler(self) -> type[Handler]:
        """A handler whose requests have spans."""
        return type("Handler", (TracedHandler,), {"tracing": self})

    async def close(self) -> None:
        """Send what is left."""
        await asyncio.to_thread(self._provider.shutdown)

    @contextmanager
    def serving(self, request: web.BaseRequest) -> Iterator[Span]:
        """The span of a request, under that of its client where it names one."""
        headers = request.headers
        carrier = {name: ",".join(headers.getall(name)) for name in ("traceparent", "tracestate") if name in headers}
        name, attributes = request.method, {"http.request.method": request.method}
        context = _CONTEXT.extract(carrier)
        with self.tracer.start_as_current_span(name, context, SpanKind.SERVER, attributes, record_exception=False) as span:
            yield span

    @contextmanager
    def within(self, name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str) -> Iterator[Span]:
        """A span under that of the request which this is done for, where that is recorded; otherwise it is none."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield trace.INVALID_SPAN
            return
        with self.tracer.start_as_current_span(name, kind=kind, attributes=attributes, record_exception=False) as span:
            try:
                yield span
            except NoclobberError as error:
                span.set_attribute("error.type", type(error).__name__)
                raise


class TracedHandler(Handler):
    """A handler that has a span for each request."""

    tracing: Tracing

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry."""
        with self.tracing.serving(request):
            return await super().__call__(request)

    def _account(
        self,
        request: web.BaseRequest,
        exchange: Exchange | None,
        routed: RoutedRules,
        reply: Reply,
        started: float,
        request_id: bytes,
    ) -> None:
        super()._account(request, exchange, routed, reply, started, request_id)
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.update_name(f"{request.method} {routed.rules.name}")
        span.set_attribute("http.response.status_code", reply.status)
        span.set_attribute("noclobber.route", routed.rules.name)
        span.set_attribute("noclobber.request_id", request_id.decode("ascii"))
        if reply.status >= 500:
            span.set_status(StatusCode.ERROR)
        if exchange is not None:
            span.set_attribute("url.path", exchange.target.path.decode("ascii", "backslashreplace"))
            span.set_attribute("noclobber.verdict", exchange.verdict)
            span.set_attribute("noclobber.outcome", exchange.outcome)
            span.set_attribute("noclobber.store_trips", 0 if exchange.trips is None else exchange.trips.count)

    def _trace_id(self) -> bytes:
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id).encode("ascii")

    def _exemplar(self, exchange: Exchange | None, request_id: bytes, seconds: float) -> Exemplar | None:
        found = super()._exemplar(None, request_id, seconds)
        if found is None or not trace.get_current_span().is_recording():
            return found
        return found._replace(label="trace_id", value=self._trace_id().decode("ascii"))


class TracedStore:
    """A store that has a span for each operation which a request asks for."""

    def __init__(self, store: StreamingStore, tracing: Tracing) -> None:
        self._store = store
        self._within = tracing.within

    async def load(self, key: StoreKey) -> Snapshot:
        with self._within("store load", SpanKind.CLIENT):
            return await self._store.load(key)

    async def swap(self, key: StoreKey, expected_stamp: str, lineage: str, record: Record, lease_seconds: float) -> Swapped | Snapshot:
        with self._within("store swap", SpanKind.CLIENT) as span:
            answer = await self._store.swap(key, expected_stamp, lineage, record, lease_seconds)
            span.set_attribute("noclobber.swapped", isinstance(answer, Swapped))
            return answer

    async def settle(self, name: str, proposal: bytes) -> bytes:
        return await self._store.settle(name, proposal)

    async def append(self, stream: str, content: bytes, most: int) -> None:
        await self._store.append(stream, content, most)

    async def tail(self, stream: str, after: str, limit: int) -> Sequence[Entry]:
        return await self._store.tail(stream, after, limit)

    async def latest(self, stream: str, before: str, limit: int) -> Sequence[Entry]:
        return await self._store.latest(stream, before, limit)

    async def close(self) -> None:
        await self._store.close()


class TracedTurns(Turns):
    """Turns with a span for each wait."""

    def __init__(self, turns: Turns, tracing: Tracing) -> None:
        super().__init__(turns._max_waiters, turns._clock)
        self._tracing = tracing

    async def take_all(self, keys: Sequence[StoreKey], until: float) -> bool:
        """Wait for the turn at every key."""
        with self._tracing.within("turn") as span:
            has_come = await super().take_all(keys, until)
            span.set_attribute("noclobber.granted", has_come)
            return has_come


class TracedLeases(Leases):
    """Leases with a span for each wait."""

    tracing: Tracing

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.turns: Turns = TracedTurns(self.turns, self.tracing)

    async def begin(
        self,
        key: StoreKey,
        until: float,
        operation: str,
        replay_key: str = "",
        writer: str = "",
        *,
        counts: bool = False,
        replay_seconds: float = inf,
    ) -> Lease | NotGranted:
        """Ask for the lease of key."""
        with self.tracing.within("lease") as span:
            answer = await super().begin(key, until, operation, replay_key, writer, counts=counts, replay_seconds=replay_seconds)
            span.set_attribute("noclobber.granted", isinstance(answer, Lease))
            return answer


class TracedUpstream:
    """A backend that has a span for each call, and is told of it. A span ends with the head of the answer."""

    def __init__(self, name: str, upstream: Upstream, tracing: Tracing) -> None:
        self._name = name
        self._upstream = upstream
        self._tracing = tracing

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        return await self._call(request, lambda told: self._upstream.fetch(told, interim))

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        return await self._call(request, lambda told: self._upstream.send(told, interim))

    async def reserve(self) -> ReservedConnection:
        return _TracedConnection(await self._upstream.reserve(), self)

    async def switch(self, request: OriginRequest, idle_seconds: float, interim: Interim | None = None) -> Switched:
        with self._span(request) as span:
            switched = await self._upstream.switch(_told(request), idle_seconds, interim)
            span.set_attribute("http.response.status_code", switched.answer.status)
            return switched

    def pin(self) -> "TracedUpstream":
        return TracedUpstream(self._name, self._upstream.pin(), self._tracing)

    async def close(self) -> None:
        await self._upstream.close()

    async def _call(self, request: OriginRequest, ask: Callable[[OriginRequest], Awaitable[OriginAnswer]]) -> OriginAnswer:
        with self._span(request) as span:
            answer = await ask(_told(request))
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    def _span(self, request: OriginRequest) -> AbstractContextManager[Span]:
        method = request.method.decode("ascii")
        return self._tracing.within(method, SpanKind.CLIENT, **{"http.request.method": method, "noclobber.upstream": self._name})


class _TracedConnection:
    """A connection kept for one write."""

    def __init__(self, reserved: ReservedConnection, upstream: TracedUpstream) -> None:
        self._reserved = reserved
        self._upstream = upstream

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        return await self._upstream._call(request, lambda told: self._reserved.send(told, gate, interim))

    def release(self) -> None:
        self._reserved.release()


def _told(request: OriginRequest) -> OriginRequest:
    """A request with the span that is under way as its parent. The client's tracestate goes on as it came."""
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier)
    parent = carrier.get("traceparent")
    if parent is None:
        return request
    return request._replace(field_lines=b"%btraceparent: %b\r\n" % (_PARENT.sub(b"", request.field_lines), parent.encode("ascii")))


def _is_a_store(store: TracedStore) -> StreamingStore:
    """Static guard: the class fulfils the port."""
    return store


def _is_an_upstream(upstream: TracedUpstream, connection: _TracedConnection) -> tuple[Upstream, ReservedConnection]:
    """Static guard: the classes fulfil the ports."""
    return upstream, connection
