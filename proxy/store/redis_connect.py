"""From a URL to the servers behind it: one server, or whichever Sentinel names as the primary, or a Cluster (`redis_cluster.py`).

A further kind of deployment is a further row of CONNECTORS.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode

from ..errors import StoreError, StoreRefused, StoreUnavailable
from .redis_batch import Batcher, Request
from .redis_checks import Deployment, Notices, facts_of
from .redis_cluster import Cluster
from .redis_line import Address, Command, Options, Wire, ask, at, connect, connection_options

SENTINEL_PORT = 26379
REDIS_PORT = 6379

_URL = re.compile(r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")


class Servers(Protocol):
    """Where commands go. `number_of_tags` says over how many hash tags the keys are spread."""

    number_of_tags: int

    def ask(self, tag: int, command: Command) -> Awaitable[object]:
        """Have command executed where the keys of tag are. Fails with a StoreError; a Refusal says that nothing was executed."""

    async def close(self) -> None:
        """Send what waits, then disconnect."""


class OneServer:
    """A server that is looked for each time the connection was lost: what a name or Sentinel leads to may have changed."""

    number_of_tags = 1

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher

    def ask(self, tag: int, command: Command) -> Awaitable[object]:
        """Queue command."""
        return self._batcher.submit(Request(command))

    async def close(self) -> None:
        """Send what waits, then disconnect."""
        await self._batcher.close()


async def greeted(address: Address, options: Options, notices: Notices) -> Wire:
    """Connect to a server, hear what it tells of itself, and let notices judge it."""
    wire = await connect(options)
    try:
        notices.meet(address, facts_of(await ask(wire, ("INFO",))))
    except BaseException:
        await wire.disconnect(nowait=True)
        raise
    return wire


def connect_to_one(url: str, timeout_seconds: float) -> Servers:
    """Make the way to one server."""
    options = connection_options(url, timeout_seconds)
    address = Address(options.get("path") or options.get("host", "localhost"), options.get("port", 0 if "path" in options else REDIS_PORT))
    notices = Notices(Deployment.ONE)
    return OneServer(Batcher(lambda: greeted(address, options, notices), timeout_seconds))


class Group(NamedTuple):
    """The URL of several servers, taken apart. `words` are the segments of its path, `extra` the options that are not redis-py's."""

    addresses: tuple[Address, ...]
    words: tuple[str, ...]
    options: Options
    extra: Mapping[str, str]


def parse_group(url: str, timeout_seconds: float, default_port: int, extra: frozenset[str] = frozenset()) -> Group:
    """Read SCHEME+KIND://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT].../WORDS?OPTIONS. Raise StoreRefused."""
    parts = _URL.fullmatch(url)
    found = [_HOST.fullmatch(host) for host in parts["hosts"].split(",")] if parts else []
    if parts is None or not all(found):
        raise StoreRefused("the store's URL cannot be used: it has something other than HOST:PORT between its commas")
    addresses = tuple(Address(host["bracketed"] or host["plain"], int(host["port"] or default_port)) for host in found if host)
    query = dict(parse_qsl(parts["query"] or "", keep_blank_values=True))
    own = {name: query.pop(name) for name in extra & query.keys()}
    user = "" if parts["user"] is None else f"{parts['user']}@"
    scheme = parts["scheme"].partition("+")[0]
    # Any host does: each server gets these options with its own.
    options = connection_options(f"{scheme}://{user}localhost?{urlencode(query)}", timeout_seconds)
    return Group(addresses, tuple(word for word in (parts["path"] or "").split("/") if word), options, own)


def connect_to_sentinel(url: str, timeout_seconds: float) -> Servers:
    """Make the way to the primary of a service: redis+sentinel://[USER:PASSWORD@]HOST[:PORT],.../SERVICE[/DB]."""
    group = parse_group(url, timeout_seconds, SENTINEL_PORT, frozenset({"sentinel_username", "sentinel_password"}))
    match group.words:
        case (service,):
            options = group.options
        case (service, database) if database.isdecimal():
            options = {**group.options, "db": int(database)}
        case _:
            raise StoreRefused("the store's URL cannot be used: after the sentinels it names the service, /SERVICE or /SERVICE/DB")
    credentials = {"username": group.extra.get("sentinel_username"), "password": group.extra.get("sentinel_password"), "db": 0}
    sentinels = Sentinels(group.addresses, service, {**group.options, **credentials}, timeout_seconds)
    notices = Notices(Deployment.SENTINEL)

    async def dial() -> Wire:
        primary = await sentinels.find_primary()
        return await greeted(primary, at(options, primary), notices)

    return OneServer(Batcher(dial, timeout_seconds))


