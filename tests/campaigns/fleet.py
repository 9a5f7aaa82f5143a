"""What befalls a noclobber with workers while clients race: workers killed, good and bad files loaded, and its end."""

import asyncio
import contextlib
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from enum import Enum
from functools import partial
from pathlib import Path

from tests.campaigns.wire import Wire
from tests.campaigns.witness import Testimony
from tests.e2e.processes import Noclobber

KILL_SECONDS = (0.5, 2.0)
"""Between two kills. A worker that is killed again and again is away for longer each time."""
RELOADS, RELOAD_SECONDS = 5, 0.5
SCRAPE_SECONDS = 0.3
_TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


class Fate(Enum):
    """What befalls a noclobber with workers."""

    NONE = "none"
    KILLS = "workers are killed"
    RELOADS = "good and bad files are loaded"
    END = "it is told to stop"


class Scraper:
    """Read the metrics again and again, and note what goes backwards that only ever grows."""

    def __init__(self, noclobber: Noclobber) -> None:
        self._port = noclobber.admin_port
        self._last: dict[str, float] = {}
        self.pages = 0
        self.backwards: list[str] = []

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            await self.scrape()
            await asyncio.sleep(SCRAPE_SECONDS)

    async def scrape(self) -> None:
        """Read them once."""
        wire = Wire(self._port)
        try:
            answer = await wire.ask("GET", "/metrics", {"Connection": "close"})
        finally:
            wire.close()
        assert answer.status == 200
        page = answer.body.decode()
        growing = {name for name, kind in _TYPE.findall(page) if kind in ("counter", "histogram")}
        found = {series: float(value) for series, value in _SAMPLE.findall(page)}
        counts = {series: value for series, value in found.items() if _family(series) in growing}
        for series, before in self._last.items():
            now = counts.get(series)
            if now is None or now < before:
                self.backwards.append(f"{series}: {before}, then {now}")
        self._last = counts
        self.pages += 1

    def total(self, name: str) -> float:
        """The sum of all series of a name, as last read."""
        return sum(value for series, value in self._last.items() if series.partition("{")[0] == name)


def _family(series: str) -> str:
    """The name that stands in the TYPE line of a series."""
    name = series.partition("{")[0]
    return re.sub(r"_(bucket|sum|count)$", "", name)


class Fleet:
    """A noclobber with workers, and what befalls it. `config` is its file, which is written anew."""

    def __init__(self, noclobber: Noclobber, config: Path) -> None:
        self._noclobber = noclobber
        self._config = config
        self.scraper = Scraper(noclobber)

    @property
    def restarts(self) -> int:
        """How many workers it has replaced."""
        return int(self.scraper.total("noclobber_worker_restarts_total"))

    @property
    def reloads(self) -> int:
        """How many files it has loaded, or refused."""
        return int(self.scraper.total("noclobber_config_reloads_total"))

    @contextlib.asynccontextmanager
    async def meeting(self, fate: Fate, seconds: float, testimony: Testimony) -> AsyncIterator[None]:
        """Have it meet its fate, and look at its metrics, until the block ends."""
        ways: Mapping[Fate, Callable[[float], Coroutine[None, None, None]]] = {
            Fate.NONE: asyncio.sleep,
            Fate.KILLS: self._kill,
            Fate.RELOADS: partial(self._reload, testimony),
            Fate.END: self._end,
        }
        tasks = [asyncio.get_running_loop().create_task(ways[fate](seconds))]
        if fate is not Fate.END:
            tasks.append(asyncio.get_running_loop().create_task(self.scraper.run()))
        try:
            yield
            for task in tasks:
                if task.done():
                    # What went wrong there would go unnoticed.
                    await task
            if fate is not Fate.END:
                await self.scraper.scrape()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _kill(self, seconds: float) -> None:
        """Kill one worker after the other. One is always left."""
        while True:
            await asyncio.sleep(random.uniform(*KILL_SECONDS))
            pids = self._noclobber.worker_pids
            if len(pids) > 1:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(random.choice(pids), signal.SIGKILL)

    async def _reload(self, testimony: Testimony, seconds: float) -> None:
        """Have good and bad files loaded in turn; the good ones have other routes, or the same. The race is over when that is done."""
        good = self._config.read_text(encoding="utf-8")
        for number in range(RELOADS):
            more = f'[[route]]\nname = "more-{number // 4}"\npath = "/more/{number // 4}"\n'
            self._config.write_text(f"[log]\nlevel = 'loud'\n{good}" if number % 2 else more + good, encoding="utf-8")
            before = self._told()
            os.kill(self._noclobber.pid, signal.SIGHUP)
            while self._told() == before:  # noqa: ASYNC110 - the process tells nobody
                await asyncio.sleep(0.05)
            await asyncio.sleep(RELOAD_SECONDS)
        testimony.is_over = True

    def _told(self) -> int:
        """How often it has said what became of a reload."""
        return len(re.findall(r"(?:INFO|ERROR) noclobber: (?:not )?reloaded", self._noclobber.log.read_text(errors="replace")))

    async def _end(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 2)
        os.kill(self._noclobber.pid, signal.SIGTERM)
