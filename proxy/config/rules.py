"""Rules: what must hold between keys, and what becomes of keys that are not written."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from .cautions import Caution, cautions
from .dialects import Dialects
from .extras import check_tracing
from .forms import MEMORY, Address, parse_upstream
from .keys import shown
from .limits import Limits
from .mistakes import Mistakes, Place
from .reading import Reading, Section
from .required import check_required
from .routes import build_routes, everything, origins
from .schema import Config, Log, Protocol, Store
from .server import Server
from .tls import check_server_tls, check_upstream_tls
from .tracing import Tracing
from .upstream import DEFAULT, NamedUpstream, Upstream


class Relation(NamedTuple):
    """Two times, one of which must not be longer than the other. The words say how each stands to the other."""

    shorter: str
    is_shorter: str
    longer: str
    is_longer: str
    may_be_equal: bool


RELATIONS = (
    Relation("margin_seconds", "less than", "lease_seconds", "more than", may_be_equal=False),
    Relation("lease_seconds", "at most", "write_timeout_seconds", "at least", may_be_equal=True),
)


class Built(NamedTuple):
    """A configuration, what in it may not be meant, and for each route its place and where each setting comes from that it does not
    have by default."""

    config: Config
    cautions: list[Caution]
    places: tuple[Place, ...]
    origins: tuple[Mapping[str, str], ...]


def build(reading: Reading) -> Built:
    """Make the configuration of what was read.

    Raise ConfigError with every mistake, those of reading among them.
    """
    sections = reading.sections
    protocol = msgspec.convert(sections["protocol"].values, type=Protocol)
    server = msgspec.convert(sections["server"].values, type=Server)
    _check_times(reading.mistakes, sections["protocol"], protocol)
    _check_listeners(reading.mistakes, sections["server"], server)
    check_server_tls(reading.mistakes, sections["server"])
    check_upstream_tls(reading.mistakes, sections["upstream"])
    _check_preface(reading.mistakes, sections["server"], server)
    _check_workers(reading.mistakes, sections["server"], server, sections["store"])
    check_tracing(reading.mistakes, sections["tracing"])
    if reading.is_whole:
        check_required(reading.mistakes, "upstream", sections["upstream"])
    _check_alternatives(reading.mistakes, sections["upstream"])
    upstreams = _upstreams(reading)
    dialects = Dialects(reading)
    routes = build_routes(reading, dialects, server, protocol)
    reading.mistakes.raise_all()
    config = Config(
        server=server,
        upstream=msgspec.convert(sections["upstream"].values, type=Upstream),
        store=msgspec.convert(sections["store"].values, type=Store),
        protocol=protocol,
        limits=msgspec.convert(sections["limits"].values, type=Limits),
        log=msgspec.convert(sections["log"].values, type=Log),
        tracing=msgspec.convert(sections["tracing"].values, type=Tracing),
        upstreams=upstreams,
        dialects=tuple(dialects.defined),
        routes=tuple(route for _, route in routes) or (everything(server, protocol),),
    )
    places = tuple(section.place for section, _ in routes)
    return Built(config, cautions(routes, sections["store"]), places, tuple(origins(section, dialects) for section, _ in routes))


def _check_times(mistakes: Mistakes, section: Section, protocol: Protocol) -> None:
    for relation in RELATIONS:
        shorter, longer = getattr(protocol, relation.shorter), getattr(protocol, relation.longer)
        if shorter < longer or (relation.may_be_equal and shorter == longer) or section.refused & {relation.shorter, relation.longer}:
            continue
        # Of the two, the one that was set last is the one that somebody has just changed.
        is_longer_newer = _age(section, relation.longer) > _age(section, relation.shorter)
        name, value, words, other, bound = (
            (relation.longer, longer, relation.is_longer, relation.shorter, shorter)
            if is_longer_newer
            else (relation.shorter, shorter, relation.is_shorter, relation.longer, longer)
        )
        what, allowed = f"is not {words} {other}", f"{words} {bound} ({other})"
        mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(value), allowed=allowed)


def _age(section: Section, name: str) -> int:
    """Rank a value by its source: 0 for a default, then the later the greater."""
    return section.places[name].source if name in section.places else 0


def _check_listeners(mistakes: Mistakes, section: Section, server: Server) -> None:
    address = server.listen_address
    takes_any = isinstance(address, Address) and address.port == 0
    if section.refused & {"listen", "admin"} or address != server.admin_address or takes_any:
        return
    name, other = ("listen", "admin") if _age(section, "listen") > _age(section, "admin") else ("admin", "listen")
    what, allowed = f"is the address of {other} as well", f"any other address than {shown(getattr(server, other))}"
    mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(getattr(server, name)), allowed=allowed)


def _check_preface(mistakes: Mistakes, section: Section, server: Server) -> None:
    if server.proxy_protocol and server.tls_certificate:
        what, allowed = "comes before the TLS handshake, where this version does not look for it", "false, or no tls_certificate"
        mistakes.add(section.place_of("proxy_protocol"), f"{section.name}.proxy_protocol", what, read="true", allowed=allowed)
    if server.proxy_protocol and not server.trusted_proxies and "trusted_proxies" not in section.refused:
        what, allowed = "needs somebody to believe", "false, or trusted_proxies beside it"
        mistakes.add(section.place_of("proxy_protocol"), f"{section.name}.proxy_protocol", what, read="true", allowed=allowed)


def _check_workers(mistakes: Mistakes, section: Section, server: Server, store: Section) -> None:
    if server.workers > 1 and store.values.get("url") == MEMORY:
        what, allowed = "cannot share memory://, which is in one process", "1 or 0, or a [store] url of another kind"
        mistakes.add(section.place_of("workers"), f"{section.name}.workers", what, read=shown(server.workers), allowed=allowed)


def _check_alternatives(mistakes: Mistakes, section: Section) -> None:
    """Look at the servers of one backend together: they share the keys of TLS, and none may stand twice."""
    url, others = section.values.get("url"), section.values.get("alternatives")
    if not isinstance(url, str) or not isinstance(others, list):
        return
    place, key = section.place_of("alternatives"), f"{section.name}.alternatives"
    first, *rest = (parse_upstream(each) for each in (url, *others))
    if any(each.is_tls != first.is_tls for each in rest):
        mistakes.add(place, key, "mixes https with others", read="an array", allowed=f"URLs of the scheme of {shown(url)}")
    if len({each.address for each in (first, *rest)}) <= len(rest):
        mistakes.add(place, key, "holds a server twice, or that of url", read="an array", allowed="each server once")


def _upstreams(reading: Reading) -> tuple[NamedUpstream, ...]:
    """The further backends without a mistake in their keys; what is wrong between them is noted."""
    built: dict[str, int] = {}
    found: list[NamedUpstream] = []
    for section in reading.arrays["upstreams"]:
        check_required(reading.mistakes, "upstreams", section)
        check_upstream_tls(reading.mistakes, section)
        _check_alternatives(reading.mistakes, section)
        if section.refused or not {"name", "url"} <= section.values.keys():
            continue
        upstream = msgspec.convert(section.values, type=NamedUpstream)
        if upstream.name == DEFAULT or upstream.name in built:
            taker = "[upstream]" if upstream.name == DEFAULT else f"the one in line {built[upstream.name]}"
            place, key = section.place_of("name"), f"{section.name}.name"
            reading.mistakes.add(place, key, f"is taken by {taker}", read=shown(upstream.name), allowed="a name of its own")
        built[upstream.name] = section.place.line
        found.append(upstream)
    return tuple(found)
