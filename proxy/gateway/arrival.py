"""Arrival: from a request as aiohttp has parsed it to an exchange, or to the refusal of a head that cannot be handled safely."""

import asyncio
import time
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from ..core.conflict import Problem, Received
from ..core.fields import RefusedField, RequestFields, read_request_fields
from ..core.precondition import NO_CONDITIONS, MalformedCondition, read_conditions
from ..core.resource import ResourceKey, Routes, resource_key
from ..core.target import RefusedTarget, Target, parse_target
from ..errors import BodyMalformed, BodyTooSlow
from .exchange import Exchange
from .limits import BodyPace
from .metrics import RouteMetrics
from .reply import Reply, problem
from .rules import Rules
from .spool import PIECE_BYTES

REMEMBERED_TARGETS = 4096
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class RoutedRules:
    """A route as the data plane needs it: its rules and its counters."""

    rules: Rules
    metrics: RouteMetrics


class _Place(NamedTuple):
    """Where a target leads."""

    target: Target
    key: ResourceKey
    routed: RoutedRules


class Arrivals:
    """Judge the heads of requests. `unrouted` is what holds for paths that no route matches."""

    def __init__(self, routes: Routes[RoutedRules], unrouted: RoutedRules, via_name: str, pace: BodyPace | None = None) -> None:
        self._routes = routes
        self._pace = pace or BodyPace()
        self.unrouted = unrouted
        self._via = f"Via: 1.1 {via_name}\r\n".encode("ascii")
        self._via_of_10 = f"Via: 1.0 {via_name}\r\n".encode("ascii")
        self._places: dict[str, _Place] = {}

    def judge(self, request: web.BaseRequest) -> Reply | tuple[Exchange, RoutedRules]:
        """Read target, fields and conditions; a reply when one of them is refused."""
        fields = read_request_fields(request.raw_headers)
        if isinstance(fields, RefusedField):
            return _refuse(request, f"The field {fields.name.decode('latin-1')} {fields.why}.")
        if request.version != HttpVersion11 and (request.version != HttpVersion10 or fields.is_chunked):
            # RFC 9112 §6.1: chunks in HTTP/1.0 are a faulty framing. aiohttp lets them through, and versions that do not exist.
            return _refuse(request, "The request is not framed as its version of HTTP has it.")
        if fields.host is None:
            return _refuse(request, "The field Host is missing.")
        place = self._places.get(request.raw_path) or self._find(request, fields.host)
        if isinstance(place, Reply):
            return place
        target, key, routed = place
        conditions = read_conditions(fields.conditions, time.time()) if fields.conditions and routed.rules.is_guarded else NO_CONDITIONS
        if isinstance(conditions, MalformedCondition):
            name = conditions.field.title()
            detail = f"The field {name.decode('ascii')} is malformed: {conditions.why}."
            return problem(Problem.MALFORMED, detail, target.path, received=Received(name, conditions.value))
        via = self._via_of_10 if request.version == HttpVersion10 else self._via
        method = request.method.encode("ascii")
        return Exchange(method, target, key, routed.rules, fields, conditions, via, ArrivingBody(request, fields, self._pace)), routed

    def _find(self, request: web.BaseRequest, host: bytes) -> Reply | _Place:
        """Say where a target leads, and remember it: what a path in origin-form means depends on nothing else."""
        if request.method == "CONNECT":
            return problem(Problem.NOT_ALLOWED, "This is no open proxy.", _raw_target(request))
        target = parse_target(_raw_target(request), host)
        if isinstance(target, RefusedTarget):
            return _refuse(request, f"The request target {target.why}.")
        place = _Place(target, resource_key(target.path), self._routes.match(target.path) or self.unrouted)
        if request.raw_path.startswith("/"):
            if len(self._places) >= REMEMBERED_TARGETS:
                self._places.clear()
            self._places[request.raw_path] = place
        return place


def _raw_target(request: web.BaseRequest) -> bytes:
    return request.raw_path.encode("utf-8", "surrogateescape")


def _refuse(request: web.BaseRequest, detail: str) -> Reply:
    return problem(Problem.BAD_REQUEST, detail, _raw_target(request))


class ArrivingBody:
    """The body of a request, as aiohttp takes it in."""

    __slots__ = ("_allowed_seconds", "_fields", "_left_seconds", "_pace", "_request")

    def __init__(self, request: web.BaseRequest, fields: RequestFields, pace: BodyPace) -> None:
        self._request = request
        self._fields = fields
        self._pace = pace
        self._allowed_seconds = pace.start_seconds
        self._left_seconds = pace.total_seconds

    @property
    def size_bytes(self) -> int | None:
        """0: there is none; None: not announced."""
        request = self._request
        if not request.body_exists:
            return 0
        for name, value in request.raw_headers:
            if name.lower() == b"content-length":
                return int(value)
        return None

    async def read(self) -> bytes:
        """Return the next piece: `readany` would give all that is buffered, and have as much again buffered while that is on its way."""
        content = self._request.content
        try:
            # What is there already needs no timer, and that is most bodies.
            piece = content.read_nowait(PIECE_BYTES)
            if not piece and not content.is_eof():
                piece = await self._wait()
        except web.RequestPayloadError as exc:
            raise BodyMalformed(str(exc)) from exc
        if self._allowed_seconds < self._pace.start_seconds and piece:
            self._pay_back(len(piece))
        return piece

    async def _wait(self) -> bytes:
        """Wait for the next piece, as long as the client may still take."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(min(self._allowed_seconds, self._left_seconds)):
                return await self._request.content.read(PIECE_BYTES)
        except TimeoutError as exc:
            raise BodyTooSlow("the client sends its body too slowly") from exc
        finally:
            waited = loop.time() - started
            self._allowed_seconds -= waited
            self._left_seconds -= waited

    def _pay_back(self, size: int) -> None:
        rate, most = self._pace.min_bytes_per_second, self._pace.start_seconds
        self._allowed_seconds = min(most, self._allowed_seconds + size / rate) if rate else most

    async def ask_for(self) -> None:
        """Answer `Expect: 100-continue` (RFC 9110 §10.1.1): aiohttp's low-level server never does."""
        request = self._request
        if not self._fields.expectations or request.version == HttpVersion10 or request.content.is_eof():
            return
        if any(value.lower() == b"100-continue" for value in self._fields.expectations):
            await request.writer.write(_CONTINUE)
