"""A receiver of spans: OTLP over HTTP, read with OpenTelemetry's own definitions."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass(frozen=True)
class Seen:
    """One span. Ids are in hex; `parent` is empty where it has none."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, object]
    is_error: bool
    service: object


class Collector:
    """Listens on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self._runner = web.ServerRunner(web.Server(self._receive))
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1/traces"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()

    def of(self, kind: str) -> list[Seen]:
        """The spans of one kind, in the order in which they ended."""
        return [span for span in self.spans if span.kind == kind]

    def named(self, name: str) -> list[Seen]:
        """The spans of one name."""
        return [span for span in self.spans if span.name == name]

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        assert (request.path, request.content_type) == ("/v1/traces", "application/x-protobuf")
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            (service,) = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes: dict[str, object] = {
                        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes
                    }
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    is_error = span.status.code == 2
                    self.spans.append(Seen(span.name, KINDS[span.kind], *ids, attributes, is_error, service))
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf")
