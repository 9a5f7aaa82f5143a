"""The way to the backend: one write is at most one flight, and every fate that a write can have is drawn here."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from proxy.errors import Delivery, OriginBroken, OriginTimeout, OriginUnreachable
from proxy.origin.port import Interim, Origin, OriginAnswer, OriginRequest, ReservedConnection, StreamedBody

from .backend import Backend, Flight, Shown, late
from .loop import WORLD
from .scenario import Fate, Look, Scenario, pick

SILENCE_SECONDS = 4.0
"""After so long without a word a GET is given up."""

REFUSALS = (400, 401, 403, 405, 413, 422, 429)
DOUBTFUL_REFUSALS = (409, 423)


class Lands(Enum):
    """When a write is applied."""

    NEVER = auto()
    SOON = auto()
    SLOWLY = auto()
    AFTER_THE_ANSWER = auto()


@dataclass(frozen=True, slots=True)
class Course:
    """What a fate comes to. `says` are the statuses to draw from; none: the connection is reset, or, where `is_silent`, nothing comes."""

    lands: Lands
    says: tuple[int, ...] = ()
    is_silent: bool = False
    is_cut: bool = False


COURSES = {
    Fate.ANSWERED: (Course(Lands.SOON, (200,)),),
    Fate.SLOW: (Course(Lands.SLOWLY, (200,)),),
    Fate.HANGING: (Course(Lands.SOON, is_silent=True),),
    Fate.LOST: (Course(Lands.NEVER, is_silent=True),),
    Fate.RESET_BEFORE: (Course(Lands.NEVER),),
    Fate.RESET_AFTER: (Course(Lands.SOON),),
    Fate.RESET_EARLY: (Course(Lands.AFTER_THE_ANSWER),),
    Fate.CUT: (Course(Lands.SOON, (200,), is_cut=True),),
    Fate.ERROR_BEFORE: (Course(Lands.NEVER, (500, 502, 503)),),
    Fate.ERROR_AFTER: (Course(Lands.SOON, (500,)),),
    Fate.ERROR_EARLY: (Course(Lands.AFTER_THE_ANSWER, (504,)),),
    Fate.MOVED: (Course(Lands.NEVER, (302,)),),
    Fate.REFUSED: (Course(Lands.NEVER, REFUSALS),),
    Fate.CONFLICTING: (Course(Lands.NEVER, DOUBTFUL_REFUSALS), Course(Lands.SOON, DOUBTFUL_REFUSALS)),
}
"""What becomes of a write that has left. UNREACHABLE never does."""


class OriginLink:
    """What one process sees of the backend. `gate_pause_seconds` is how long it stands still between the gate and the bytes (A2)."""

    def __init__(self, backend: Backend, scenario: Scenario, chance: Random, name: str) -> None:
        self.backend = backend
        self.scenario = scenario
        self.chance = chance
        self.name = name
        self.is_calm = self.is_closed = False
        self.gate_pause_seconds = 0.0
        self.waited_for: dict[Flight, None] = {}

    async def fetch(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """As the port says. What is shown may be a moment old when it arrives."""
        self.refuse_if_closed()
        backend, chance = self.backend, self.chance
        look = Look.SHOWN if self.is_calm else pick(chance, self.scenario.looks)
        if look not in (Look.SHOWN, Look.SLOW):
            backend.journal.fault(f"GET: {look.value}")
        await asyncio.sleep(chance.uniform(0.001, 0.01))
        self.refuse_if_closed()
        path = request.target.decode().partition("?")[0]
        shown = backend.show(path)
        await asyncio.sleep(chance.uniform(0.05, 1.0) if look is Look.SLOW else chance.uniform(0.001, 0.01))
        backend.journal.note(self.name, f"GET {path} shows {shown._content.decode()} ({look.name})")
        if look is Look.FAILED:
            return Shown(500, [], b"failed")
        if look is Look.CUT:
            return Shown(shown.status, shown.fields, shown._content, breaks_off=True)
        if look is Look.RESET:
            raise OriginBroken("reset", Delivery.MAYBE_SENT)
        if look is Look.SILENT:
            await asyncio.sleep(SILENCE_SECONDS)
            raise OriginTimeout("silence", Delivery.MAYBE_SENT)
        return shown

    async def reserve(self) -> ReservedConnection:
        """As the port says."""
        self.refuse_if_closed()
        await asyncio.sleep(self.chance.uniform(0.0, 0.003))
        if not self.is_calm and self.chance.random() < 0.005:
            self.backend.journal.fault("write: no connection")
            raise OriginUnreachable("no connection")
        return Reserved(self)

    async def send(self, request: OriginRequest, interim: Interim | None = None) -> OriginAnswer:
        """As the port says."""
        connection = await self.reserve()
        return await connection.send(request, lambda: True)

    async def close(self) -> None:
        """The process is gone: whatever it sent is on its own."""
        self.is_closed = True
        self.give_up()

    def give_up(self) -> None:
        """Nobody of this process listens, for now or for ever."""
        for flight in list(self.waited_for):
            flight.give_up()

    def refuse_if_closed(self) -> None:
        """Send nothing for a process that is gone."""
        if self.is_closed:
            raise OriginUnreachable("the process is gone")


class Reserved:
    """A connection for one write."""

    def __init__(self, link: OriginLink) -> None:
        self._link = link
        self._backend = link.backend

    def release(self) -> None:
        """Nothing is held."""

    async def send(self, request: OriginRequest, gate: Callable[[], bool], interim: Interim | None = None) -> OriginAnswer:
        """As the port says."""
        link, backend = self._link, self._backend
        link.refuse_if_closed()
        fate = Fate.ANSWERED if link.is_calm else pick(link.chance, link.scenario.fates)
        if fate is not Fate.ANSWERED:
            backend.journal.fault(f"write: {fate.value}")
        if fate is Fate.UNREACHABLE or not gate():
            raise OriginUnreachable("not a byte was sent")
        content = request.body or b""
        if isinstance(content, StreamedBody):
            content = b"".join([piece async for piece in content.chunks])
            if not gate():
                raise OriginTimeout("the lease ran out in the middle of the body", Delivery.MAYBE_SENT)
        fields = dict(line.split(b": ", 1) for line in request.field_lines.split(b"\r\n") if line)
        path, value = request.target.decode().partition("?")[0], (content or fields[b"X-Value"]).decode()
        flight = Flight(backend, path, value, request.method == b"DELETE", fields.get(b"If-Match"))
        head: asyncio.Future[Shown] = backend.loop.create_future()
        link.waited_for[flight] = None
        away, link.gate_pause_seconds = link.gate_pause_seconds, 0.0
        if away:
            backend.loop.call_later(away, self._leave, flight, fate, head, context=WORLD)
        else:
            # What has passed the gate is on the wire, whoever cancels the call from now on.
            self._leave(flight, fate, head)
        try:
            return await head
        except BaseException:
            flight.give_up()
            raise
        finally:
            link.waited_for.pop(flight, None)

    def _leave(self, flight: Flight, fate: Fate, head: "asyncio.Future[Shown]") -> None:
        """The bytes leave, unless the process has been killed meanwhile."""
        link, backend, chance = self._link, self._backend, self._link.chance
        if link.is_closed:
            return
        backend.journal.note(link.name, f"sends {flight.value} ({fate.name})")
        course = chance.choice(COURSES[fate])

        def answer() -> None:
            if head.done() or course.is_silent:
                return
            if not course.says:
                head.set_exception(OriginBroken("reset", Delivery.MAYBE_SENT))
                return
            status = 412 if flight.is_refused else chance.choice(course.says)
            if status != 200:
                head.set_result(Shown(status, [], b"no"))
                return
            fields = [] if flight.deletes else backend.validators(flight.path, flight.value)
            head.set_result(Shown(200, fields, flight.value.encode(), course.is_cut))

        def answer_soon() -> None:
            backend.loop.call_later(chance.uniform(0.001, 0.02), answer, context=WORLD)

        match course.lands:
            case Lands.NEVER:
                answer_soon()
            case Lands.SOON:
                flight.land_in(chance.uniform(0.002, 0.03), answer_soon)
            case Lands.SLOWLY:
                flight.land_in(chance.uniform(0.5, link.scenario.times.write_timeout_seconds + 2.0), answer_soon)
            case Lands.AFTER_THE_ANSWER:
                flight.land_in(late(chance, backend.apply_delay_seconds))
                answer()


_: tuple[type[Origin], type[ReservedConnection]] = (OriginLink, Reserved)
