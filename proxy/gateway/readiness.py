"""Readiness: whether writes are granted, and the salt that tags cannot be made without.

Both need the store, and neither may make a request wait for it: a task of the app's asks, and the rest of the gateway looks at what it
found.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass

from ..errors import StoreError, StoreRefused
from ..store.port import Store, StoreKey
from .representation import Representations

_logger = logging.getLogger("noclobber")

PROBE_KEY = StoreKey("readiness")
SALT_NAME = "salt"
SALT_BYTES = 32
WATCH_SECONDS = 1.0
HURRY_SECONDS = 0.1
"""How often the store is looked at while all is well, and until it is."""


@dataclass(frozen=True, slots=True)
class Status:
    """What was found last. `reasons` is empty exactly when writes are granted."""

    reasons: tuple[str, ...]
    grace_seconds: float = 0.0


class Readiness:
    """Watch the store: settle the salt at every new lineage, and know the grace that is left. `losses` counts the new lineages."""

    def __init__(self, store: Store, representations: Representations, grace_seconds: float) -> None:
        self._store = store
        self._representations = representations
        self._grace_seconds = grace_seconds
        self._lineage: str | None = None
        self._trouble: type[StoreError] | None = None
        self.status = Status(("the store has not been reached yet",))
        self.losses = 0
        self.is_store_up = False
        self.is_draining = False

    def is_ready(self) -> bool:
        """Whether writes are granted."""
        return not self.reasons()

    def reasons(self) -> tuple[str, ...]:
        """Why writes are not granted; empty when they are."""
        return ("draining",) if self.is_draining else self.status.reasons

    async def watch(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_SECONDS if self.is_ready() else HURRY_SECONDS)

    async def look(self) -> None:
        """Ask the store once. A lineage that is not the last one means that what was kept there may be lost: the salt is put back."""
        try:
            snapshot = await self._store.load(PROBE_KEY)
            if snapshot.lineage != self._lineage:
                proposal = self._representations.salt or secrets.token_bytes(SALT_BYTES)
                self._representations.salt = await self._store.settle(SALT_NAME, proposal)
                self.losses += self._lineage is not None
                self._lineage = snapshot.lineage
        except StoreError as error:
            self.is_store_up = False
            reason = str(error) if isinstance(error, StoreRefused) else f"the store does not answer: {error}"
            self.status = Status((reason,))
            # Each kind of trouble once: the store is looked at ten times a second now.
            if type(error) is not self._trouble:
                _logger.error("no write is granted: %s", reason)
            self._trouble = type(error)
            return
        self.is_store_up = True
        if self._trouble is not None:
            _logger.info("the store answers again")
            self._trouble = None
        left = self._grace_seconds - snapshot.lineage_age
        self.status = Status((f"grace: {left:.1f} s left",), left) if left > 0 else Status(())
