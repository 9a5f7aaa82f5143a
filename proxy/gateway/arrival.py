"""Arrival: from a request as aiohttp has parsed it to an exchange, or to the refusal of a head that cannot be handled safely."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from ..core.conflict import Problem, Received
from ..core.fields import UNDERSCORE, Field, RefusedField, RequestFields, read_request_fields
from ..core.method import SAFE, RefusedMethod, meant, parameters_of
from ..core.naming import Unnamed
from ..core.precondition import NO_CONDITIONS, Conditions, MalformedCondition
from ..core.resource import ResourceKey, Routes, resource_key
from ..core.roles import request_roles
from ..core.target import RefusedTarget, Target, parse_target
from ..core.template import Template
from ..core.token import read_fields
from ..origin.port import Upstream
from .arriving import ArrivingBody
from .exchange import Exchange
from .limits import BodyPace
from .metrics import RouteMetrics
from .naming import Named, RequestSources, Told, named, take_names, told
from .options import SPECIAL, answer_here
from .peer import Peer
from .refusing import refuse_at
from .reply import Reply, problem
from .requestid import RequestIds
from .rules import Mode, Rules

REMEMBERED_TARGETS = 4096


@dataclass(frozen=True, slots=True)
class RoutedRules:
    """A route as the data plane needs it: its rules, its counters and its backend. `origin` None: the gateway's default.

    `template` None: the route has no parameters. `unguarded` is the same route for requests of which nobody can say what they are about;
    itself where there are none.
    """

    rules: Rules
    metrics: RouteMetrics
    origin: Upstream | None = None
    template: Template | None = None
    unguarded: "RoutedRules" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = self.rules
        may_be_unnamed = rules.is_guarded and rules.naming is not None
        # Frozen, and of itself.
        object.__setattr__(self, "unguarded", replace(self, rules=replace(rules, is_guarded=False)) if may_be_unnamed else self)


class HasPeer(Protocol):
    """A client's connection, as far as it knows who that is."""

    @property
    def peer(self) -> Peer: ...


class _Place(NamedTuple):
    """Where a target leads. `overrides` are those in its query. `names` None: `key` is the whole story."""

    target: Target
    key: ResourceKey
    routed: RoutedRules
    overrides: Sequence[Field]
    parameters: Mapping[str, bytes]
    told: Told
    names: Named | None


class _Meant(NamedTuple):
    """What a request with an override means. `would` is the status that enforcing would have refused the override with; 0: it is let be."""

    place: _Place
    method: bytes
    would: int


