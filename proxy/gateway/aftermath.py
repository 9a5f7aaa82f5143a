"""W6 of the protocol: the tag of what stands after a write, and whether the backend's own word for it can be believed."""

import logging
import time
from collections.abc import Iterable, Sequence

from ..core.etag import EntityTag
from ..core.fields import Field, read_answer_fields
from ..core.record import Version
from ..core.version import Strategy, native_tag, version_of
from ..errors import OriginError
from .exchange import Exchange
from .hearing import Heard
from .points import Faults, Point
from .representation import Representations, Sighting, tag_of
from .rules import AfterWrite, Verify
from .spool import Spool

_logger = logging.getLogger("noclobber")


class Aftermath:
    """Find the tag that a write of `body` left behind. `remembered` is the version that the record held before it."""

    def __init__(
        self, exchange: Exchange, body: bytes | Spool | None, remembered: Version, representations: Representations, faults: Faults | None
    ) -> None:
        self._exchange = exchange
        self._body = body
        self._remembered = remembered
        self._representations = representations
        self._faults = faults
        # What the new state looks like, where that was kept.
        self.content: bytes | None = None

    async def tag(self, heard: Heard, sighting: Sighting | None) -> EntityTag | None:
        """The tag of what stands now, None where it cannot be had. `sighting` is what was seen before the write, if anything was."""
        tag = await self._new_tag(heard, sighting)
        return None if tag is None else await self._doubt(tag, sighting)

    async def _new_tag(self, heard: Heard, sighting: Sighting | None) -> EntityTag | None:
        """The tag of what stands after the write, if it can be had. A 201 to a POST speaks of another resource (RFC 9110 §15.3.2)."""
        exchange, rules = self._exchange, self._exchange.rules
        if rules.strategy is Strategy.REVISION and rules.verify is Verify.TRUST_STORE:
            return None
        if rules.strategy is Strategy.REVISION and exchange.view and rules.after_write is not AfterWrite.NONE:
            seen = await self._read_back()
            return None if seen is None else seen.tag
        if exchange.method == b"DELETE" or (exchange.method == b"POST" and heard.answer.status not in (200, 204)):
            return None
        if rules.strategy is Strategy.NATIVE or (sighting is not None and sighting.is_native):
            native = native_tag(heard.fields.etags)
            if native is not None:
                return native
        if rules.after_write is AfterWrite.READ_BACK:
            seen = await self._read_back()
            return None if seen is None else seen.tag
        if rules.after_write is AfterWrite.NONE:
            return None
        if rules.after_write is AfterWrite.RESPONSE:
            return await self._tag_of(heard.answer.fields, heard.content)
        return await self._tag_of(_fields_of(exchange.fields.content), self._body or b"")

    async def _read_back(self) -> Sighting | None:
        if self._faults is not None:
            await self._faults.reach(Point.READ_BACK)
        try:
            seen = await self._representations.look(self._exchange, time.time())
        except OriginError:
            return None
        if self._faults is not None:
            await self._faults.reach(Point.READ)
        self.content = seen.content
        return seen

    async def _doubt(self, tag: EntityTag, sighting: Sighting | None) -> EntityTag | None:
        """Return tag, unless it is one of the backend's that stayed as it was though the content changed.

        Such a tag (whole seconds and a size, say) names two states, and a stale write would pass by it: from here on the content tells.
        A route that says `native` trusts the backend, come what may.
        """
        before = self._remembered if sighting is None else version_of(sighting.tag)
        if version_of(tag) != before:
            return tag
        key = self._exchange.key
        if self._exchange.rules.strategy is Strategy.FIELD:
            self._representations.note_unmoved(self._exchange.rules.name)
        is_ours = sighting is not None and not sighting.is_native
        if is_ours or self._exchange.rules.strategy is not Strategy.AUTO or self._representations.is_disproved(key):
            return tag
        again = await self._read_back()
        if again is None or not again.is_native:
            return None if again is None else again.tag
        if sighting is not None and sighting.content_tag is not None and sighting.content_tag == again.content_tag:
            return again.tag
        self._representations.disprove(key)
        _logger.warning("a strong tag of the backend's named two states; that resource is tagged by its content from now on")
        if again.content_tag is None:
            again = await self._read_back()
        return None if again is None else again.content_tag

    async def _tag_of(self, raw: Sequence[Field], source: bytes | Spool) -> EntityTag | None:
        """The tag of a representation that was not asked for with a GET: the answer to the write, or the request itself."""
        fields = read_answer_fields(raw)
        if self._exchange.rules.is_told_by_head:
            return self._representations.tag_of_head(self._exchange, raw, fields)
        size = len(source) if isinstance(source, bytes) else source.size_bytes
        digest = self._representations.digest(self._exchange, fields, size)
        if digest is None:
            return None
        if isinstance(source, bytes):
            digest.add(source)
        else:
            async for piece in source.pieces():
                digest.add(piece)
        return await tag_of(digest, size)


def _fields_of(lines: Iterable[bytes]) -> list[Field]:
    """The fields that describe a request's body, as those of an answer that holds the same representation."""
    parted = (line.partition(b":") for line in lines)
    return [(name, value.strip()) for name, _, value in parted]
