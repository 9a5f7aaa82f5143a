"""The backend of the simulation, and the link to it: last write wins, and it takes its time.

A write that was sent is a flight: it lands (is applied), or is lost on the way. Assumption A1 is kept to the letter: once noclobber has
given a write up, it lands within D or never. A process that stands still gives nothing up by itself, so its flights land within D of
the moment in which it stopped: that is the earliest end its lease can have had.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from proxy.errors import Delivery, OriginBroken, OriginTimeout, OriginUnreachable
from proxy.origin.port import Field, Interim, Origin, OriginAnswer, OriginRequest, ReservedConnection, StreamedBody
from tests.campaigns.history import SEED

from .journal import Journal
from .loop import WORLD, VirtualLoop
from .scenario import Fate, Look, Scenario, pick

SILENCE_SECONDS = 4.0
"""After so long without a word a GET is given up."""

REFUSALS = (400, 401, 403, 405, 413, 422, 429)
DOUBTFUL_REFUSALS = (409, 423)
GONE = b"gone: "
"""A 404 says which deletion it shows, so that a client knows what it saw."""


NATIVE = ("/native/", "/auto/")
"""Where the backend has strong tags of its own."""


def native_tag(value: str) -> bytes:
    """The backend's own tag of a state."""
    return b'"n-%b"' % value.encode()


@dataclass(slots=True)
class Resource:
    """One resource: the values of the writes that were applied, in order, and whether anything stands."""

    log: list[str] = field(default_factory=list)
    exists: bool = True

    @property
    def value(self) -> str:
        """The value that was written last."""
        return self.log[-1] if self.log else SEED


class Flight:
    """One write on its way. `lands_at` None: it never will, or has."""

    def __init__(self, backend: "Backend", path: str, value: str, deletes: bool) -> None:
        self._backend = backend
        self.path = path
        self.value = value
        self.deletes = deletes
        self._timer: asyncio.TimerHandle | None = None
        self._landed: Callable[[], None] | None = None

    @property
    def lands_at(self) -> float | None:
        """When it is applied."""
        return None if self._timer is None else self._timer.when()

    def land_in(self, seconds: float, landed: Callable[[], None] | None = None) -> None:
        """Be applied after so long; then call landed."""
        self._drop()
        self._landed = landed
        self._backend.flights[self] = None
        self._timer = self._backend.loop.call_later(seconds, self._land, context=WORLD)

    def give_up(self) -> None:
        """Nobody waits any more: land within D, or be dropped (A1)."""
        if self._timer is None:
            return
        chance, delay = self._backend.chance, self._backend.apply_delay_seconds
        roll = chance.random()
        if roll < 0.25:
            self._backend.journal.note("backend", f"drops {self.value}")
            self._drop()
        elif roll < 0.75 or self._timer.when() > self._backend.loop.time() + delay * LATEST:
            self.land_in(late(chance, delay))

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._backend.flights.pop(self, None)

    def _land(self) -> None:
        landed = self._landed
        self._drop()
        self._backend.apply(self.path, self.value, self.deletes)
        if landed is not None:
            landed()


LATEST = 0.98


def late(chance: Random, delay_seconds: float) -> float:
    """Some time within D, rather late than early."""
    return delay_seconds * LATEST * chance.random() ** 0.5


class Backend:
    """Resources without any concurrency control. `flights` are the writes that will still be applied."""

    def __init__(self, loop: VirtualLoop, chance: Random, apply_delay_seconds: float, journal: Journal) -> None:
        self.loop = loop
        self.chance = chance
        self.apply_delay_seconds = apply_delay_seconds
        self.journal = journal
        self.resources: dict[str, Resource] = {}
        self.flights: dict[Flight, None] = {}

    def resource(self, path: str) -> Resource:
        """What stands at path; the seed in the beginning."""
        return self.resources.setdefault(path, Resource())

    def apply(self, path: str, value: str, deletes: bool) -> None:
        """Write last and win."""
        resource = self.resource(path)
        self.journal.note("backend", f"APPLIES {'deletion ' if deletes else ''}{value} on {resource.value}")
        resource.log.append(value)
        resource.exists = not deletes

    def show(self, path: str) -> "Shown":
        """Answer a GET, as things are in this moment."""
        resource = self.resource(path)
        if not resource.exists:
            return Shown(404, [], GONE + resource.value.encode())
        return Shown(200, self.validators(path, resource.value), resource.value.encode())

    def validators(self, path: str, value: str) -> list[Field]:
        """The fields that name a state."""
        return [(b"ETag", native_tag(value))] if path.startswith(NATIVE) else []


