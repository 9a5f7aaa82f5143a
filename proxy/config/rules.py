"""Rules: what must hold between keys, and what becomes of keys that are not written."""

from collections.abc import Sequence, Set
from typing import NamedTuple

import msgspec

from .choices import OnStoreLoss, Verify, Writers
from .forms import Address, covers, parse_upstream
from .keys import KEYS, label, meant, shown
from .limits import Limits
from .mistakes import Mistakes
from .reading import Reading, Section
from .route import EVERYTHING, Route
from .schema import Config, Log, Protocol, Store
from .server import Server
from .tls import check_server_tls, check_upstream_tls
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


def build(reading: Reading) -> Config:
    """Make the configuration of what was read. Raise ConfigError with every mistake, those of reading among them."""
    sections = reading.sections
    protocol = msgspec.convert(sections["protocol"].values, type=Protocol)
    server = msgspec.convert(sections["server"].values, type=Server)
    _check_times(reading.mistakes, sections["protocol"], protocol)
    _check_listeners(reading.mistakes, sections["server"], server)
    check_server_tls(reading.mistakes, sections["server"])
    check_upstream_tls(reading.mistakes, sections["upstream"])
    _check_preface(reading.mistakes, sections["server"], server)
    if reading.is_whole:
        _check_required(reading.mistakes, "upstream", sections["upstream"])
    _check_alternatives(reading.mistakes, sections["upstream"])
    upstreams = _upstreams(reading)
    routes = _routes(reading, protocol)
    reading.mistakes.raise_all()
    return Config(
        server=server,
        upstream=msgspec.convert(sections["upstream"].values, type=Upstream),
        store=msgspec.convert(sections["store"].values, type=Store),
        protocol=protocol,
        limits=msgspec.convert(sections["limits"].values, type=Limits),
        log=msgspec.convert(sections["log"].values, type=Log),
        upstreams=upstreams,
        routes=routes or (msgspec.structs.replace(EVERYTHING, apply_delay_seconds=protocol.apply_delay_seconds),),
    )


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


def _check_required(mistakes: Mistakes, schema: str, section: Section) -> None:
    for name, key in KEYS[schema].items():
        if key.default is msgspec.NODEFAULT and name not in section.values and name not in section.refused:
            others = "" if section.place.line else f"; also as {name} in {label(schema)} of a file, or in {key.variable}"
            mistakes.add(section.place, f"{section.name}.{name}", "is missing", read="nothing", allowed=f"{key.allowed}{others}")


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
        _check_required(reading.mistakes, "upstreams", section)
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


def _check_upstream_name(mistakes: Mistakes, section: Section, known: Set[str]) -> None:
    name = section.values.get("upstream", DEFAULT)
    if isinstance(name, str) and name not in known:
        allowed = ", ".join(shown(each) for each in sorted(known - {""}))
        near = meant(name, sorted(known))
        place, key = section.place_of("upstream"), f"{section.name}.upstream"
        mistakes.add(place, key, "is the name of no [[upstreams]]", read=shown(name), allowed=allowed, meant=shown(near) if near else "")


def _routes(reading: Reading, protocol: Protocol) -> tuple[Route, ...]:
    """The routes without a mistake in their keys; what is wrong between them is noted."""
    built: list[tuple[Section, Route]] = []
    upstreams = {DEFAULT, *(str(section.values.get("name", "")) for section in reading.arrays["upstreams"])}
    for section in reading.arrays["route"]:
        _check_upstream_name(reading.mistakes, section, upstreams)
        _check_required(reading.mistakes, "route", section)
        if section.refused or not {"name", "path"} <= section.values.keys():
            continue
        route = _route(section, protocol)
        _check_route(reading.mistakes, section, route, built)
        built.append((section, route))
    return tuple(route for _, route in built)


def _route(section: Section, protocol: Protocol) -> Route:
    """One route, its two defaults filled in that depend on other keys."""
    by_proxy = section.values.get("writers") == Writers.PROXY_ONLY.value
    defaults: dict[str, object] = {
        "apply_delay_seconds": protocol.apply_delay_seconds,
        "verify": (Verify.TRUST_STORE if by_proxy else Verify.ALWAYS).value,
    }
    return msgspec.convert(defaults | section.values, type=Route)


def _check_route(mistakes: Mistakes, section: Section, route: Route, earlier: Sequence[tuple[Section, Route]]) -> None:
    if route.verify is Verify.TRUST_STORE and route.writers is not Writers.PROXY_ONLY:
        allowed = '"always", or writers = "proxy-only" where that is so'
        what = "is only safe where nobody writes around noclobber"
        mistakes.add(section.place_of("verify"), f"{section.name}.verify", what, read='"trust-store"', allowed=allowed)
    if route.verify is Verify.TRUST_STORE and route.on_store_loss is not OnStoreLoss.DENY:
        what = "would leave versions in the store that a trusting route takes for the present ones"
        read, allowed = shown(route.on_store_loss.value), '"deny", or verify = "always"'
        mistakes.add(section.place_of("on_store_loss"), f"{section.name}.on_store_loss", what, read=read, allowed=allowed)
    namesake = next((other for other, built in earlier if built.name == route.name), None)
    if namesake is not None:
        what = f"is taken by the route in line {namesake.place.line}"
        mistakes.add(section.place_of("name"), f"{section.name}.name", what, read=shown(route.name), allowed="a name of its own")
    cover = next(((other, built) for other, built in earlier if covers(built.template, route.template)), None)
    if cover is not None:
        what = f"is never reached: the route in line {cover[0].place.line} takes all of it first"
        allowed = f"a path that {shown(cover[1].path)} does not take, or this route above that one"
        mistakes.add(section.place_of("path"), f"{section.name}.path", what, read=shown(route.path), allowed=allowed)
