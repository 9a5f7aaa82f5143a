"""Mistakes: what is wrong with a configuration, each with its place, in the order in which an operator would look for them."""

from dataclasses import dataclass, field
from enum import IntEnum

from ..errors import ConfigError


class Source(IntEnum):
    """Where a value comes from. A greater one overrides a smaller one."""

    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was read. `text` is how it is named; `line` is 0 outside a file."""

    source: Source
    text: str
    line: int = 0


@dataclass(slots=True)
class Mistakes:
    """All mistakes found so far."""

    _found: list[tuple[Source, int, str]] = field(default_factory=list)

    def add(self, place: Place, key: str, what: str, *, read: str, allowed: str, meant: str = "") -> None:
        """Note a mistake in the value of key: what is wrong, what was read, what is allowed, and what was probably meant."""
        guess = f"; did you mean {meant}?" if meant else ""
        self.add_text(place, f"{key}: {what}, read {read}, allowed {allowed}{guess}")

    def add_text(self, place: Place, text: str) -> None:
        """Note a mistake that is not about a value."""
        self._found.append((place.source, place.line, f"{place.text}: {text}"))

    def raise_all(self) -> None:
        """Raise ConfigError with all mistakes, if there are any: the file's by line, then those of variables and flags."""
        if self._found:
            raise ConfigError([text for _, _, text in sorted(self._found, key=lambda mistake: mistake[:2])])