class Shown:
    """An answer. `breaks_off`: the content ends halfway, with an error."""

    trailers: Sequence[Field] = ()

    def __init__(self, status: int, fields: Sequence[Field], content: bytes, breaks_off: bool = False) -> None:
        self.status = status
        self.reason = b""
        self.fields = fields
        self.content_length: int | None = len(content)
        self._content = content[: len(content) // 2] if breaks_off else content
        self._breaks_off = breaks_off

    def arrived(self) -> bytes | None:
        """Nothing has, before it is read."""
        return None

    async def read(self) -> bytes:
        """The content in one piece, then its end."""
        content, self._content = self._content, b""
        if not content and self._breaks_off:
            raise OriginBroken("cut short", Delivery.MAYBE_SENT)
        return content

    def abandon(self) -> None:
        """Nothing is held."""


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
        path = request.target.decode()
        flight = Flight(backend, path, content.decode() or _named(request), request.method == b"DELETE")
        head: asyncio.Future[Shown] = backend.loop.create_future()
        away, link.gate_pause_seconds = link.gate_pause_seconds, 0.0
        backend.loop.call_later(away, self._leave, flight, fate, head, context=WORLD)
        link.waited_for[flight] = None
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
        if link.is_closed or head.done():
            return
        backend.journal.note(link.name, f"sends {flight.value} ({fate.name})")
        delay, slow = chance.uniform(0.002, 0.03), chance.uniform(0.5, link.scenario.times.write_timeout_seconds + 2)

        def answer(status: int, breaks_off: bool = False) -> None:
            if not head.done():
                fields = backend.validators(flight.path, flight.value) if status < 300 and not flight.deletes else []
                head.set_result(Shown(status, fields, flight.value.encode() if status < 300 else b"no", breaks_off))

        def reset() -> None:
            if not head.done():
                head.set_exception(OriginBroken("reset", Delivery.MAYBE_SENT))

        def later(act: Callable[[], None]) -> None:
            backend.loop.call_later(chance.uniform(0.001, 0.02), act, context=WORLD)

        match fate:
            case Fate.ANSWERED:
                flight.land_in(delay, lambda: later(lambda: answer(200)))
            case Fate.SLOW:
                flight.land_in(slow, lambda: later(lambda: answer(200)))
            case Fate.HANGING:
                flight.land_in(delay)
            case Fate.RESET_BEFORE:
                later(reset)
            case Fate.RESET_AFTER:
                flight.land_in(delay, lambda: later(reset))
            case Fate.RESET_EARLY:
                flight.land_in(late(chance, backend.apply_delay_seconds))
                reset()
            case Fate.CUT:
                flight.land_in(delay, lambda: later(lambda: answer(200, breaks_off=True)))
            case Fate.ERROR_BEFORE:
                later(lambda: answer(chance.choice((500, 502, 503))))
            case Fate.ERROR_AFTER:
                flight.land_in(delay, lambda: later(lambda: answer(500)))
            case Fate.ERROR_EARLY:
                flight.land_in(late(chance, backend.apply_delay_seconds))
                answer(504)
            case Fate.MOVED:
                later(lambda: answer(302))
            case Fate.REFUSED:
                later(lambda: answer(chance.choice(REFUSALS)))
            case Fate.CONFLICTING if chance.random() < 0.5:
                flight.land_in(delay, lambda: later(lambda: answer(chance.choice(DOUBTFUL_REFUSALS))))
            case Fate.CONFLICTING:
                later(lambda: answer(chance.choice(DOUBTFUL_REFUSALS)))
            case Fate.LOST | Fate.UNREACHABLE:
                pass


def _named(request: OriginRequest) -> str:
    """The value of a write that has no body: the client says it in a field."""
    for line in request.field_lines.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name == b"X-Value":
            return value.decode()
    raise AssertionError("a write without a value")


_: tuple[type[Origin], type[ReservedConnection], type[OriginAnswer]] = (OriginLink, Reserved, Shown)
