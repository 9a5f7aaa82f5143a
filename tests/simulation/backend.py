"""The backend of the simulation: last write wins, and it takes its time.

A write that was sent is a flight: it lands (is applied), or is lost on the way. Assumption A1 is kept: once noclobber has given a write up,
it lands within D or never. A process that stands still gives nothing up, though its lease runs out; what it had sent lands within D of the
moment in which it stopped. (Counted from when it goes on and resets the connection, D would end after the quarantine of whoever took over,
and updates would be lost: A1 has to hold from the end of the lease, whether or not anybody abandons anything.)
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from proxy.errors import Delivery, OriginBroken
from proxy.origin.port import Field, OriginAnswer
from tests.campaigns.history import SEED

from .journal import Journal
from .loop import WORLD, VirtualLoop
from .places import changed_by, resource_of

GONE = b"gone: "
"""A 404 says which deletion it shows, so that a client knows what it saw."""

NATIVE = ("/native/", "/auto/", "/enforcing/")
"""Where the backend has strong tags of its own."""

ENFORCING = "/enforcing/"
"""Where it looks at preconditions by them, in the moment in which it applies a write."""


DOCUMENTS = ("/json/", "/member/")
"""Where a GET shows JSON that differs from look to look, in what says nothing of the state and in its layout."""

NUMBERED = "/head/"
"""Where the head of an answer to a GET has the number of the write that was applied last."""


def document(value: str, number: int, look: int) -> bytes:
    """A state as JSON; no two looks give the same."""
    members = [f'"value": "{value}"', f'"version": {number}', f'"serverTime": {look}']
    turned = members[look % 3 :] + members[: look % 3]
    return ("{" + (" , " if look % 2 else ",").join(turned) + "}").encode()


def value_of(path: str, content: bytes) -> str:
    """The value that an answer to a GET shows."""
    return str(json.loads(content)["value"]) if path.startswith(DOCUMENTS) else content.decode()


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
    """One write on its way. `condition` is the value of its If-Match, None: it has none. `is_refused`: that did not hold."""

    def __init__(self, backend: "Backend", path: str, value: str, deletes: bool, condition: bytes | None) -> None:
        self._backend = backend
        self.path = path
        self.value = value
        self.deletes = deletes
        self._condition = condition if path.startswith(ENFORCING) else None
        self.is_refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_given_up = False
        self._landed: Callable[[], None] | None = None

    def land_in(self, seconds: float, landed: Callable[[], None] | None = None) -> None:
        """Be applied after so long; then call landed."""
        self._drop()
        self._landed = landed
        self._backend.flights[self] = None
        self._timer = self._backend.loop.call_later(seconds, self._land, context=WORLD)

    def give_up(self) -> None:
        """Nobody waits any more: land within D, or be dropped (A1). To be given up once more later makes nothing later."""
        if self._timer is None or self._is_given_up:
            return
        self._is_given_up = True
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
        stands = self._backend.resource(self.path)
        if self._condition is not None and (not stands.exists or self._condition not in (b"*", native_tag(stands.value))):
            self.is_refused = True
            self._backend.journal.note("backend", f"refuses {self.value}: {stands.value} stands")
        else:
            self._backend.apply(self.path, self.value, self.deletes)
        if landed is not None:
            landed()


LATEST = 0.98


def late(chance: Random, delay_seconds: float) -> float:
    """Some time within D, rather late than early."""
    return delay_seconds * LATEST * max(chance.random(), chance.random())


class Backend:
    """Resources without any concurrency control. `flights` are the writes that will still be applied."""

    def __init__(self, loop: VirtualLoop, chance: Random, apply_delay_seconds: float, journal: Journal) -> None:
        self.loop = loop
        self.chance = chance
        self.apply_delay_seconds = apply_delay_seconds
        self.journal = journal
        self.resources: dict[str, Resource] = {}
        self.flights: dict[Flight, None] = {}
        self.looks = 0

    def resource(self, path: str) -> Resource:
        """What stands at path; the seed in the beginning."""
        return self.resources.setdefault(resource_of(path), Resource())

    def apply(self, path: str, value: str, deletes: bool) -> None:
        """Write last and win."""
        resource = self.resource(path)
        self.journal.note("backend", f"APPLIES {'deletion ' if deletes else ''}{value} on {resource.value}")
        resource.log.append(value)
        resource.exists = not deletes
        other = changed_by(resource_of(path))
        if other is not None:
            self.resource(other).log.append(value)

    def show(self, path: str) -> "Shown":
        """Answer a GET, as things are in this moment."""
        resource = self.resource(path)
        if not resource.exists:
            return Shown(404, [], GONE + resource.value.encode())
        self.looks += 1
        number = len(resource.log)
        if path.startswith(DOCUMENTS):
            return Shown(200, [(b"Content-Type", b"application/json")], document(resource.value, number, self.looks))
        if path.startswith(NUMBERED):
            return Shown(200, [(b"X-Version", b"%d" % number)], resource.value.encode())
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


_: type[OriginAnswer] = Shown
