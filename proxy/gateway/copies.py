"""Copies: what clients were shown lately, kept for a while so that a stale write can be told what has changed since."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MOST_BYTES = 16 * 1024 * 1024
LARGEST_BYTES = 64 * 1024
"""A larger representation is not kept."""
KEPT_SECONDS = 600.0


class Shown(NamedTuple):
    """Who was shown what: the digest of the principal (empty: nobody says who), the target that was read, and the tag, opaque."""

    who: str
    target: bytes
    tag: bytes


class Copies:
    """Keep the newest ones: MOST_BYTES of them, KEPT_SECONDS long, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Shown, tuple[float, bytes]] = OrderedDict()
        self.size_bytes = 0

    def keep(self, shown: Shown, content: bytes) -> None:
        """Keep what was shown. Whatever is too old, or too much, goes."""
        if len(content) > LARGEST_BYTES:
            return
        now = self._clock()
        before = self._kept.pop(shown, None)
        self.size_bytes += len(content) - (0 if before is None else len(before[1]))
        self._kept[shown] = now, content
        while self._kept:
            at, oldest = next(iter(self._kept.values()))
            if self.size_bytes <= MOST_BYTES and now - at <= KEPT_SECONDS:
                return
            self._kept.popitem(last=False)
            self.size_bytes -= len(oldest)

    def find(self, shown: Shown) -> bytes | None:
        """What was shown; None: it is not kept, or not any more."""
        at, content = self._kept.get(shown, (0.0, None))
        return None if content is None or self._clock() - at > KEPT_SECONDS else content
