"""A Redis Cluster: which node owns which slot, a batcher for each node, and what to do when a slot has moved.

Rules of this file. A node that is slow or dead delays nobody but those who ask for its own slots. Only MOVED, ASK and TRYAGAIN lead to
another attempt: with these the node says that it executed nothing. The lineage of a tag is that of the node that owns its slot, so a slot
that moves, and a node that is replaced, costs those tags a grace.
"""

import asyncio
import binascii
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from ..errors import StoreError, StoreRefused, StoreUnavailable
from .redis_batch import Batcher, Request
from .redis_line import Address, Command, Refusal, Wire
from .redis_script import CLUSTER_TAGS, touch_command

SLOTS = 16_384
VISIT_SECONDS = 1.0
"""How often each node is spoken to, so that its restart is noted, and its grace begins, before anyone needs it."""
LEARN_PAUSE_SECONDS = 0.1
"""How long the nodes are left alone after they were asked for the table of slots."""
AGAIN_SECONDS = 0.02
"""How long a command rests before its next attempt, where the table is not settled."""
QUICK_REDIRECTIONS = 3
"""So many are followed at once: one for a stale table, one for a migration, one more."""

AGAIN_AFTER = frozenset({"MOVED", "ASK", "TRYAGAIN"})
LEARN_AFTER = frozenset({"MOVED", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "NOREPLICAS"})
ASKING: Command = ("ASKING",)

_TARGET = re.compile(r"(?:MOVED|ASK) \d+ (?P<host>.*):(?P<port>\d+)\s*")

DialNode = Callable[[Address], Awaitable[Wire]]
Owners = dict[int, Address]
"""Slot to node."""


def slot_of(tag: int) -> int:
    """Say which slot the keys under a hash tag are in: CRC16 in its XMODEM form, over what stands between the braces."""
    return binascii.crc_hqx(str(tag).encode(), 0) % SLOTS


SLOT_OF_TAG = tuple(map(slot_of, range(CLUSTER_TAGS)))


