"""The tree of everything noclobber raises, split by whose fault it is. Ground floor: imports nothing of the project.

    NoclobberError
    ├── ConfigError            the operator's: carries every mistake found, each with its place
    ├── StoreError             the store's
    │   ├── StoreUnavailable   no answer: a swap may or may not have been executed
    │   └── StoreRefused       the store answered that it did not execute the command
    ├── OriginError            the backend's; `delivery` says whether a byte of the request may have reached it
    │   ├── OriginUnreachable  no connection, or it failed before the first byte was written (always NOT_SENT)
    │   ├── OriginTimeout      a phase took longer than it may
    │   └── OriginBroken       reset, cut short, or not HTTP
    ├── AdminError             the admin listener's, as commands meet it
    │   ├── AdminAway          nobody answers there
    │   └── AdminRefused       it refuses; `status` and `document` say why
    ├── IllegalTransition      our own: an event that the state of a record does not allow; nothing was changed
    ├── SpoolFailed            the machine's: no room or no directory for a body on disk
    ├── BodyTooLarge           the client's: a body over the cap
    ├── BodyMalformed          the client's: a body that is not framed as its head says
    └── BodyTooSlow            the client's: a body that does not come in time

A client's mistake that the core can return as a verdict is never raised.
"""

from collections.abc import Mapping
from enum import Enum


class Delivery(Enum):
    """Whether a request can have reached the backend. Only NOT_SENT lets a write be called "not applied"."""

    NOT_SENT = "not sent"
    MAYBE_SENT = "maybe sent"


class NoclobberError(Exception):
    """The root of the tree."""


class ConfigError(NoclobberError):
    """The configuration cannot be used. `mistakes` holds one line per mistake: `FILE:LINE: key: what, read, allowed`."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class StoreError(NoclobberError):
    """The store did not do what it was asked."""


class StoreUnavailable(StoreError):
    """No usable answer came back. A swap may have been executed all the same: settle it by a load."""


class StoreRefused(StoreError):
    """The store said that it did not execute the command (read-only replica, loading, out of memory)."""


class OriginError(NoclobberError):
    """The backend could not be asked, or did not answer as HTTP demands. `is_answered`: a byte of an answer had come by then."""

    is_answered = False

    def __init__(self, what: str, delivery: Delivery) -> None:
        super().__init__(what)
        self.delivery = delivery


class OriginUnreachable(OriginError):
    """No connection could be had, or it failed before the first byte of the request was written."""

    def __init__(self, what: str) -> None:
        super().__init__(what, Delivery.NOT_SENT)


class OriginTimeout(OriginError):
    """A phase (connect, first byte, next byte) took longer than its limit."""


class OriginBroken(OriginError):
    """The connection was reset or closed too early, or what came over it was not HTTP."""


class AdminError(NoclobberError):
    """A running noclobber could not be asked by a command."""


class AdminAway(AdminError):
    """Nobody answers at the admin listener, or it is not noclobber that does."""


class AdminRefused(AdminError):
    """The admin listener refused. `document` is what it said, as far as it could be read."""

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        super().__init__(str(document.get("detail", "")) or f"it answered {status}")
        self.status = status
        self.document = document


class IllegalTransition(NoclobberError):
    """An event met a record in a state that TRANSITIONS has no row for: a defect of the caller, nothing was changed."""


class SpoolFailed(NoclobberError):
    """A body could not be put on disk, or not be read from there again."""


class BodyTooLarge(NoclobberError):
    """A request body went over `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class BodyMalformed(NoclobberError):
    """A request body is not framed as the head of the request says."""


class BodyTooSlow(NoclobberError):
    """A request body came more slowly than allowed."""
