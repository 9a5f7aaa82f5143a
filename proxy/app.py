"""The composition root: the only place that builds adapters, puts them together, and takes them down again in order."""

import asyncio
import gc
import logging
import resource
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .admin.application import Admin
from .admin.served import Served
from .config import DEFAULT, Config, UnixPath
from .config import Address as Place
from .gateway.arrival import Arrivals
from .gateway.binding import TcpPlace, UnixPlace
from .gateway.certificates import Certificates, TlsFiles
from .gateway.conflicts import ConflictLog, Kept
from .gateway.connection import Clients, ClientServer
from .gateway.gateway import Gateway, Patience
from .gateway.handler import Handler
from .gateway.labels import Labels
from .gateway.lanes import Lanes
from .gateway.lease import Leases
from .gateway.limits import BodyPace, ConnectionLimits
from .gateway.listening import Listener
from .gateway.metrics import Metrics
from .gateway.peer import Forwarding
from .gateway.points import Faults
from .gateway.principal import Share
from .gateway.readiness import Readiness
from .gateway.reading import Reading
from .gateway.representation import Representations
from .gateway.requestid import RequestIds
from .gateway.spool import SpoolLimits
from .gateway.tasks import Tasks
from .gateway.timed_store import TimedStore
from .gateway.tunnel import Tunnels
from .gateway.writing import Writing
from .logs import Logs
from .origin.port import Upstream
from .routing import lease_times, routes_of, unrouted
from .stores import open_store
from .telemetry.lag import watch_lag
from .telemetry.series import process_figures
from .upstreams import TLS_VERSIONS, connections, upstreams_of

if TYPE_CHECKING:
    from .gateway.tracing import Tracing

_logger = logging.getLogger("noclobber")
SPARE_DESCRIPTORS = 64
GARBAGE_OBJECTS = 10_000
READ_BUFFER_BYTES = 32 * 1024
"""Half of aiohttp's own: with uvloop up to 256 KB come on top of it for each connection, and the memory that we promise is 120 MB."""


def serve(config: Config, faults: Faults | None = None) -> int:
    """Run in this process alone until SIGTERM or SIGINT, drain, and return the exit status. `faults` is for tests alone."""
    return run(config, _serve(config, faults), "noclobber")


def run(config: Config, work: Coroutine[None, None, int], name: str) -> int:
    """Prepare this process for serving, do the work, and return its exit status. `name` is what its log calls it."""
    logging.basicConfig(level=config.log.level.name, format=f"%(asctime)s %(levelname)s {name}: %(message)s", stream=sys.stderr)
    # Requests leave hardly any cycles behind, so looking for them at every 700th object is time lost; what was loaded never goes.
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 50)
    _raise_descriptor_limit(config)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _raise_descriptor_limit(config: Config) -> None:
    """Allow ourselves a descriptor for each connection that the configuration allows: 1024 is what many systems begin with."""
    wanted = config.limits.max_connections + connections(config) + config.limits.max_in_flight + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _logger.warning("%d descriptors may be needed, and only %d are allowed: raise ulimit -n, or lower max_connections", wanted, allowed)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it saves a tenth of the time, a third with TLS."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: Config, faults: Faults | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        async with running(config, faults) as gateway:
            _logger.info("serving %s on %s, admin on %s", config.upstream.url, gateway.listen, gateway.admin)
            await stopping.wait()
            _logger.info("draining: %d requests in flight", gateway.handler.in_flight)
    except OSError as error:
        _logger.error("cannot start: %s", error)
        return 1
    return 0


