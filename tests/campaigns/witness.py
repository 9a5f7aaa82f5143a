"""A client of the campaigns: it looks and writes, and puts down what it saw and what it was told."""

import json
import random
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.core.outcome import NOT_APPLIED_STATUSES
from tests.campaigns.history import ABSENT, History, Outcome, Read, Write
from tests.campaigns.routes import COUNTED, GROUP, VIEW
from tests.campaigns.wire import Answer, Wire


class Seen(NamedTuple):
    """A state as a client saw it. `tag` is empty where none was sent, `total` 0 where nothing is counted."""

    total: int
    value: str
    tag: str


NOTHING = Seen(0, ABSENT, "")

OUTCOMES = {412: Outcome.STALE, 428: Outcome.STALE, 503: Outcome.BUSY, 504: Outcome.UNKNOWN}
LOST = "connection lost"


class Told(NamedTuple):
    """What a writer was told. `tag` is that of the answer; empty where it had none."""

    outcome: Outcome
    tag: str


@dataclass(slots=True)
class Testimony:
    """What all clients of a campaign have to say. What comes that may not come is counted in `unexpected`.

    `reads_may` and `writes_may` are the statuses that may come besides 200 and 2xx; `told` counts the answers to writes by status,
    `turned_away` connections that nobody took. Once it `is_over`, nobody has to go on.
    """

    reads_may: Collection[int | str] = ()
    writes_may: Collection[int | str] = ()
    history: History = field(default_factory=History)
    unexpected: Counter[str] = field(default_factory=Counter)
    told: Counter[int | str] = field(default_factory=Counter)
    turned_away: int = 0
    is_over: bool = False

    def note_read(self, status: int | str) -> None:
        """Count what came of a look, other than 200, if it may not come."""
        if status not in self.reads_may:
            self.unexpected[f"GET: {status}"] += 1

    def note_write(self, method: str, status: int | str) -> None:
        """Count what came of a write, other than 2xx, if it may not come."""
        if status not in self.writes_may:
            self.unexpected[f"{method}: {status}"] += 1


class Witness:
    """One client. Its values are its own: nobody else writes them."""

    def __init__(self, name: str, testimony: Testimony) -> None:
        self._name = name
        self._testimony = testimony
        self._serial = 0

    @property
    def last_value(self) -> str:
        """What it wrote last."""
        return f"{self._name}-{self._serial}"

    async def look(self, wire: Wire, resource: str) -> Seen | None:
        """Read resource; NOTHING where it was deleted, None where nothing could be seen."""
        began = time.monotonic()
        try:
            answer = await _ask(wire, "GET", _url(resource))
        except ConnectionRefusedError:
            self._testimony.turned_away += 1
            return None
        status: int | str = answer.status if answer else LOST
        if answer is None or answer.status not in (200, 404):
            self._testimony.note_read(status)
            return None
        if answer.status == 404:
            self._testimony.note_read(status)
            seen = NOTHING
        else:
            state = json.loads(answer.body)
            seen = Seen(state.get("count", 0), state["write"], answer.fields.get("etag", ""))
        self._testimony.history.reads.append(Read(resource, seen.value, _named(resource, seen), began))
        return seen

    async def write(
        self, wire: Wire, method: str, resource: str, seen: Seen, document: Mapping[str, object] | None = None, script: str = ""
    ) -> Told:
        """Write on what was seen. `document` goes into the body, with the value; `script` tells the backend what to do.

        A counted resource is not written where it was seen without a tag, as while the store is away: nothing says what that rests on.
        """
        if not seen.tag and seen.value != ABSENT and resource.startswith(COUNTED):
            return Told(Outcome.BUSY, "")
        self._serial += 1
        value = self.last_value
        fields = {"X-Write": value, **({"X-Script": script} if script else {})}
        if seen.tag:
            fields["If-Match"] = seen.tag
        elif seen.value == ABSENT:
            fields["If-None-Match"] = "*"
        body = None if method == "DELETE" else json.dumps({**(document or {}), "write": value}).encode()
        try:
            answer = await _ask(wire, method, _url(resource), fields, body)
        except ConnectionRefusedError:
            self._testimony.turned_away += 1
            return Told(Outcome.BUSY, "")
        status: int | str = answer.status if answer else LOST
        self._testimony.told[status] += 1
        if answer is None or not 200 <= answer.status < 300:
            self._testimony.note_write(method, status)
        outcome = outcome_of(answer)
        ended = time.monotonic()
        named = _named(resource, seen)
        self._testimony.history.writes.append(Write(resource, value, seen.value, named, outcome, ended, method == "DELETE"))
        return Told(outcome, answer.fields.get("etag", "") if answer else "")


def outcome_of(answer: Answer | None) -> Outcome:
    """What the writer was told; None: its connection was lost."""
    if answer is None or answer.fields.get("noclobber-outcome") == "unknown":
        return Outcome.UNKNOWN
    if 200 <= answer.status < 300:
        return Outcome.ACKNOWLEDGED
    if answer.status in NOT_APPLIED_STATUSES and answer.status not in OUTCOMES:
        return Outcome.REFUSED
    return OUTCOMES.get(answer.status, Outcome.UNKNOWN)


def _url(resource: str) -> str:
    """One of the URLs of a resource."""
    return resource + VIEW if resource.startswith(GROUP) and random.random() < 0.5 else resource


def _named(resource: str, seen: Seen) -> str:
    """The tag as the judge is told it. An old revision may stand on a newer body (it costs a 412), so there the body is part of it."""
    return f"{seen.tag} of {seen.value}" if seen.tag and resource.startswith(COUNTED) else seen.tag


async def _ask(wire: Wire, method: str, path: str, fields: dict[str, str] | None = None, body: bytes | None = None) -> Answer | None:
    """None: the connection was lost on the way. ConnectionRefusedError: there was none."""
    try:
        return await wire.ask(method, path, fields, body)
    except ConnectionRefusedError:
        raise
    except (OSError, EOFError):
        return None
