"""The backends of a configuration: the part of the composition root that builds the ways to them."""

import ssl
from collections.abc import Mapping, Sequence
from functools import partial

from .config import DEFAULT, Config, Endpoint, NamedUpstream, TlsMinimum, UnixPath
from .config import Upstream as Choices
from .gateway.metrics import Metrics
from .origin.failures import Failure
from .origin.http import HttpOrigin
from .origin.options import Address, OriginOptions
from .origin.pool import Pool
from .origin.port import Upstream
from .origin.several import HealthOptions, Server, Several

TLS_VERSIONS = {TlsMinimum.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsMinimum.TLS_1_3: ssl.TLSVersion.TLSv1_3}


def upstreams_of(config: Config, metrics: Metrics) -> Mapping[str, Upstream]:
    """Every backend by its name, [upstream] as DEFAULT. Only those with alternatives are watched: one server is asked in any case."""
    return {name: _upstream(name, chosen, config.upstream, metrics) for name, chosen in _chosen(config).items()}


def connections(config: Config) -> int:
    """How many connections to servers of backends may be open at once."""
    return config.upstream.max_connections * sum(len(chosen.endpoints) for chosen in _chosen(config).values())


def _chosen(config: Config) -> Mapping[str, Choices | NamedUpstream]:
    return {DEFAULT: config.upstream, **{upstream.name: upstream for upstream in config.upstreams}}


def _upstream(name: str, chosen: Choices | NamedUpstream, limits: Choices, metrics: Metrics) -> Upstream:
    options = _origin_options(limits)
    tls = _tls(chosen)
    addresses = [_address(endpoint, tls, chosen.server_name) for endpoint in chosen.endpoints]
    if len(addresses) == 1:
        origin = HttpOrigin(addresses[0], options)
        failures = origin.pool.failures
        metrics.registry.read("noclobber_upstream_up", name, str(addresses[0]), by=lambda: not failures.is_failing)
        _show_pools(name, [origin.pool], metrics)
        return origin
    health = HealthOptions(limits.max_failures, limits.down_seconds, limits.max_down_seconds)
    servers = [Server(address, options, health) for address in addresses]
    for server in servers:
        metrics.registry.read("noclobber_upstream_up", name, server.name, by=partial(_is_up, server))
    _show_pools(name, [server.origin.pool for server in servers], metrics)
    return Several(servers)


def _is_up(server: Server) -> float:
    return float(not server.is_down)


def _show_pools(name: str, pools: Sequence[Pool], metrics: Metrics) -> None:
    """Have the figures of a backend's connections read when they are asked for."""
    read = metrics.registry.read
    read("noclobber_upstream_connections", name, "idle", by=lambda: sum(pool.idle for pool in pools))
    read("noclobber_upstream_connections", name, "busy", by=lambda: sum(pool.places - pool.idle for pool in pools))
    read("noclobber_upstream_waiting_requests", name, by=lambda: sum(pool.waiting for pool in pools))
    for failure in Failure:
        read("noclobber_upstream_errors_total", name, failure.value, by=partial(_failures, pools, failure))


def _failures(pools: Sequence[Pool], failure: Failure) -> float:
    return sum(pool.failures.counts[failure] for pool in pools)


def _tls(chosen: Choices | NamedUpstream) -> ssl.SSLContext | None:
    """What the servers of a backend share; None where they are not spoken to over TLS."""
    if not chosen.endpoints[0].is_tls:
        return None
    tls = ssl.create_default_context(cafile=chosen.ca_file or None)
    tls.minimum_version = TLS_VERSIONS[chosen.tls_minimum]
    if chosen.client_certificate:
        tls.load_cert_chain(chosen.client_certificate, chosen.client_key)
    return tls


def _address(endpoint: Endpoint, tls: ssl.SSLContext | None, server_name: str) -> Address:
    if isinstance(endpoint.address, UnixPath):
        return Address(endpoint.address.path, 0)
    return Address(endpoint.address.host, endpoint.address.port, tls, server_name or None)


def _origin_options(upstream: Choices) -> OriginOptions:
    return OriginOptions(
        connect_seconds=upstream.connect_seconds,
        first_byte_seconds=upstream.first_byte_seconds,
        idle_seconds=upstream.idle_seconds,
        pool_idle_seconds=upstream.pool_idle_seconds,
        max_connections=upstream.max_connections,
        max_waiting=upstream.max_waiting,
        wait_seconds=upstream.wait_seconds,
    )
