"""The documents of the admin API that concern all workers: each is asked, and what the parent knows better is put in its place."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec.structs import replace

from ..admin import counted, merging
from ..admin.answers import Refused, answer
from ..admin.asked import parameters
from ..admin.documents import ConfigStatus, Doubt, Hot, Reload, Route, Status, Worker, WorkerState
from ..admin.figures import Figures as Counted
from ..admin.operations import OPERATIONS
from .figures import Figures
from .fleet import Fleet
from .forwarding import ClientError, Silent, asking
from .reload import Reloaded, now
from .succession import Succession
from .worker import State
from .worker import Worker as Process

T = TypeVar("T")
_BY_NAME = {operation.name: operation for operation in OPERATIONS}


class Other(Exception):
    """A worker answers with something else than a document: what it says is the answer."""

    def __init__(self, said: web.Response) -> None:
        super().__init__(said.status)
        self.said = said


class Documents:
    """Answer for all workers."""

    def __init__(self, fleet: Fleet, figures: Figures, succession: Succession) -> None:
        self._fleet = fleet
        self._figures = figures
        self._succession = succession
        self._started_at: datetime = now()

    async def status(self, request: web.BaseRequest) -> web.StreamResponse:
        found, silent = await asyncio.gather(self._ask_all(request, Status), self._fleet.ask_all())
        merged, figures, reasons = merging.status(found), Counted(self._figures.samples()), self._fleet.reasons(silent)
        latency = counted.store_latency(figures)
        store = replace(merged.store, latency=latency, operations=counted.operations(latency), errors=counted.store_errors(figures))
        return answer(
            replace(
                merged,
                started_at=self._started_at,
                uptime_seconds=(now() - self._started_at).total_seconds(),
                ready=not reasons,
                reasons=tuple(reasons),
                workers=tuple(self._workers()),
                store=store,
                totals=counted.totals(figures),
                latency=counted.latency(figures),
                config=self._config(),
            )
        )

    async def routes(self, request: web.BaseRequest) -> web.StreamResponse:
        found, _ = await asyncio.gather(self._ask_all(request, tuple[Route, ...]), self._fleet.ask_all())
        figures = Counted(self._figures.samples())
        return answer(tuple(replace(route, totals=counted.route_totals(figures, route.name)) for route in merging.routes(found)))

    async def hottest(self, request: web.BaseRequest) -> web.StreamResponse:
        limit = int(parameters(_BY_NAME["hottest"], request.query)["limit"])
        return answer(merging.hottest(await self._ask_all(request, tuple[Hot, ...]), limit))

    async def doubts(self, request: web.BaseRequest) -> web.StreamResponse:
        return answer(merging.doubts(await self._ask_all(request, tuple[Doubt, ...])))

    async def _ask_all(self, request: web.BaseRequest, kind: type[T]) -> list[T]:
        """What those workers say that serve. Raise Other with what one says instead, Refused where none says anything."""
        said = await asyncio.gather(*(_ask(request, worker, kind) for worker in self._fleet.serving))
        found = [each for each in said if each is not None]
        if not found:
            raise Refused(503, "No worker serves at the moment.", headers={"Retry-After": "1"})
        return found

    def _workers(self) -> Iterator[Worker]:
        restarts = {} if self._fleet.current is None else {slot.number: slot.restarts for slot in self._fleet.current.slots}
        for worker in self._fleet.workers:
            report = worker.report
            yield Worker(
                worker=worker.slot,
                pid=worker.pid,
                state=WorkerState(worker.state.value),
                uptime_seconds=max(0.0, time.time() - worker.started),
                restarts=0 if worker.state is State.DRAINING else restarts.get(worker.slot, 0),
                in_flight=0 if report is None else report.in_flight,
                connections=0 if report is None else report.connections,
            )

    def _config(self) -> ConfigStatus:
        succession = self._succession
        last = None if succession.last is None else reload_document(succession.last)
        path = None if succession.path is None else str(succession.path)
        return ConfigStatus(path=path, loaded_at=succession.loaded_at, reload=last)


async def _ask(request: web.BaseRequest, worker: Process, kind: type[T]) -> T | None:
    """What one worker says; None: nothing, as when it is killed at this moment."""
    try:
        async with asking(worker, request) as heard:
            content = await heard.read()
    except (Silent, ClientError):
        return None
    if heard.status != 200:
        raise Other(web.Response(status=heard.status, body=content, content_type=heard.content_type))
    return msgspec.json.decode(content, type=kind)


def reload_document(came: Reloaded) -> Reload:
    """What came of a reload, as the API says it."""
    return Reload(at=came.at, ok=came.is_good, errors=came.errors)
