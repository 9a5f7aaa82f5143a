"""Editors: people with a client that reads, thinks, and saves. Two of them at one resource are a conflict."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.e2e.asking import Answer, ask

JOURNEY = "/api/journeys/onboarding"


@dataclass(frozen=True, slots=True)
class Editor:
    """One person, known to the backend by a credential."""

    name: str
    port: int

    def read(self, path: str = JOURNEY) -> Answer:
        """GET a resource."""
        return ask(self.port, "GET", path, authorization=f"Bearer {self.name}")

    def save(self, tag: str | None, note: str, path: str = JOURNEY) -> Answer:
        """PATCH it; with a tag, only if it still is as it was read."""
        fields = {"authorization": f"Bearer {self.name}"}
        if tag is not None:
            fields["if_match"] = tag
        return ask(self.port, "PATCH", path, {"notes": note}, **fields)


def collide(port: int, winner: str = "ana", loser: str = "ben", path: str = JOURNEY) -> Answer:
    """Have two people read the same state and save, and return what the second is told."""
    first, second = Editor(winner, port), Editor(loser, port)
    tag = first.read(path).tag
    assert second.read(path).tag == tag
    assert first.save(tag, f"{winner}, {random.random()}", path).status == 200
    return second.save(tag, f"{loser}, {random.random()}", path)


class Crowd:
    """Threads that each do something again and again, until they are told to stop."""

    def __init__(self, doings: Sequence[Callable[[threading.Event], None]]) -> None:
        """`doings` are called with an event to wait on; when it is set, it is over."""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(doing,)) for doing in doings]

    def _repeat(self, doing: Callable[[threading.Event], None]) -> None:
        while not self._over.is_set():
            doing(self._over)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
