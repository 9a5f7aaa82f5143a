"""History: what this process has lately told whom. Bounded, lost with the process, and nothing of the protocol rests on it."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..core.etag import EntityTag
from ..core.resource import ResourceKey

REMEMBERED_TAGS = 16_384
"""How many tags given out are remembered at least: with their keys about 4 MB."""

REMEMBERED_REFUSED = 4_096
REMEMBERED_SEEN = 16_384
REMEMBERED_STRANGE = 4_096

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """A mapping that keeps at least the last `most` keys, at most twice as many, and never has to look for the oldest one."""

    __slots__ = ("_most", "_new", "_old")

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def put(self, key: K, value: V) -> None:
        """Remember value under key."""
        new = self._new
        new[key] = value
        if len(new) >= self._most:
            self._old, self._new = new, {}

    def get(self, key: K) -> V | None:
        """What is remembered under key; None: nothing is, or not any more."""
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class History:
    """Remember when each tag was given out last, and which states came from elsewhere. Times are those of `clock`, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given: Generations[tuple[ResourceKey, bytes], float] = Generations(REMEMBERED_TAGS)

        self._seen: Generations[tuple[str, ResourceKey], bytes] = Generations(REMEMBERED_SEEN)
        self._refused: Generations[tuple[str, ResourceKey], float] = Generations(REMEMBERED_REFUSED)
        self._strange: Generations[tuple[ResourceKey, bytes], bool] = Generations(REMEMBERED_STRANGE)

    def give(self, key: ResourceKey, tag: EntityTag) -> None:
        """Note that a client is told tag."""
        self._given.put((key, tag.opaque), self._clock())

    def age_seconds(self, key: ResourceKey, tag: EntityTag) -> float | None:
        """How long ago anybody was told tag last, so the least that its bearer's read is old; None: that is not remembered."""
        given = self._given.get((key, tag.opaque))
        return None if given is None else self._clock() - given

    def find_strange(self, key: ResourceKey, tag: EntityTag) -> None:
        """Note that no write through here has left the state that tag names. The record is soon to hold it, beside the last writer."""
        self._strange.put((key, tag.opaque), True)

    def is_strange(self, key: ResourceKey, tag: EntityTag) -> bool:
        """Whether that has been noted."""
        return self._strange.get((key, tag.opaque)) is not None

    def see(self, who: str, key: ResourceKey, tag: EntityTag) -> None:
        """Note that who has been told what stands."""
        self._seen.put((who, key), tag.opaque)

    def seen(self, who: str, key: ResourceKey) -> bytes | None:
        """The opaque part of the tag that who was told last; None: none is remembered."""
        return self._seen.get((who, key))

    def refuse(self, who: str, key: ResourceKey) -> None:
        """Note that a write of who's has met a conflict."""
        self._refused.put((who, key), self._clock())

    @property
    def has_refused(self) -> bool:
        """Whether any such conflict is remembered."""
        return len(self._refused) > 0

    def refused_seconds(self, who: str, key: ResourceKey) -> float | None:
        """How long ago that was; None: it is not remembered."""
        at = self._refused.get((who, key))
        return None if at is None else self._clock() - at