@asynccontextmanager
async def running(config: Config, faults: Faults | None = None, private_admin: Path | None = None) -> AsyncIterator[Gateway]:
    """Start everything; on leaving, drain and stop it, in the reverse order. `faults` is for tests alone.

    `private_admin` is the Unix socket of a worker's admin listener: clients come only from the lanes that it is given then.
    """
    async with AsyncExitStack() as stack:
        foundation = await _found(stack, config)
        tracing = foundation.tracing
        make = Leases if tracing is None else tracing.leases
        times, store = lease_times(config), foundation.store
        leases = make(store, times, foundation.tasks, config.limits.max_waiters_per_key, faults=faults, swaps=store.swaps)
        writes = Tasks()
        stack.push_async_callback(writes.cancel)
        ids = RequestIds(config.server.request_id_field)
        plane = _data_plane(stack, config, foundation, leases, writes, ids)
        handler = plane.handler
        metrics, readiness, tasks = foundation.metrics, foundation.readiness, foundation.tasks
        server, refuse = config.server, metrics.count_refusal
        peers = Clients(Forwarding(server.forwarded, server.trusted_networks, server.trusts_unix), ids, server.proxy_protocol)
        clients = ClientServer(handler, _connection_limits(config), refuse, peers)
        _show(metrics, readiness, leases)
        metrics.registry.read("noclobber_in_flight_requests", by=lambda: handler.in_flight)
        metrics.registry.read("noclobber_connections", by=lambda: clients.open)
        for watching in (readiness.watch(), leases.doubts.watch(foundation.store), watch_lag(metrics.loop_lag, metrics.registry)):
            tasks.start(watching)
        certificates = _certificates(config)
        if certificates is not None:
            tasks.start(certificates.watch())
        operators = ClientServer(Admin(_served(config, foundation, plane, leases, clients)), _connection_limits(config), refuse)
        admin_place = server.admin_address if private_admin is None else UnixPath(str(private_admin))
        admin = await _listen(stack, operators, admin_place, server.socket_mode, None)
        tls = None if certificates is None else certificates.context
        listener: Listener | Lanes
        if private_admin is None:
            listener = await _listen(stack, clients, server.listen_address, server.socket_mode, tls)
        else:
            listener = Lanes(clients, tls)
            stack.push_async_callback(listener.end)
        gateway = Gateway(handler, readiness, metrics, clients, listener, admin.at)
        gateway.patience = Patience(server.drain_seconds)
        yield gateway
        await gateway.drain(writes)


def _show(metrics: Metrics, readiness: Readiness, leases: Leases) -> None:
    """Have figures read when they are asked for."""
    read = metrics.registry.read
    read("noclobber_ready", by=readiness.is_ready)
    read("noclobber_store_up", by=lambda: readiness.is_store_up)
    read("noclobber_store_losses_total", by=lambda: readiness.losses)
    read("noclobber_grace_remaining_seconds", by=lambda: readiness.status.grace_seconds)
    read("noclobber_lease_queue_writes", by=lambda: leases.turns.waiting)
    read("noclobber_in_doubt_records", by=lambda: len(leases.doubts))


class _Foundation(NamedTuple):
    """What all the rest stands on."""

    metrics: Metrics
    store: TimedStore
    upstreams: Mapping[str, Upstream]
    tasks: Tasks
    body_limits: SpoolLimits
    representations: Representations
    readiness: Readiness
    tracing: "Tracing | None"


async def _found(stack: AsyncExitStack, config: Config) -> _Foundation:
    """Open the store and the backends, and have a first look at the store."""
    metrics = Metrics()
    metrics.registry.add_source(process_figures())
    tracing = _tracing(stack, config)
    opened = await open_store(config.store)
    store = TimedStore(opened if tracing is None else tracing.store(opened), metrics)
    stack.push_async_callback(store.close)
    upstreams = upstreams_of(config, metrics)
    for upstream in upstreams.values():
        stack.push_async_callback(upstream.close)
    tasks = Tasks()
    stack.push_async_callback(tasks.cancel)
    limits = SpoolLimits(config.limits.spool_memory_bytes, config.limits.max_body_bytes, config.limits.spool_directory or None)
    representations = Representations(upstreams[DEFAULT], limits, config.limits.max_tagged_body_bytes)
    readiness = Readiness(store, representations, config.grace_seconds)
    # Reads can be tagged from the first request on if the store answers at once; if it does not, they go out untagged.
    await readiness.look()
    return _Foundation(metrics, store, upstreams, tasks, limits, representations, readiness, tracing)


def _tracing(stack: AsyncExitStack, config: Config) -> "Tracing | None":
    """What makes spans; None where nobody asks for any."""
    chosen = config.tracing
    if not chosen.endpoint:
        return None
    # What it brings is an extra.
    from .gateway.tracing import Tracing

    tracing = Tracing(chosen.endpoint, chosen.sample_ratio, chosen.service_name)
    stack.push_async_callback(tracing.close)
    return tracing


