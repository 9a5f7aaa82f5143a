"""noclobber in this process, in front of a backend of the test's."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.app import running
from proxy.config import Config, load_config
from proxy.gateway.gateway import Gateway
from proxy.gateway.points import Faults

from .client import Answer, Client

SHORT: dict[str, Any] = {
    "protocol__lease_seconds": 1,
    "protocol__margin_seconds": 0.2,
    "protocol__apply_delay_seconds": 0.3,
    "protocol__write_timeout_seconds": 1,
}
"""Times for tests that have to wait for them."""


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something holds. The timeout is the test's."""
    while True:
        answer = holds()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.01)


def route(path: str = "/{path*}", name: str = "r", **keys: object) -> str:
    """One route of a configuration file."""
    lines = ["[[route]]", f'name = "{name}"', f'path = "{path}"']
    lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def configured(backend: int | str, *routes: str, store: str = "memory://", **settings: object) -> Config:
    """Configure a noclobber in front of a backend: a port or a URL. `settings` are named SECTION__KEY; without routes there is one."""
    upstream = f"http://127.0.0.1:{backend}" if isinstance(backend, int) else backend
    settings = {"log__access": "off", "log__conflicts": "off", "server__listen": "127.0.0.1:0", "server__admin": "127.0.0.1:0", **settings}
    environ = {f"NOCLOBBER__{name.upper()}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "config.toml")
        file.write_text("\n".join(routes), encoding="utf-8")
        return load_config(file, environ, {"upstream": upstream, "store": store})


class Door:
    """Where a running noclobber is asked."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        """Open a connection; it is closed in the end."""
        client = await Client.connect(self.gateway.listen)
        self._clients.append(client)
        return client

    async def ask(self, method: bytes, target: bytes, *lines: bytes, body: bytes | None = None, version: bytes = b"1.1") -> Answer:
        """Send one request on a connection of its own."""
        async with await Client.connect(self.gateway.listen) as client:
            return await client.ask(method, target, *lines, body=body, version=version)

    async def tag(self, target: bytes = b"/doc") -> bytes:
        """The tag of what stands at target."""
        return (await self.ask(b"GET", target)).etag

    async def ask_admin(self, target: bytes, method: bytes = b"GET", *lines: bytes) -> Answer:
        """Send one request to the admin listener."""
        async with await Client.connect(self.gateway.admin) as client:
            return await client.ask(method, target, *lines)

    async def sample(self, name: str, **labels: str) -> float:
        """The value of one series at this moment; 0 where there is none yet. The labels may be given in part: then it is the sum."""
        page = (await self.ask_admin(b"/metrics")).body.decode()
        total = 0.0
        for line in page.splitlines():
            series = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if series is not None and series[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', series[2] or ""))
                if labels.items() <= found.items():
                    total += float(series[3])
        return total

    async def is_ready(self) -> bool:
        """Whether writes are granted."""
        return (await self.ask_admin(b"/readyz")).status == 200

    def close(self) -> None:
        """Leave with all connections."""
        for client in self._clients:
            client.leave()


@asynccontextmanager
async def serving(
    backend: int | str, *routes: str, store: str = "memory://", faults: Faults | None = None, **settings: object
) -> AsyncIterator[Door]:
    """Run a noclobber in front of a backend, as `configured` says."""
    async with running(configured(backend, *routes, store=store, **settings), faults) as gateway:
        door = Door(gateway)
        try:
            yield door
        finally:
            door.close()


async def trips(door: Door) -> float:
    """How many operations the store has been asked for."""
    return sum([await door.sample("noclobber_store_duration_seconds_count", operation=name) for name in ("load", "swap")])