class Arrivals:
    """Judge the heads of requests. `unrouted` is what holds for paths that no route matches.

    `ids` None: requests have none. `forwards`: the backend is told of the peer that each connection has.
    """

    def __init__(
        self,
        routes: Routes[RoutedRules],
        unrouted: RoutedRules,
        via_name: str,
        pace: BodyPace | None = None,
        ids: RequestIds | None = None,
        *,
        forwards: bool = False,
    ) -> None:
        self._routes = routes
        self._pace = pace or BodyPace()
        self.unrouted = unrouted
        self.ids = ids
        self._roles = request_roles(b"" if ids is None else ids.field)
        self._forwards = forwards
        self._via = f"Via: 1.1 {via_name}\r\n".encode("ascii")
        self._via_of_10 = f"Via: 1.0 {via_name}\r\n".encode("ascii")
        self._places: dict[str, _Place] = {}

    def judge(self, request: web.BaseRequest) -> tuple[Reply | Exchange, RoutedRules, bytes]:
        """Read target, fields and conditions; a reply when one of them is refused, or is for us to answer. With the request's id."""
        fields = read_request_fields(request.raw_headers, self._roles)
        received = () if isinstance(fields, RefusedField) else fields.request_ids
        request_id = b"" if self.ids is None else self.ids.of(received)
        judged = self._judge(request, fields, request_id)
        return (judged, self.unrouted, request_id) if isinstance(judged, Reply) else (*judged, request_id)

    def key_at(self, raw: bytes, host: bytes) -> ResourceKey | None:
        """Say which resource stands at a target that a backend names; None where none is guarded there, or the target does not tell."""
        target = parse_target(raw, host)
        if isinstance(target, RefusedTarget):
            return None
        routed = self._routes.match(target.path, b"GET", host)
        if routed is None or not routed.rules.is_guarded:
            return None
        place = _placed(target, routed)
        key = place.key if place.names is None else place.names.key
        return None if isinstance(key, Unnamed) else key

    def new_id(self) -> bytes:
        """An id for a request that is not looked at."""
        return b"" if self.ids is None else self.ids.of(())

    def _judge(
        self, request: web.BaseRequest, fields: RequestFields | RefusedField, request_id: bytes
    ) -> Reply | tuple[Exchange, RoutedRules]:
        if isinstance(fields, RefusedField):
            return _refuse(request, f"The field {fields.name.decode('latin-1')} {fields.why}.")
        if request.version != HttpVersion11 and (request.version != HttpVersion10 or fields.is_chunked):
            # RFC 9112 §6.1: chunks in HTTP/1.0 are a faulty framing. aiohttp lets them through, and versions that do not exist.
            return _refuse(request, "The request is not framed as its version of HTTP has it.")
        if fields.host is None:
            return _refuse(request, "The field Host is missing.")
        if request.method in SPECIAL and (reply := answer_here(request.method, _raw_target(request), fields)) is not None:
            return reply
        place = self._place(request, request.method, fields.host)
        if isinstance(place, Reply):
            return place
        method, sent_method, would = request.method.encode("ascii"), b"", 0
        if (place.overrides or fields.overrides or fields.underscored) and place.routed.rules.is_guarded:
            what = self._mean(request, fields, place)
            if isinstance(what, Reply):
                return what
            sent_method = method
            place, method, would = what
        routed = place.routed
        conditions = NO_CONDITIONS
        if fields.conditions and routed.rules.is_guarded:
            read = _conditions(fields, place)
            if not isinstance(read, Reply):
                conditions = read
            elif routed.rules.mode is Mode.OBSERVE:
                would = read.status
            else:
                return read
        exchange = self._exchange(request, fields, request_id, place, method, conditions)
        exchange.sent_method = sent_method
        if would:
            exchange.would, exchange.waived = would, NO_CONDITIONS
            routed.metrics.count_observed("malformed")
        if place.names is not None and routed.rules.is_guarded:
            return _named(exchange, place, place.names)
        return exchange, routed

    def _mean(self, request: web.BaseRequest, fields: RequestFields, place: _Place) -> Reply | _Meant:
        """Take the overrides of a request to a guarded route into account."""
        sent, would = request.method.encode("ascii"), 0
        method = _method_meant(request, fields, place.overrides, place.routed.rules)
        if isinstance(method, Reply):
            if place.routed.rules.mode is not Mode.OBSERVE:
                return method
            would = method.status
            method = sent
        if self._routes.minds_heads and method != sent:
            meant_place = self._place_meant(request, fields, place, method)
            if isinstance(meant_place, Reply):
                return meant_place
            place = meant_place
        return _Meant(place, method, would)

    def _exchange(
        self, request: web.BaseRequest, fields: RequestFields, request_id: bytes, place: _Place, method: bytes, conditions: Conditions
    ) -> Exchange:
        """The exchange of a request that may be served, with what this hop adds to its head."""
        body = ArrivingBody(request, fields, self._pace)
        if request.version == HttpVersion10:
            added, interim, fields.takes_trailers = self._via_of_10, None, False
        else:
            added, interim = self._via, body.pass_interim
        if self._forwards:
            assert fields.host is not None
            # Per connection: app.py has them all made by ClientServer.
            added += cast(HasPeer, request.protocol).peer.lines(fields.host, fields.forwarded)
        if self.ids is not None:
            added += self.ids.line(request_id)
        exchange = Exchange(method, place.target, place.key, place.routed.rules, fields, conditions, added, body, interim)
        exchange.origin = place.routed.origin
        exchange.request_id = request_id
        if place.parameters:
            exchange.parameters = place.parameters
        return exchange

    def _place(self, request: web.BaseRequest, method: str, host: bytes) -> Reply | _Place:
        """Where a request leads, as it is remembered for its target (and for method and host, where routes ask for them)."""
        if not self._routes.minds_heads:
            return self._places.get(request.raw_path) or self._find(request, request.raw_path, method, host)
        head = f"{method} {host.decode('latin-1')} {request.raw_path}"
        return self._places.get(head) or self._find(request, head, method, host)

    def _place_meant(self, request: web.BaseRequest, fields: RequestFields, sent: _Place, meant_method: bytes) -> Reply | _Place:
        """Where a request leads that means another method, where routes ask for methods: both routes must take it to mean that one."""
        assert fields.host is not None
        place = self._place(request, meant_method.decode("ascii"), fields.host)
        if isinstance(place, Reply) or place.routed is sent.routed:
            return place
        again = _method_meant(request, fields, place.overrides, place.routed.rules)
        return again if isinstance(again, Reply) else place

    def _find(self, request: web.BaseRequest, name: str, method: str, host: bytes) -> Reply | _Place:
        """Say where a target leads, and remember it: what a path in origin-form means depends on nothing else."""
        target = parse_target(_raw_target(request), host)
        if isinstance(target, RefusedTarget):
            return _refuse(request, f"The request target {target.why}.")
        routed = self._routes.match(target.path, method.encode("ascii"), host) or self.unrouted
        aliases = routed.rules.aliases
        admitted = aliases.admit(target)
        if isinstance(admitted, RefusedTarget) and routed.rules.mode is Mode.OBSERVE:
            admitted = target
        if isinstance(admitted, RefusedTarget):
            return _refuse(request, f"The request target {admitted.why}.", routed.rules)
        place = _placed(admitted, routed)
        if request.raw_path.startswith("/"):
            if len(self._places) >= REMEMBERED_TARGETS:
                self._places.clear()
            self._places[name] = place
        return place


