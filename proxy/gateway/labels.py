"""Labels: the tags of routes whose versions are counted (strategy `revision`), as reads and refusals need them.

A read asks for its label before it asks the backend. A whole list of members costs one round of the store: all loads are under way at
once, and Redis has them in one piece.
"""

import asyncio
import logging
from collections.abc import Sequence

from ..core.etag import EntityTag
from ..core.event import Notice
from ..core.label import is_settled, label_to_read, tag_of
from ..core.record import Snapshot, Swapped, Version
from ..core.write import step
from ..errors import StoreError
from ..store.port import Store, StoreKey

_logger = logging.getLogger("noclobber")


class Labels:
    """Give the labels of resources. `grace_seconds` is how long the first writes of a new lineage wait."""

    def __init__(self, store: Store, grace_seconds: float) -> None:
        self._store = store
        self._grace_seconds = grace_seconds
        self._floors: set[int] = set()

    async def standing(self, key: StoreKey) -> Snapshot | None:
        """What the store has of a resource; None where it does not answer."""
        try:
            return await self._store.load(key)
        except StoreError:
            return None

    def tag(self, standing: Snapshot | None, first_number: int | None) -> EntityTag | None:
        """The tag for a body that is asked for after standing was; None: it has to go untagged. `first_number` is as in `tag_of`."""
        if standing is None:
            return None
        label = label_to_read(standing, self._grace_seconds)
        if label is None:
            return None
        if standing.floor and first_number is not None:
            self.notice_floor(standing.floor)
        return tag_of(label, first_number)

    async def tags(self, keys: Sequence[StoreKey], first_number: int | None) -> list[EntityTag | None]:
        """The tags of many resources, in their order."""
        found = await asyncio.gather(*(self.standing(key) for key in keys))
        return [self.tag(standing, first_number) for standing in found]

    async def count_on(self, key: StoreKey, standing: Snapshot, seen: Version) -> Snapshot | None:
        """Count on for a state that was seen after standing was, and that no write through noclobber has left; return what stands then.

        None: it was none of that, or the store does not answer. Nothing is tried again: what was seen may stand no more by then, and an
        older label on it costs its reader a refusal at most.
        """
        record, lease_seconds, _ = step(standing, Notice(seen))
        if record is None:
            return None
        try:
            found = await self._store.swap(key, standing.stamp, standing.lineage, record, lease_seconds)
        except StoreError:
            return None
        if isinstance(found, Swapped):
            return standing._replace(record=record, stamp=found.stamp)
        # Another reader may have noticed the same: still no lease has been granted since.
        other = found.record
        is_same = other is not None and is_settled(found) and other.fence == record.fence and other.version == seen
        return found if is_same else None

    def notice_floor(self, floor: int) -> None:
        """Say once for each floor that counters go on above what an earlier history may have given out."""
        if floor not in self._floors:
            self._floors.add(floor)
            _logger.warning("the store may have lost writes of an earlier history: counters go on above %d", floor)
