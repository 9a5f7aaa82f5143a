"""Notes: what a key of the schema says of itself, and the short forms in which most keys say it."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Meta


@dataclass(frozen=True, slots=True)
class Note:
    """What a key says of itself beyond its type. `allowed` and `default` stand in for texts made from type and default; empty: do not.

    `is_secret`: no value of it is ever shown.
    """

    does: str
    goes_wrong: str
    unit: str = ""
    allowed: str = ""
    default: str = ""
    flag: str = ""
    metavar: str = ""
    check: Callable[[str], None] | None = None
    is_secret: bool = False


def above(note: Note, gt: float) -> Meta:
    """Put a note on a number that must be above gt."""
    return Meta(description=note.does, extra={"note": note}, gt=gt)


def at_least(note: Note, ge: float, le: float | None = None) -> Meta:
    """Put a note on a number that must be ge or more, and at most le (None: no limit)."""
    return Meta(description=note.does, extra={"note": note}, ge=ge, le=le)


def unlimited(note: Note) -> Meta:
    """Put a note on what is no number."""
    return Meta(description=note.does, extra={"note": note})


def seconds(does: str, goes_wrong: str, default: str = "") -> Meta:
    """A time that must be above 0."""
    return above(Note(does, goes_wrong, "seconds", default=default), 0)


def seconds_or_none(does: str, goes_wrong: str, default: str = "") -> Meta:
    """A time that may be 0."""
    return at_least(Note(does, goes_wrong, "seconds", default=default), 0)


def byte_count(does: str, goes_wrong: str, least: int = 1) -> Meta:
    """A size."""
    return at_least(Note(does, goes_wrong, "bytes"), least)


def count(unit: str, does: str, goes_wrong: str, least: int = 1) -> Meta:
    """A number of things, called by `unit`."""
    return at_least(Note(does, goes_wrong, unit), least)


def plain(does: str, goes_wrong: str, default: str = "") -> Meta:
    """A key whose type says all that is allowed."""
    return unlimited(Note(does, goes_wrong, default=default))


def formed(does: str, goes_wrong: str, allowed: str, check: Callable[[str], None], flag: str = "", metavar: str = "") -> Meta:
    """A text of a certain form, which `check` accepts."""
    return unlimited(Note(does, goes_wrong, allowed=allowed, check=check, flag=flag, metavar=metavar))


def secret(does: str, goes_wrong: str, allowed: str, check: Callable[[str], None]) -> Meta:
    """A text of a certain form that is shown nowhere."""
    return unlimited(Note(does, goes_wrong, allowed=allowed, check=check, is_secret=True))


def listed(does: str, goes_wrong: str, allowed: str, check: Callable[[str], None], default: str) -> Meta:
    """An array of texts, each of a form that `check` accepts."""
    return unlimited(Note(does, goes_wrong, allowed=allowed, default=default, check=check))
