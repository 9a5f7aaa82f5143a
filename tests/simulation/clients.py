"""Clients that read and write by turns, and the story of what they were told.

Every write has a value of its own. Most name what they saw; some name what they saw long ago, some name nothing, some create what they
found deleted, and some are sent again, word by word, when nobody said what became of them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from tests.campaigns.history import SEED, History, Outcome, Read, Write, violations

from .backend import GONE, value_of
from .journal import Journal
from .loop import VirtualLoop
from .origin import REFUSALS
from .places import REVISIONS, SHARED, VIEW, changed_by
from .process import Process
from .request import Answer
from .scenario import Scenario

PATIENCE_SECONDS = 60.0
DELETION = "d"
"""What the value of a deletion begins with."""


class Basis(Enum):
    """What a write rests on."""

    SEEN = "If-Match: what was seen"
    ABSENCE = "If-None-Match: *"
    PRESENCE = "If-Match: *"
    NOTHING = "no precondition"

    def allows(self, stood: str) -> bool:
        """Whether such a write may be applied on the value that stood, not knowing it."""
        return self is Basis.NOTHING or (self is Basis.ABSENCE) is stood.startswith(DELETION)


@dataclass(frozen=True, slots=True)
class Seen:
    """A state as a client saw it. `tag` is empty where none was sent, `value` a deletion's where nothing stands."""

    value: str
    tag: str


@dataclass(slots=True)
class Try:
    """One write, over all times that it was sent."""

    path: str
    value: str
    method: str
    basis: Basis
    seen: Seen
    outcome: Outcome = Outcome.BUSY
    ended: float = 0.0

    def hear(self, outcome: Outcome, now: float) -> None:
        """Take in what it was told. A write that was ever in doubt stays so until it is acknowledged."""
        if self.outcome is Outcome.ACKNOWLEDGED:
            return
        if outcome is Outcome.ACKNOWLEDGED or self.outcome is not Outcome.UNKNOWN:
            self.outcome, self.ended = outcome, now


@dataclass(slots=True)
class Story:
    """What all clients lived through."""

    tries: list[Try] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def judge(self, logs: Mapping[str, Sequence[str]]) -> list[str]:
        """Name what cannot be, given what the backend applied."""
        before = {(path, value): preceding for path, log in logs.items() for preceding, value in zip([SEED, *log], log, strict=False)}
        history = History(reads=[read._replace(tag=_named(read.resource, read.tag, read.value)) for read in self.reads])
        for each in self.tries:
            seen, stood = each.seen.value, before.get((each.path, each.value))
            tag = _named(each.path, each.seen.tag, seen)
            if each.basis is not Basis.SEEN:
                # It names no state: what it was applied on is right, but for whether anything stood there.
                tag = f"no tag: {each.value}"
                seen = stood if stood is not None and each.basis.allows(stood) else "something else"
            history.writes.append(Write(each.path, each.value, seen, tag, each.outcome, each.ended))
            other = changed_by(each.path)
            if other is not None:
                stood = before.get((other, each.value), "something else")
                history.writes.append(Write(other, each.value, stood, f"no tag: {each.value}", each.outcome, each.ended))
        return sorted(violations(history, {path: list(log) for path, log in logs.items()}))


def _named(path: str, tag: str, value: str) -> str:
    """The tag as the judge is told it. An old revision may stand on a newer body (it costs a 412), so there the body is part of it."""
    return f"{tag} of {value}" if path.startswith(REVISIONS) else tag


def outcome_of(answer: Answer | None) -> Outcome:
    """What a writer may conclude."""
    if answer is None or answer.is_cut or "noclobber-outcome" in answer.fields:
        return Outcome.UNKNOWN
    if 200 <= answer.status < 300:
        return Outcome.ACKNOWLEDGED
    if answer.status == 412:
        return Outcome.STALE
    if answer.status in (503, 404, *REFUSALS):
        return Outcome.BUSY
    return Outcome.UNKNOWN