class _DataPlane(NamedTuple):
    """What serves clients. `lookups` judges requests that nobody sent, as those that come are judged."""

    handler: Handler
    lookups: Arrivals
    labels: Labels
    conflicts: ConflictLog


def _data_plane(
    stack: AsyncExitStack, config: Config, foundation: _Foundation, leases: Leases, writes: Tasks, ids: RequestIds
) -> _DataPlane:
    """Put the data plane together, with its logs. `writes` is where writes run."""
    metrics, representations, upstreams = foundation.metrics, foundation.representations, foundation.upstreams
    refuse, server = metrics.count_refusal, config.server
    logs = Logs(stack, metrics)
    conflicts = _conflict_log(stack, config, foundation, leases, logs)
    tracing = foundation.tracing
    if tracing is not None:
        upstreams, representations.origin = tracing.upstreams(upstreams), tracing.upstreams(upstreams)[DEFAULT]
    origin, routes = upstreams[DEFAULT], routes_of(config, metrics, upstreams)
    arrivals = Arrivals(routes, unrouted(metrics, origin), server.via_name, _body_pace(config), ids, forwards=True)
    labels = Labels(foundation.store, config.grace_seconds)
    share = Share(config.limits.max_writes_per_principal)
    writing = Writing(representations, leases, writes, foundation.body_limits, share, refuse, conflicts, arrivals.key_at, labels)
    log = logs.of(config.log.access)
    tunnels = Tunnels(origin, server.tunnel_idle_seconds)
    reading = Reading(representations, labels)
    make = Handler if tracing is None else tracing.handler
    handler = make(arrivals, reading, writing, log, refuse, config.limits.max_in_flight, tunnels, writes)
    return _DataPlane(handler, Arrivals(routes, arrivals.unrouted, server.via_name), labels, conflicts)


def _served(config: Config, foundation: _Foundation, plane: _DataPlane, leases: Leases, clients: ClientServer) -> Served:
    """What the admin application is told."""
    return Served(
        config=config,
        metrics=foundation.metrics,
        readiness=foundation.readiness,
        handler=plane.handler,
        clients=clients,
        lookups=plane.lookups,
        labels=plane.labels,
        leases=leases,
        conflicts=plane.conflicts,
        store=foundation.store,
        streams=foundation.store,
        upstreams=foundation.upstreams,
    )


def _conflict_log(stack: AsyncExitStack, config: Config, foundation: _Foundation, leases: Leases, logs: Logs) -> ConflictLog:
    kept = Kept(foundation.store, foundation.store, config.store.kept_conflicts, logs.of(config.log.conflicts))
    conflicts = ConflictLog(kept, leases, foundation.representations, foundation.metrics.conflict_events_lost.inc)
    stack.push_async_callback(conflicts.close)
    foundation.tasks.start(conflicts.run())
    return conflicts


def _body_pace(config: Config) -> BodyPace:
    limits = config.limits
    return BodyPace(limits.body_start_seconds, limits.body_seconds, limits.min_body_bytes_per_second)


def _connection_limits(config: Config) -> ConnectionLimits:
    limits = config.limits
    return ConnectionLimits(
        header_seconds=config.server.header_seconds,
        reader_seconds=limits.reader_seconds,
        max_connections=limits.max_connections,
        max_line_bytes=limits.max_line_bytes,
        max_field_bytes=limits.max_field_bytes,
        max_fields=limits.max_fields,
        read_buffer_bytes=READ_BUFFER_BYTES,
    )


async def _listen(
    stack: AsyncExitStack, clients: ClientServer, address: Place | UnixPath, mode: str, tls: ssl.SSLContext | None
) -> Listener:
    place = UnixPlace(Path(address.path), int(mode, 8)) if isinstance(address, UnixPath) else TcpPlace(address.host, address.port)
    listener = await Listener.open(clients, place, tls)
    stack.push_async_callback(listener.end)
    return listener


def _certificates(config: Config) -> Certificates | None:
    server = config.server
    if not server.tls_certificate:
        return None
    files = TlsFiles(
        certificate=Path(server.tls_certificate),
        key=Path(server.tls_key),
        directory=Path(server.tls_directory) if server.tls_directory else None,
        client_ca=Path(server.tls_client_ca) if server.tls_client_ca else None,
        minimum=TLS_VERSIONS[server.tls_minimum],
    )
    return Certificates(files)
