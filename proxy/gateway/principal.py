"""Principals: who is asking, as far as the fields of a request tell, and how much one of them may do at once."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256

from .exchange import Exchange

# What else an application tells its users by, a cookie apart, it puts into one of these.
_FIELDS = frozenset({b"authorization", b"cookie", b"x-api-key", b"x-auth-token"})


def principal(exchange: Exchange) -> Sequence[bytes]:
    """The lines that say who is asking, in order; empty where nobody says."""
    return [line for line in exchange.fields.passing if line.partition(b":")[0].lower() in _FIELDS]


DIGEST_CHARS = 16
"""64 bits: enough to tell principals apart, and not to be told more."""


def principal_digest(exchange: Exchange, salt: bytes | None) -> str:
    """A name for who is asking, the same in all processes on one store; empty where nobody says, or as long as there is no salt."""
    lines = principal(exchange)
    return sha256(b"principal\0%b%b" % (salt, b"".join(lines))).hexdigest()[:DIGEST_CHARS] if lines and salt is not None else ""


_UNCOUNTED = nullcontext(True)


class Share:
    """Let each principal have `most` writes under way at once (0: as many as it likes). Who says nothing is not counted."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._under_way: dict[bytes, int] = {}

    def of(self, exchange: Exchange) -> AbstractContextManager[bool]:
        """Take a place for one write, as long as the context lasts; False: there is none."""
        who = b"".join(principal(exchange)) if self._most else b""
        return self._place_of(who) if who else _UNCOUNTED

    @contextmanager
    def _place_of(self, who: bytes) -> Iterator[bool]:
        count = self._under_way.get(who, 0)
        if count >= self._most:
            yield False
            return
        self._under_way[who] = count + 1
        try:
            yield True
        finally:
            left = self._under_way[who] - 1
            if left:
                self._under_way[who] = left
            else:
                del self._under_way[who]