class Cluster:
    """Send each command to the node that owns its slot."""

    number_of_tags = CLUSTER_TAGS

    def __init__(self, seeds: Iterable[Address], dial: DialNode, timeout_seconds: float) -> None:
        """Open no connection yet. Any of seeds may be away: one that answers tells of all nodes."""
        self._seeds = frozenset(seeds)
        self._dial = dial
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Address, Batcher] = {}
        self._owners: Owners = {}
        self._untouched: set[int] = set()
        self._failure: StoreError | None = None
        self._learning: asyncio.Task[None] | None = None
        self._learned_at = -LEARN_PAUSE_SECONDS
        self._parting: set[asyncio.Task[None]] = set()
        self._closing = False
        self._visiting = self._loop.create_task(self._visit(), name="noclobber-store-visits")

    async def ask(self, tag: int, command: Command) -> object:
        """Have command executed by the node that owns the slot of tag, wherever that moves. Raise StoreError."""
        deadline = self._loop.time() + self._timeout_seconds
        slot = SLOT_OF_TAG[tag]
        address, request = await self._owner(slot), Request(command)
        for attempt in itertools.count(1):
            try:
                return await self._node(address).submit(request)
            except StoreError as error:
                self._note(error)
                if not isinstance(error, Refusal) or error.code not in AGAIN_AFTER or self._loop.time() >= deadline:
                    raise
                refusal = error
            address, request = await self._next(refusal, slot, address, command)
            if attempt > QUICK_REDIRECTIONS or refusal.code == "TRYAGAIN":
                await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Send what waits, then disconnect from all nodes."""
        self._closing = True
        tasks = [task for task in (self._visiting, self._learning) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._parting, *(node.close() for node in self._nodes.values()))

    async def _owner(self, slot: int) -> Address:
        if not self._owners:
            await self._learn_now()
        owner = self._owners.get(slot)
        if owner is None:
            self._learn_soon()
            raise Refusal(f"CLUSTERDOWN no node serves slot {slot}", "CLUSTERDOWN")
        return owner

    async def _next(self, refusal: Refusal, slot: int, asked: Address, command: Command) -> tuple[Address, Request]:
        """Say where a command goes after it was refused by the node at asked."""
        target = _TARGET.fullmatch(refusal.text)
        if target is None:
            return await self._owner(slot), Request(command)
        # No host means the one that was asked: it does not know by what name it is reached.
        address = Address(target["host"].strip("[]") or asked.host, int(target["port"]))
        if refusal.code == "ASK":
            return address, Request(command, (ASKING,))
        self._adopt({**self._owners, slot: address})
        return address, Request(command)

    def _node(self, address: Address) -> Batcher:
        node = self._nodes.get(address)
        if node is None:
            if self._closing:
                raise StoreRefused("the store is closed")

            async def dial() -> Wire:
                wire = await self._dial(address)
                # It may have been away, and have another lineage now.
                self._loop.call_soon(self._touch, address, range(CLUSTER_TAGS))
                return wire

            node = self._nodes[address] = Batcher(dial, self._timeout_seconds)
        return node

    def _touch(self, address: Address, tags: Iterable[int]) -> None:
        """Have the node note its lineage for those of tags that are its own: their grace begins now, and not when they are first used."""
        if self._closing:
            return
        node = self._node(address)
        for tag in tags:
            if self._owners.get(SLOT_OF_TAG[tag]) == address:
                self._untouched.add(tag)
                node.submit(Request(touch_command(tag))).add_done_callback(partial(self._touched, tag))

    def _touched(self, tag: int, future: asyncio.Future[object]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._untouched.discard(tag)
        else:
            self._note(error)

    async def _visit(self) -> None:
        """Touch one tag at each node, for ever, and those whose last touch failed. A connection that is made for it touches all."""
        while True:
            await asyncio.sleep(VISIT_SECONDS)
            visited: set[Address] = set()
            for tag, slot in enumerate(SLOT_OF_TAG):
                address = self._owners.get(slot)
                if address is not None and (tag in self._untouched or address not in visited):
                    visited.add(address)
                    self._touch(address, (tag,))

    def _note(self, error: BaseException) -> None:
        """Doubt the table after what tells of a move, or of a node that is away."""
        if isinstance(error, StoreUnavailable) or (isinstance(error, Refusal) and error.code in LEARN_AFTER):
            self._learn_soon()

    def _learn_soon(self) -> None:
        if not self._closing and (self._learning is None or self._learning.done()):
            self._learning = self._loop.create_task(self._learn(), name="noclobber-store-slots")

    async def _learn_now(self) -> None:
        """Wait until the table is known. Raise StoreError if nobody tells it. A caller that leaves does not stop it for the others."""
        if self._closing:
            raise StoreRefused("the store is closed")
        self._learn_soon()
        assert self._learning is not None
        await asyncio.wait([self._learning])
        if self._owners:
            return
        what = "no node of the Cluster tells who owns its slots: "
        if isinstance(self._failure, Refusal):
            raise Refusal(what + self._failure.text, self._failure.code) from self._failure
        raise StoreUnavailable(f"{what}{self._failure}") from self._failure

    async def _learn(self) -> None:
        """Ask all nodes for the table, and take the first that comes: one that is out of date is put right by MOVED."""
        await asyncio.sleep(self._learned_at + LEARN_PAUSE_SECONDS - self._loop.time())
        asked = {self._node(address).submit(Request(("CLUSTER", "SLOTS"))): address for address in {*self._seeds, *self._owners.values()}}
        for future in asked:
            future.add_done_callback(self._retrieve)
        pending = set(asked)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    try:
                        self._adopt(read_slots(future.result(), asked[future]))
                    except StoreError as error:
                        self._failure = error
                        continue
                    self._part()
                    return
        finally:
            self._learned_at = self._loop.time()
            for future in pending:
                future.cancel()

    @staticmethod
    def _retrieve(future: asyncio.Future[object]) -> None:
        if not future.cancelled():
            future.exception()

    def _adopt(self, owners: Owners) -> None:
        """Believe owners, and touch the tags that are somewhere else now."""
        before, self._owners = self._owners, owners
        moved: dict[Address, list[int]] = {}
        for tag, slot in enumerate(SLOT_OF_TAG):
            owner = owners.get(slot)
            if owner is not None and owner != before.get(slot):
                moved.setdefault(owner, []).append(tag)
        for address, tags in moved.items():
            self._touch(address, tags)

    def _part(self) -> None:
        """Let go of the nodes that own nothing any more."""
        for address in self._nodes.keys() - self._seeds - set(self._owners.values()):
            task = self._loop.create_task(self._nodes.pop(address).close())
            self._parting.add(task)
            task.add_done_callback(self._parting.discard)


def read_slots(reply: object, asked: Address) -> Owners:
    """Read the reply of asked to CLUSTER SLOTS. Raise StoreUnavailable where it names no owner at all."""
    owners: Owners = {}
    for entry in reply if isinstance(reply, list) else ():
        match entry:
            case [int(first), int(last), [None | bytes() as host, int(port), *_], *_] if host != b"?":
                # No host means the one that was asked: it does not know by what name it is reached.
                address = Address(host.decode() if host else asked.host, port)
                owners |= dict.fromkeys(range(first, last + 1), address)
    if not owners:
        raise StoreUnavailable(f"{asked} names no owner of any slot")
    return owners
