"""Routes: what their keys hold once those that are not written have got theirs, and what must hold between them."""

from collections.abc import Sequence, Set

import msgspec

from .choices import OnStoreLoss, Verify, Writers
from .dialect import STANDARD
from .dialects import Dialects
from .keys import meant, shown
from .mistakes import Mistakes
from .overlap import covers
from .reading import Reading, Section
from .required import check_required
from .route import EVERYTHING, Route
from .schema import Protocol
from .server import Server
from .upstream import DEFAULT


def build_routes(reading: Reading, dialects: Dialects, server: Server, protocol: Protocol) -> tuple[Route, ...]:
    """The routes without a mistake in their keys; what is wrong between them is noted."""
    built: list[tuple[Section, Route]] = []
    upstreams = {DEFAULT, *(str(section.values.get("name", "")) for section in reading.arrays["upstreams"])}
    for section in reading.arrays["route"]:
        _check_upstream_name(reading.mistakes, section, upstreams)
        dialects.check_name(reading.mistakes, section, "dialect", str(section.values.get("dialect", STANDARD)))
        check_required(reading.mistakes, "route", section)
        if section.refused or not {"name", "path"} <= section.values.keys():
            continue
        route = _route(section, dialects, server, protocol)
        _check_route(reading.mistakes, section, route, built)
        built.append((section, route))
    return tuple(route for _, route in built)


def everything(server: Server, protocol: Protocol) -> Route:
    """The only route where none is written."""
    return msgspec.convert(_inherited(server, protocol) | {"name": EVERYTHING.name, "path": EVERYTHING.path}, type=Route)


def _route(section: Section, dialects: Dialects, server: Server, protocol: Protocol) -> Route:
    """One route, with all that it inherits: what it sets itself comes before its dialect, and that before the other sections."""
    by_proxy = section.values.get("writers") == Writers.PROXY_ONLY.value
    verify = (Verify.TRUST_STORE if by_proxy else Verify.ALWAYS).value
    settings = dialects.settings(str(section.values.get("dialect", STANDARD)))
    return msgspec.convert({**_inherited(server, protocol), "verify": verify, **settings, **section.values}, type=Route)


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
    cover = next(((other, built) for other, built in earlier if covers(built.pattern, route.pattern)), None)
    if cover is not None:
        what = f"is never reached: the route in line {cover[0].place.line} takes all of it first"
        allowed = f"a path that {shown(cover[1].path)} does not take, or this route above that one"
        mistakes.add(section.place_of("path"), f"{section.name}.path", what, read=shown(route.path), allowed=allowed)
