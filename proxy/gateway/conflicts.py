"""The conflict log: one event for each write that was refused to save an update, forced through, or has an outcome that nobody knows.

It goes out as a line of JSON, and into a capped stream of the store that `noclobber conflicts` reads. Neither bodies nor credentials, keys
or tags are in it: what could name or open something is a salted digest. Nothing here makes a request wait or fail.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

import orjson

from ..core.etag import EntityTag
from ..core.record import Record, Version
from ..core.version import version_of
from ..errors import StoreError
from ..store.port import Store, StoreKey, Streams
from .events import AccessLog
from .exchange import Exchange
from .incident import Incident
from .lease import Leases
from .principal import DIGEST_CHARS, principal_digest
from .representation import Representations

_logger = logging.getLogger("noclobber")

STREAM = "conflicts"
MAX_WAITING = 1024
"""How many events may wait for the store. Further ones are only written to the log."""
BATCH = 64
OWNER_CHARS = 32
"""How much of an owner is random. What follows says who it is."""
CLOSE_SECONDS = 1.0


@dataclass(slots=True)
class Event:
    """One event on its way. `version` is that of what stood; None: there is nobody to look for who may have made it."""

    document: dict[str, object]
    key: StoreKey
    version: Version | None = None


@dataclass(slots=True)
class Kept:
    """Where events go. `log` None: to no log; `most` 0: into no stream."""

    store: Store
    streams: Streams
    most: int
    log: AccessLog | None


class ConflictLog:
    """Write events. `lost` is called with the number of those that did not get into the stream."""

    def __init__(self, kept: Kept, leases: Leases, representations: Representations, lost: Callable[[float], None]) -> None:
        self._kept = kept
        self._lost = lost
        self._leases = leases
        self._representations = representations
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_in_trouble = False

    def record(self, exchange: Exchange, status: int | None) -> None:
        """Take down what an exchange has run into, if anything. `status` is what it is answered with; None: it was stopped."""
        incidents, exchange.incidents = exchange.incidents, ()
        for incident in incidents:
            event = self._event(exchange, incident, status)
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(event)
                self._idle.clear()
                self._wake.set()
            else:
                self._lost(1)
                self._write(event)

    async def run(self) -> None:
        """Bring events to the log and the stream, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._settle()
            self._idle.set()

    async def close(self) -> None:
        """Wait until all is out, as long as the store takes it. `run` must still be running."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            self._lost(len(self._waiting))
            while self._waiting:
                self._write(self._waiting.popleft())

    # ---- one event ----------------------------------------------------------------------------------------------------------------

    def _event(self, exchange: Exchange, incident: Incident, status: int | None) -> Event:
        salt = self._representations.salt
        tag = _named(exchange)
        age = None if tag is None else self._representations.history.age_seconds(exchange.key, tag)
        key = exchange.store_key
        document: dict[str, object] = {
            "kind": "conflict",
            "time": round(time.time(), 3),
            "event": incident.kind.value,
            "mode": exchange.rules.mode.value,
            "route": exchange.rules.name,
            "method": exchange.method.decode("ascii"),
            "status": status,
            "key": key,
            "principal": principal_digest(exchange, salt) or None,
            "clientTag": _digest(tag, salt),
            "currentTag": _digest(incident.current, salt),
            "readAgeSeconds": None if age is None else round(age, 3),
            "lastWriter": None,
            "requestId": exchange.request_id.decode("ascii"),
        }
        if incident.reason:
            document["reason"] = incident.reason
        snapshot, current = self._leases.remembered(key), incident.current
        record = exchange.found or (snapshot and snapshot.record)
        if current is not None and self._representations.history.is_strange(exchange.key, current):
            return Event(document, key)
        if record is not None and (current is None or _made(record, version_of(current))):
            document["lastWriter"] = writer_of(record) or None
            return Event(document, key)
        return Event(document, key, None if current is None else version_of(current))

    async def _settle(self) -> None:
        """Find out who had written last, where that is not known yet, and put the next events down."""
        batch = list(islice(self._waiting, BATCH))
        await asyncio.gather(*(self._find_writer(event) for event in batch if event.version is not None))
        # Taken out only now: who closes in between has them all.
        for event in batch:
            self._waiting.popleft()
            self._write(event)
        if self._kept.most:
            self._note_trouble([error for error in await asyncio.gather(*map(self._append, batch)) if error is not None])

    async def _find_writer(self, event: Event) -> None:
        """Ask the record: another process may have written. Whoever wrote in between is not taken for the one who wrote before."""
        try:
            record = (await self._kept.store.load(event.key)).record
        except StoreError:
            return
        if record is not None and event.version is not None and _made(record, event.version):
            event.document["lastWriter"] = writer_of(record) or None

    async def _append(self, event: Event) -> StoreError | None:
        try:
            await self._kept.streams.append(STREAM, orjson.dumps(event.document), self._kept.most)
        except StoreError as error:
            return error
        return None

    def _write(self, event: Event) -> None:
        if self._kept.log is not None:
            self._kept.log.write_event(event.document)

    def _note_trouble(self, errors: list[StoreError]) -> None:
        if errors:
            self._lost(len(errors))
        if errors and not self._is_in_trouble:
            _logger.warning("conflict events do not get into the store, and are in the log alone: %s", errors[0])
        self._is_in_trouble = bool(errors)


def _named(exchange: Exchange) -> EntityTag | None:
    """The tag that a write was based on; the first one where it names several."""
    tags = exchange.named
    return tags[0] if isinstance(tags, tuple) and tags else None


def _digest(tag: EntityTag | None, salt: bytes | None) -> str | None:
    """A tag is a key to a write, so only a digest of it is kept."""
    if tag is None or salt is None:
        return None
    return sha256(b"tag\0" + salt + tag.opaque).hexdigest()[:DIGEST_CHARS]


def writer_of(record: Record) -> str:
    """Who made the last commit, as its lease was asked for; empty where that was not said."""
    return record.last.owner[OWNER_CHARS:]


def _made(record: Record, version: Version) -> bool:
    """Whether it was the last commit of record that left version."""
    return version in (record.version, f"{record.epoch}.{record.revision}") and version != ""
