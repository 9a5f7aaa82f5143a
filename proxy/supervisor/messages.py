"""What parent and worker say to each other over the socket between them. A frame is its length, in four bytes, and its content."""

from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from ..config import Config

LENGTH_BYTES = 4
LEFT = 3
"""The exit status of a worker that had to give writes up."""


class Task(NamedTuple):
    """What a worker is given to begin with. `holds_writes`: until it is told otherwise."""

    config: Config
    holds_writes: bool


class Accept(Struct, frozen=True, tag=True):
    """Take connections from these lanes, too; their sockets come along in this order."""

    lanes: tuple[int, ...]


class Release(Struct, frozen=True, tag=True):
    """Leave these lanes to others."""

    lanes: tuple[int, ...]


class Tell(Struct, frozen=True, tag=True):
    """Report at once."""


class SayFarewell(Struct, frozen=True, tag=True):
    """Go on, but close each connection after its next answer."""


class Drain(Struct, frozen=True, tag=True):
    """Let nobody in any more, finish, and end. `idle_seconds`: how long connections may stay on which nothing is asked."""

    idle_seconds: float


class Hurry(Struct, frozen=True, tag=True):
    """End now: mark what is left."""


class OpenGate(Struct, frozen=True, tag=True):
    """Let writes through that were held back."""


class Granted(Struct, frozen=True, tag=True):
    """An origin was let in by the backend on a route, with these lines: a worker has heard it, and the others are told."""

    route: str
    origin: bytes
    lines: tuple[bytes, ...]


class Serving(Struct, frozen=True, tag=True):
    """Everything has been started, and lanes can be taken."""


class Failed(Struct, frozen=True, tag=True):
    """Cannot start, or cannot go on."""

    why: str


class Report(Struct, frozen=True, tag=True):
    """How a worker does. `reasons` say why it grants no writes. `in_doubt` counts the records that it has left so.

    `samples` are what `telemetry/samples.py` dumps.
    """

    reasons: tuple[str, ...]
    in_flight: int
    connections: int
    in_doubt: int
    samples: bytes


Command: TypeAlias = Accept | Release | Tell | SayFarewell | Drain | Hurry | OpenGate | Granted
Event: TypeAlias = Serving | Failed | Report | Granted

_encode = msgspec.msgpack.Encoder().encode
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_events: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


def framed(message: Command | Event) -> bytes:
    """A message as it is sent."""
    content = _encode(message)
    return len(content).to_bytes(LENGTH_BYTES) + content


def take_commands(received: bytearray) -> list[Command]:
    """Take the whole frames from the beginning of what was received."""
    found: list[Command] = []
    while len(received) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(received[:LENGTH_BYTES])
        if len(received) < end:
            break
        found.append(_commands.decode(bytes(received[LENGTH_BYTES:end])))
        del received[:end]
    return found


def read_event(content: bytes) -> Event:
    """Read the content of a frame."""
    return _events.decode(content)
