"""Events of the conflict log, as the API tells them: by the page, by the resource, and as they come."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from ..gateway.conflicts import STREAM
from ..store.port import Entry, StoreKey, Streams
from .answers import Refused
from .documents import Conflict, Conflicts

PAGE = 500
MAX_LOOKED_AT = 20_000
"""How many events are looked at for one answer: a kind that hardly ever occurs is not looked for in all that is kept."""
FOLLOW_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0

# What Redis gives (milliseconds, and a number among those of one), and the numbers of the other stores.
_ID = re.compile(r"[0-9]{1,18}(?:-[0-9]{1,18})?")
_logger = logging.getLogger("noclobber")


class _Logged(Struct, rename="camel"):
    """An event as the conflict log writes it. What older versions did not write may be missing."""

    time: float
    event: str
    route: str
    method: str
    key: str
    mode: str = "enforce"
    status: int | None = None
    principal: str | None = None
    client_tag: str | None = None
    current_tag: str | None = None
    read_age_seconds: float | None = None
    last_writer: str | None = None
    request_id: str = ""
    reason: str | None = None


_read = msgspec.json.Decoder(_Logged).decode


def told(entry: Entry, *, with_token: bool) -> Conflict | None:
    """An entry of the stream as a document; None where it is none of ours."""
    try:
        event = _read(entry.content)
    except msgspec.MsgspecError:
        _logger.warning("an event of the conflict log cannot be read: %.80r", entry.content)
        return None
    return Conflict(
        id=entry.id,
        at=datetime.fromtimestamp(event.time, UTC),
        kind=event.event,
        mode=event.mode,
        route=event.route,
        method=event.method,
        status=event.status,
        key=event.key,
        principal=event.principal,
        winner=event.last_writer,
        read_age_seconds=event.read_age_seconds,
        client_tag=event.client_tag,
        current_tag=event.current_tag,
        request_id=event.request_id,
        reason=event.reason if with_token else None,
    )


async def page(streams: Streams, limit: int, before: str, is_wanted: Callable[[Conflict], bool], *, with_token: bool) -> Conflicts:
    """At most `limit` events that came before another, newest first. Refused where `before` is no id of this store."""
    found: list[Conflict] = []
    looked_at = 0
    while looked_at < MAX_LOOKED_AT:
        entries = await _latest(streams, before, PAGE)
        for entry in entries:
            before = entry.id
            looked_at += 1
            event = told(entry, with_token=with_token)
            if event is not None and is_wanted(event):
                found.append(event)
                if len(found) == limit:
                    return Conflicts(events=tuple(found), next=before)
        if len(entries) < PAGE:
            return Conflicts(events=tuple(found), next=None)
    return Conflicts(events=tuple(found), next=before)


async def _latest(streams: Streams, before: str, limit: int) -> Sequence[Entry]:
    try:
        if not before or _place(before) is not None:
            return await streams.latest(STREAM, before, limit)
    except ValueError:
        # It is one of another kind of store.
        pass
    raise Refused(400, f"The parameter 'before' is no id of an event, read {before[:40]!r}.")


async def history(streams: Streams, key: StoreKey, limit: int, *, with_token: bool) -> tuple[Conflict, ...]:
    """The newest events of one resource."""
    found: list[Conflict] = []
    before, name = "", f'"{key}"'.encode()
    for _ in range(MAX_LOOKED_AT // PAGE):
        entries = await streams.latest(STREAM, before, PAGE)
        # Most are of other resources, and need not be read for that.
        events = (told(entry, with_token=with_token) for entry in entries if name in entry.content)
        found += [event for event in events if event is not None and event.key == key]
        if len(found) >= limit or len(entries) < PAGE:
            break
        before = entries[-1].id
    return tuple(found[:limit])


async def follow(streams: Streams, after: str | None, is_over: Callable[[], bool], *, with_token: bool) -> AsyncIterator[bytes]:
    """What comes, in the form of text/event-stream, until it is over. `after` None, or no id of this store: from now on.

    All is taken from the store, so that the events of every process on it come. Nothing is read ahead of who listens.
    """
    last = await _start(streams, after)
    # So that the listener knows at once that it is heard.
    yield b"retry: 2000\n: listening\n\n"
    quiet_seconds = 0.0
    while not is_over():
        entries = await streams.tail(STREAM, last, PAGE)
        for entry in entries:
            last = entry.id
            event = told(entry, with_token=with_token)
            if event is not None:
                yield b"id: %b\nevent: conflict\ndata: %b\n\n" % (entry.id.encode(), msgspec.json.encode(event))
        quiet_seconds = 0.0 if entries else quiet_seconds + FOLLOW_SECONDS
        if quiet_seconds >= KEEP_ALIVE_SECONDS:
            quiet_seconds = 0.0
            yield b": keep-alive\n\n"
        if len(entries) < PAGE:
            await asyncio.sleep(FOLLOW_SECONDS)


async def _start(streams: Streams, after: str | None) -> str:
    """The id after which to begin. One that is newer than all is of a store that is not there any more: all that is kept came later."""
    newest = await streams.latest(STREAM, "", 1)
    last = newest[0].id if newest else ""
    if after is None or (wanted := _place(after)) is None:
        return last
    return after if last and wanted <= (_place(last) or wanted) else ""


def _place(name: str) -> tuple[int, ...] | None:
    """An id as it is ordered; None where it is none."""
    return tuple(map(int, name.split("-"))) if _ID.fullmatch(name) else None
