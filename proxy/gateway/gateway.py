"""A running noclobber, and how it ends."""

import asyncio
import logging
from dataclasses import dataclass

from .connection import ClientServer
from .handler import Handler
from .lanes import Lanes
from .listening import Listener
from .metrics import Metrics
from .readiness import Readiness
from .tasks import Tasks

_logger = logging.getLogger("noclobber")


@dataclass(slots=True)
class Patience:
    """How long what is in flight may go on once nobody is let in any more, and how long connections may stay on which nothing is asked."""

    work_seconds: float
    idle_seconds: float = 0.0


class Gateway:
    """A running noclobber, and where it listens (with the port that was taken where the configuration says 0).

    `patience` is how it ends; it may be lost while it ends. `left` is how many writes had to be given up then.
    """

    def __init__(
        self, handler: Handler, readiness: Readiness, metrics: Metrics, clients: ClientServer, listener: Listener | Lanes, admin: str
    ) -> None:
        self.handler = handler
        self.readiness = readiness
        self.metrics = metrics
        self.clients = clients
        self.listener = listener
        self.admin = admin
        self.patience = Patience(0.0)
        self.left = 0

    @property
    def listen(self) -> str:
        """Where clients are served."""
        return self.listener.at

    @property
    def lanes(self) -> Lanes:
        """Where clients come from; a worker's alone has lanes."""
        assert isinstance(self.listener, Lanes)
        return self.listener

    def open_gate(self) -> None:
        """Let writes through."""
        gate, self.handler.gate = self.handler.gate, None
        if gate is not None:
            gate.set()

    def say_farewell(self) -> None:
        """Be no longer ready, and close each connection after its next answer. Clients are still let in."""
        self.readiness.is_draining = self.handler.is_draining = True

    async def drain(self, writes: Tasks) -> None:
        """Let nobody in any more, and what is in flight end. A write for which patience is lost is cancelled, and so becomes unknown."""
        self.say_farewell()
        await self.listener.close()
        loop, handler, clients, patience = asyncio.get_running_loop(), self.handler, self.clients, self.patience
        since = loop.time()

        def is_worth_waiting() -> bool:
            waited = loop.time() - since
            is_working = bool(handler.in_flight or len(writes))
            return (is_working and waited < patience.work_seconds) or (clients.open > 0 and waited < patience.idle_seconds)

        # Polled: an event would cost every request something, for a moment that comes once.
        while is_worth_waiting():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.left = len(writes)
        if handler.in_flight or self.left:
            _logger.warning("stopping with %d requests and %d writes in flight", handler.in_flight, self.left)
        # Here, and not when all is taken down: their clients are to be told.
        await writes.cancel()
