"""Explain: what becomes of a request, and why. It is decided by the code that serves; reads are sent, writes are not."""

import asyncio
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus

from .config import DEFAULT, MEMORY, Built, Config, masked
from .config.keys import KEYS, shown_setting
from .core.resource import key_digest
from .gateway.arrival import Arrivals, RoutedRules
from .gateway.exchange import Exchange
from .gateway.handler import Handler
from .gateway.imagined import TOKEN, ImaginedRequest, imagine
from .gateway.labels import Labels
from .gateway.lease import Leases
from .gateway.metrics import Metrics
from .gateway.readiness import Readiness
from .gateway.reading import Reading
from .gateway.reply import Reply
from .gateway.representation import Representations
from .gateway.spool import SpoolLimits
from .gateway.tasks import Tasks
from .gateway.writing import Writing
from .origin.port import OriginRequest
from .rehearsal import ReadOnlyBackend, ScratchStore
from .routing import lease_times, routes_of, unrouted
from .store.memory import MemoryStore
from .stores import SQLITE, open_store
from .upstreams import upstreams_of

SHOWN_BYTES = 2000
"""How much of a body is shown."""
_WIDTH = 12
# RFC 9110 §5.5 "Field Values"
_FIELD = re.compile(rf"\s*{TOKEN.pattern}\s*:[^\r\n\0]*")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to be explained. `url` is a path, or a URL where the host counts; `lines` are fields, `NAME: VALUE`."""

    method: str
    url: str
    lines: Sequence[str] = ()
    body: str = ""


def explain(built: Built, question: Question) -> str:
    """Say in lines what a configuration makes of a request. Raise ValueError for one that cannot be sent."""
    request, logger = _imagined(question), logging.getLogger("noclobber")
    level = logger.level
    # What goes wrong is said in the answer, once.
    logger.setLevel(logging.CRITICAL)
    try:
        return "\n".join(asyncio.run(_explain(built, request)))
    finally:
        logger.setLevel(level)


def _imagined(question: Question) -> ImaginedRequest:
    if bad := next((line for line in question.lines if not _FIELD.fullmatch(line)), None):
        raise ValueError(f"a field is written 'NAME: VALUE', read {bad!r}")
    lines = [line.partition(":") for line in question.lines]
    fields = [(name.strip().encode("utf-8"), value.strip().encode()) for name, _, value in lines]
    return imagine(question.method, question.url, fields, question.body.encode())


async def _explain(built: Built, request: ImaginedRequest) -> list[str]:
    config = built.config
    unsent: list[OriginRequest] = []
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        upstreams = {name: ReadOnlyBackend(backend, unsent) for name, backend in upstreams_of(config, metrics).items()}
        for upstream in upstreams.values():
            stack.push_async_callback(upstream.close)
        store, about_store = await _scratch(config)
        stack.push_async_callback(store.close)
        limits = SpoolLimits(config.limits.spool_memory_bytes, config.limits.max_body_bytes, config.limits.spool_directory or None)
        representations = Representations(upstreams[DEFAULT], limits, config.limits.max_tagged_body_bytes)
        await Readiness(store, representations, config.grace_seconds).look()
        tasks = Tasks()
        stack.push_async_callback(tasks.cancel)
        leases = Leases(store, lease_times(config), tasks, config.limits.max_waiters_per_key)
        arrivals = Arrivals(routes_of(config, metrics, upstreams), unrouted(metrics, upstreams[DEFAULT]), config.server.via_name)
        writing = Writing(representations, leases, tasks, limits, key_at=arrivals.key_at)
        handler = Handler(arrivals, Reading(representations, Labels(store, config.grace_seconds)), writing, None)
        judged, routed, _ = arrivals.judge(request.as_parsed)
        reply = judged if isinstance(judged, Reply) else await handler.answer(judged, routed)
        reply.close()
    lines = [f"{request.method} {request.raw_path}"]
    if isinstance(judged, Exchange):
        lines += [*_resource(judged, routed), *_settings(built, routed)]
    return [*lines, *_decision(judged, reply, unsent, about_store)]


async def _scratch(config: Config) -> tuple[ScratchStore, str]:
    """The store to decide with, and what is to be said of it. One that is not there yet is not made."""
    url = config.store.url
    if url == MEMORY or (url.startswith(SQLITE) and not os.path.exists(url.removeprefix(SQLITE))):  # noqa: ASYNC240
        return ScratchStore(MemoryStore(), least_age_seconds=float("inf")), "empty, so no tag is known that a client may hold"
    return ScratchStore(await open_store(config.store)), masked(url)


def _resource(exchange: Exchange, routed: RoutedRules) -> Iterator[str]:
    rules = exchange.rules
    yield _line("route", f"{routed.rules.name}" + ("" if rules.is_guarded else " (passed through untouched)"))
    if not rules.is_guarded:
        return
    if exchange.is_named:
        yield _line("resource", f"{_text(exchange.key)} (digest {key_digest(exchange.key)})")
        yield from (_line("changes too", f"{_text(key)} (digest {key_digest(key)})") for key in exchange.other_keys)
    else:
        yield _line("resource", "not known: the body does not name it or what else is changed, or was not asked for any more")
    if exchange.view:
        yield _line("looked at", _text(exchange.view))
    yield _line("strategy", rules.strategy.value)
    yield _line("dialect", rules.dialect.name)


def _settings(built: Built, routed: RoutedRules) -> Iterator[str]:
    """What the route has otherwise than by default, and where from."""
    found = next(((at, route) for at, route in enumerate(built.config.routes) if route.name == routed.rules.name), None)
    if found is None:
        yield _line("settings", "no route takes it: nothing is protected")
        return
    position, route = found
    origins: Mapping[str, str] = built.origins[position] if built.origins else {}
    if built.places:
        yield _line("settings", f"of the route at {built.places[position].text}, otherwise than by default:")
    for name, key in KEYS["route"].items():
        value = getattr(route, name)
        origin = origins.get(name, "")
        if name != "name" and (origin or (name != "path" and value != key.default)):
            yield f"  {name} = {shown_setting(value)}  ({origin or 'from [server] or [protocol]'})"


def _decision(judged: Reply | Exchange, reply: Reply, unsent: Sequence[OriginRequest], about_store: str) -> Iterator[str]:
    yield _line("store", about_store)
    if unsent:
        request = unsent[-1]
        yield _line("decision", f"it would be sent: {_text(request.method)} {_text(request.target)} (it was not)")
        if isinstance(judged, Exchange) and not judged.rules.is_guarded:
            yield _line("because", "nothing is judged here")
        if isinstance(judged, Exchange) and judged.would:
            yield _line("because", f"the route only observes: enforcing would answer {judged.would} {HTTPStatus(judged.would).phrase}")
        elif isinstance(judged, Exchange) and judged.verdict:
            yield _line("because", f"its precondition holds ({judged.verdict})")
        elif isinstance(judged, Exchange) and judged.rules.is_guarded and not judged.names_a_state:
            yield _line("because", "it has no precondition, and the route allows that")
        return
    verdict = f" ({judged.verdict})" if isinstance(judged, Exchange) and judged.verdict else ""
    yield _line("decision", f"{reply.status} {HTTPStatus(reply.status).phrase}{verdict}")
    yield from (_line("", _text(line).rstrip()) for line in reply.lines if line.lower().startswith((b"etag:", b"location:", b"noclobber-")))
    if reply.is_own and isinstance(reply.body, bytes):
        yield from (_line("", line) for line in _text(reply.body)[:SHOWN_BYTES].splitlines())


def _line(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