def _conditions(fields: RequestFields, place: _Place) -> Conditions | Reply:
    """The preconditions of a request to a guarded route; a refusal where one is malformed."""
    rules, target = place.routed.rules, place.target
    conditions = read_fields(fields.conditions, time.time(), rules.dialect.compare)
    if not isinstance(conditions, MalformedCondition):
        return conditions
    name = conditions.field.title()
    detail = f"The field {name.decode('ascii')} is malformed: {conditions.why}."
    received = Received(name, conditions.value)
    return refuse_at(rules, target.path, Problem.MALFORMED, detail, target=target, received=received)


def _placed(target: Target, routed: RoutedRules) -> _Place:
    """What a target says of its resource."""
    rules, template = routed.rules, routed.template
    folded = rules.aliases.fold(target)
    parameters: Mapping[str, bytes] = {}
    if template is not None:
        path, mark, query = folded.partition(b"?")
        parameters = template.values(path)
        folded = template.canonical(path) + mark + query
    key, when = resource_key(folded), told(rules)
    names = None
    if rules.naming is not None or rules.changes or rules.representation is not None:
        names = named(rules, key, RequestSources(parameters, target.query, (), None, rules.aliases))
    return _Place(target, key, routed, parameters_of(target.query), parameters, when, names)


def _named(exchange: Exchange, place: _Place, names: Named) -> Reply | tuple[Exchange, RoutedRules]:
    """The exchange under its names. What changes nothing is let through untouched where they are not to be told."""
    routed, is_write = place.routed, exchange.method not in SAFE
    if is_write and place.told is Told.BY_BODY:
        exchange.is_named = False
        return exchange, routed
    if place.told is not Told.BY_TARGET:
        sources = RequestSources(place.parameters, place.target.query, exchange.fields.passing, None, exchange.rules.aliases)
        names = named(exchange.rules, place.key, sources)
    if is_write:
        return take_names(exchange, names) or (exchange, routed)
    if isinstance(names.key, Unnamed):
        exchange.rules = routed.unguarded.rules
        return exchange, routed.unguarded
    exchange.key = names.key
    return exchange, routed


def _raw_target(request: web.BaseRequest) -> bytes:
    return request.raw_path.encode("utf-8", "surrogateescape")


def _refuse(request: web.BaseRequest, detail: str, rules: Rules | None = None) -> Reply:
    """Refuse a head. `rules` None: its route is not known."""
    target = _raw_target(request)
    return problem(Problem.BAD_REQUEST, detail, target) if rules is None else refuse_at(rules, target, Problem.BAD_REQUEST, detail)


def _method_meant(request: web.BaseRequest, fields: RequestFields, overrides: Sequence[Field], rules: Rules) -> bytes | Reply:
    """The method that a request to a guarded route means, as far as the route lets it mean another."""
    if fields.underscored is not None:
        return _refuse(request, f"The field {fields.underscored.decode('latin-1')} {UNDERSCORE}.", rules)
    method = meant(request.method.encode("ascii"), (*overrides, *fields.overrides), rules.method_override)
    return _refuse(request, method.why, rules) if isinstance(method, RefusedMethod) else method
