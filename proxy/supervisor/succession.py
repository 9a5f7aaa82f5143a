"""Succession: one generation of workers after the other, each with the configuration of its time, on the same sockets."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ..config import Config
from ..errors import ConfigError
from ..gateway.tasks import Tasks
from .cores import workers_of
from .fleet import Fleet
from .generation import Generation, StartFailed
from .messages import Drain
from .origins import Origins
from .reload import Reloaded, Source, now, read_successor
from .sockets import Sockets
from .worker import Worker

_logger = logging.getLogger("noclobber")

POLL_SECONDS = 0.02
REKEYED_IDLE_SECONDS = 1.0
"""How long unused connections to a generation may stay whose locks are not those of the next one."""


class Succession:
    """Put generations in each other's place. `config` is that of the present one, in use since `loaded_at`; `last` the last reload."""

    def __init__(
        self, config: Config, source: Source, fleet: Fleet, sockets: Sockets, directory: Path, ended: Callable[[Worker], None]
    ) -> None:
        self.config = config
        self.loaded_at: datetime = now()
        self.last: Reloaded | None = None
        self.good = self.bad = 0
        self._source = source
        self._fleet = fleet
        self._sockets = sockets
        self._directory = directory
        self._origins = Origins()
        self._ended = ended
        self._number = 0
        self._lock = asyncio.Lock()
        self._drains = Tasks()
        self._loop = asyncio.get_running_loop()
        self._safe_at = 0.0

    @property
    def path(self) -> Path | None:
        """The file of the configuration; None: there is none."""
        return self._source.path

    def generation(self, config: Config) -> Generation:
        """Make the next generation. Nothing is started."""
        self._number += 1
        return Generation(self._number, config, self._sockets.lanes, self._directory, self._origins, self._ended)

    async def reload(self) -> Reloaded:
        """Read the configuration anew and put it in use, or say what is wrong with it."""
        async with self._lock:
            try:
                await self._replace(read_successor(self._source, self.config))
            except (ConfigError, StartFailed, OSError) as error:
                self.bad += 1
                errors = error.mistakes if isinstance(error, ConfigError) else [f"cannot start: {error}"]
                for line in errors:
                    _logger.error("not reloaded: %s", line)
                self.last = Reloaded(now(), tuple(errors))
            else:
                self.good += 1
                self.last = Reloaded(now())
                self.loaded_at = self.last.at
                _logger.info("reloaded: %d routes, %d workers", len(self.config.routes), workers_of(self.config))
            return self.last

    async def _replace(self, config: Config) -> None:
        present = self._fleet.current
        assert present is not None
        has_other_locks = _locks(config) != _locks(self.config)
        self._sockets.widen(workers_of(config))
        following = self.generation(config)
        try:
            await following.spawn(holds_writes=has_other_locks)
            await following.begin()
        except BaseException:
            await following.kill()
            raise
        idle_seconds = REKEYED_IDLE_SECONDS if has_other_locks else self.config.server.header_seconds
        self.config = config
        self._fleet.succeed(following)
        self._sockets.listen()
        following.share_out()
        self._drains.start(self._drain(present, idle_seconds))

    async def _drain(self, generation: Generation, idle_seconds: float) -> None:
        """Drain a generation that has a successor, and let that one write when none of its writes can be under way any more."""
        config = generation.config
        if not await generation.end(Drain(idle_seconds), max(idle_seconds, config.server.drain_seconds)):
            # What is in doubt is so under the old locks, and the backend may still apply it.
            delay_seconds = config.protocol.lease_seconds + max(route.apply_delay_seconds for route in config.routes)
            self._safe_at = max(self._safe_at, self._loop.time() + delay_seconds)
        self._fleet.forget(generation)
        await asyncio.sleep(max(0.0, self._safe_at - self._loop.time()))
        if not self._fleet.former and self._fleet.current is not None:
            self._fleet.current.open_gate()

    async def end(self) -> None:
        """Wait until no former generation is left."""
        while self._fleet.former:  # noqa: ASYNC110 - once, and nobody is in a hurry
            await asyncio.sleep(POLL_SECONDS)
        await self._drains.cancel()


def _locks(config: Config) -> object:
    """What decides which writes exclude each other, and for how long."""
    backends = [upstream.endpoints for upstream in config.upstreams]
    return config.routes, config.dialects, config.protocol, config.upstream.endpoints, backends