class Client:
    """One client. `processes` gives those that can be asked now."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        processes: Callable[[], list[Process]],
        story: Story,
        scenario: Scenario,
        chance: Random,
        journal: Journal,
    ) -> None:
        self._name = name
        self._loop = loop
        self._processes = processes
        self._story = story
        self._scenario = scenario
        self._chance = chance
        self._journal = journal
        self._serial = 0
        self._remembered: dict[str, list[Seen]] = {}

    async def run(self, paths: Sequence[str]) -> None:
        """Do what the scenario says, then stop."""
        chance, scenario = self._chance, self._scenario
        own: dict[str, Seen] = {}
        for _ in range(scenario.operations):
            await asyncio.sleep(scenario.think_seconds * chance.uniform(0.0, 2.0))
            path = chance.choice(paths)
            process = chance.choice(self._processes())
            seen = own.pop(path, None) if chance.random() < 0.5 else None
            seen = seen or await self.look(process, path)
            if seen is None:
                continue
            if chance.random() < 0.3:
                await asyncio.sleep(scenario.think_seconds * chance.uniform(0.0, 3.0))
            made = self._decide(path, seen)
            answer = await self.write(chance.choice(self._processes()), made)
            # What names no state may rightly be applied twice, so only the others are sent again.
            while made.outcome is Outcome.UNKNOWN and made.basis is Basis.SEEN and chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0.0, 1.0))
                answer = await self.write(chance.choice(self._processes()), made)
            if made.outcome is Outcome.BUSY:
                await asyncio.sleep(chance.uniform(0.0, 3.0))
            if made.outcome is Outcome.ACKNOWLEDGED and answer is not None and "etag" in answer.fields:
                own[path] = Seen(made.value, answer.fields["etag"])

    def _decide(self, path: str, seen: Seen) -> Try:
        chance = self._chance
        remembered = self._remembered.setdefault(path, [])
        self._serial += 1
        value, method = f"{self._name}-{self._serial}", chance.choice(("PUT", "PUT", "PUT", "PATCH"))
        roll = chance.random()
        if roll < 0.04 or (not seen.tag and not seen.value.startswith(DELETION)):
            return Try(path, value, method, Basis.NOTHING, seen)
        if not seen.tag or roll < 0.07:
            return Try(path, value, "PUT", Basis.ABSENCE, seen)
        if roll < 0.09:
            return Try(path, value, method, Basis.PRESENCE, seen)
        if roll < 0.14 and remembered:
            return Try(path, value, method, Basis.SEEN, chance.choice(remembered))
        remembered.append(seen)
        if roll < 0.22 and not path.startswith(("/group/", "/lines/")):
            return Try(path, f"{DELETION}{value}", "DELETE", Basis.SEEN, seen)
        return Try(path, value, method, Basis.SEEN, seen)

    def _target(self, path: str) -> str:
        """One of the URLs of a resource."""
        return path + VIEW if path.startswith(SHARED) and self._chance.random() < 0.5 else path

    async def look(self, process: Process, path: str) -> Seen | None:
        """GET. None: nothing was learned."""
        began = self._loop.time()
        answer = await process.ask("GET", self._target(path), {}, [], PATIENCE_SECONDS)
        if answer is None or answer.is_cut or answer.status not in (200, 404):
            return None
        if answer.status == 404 and not answer.content.startswith(GONE):
            return None
        is_gone = answer.status == 404
        value = answer.content.removeprefix(GONE).decode() if is_gone else value_of(path, answer.content)
        tag = answer.fields.get("etag", "")
        self._journal.note(self._name, f"reads {path} by {process.name}: {value} as {tag}")
        self._story.reads.append(Read(path, value, tag or f"untagged: {value}", began))
        return Seen(value, tag)

    async def write(self, process: Process, made: Try) -> Answer | None:
        """Send made, for the first time or again."""
        fields = {"X-Value": made.value}
        if made.basis is Basis.SEEN:
            fields["If-Match"] = made.seen.tag
        elif made.basis is Basis.ABSENCE:
            fields["If-None-Match"] = "*"
        elif made.basis is Basis.PRESENCE:
            fields["If-Match"] = "*"
        content = made.value.encode()
        pieces = [] if made.method == "DELETE" else [content] if self._chance.random() < 0.7 else [content[:1], content[1:]]
        what = f"{made.method} {made.value} on {made.seen.value if made.basis is Basis.SEEN else made.basis.value}"
        self._journal.note(self._name, f"{what} by {process.name}")
        patience = self._chance.uniform(0.0, 3.0) if self._chance.random() < 0.03 else PATIENCE_SECONDS
        if not any(each is made for each in self._story.tries):
            self._story.tries.append(made)
        # Another target and the same record: a query does not make a resource of its own.
        target = self._target(made.path) + ("?view=all" if self._chance.random() < 0.05 else "")
        answer = await process.ask(made.method, target, fields, pieces, patience)
        outcome = outcome_of(answer)
        status = "lost" if answer is None else str(answer.status)
        self._journal.note(self._name, f"{made.value} -> {status} {outcome.value}")
        self._story.told.append(status)
        made.hear(outcome, self._loop.time())
        return answer