class View(NamedTuple):
    """What one sentinel says of the primary. Of two that differ the one of the higher epoch is right: Sentinel's own rule."""

    epoch: int
    is_up: bool
    primary: Address


class Sentinels:
    """Those who know which server is the primary of service."""

    def __init__(self, addresses: tuple[Address, ...], service: str, options: Options, timeout_seconds: float) -> None:
        """Open no connection yet. `options` are for the sentinels."""
        self._addresses = addresses
        self._service = service
        self._options = options
        # Half, so that there is time left to connect to the primary where some sentinels are silent.
        self._seconds = timeout_seconds / 2

    async def find_primary(self) -> Address:
        """Ask all at once, and wait for most of them: one alone may be cut off with an old primary. Raise StoreError."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._ask_one(address)) for address in self._addresses]
        views: list[View] = []
        failures: list[StoreError] = []
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    views.append(await done)
                except StoreError as error:
                    failures.append(error)
                if len(views) > len(tasks) // 2:
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not views:
            raise StoreUnavailable(f"no sentinel names a primary of {self._service}: {failures[-1]}")
        best = max(views)
        if not best.is_up:
            raise StoreUnavailable(f"Sentinel holds the primary of {self._service} for down: {best.primary}")
        return best.primary

    async def _ask_one(self, address: Address) -> View:
        try:
            async with asyncio.timeout(self._seconds):
                wire = await connect(at(self._options, address))
                try:
                    reply = await ask(wire, ("SENTINEL", "MASTER", self._service))
                finally:
                    await wire.disconnect(nowait=True)
        except TimeoutError as exc:
            raise StoreUnavailable(f"sentinel {address} does not answer") from exc
        return read_view(reply)


def read_view(reply: object) -> View:
    """Read the reply to SENTINEL MASTER: names and values in turn. Raise StoreError."""
    match reply:
        case StoreError():
            raise reply
        case [*words] if len(words) % 2 == 0:
            texts = [word.decode() if isinstance(word, bytes) else "" for word in words]
            fields = dict(zip(texts[::2], texts[1::2], strict=True))
        case _:
            raise StoreUnavailable(f"a sentinel answered with something else than a primary: {reply!r:.80}")
    try:
        address = Address(fields["ip"], int(fields["port"]))
        return View(int(fields["config-epoch"]), "down" not in fields["flags"], address)
    except (KeyError, ValueError) as exc:
        raise StoreUnavailable("a sentinel's answer has no address, flags or epoch") from exc


def connect_to_cluster(url: str, timeout_seconds: float) -> Servers:
    """Make the way to a Cluster: redis+cluster://[USER:PASSWORD@]HOST[:PORT],... of any of its nodes."""
    group = parse_group(url, timeout_seconds, REDIS_PORT)
    if group.words or group.options.get("db"):
        raise StoreRefused("the store's URL cannot be used: a Cluster has no databases, so nothing stands after its hosts")
    notices = Notices(Deployment.CLUSTER)

    async def dial(address: Address) -> Wire:
        return await greeted(address, at(group.options, address), notices)

    return Cluster(group.addresses, dial, timeout_seconds)


Connector = Callable[[str, float], Servers]
"""Makes the way to the servers of a URL, with a timeout in seconds for each exchange. Opens no connection yet."""

CONNECTORS: Mapping[str, Connector] = {
    "redis": connect_to_one,
    "rediss": connect_to_one,
    "unix": connect_to_one,
    "redis+sentinel": connect_to_sentinel,
    "rediss+sentinel": connect_to_sentinel,
    "redis+cluster": connect_to_cluster,
    "rediss+cluster": connect_to_cluster,
}
