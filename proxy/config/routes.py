"""Routes: what their keys hold once those that are not written have got theirs, and what must hold between them."""

from collections.abc import Mapping, Set

import msgspec

from ..core.version import Strategy
from .choices import OnStoreLoss, Verify, Writers
from .dialect import STANDARD
from .dialects import Dialects
from .keys import KEYS, meant, shown
from .mistakes import Mistakes
from .overlap import Patterns
from .reading import Reading, Section
from .references import check_placeholders, check_references
from .required import check_required
from .route import EVERYTHING, Route
from .schema import Protocol
from .server import Server
from .upstream import DEFAULT


def build_routes(reading: Reading, dialects: Dialects, server: Server, protocol: Protocol) -> tuple[tuple[Section, Route], ...]:
    """The routes without a mistake in their keys, each with where it was read; what is wrong between them is noted."""
    mistakes, sections = reading.mistakes, reading.arrays["route"]
    built: list[tuple[Section, Route]] = []
    upstreams = {DEFAULT, *(str(section.values.get("name", "")) for section in reading.arrays["upstreams"])}
    earlier = _Earlier()
    for section in sections:
        _check_upstream_name(mistakes, section, upstreams)
        if "dialect" not in section.refused:
            dialects.check_name(mistakes, section, "dialect", str(section.values.get("dialect", STANDARD)))
        check_required(mistakes, "route", section)
        # What is refused has its default here, and is told once: what follows looks only at the keys that fit.
        route = _route(section, dialects, server, protocol)
        _check_route(mistakes, section, route)
        if "path" in section.values:
            check_placeholders(mistakes, section, route)
        _check_times(mistakes, section, route, protocol)
        earlier.check(mistakes, section, route)
        if not section.refused and {"name", "path"} <= section.values.keys():
            built.append((section, route))
    groups = sorted({str(section.values["group"]) for section in sections if section.values.get("group")})
    check_references(mistakes, built, groups)
    return tuple(built)


def everything(server: Server, protocol: Protocol) -> Route:
    """The only route where none is written."""
    return msgspec.convert(_inherited(server, protocol) | {"name": EVERYTHING.name, "path": EVERYTHING.path}, type=Route)


def _route(section: Section, dialects: Dialects, server: Server, protocol: Protocol) -> Route:
    """One route, with all that it inherits: what it sets itself comes before its dialect, and that before the other sections."""
    by_proxy = section.values.get("writers") == Writers.PROXY_ONLY.value
    verify = (Verify.TRUST_STORE if by_proxy else Verify.ALWAYS).value
    settings = dialects.settings(str(section.values.get("dialect", STANDARD)))
    missing = {"name": EVERYTHING.name, "path": EVERYTHING.path}
    return msgspec.convert({**missing, **_inherited(server, protocol), "verify": verify, **settings, **section.values}, type=Route)


def origins(section: Section, dialects: Dialects) -> Mapping[str, str]:
    """Where a route has each of its settings from; what is missing has its default, or that of another section."""
    found: dict[str, str] = {}
    dialect = str(section.values.get("dialect", STANDARD))
    for name in KEYS["route"]:
        if name in section.values:
            found[name] = f"line {section.place_of(name).line}"
        elif origin := dialects.origin(dialect, name):
            found[name] = f"dialect {origin}"
    if section.values.get("writers") == Writers.PROXY_ONLY.value:
        found.setdefault("verify", f"writers, line {section.place_of('writers').line}")
    return found


def _inherited(server: Server, protocol: Protocol) -> dict[str, object]:
    """The defaults that other sections set."""
    return {
        "mode": server.mode.value,
        "apply_delay_seconds": protocol.apply_delay_seconds,
        "write_timeout_seconds": protocol.write_timeout_seconds,
        "lease_wait_seconds": protocol.lease_wait_seconds,
    }


def _check_upstream_name(mistakes: Mistakes, section: Section, known: Set[str]) -> None:
    name = section.values.get("upstream", DEFAULT)
    if isinstance(name, str) and name not in known:
        allowed = ", ".join(shown(each) for each in sorted(known - {""}))
        near = meant(name, sorted(known))
        place, key = section.place_of("upstream"), f"{section.name}.upstream"
        mistakes.add(place, key, "is the name of no [[upstreams]]", read=shown(name), allowed=allowed, meant=shown(near) if near else "")


def _check_route(mistakes: Mistakes, section: Section, route: Route) -> None:
    refused = section.refused
    if route.verify is Verify.TRUST_STORE and route.writers is not Writers.PROXY_ONLY and "writers" not in refused:
        allowed = '"always", or writers = "proxy-only" where that is so'
        what = "is only safe where nobody writes around noclobber"
        mistakes.add(section.place_of("verify"), f"{section.name}.verify", what, read='"trust-store"', allowed=allowed)
    if route.verify is Verify.TRUST_STORE and route.on_store_loss is not OnStoreLoss.DENY and "verify" not in refused:
        what = "would leave versions in the store that a trusting route takes for the present ones"
        read, allowed = shown(route.on_store_loss.value), '"deny", or verify = "always"'
        mistakes.add(section.place_of("on_store_loss"), f"{section.name}.on_store_loss", what, read=read, allowed=allowed)
    if route.strategy is Strategy.FIELD and not route.field and not refused & {"strategy", "field"}:
        what, allowed = 'is missing beside strategy = "field"', '"/pointer" or "header:Name"'
        mistakes.add(section.place_of("strategy"), f"{section.name}.field", what, read="nothing", allowed=allowed)


def _check_times(mistakes: Mistakes, section: Section, route: Route, protocol: Protocol) -> None:
    if route.write_timeout_seconds < protocol.lease_seconds and "write_timeout_seconds" in section.values:
        what, allowed = "is not at least lease_seconds", f"at least {protocol.lease_seconds} ([protocol] lease_seconds)"
        place, key = section.place_of("write_timeout_seconds"), f"{section.name}.write_timeout_seconds"
        mistakes.add(place, key, what, read=shown(route.write_timeout_seconds), allowed=allowed)


class _Earlier:
    """The routes above one, by name and by the requests that they take."""

    def __init__(self) -> None:
        self._names: dict[str, Section] = {}
        self._patterns: Patterns[tuple[Section, Route]] = Patterns()

    def check(self, mistakes: Mistakes, section: Section, route: Route) -> None:
        """Note it where a route above has its name, or all of its requests; then count it among them, as far as its keys fit."""
        if "name" in section.values:
            self._check_name(mistakes, section, route)
        if "path" in section.values and not section.refused & {"host", "methods"}:
            self._check_pattern(mistakes, section, route)

    def _check_name(self, mistakes: Mistakes, section: Section, route: Route) -> None:
        namesake = self._names.setdefault(route.name, section)
        if namesake is not section:
            what = f"is taken by the route in line {namesake.place.line}"
            mistakes.add(section.place_of("name"), f"{section.name}.name", what, read=shown(route.name), allowed="a name of its own")

    def _check_pattern(self, mistakes: Mistakes, section: Section, route: Route) -> None:
        cover = min(self._patterns.covering(route.pattern), key=lambda found: found[0].place.line, default=None)
        if cover is not None:
            what = f"is never reached: the route in line {cover[0].place.line} takes all of it first"
            allowed = f"a path that {shown(cover[1].path)} does not take, or this route above that one"
            mistakes.add(section.place_of("path"), f"{section.name}.path", what, read=shown(route.path), allowed=allowed)
        self._patterns.add(route.pattern, (section, route))
