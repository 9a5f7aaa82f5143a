"""References: what the keys of a route say of parameters, of groups and of the resources of other routes must lead somewhere."""

from collections.abc import Sequence

from ..core.naming import KeyTemplate, Source, parse_key_template, parse_reference
from ..core.references import KnownRoutes
from .keys import meant, shown
from .mistakes import Mistakes
from .reading import Section
from .route import Route

_SINGLE = ("key", "representation")


def check_placeholders(mistakes: Mistakes, section: Section, route: Route) -> None:
    """Note every {name} that is no parameter of the route's path."""
    names = [parameter.name for parameter in route.template.parameters]
    for key in _SINGLE:
        text = getattr(route, key)
        _check_template(mistakes, section, key, text, parse_key_template(text), names)
    for text in route.changes:
        _check_template(mistakes, section, "changes", text, parse_reference(text).template, names)
    if route.member_key:
        _check_template(mistakes, section, "member_key", route.member_key, parse_reference(route.member_key).template, names)


def _check_template(mistakes: Mistakes, section: Section, key: str, text: str, template: KeyTemplate, names: list[str]) -> None:
    for part in template.parts:
        if part.source is not Source.PATH or part.name in names:
            continue
        what = f"has {{{part.name}}}, which is no parameter of path"
        near = meant(part.name, names)
        allowed = ", ".join(f"{{{name}}}" for name in names) or "no parameters, because path has none"
        guess = f"{{{near}}}" if near else ""
        mistakes.add(section.place_of(key), f"{section.name}.{key}", what, read=shown(text), allowed=allowed, meant=guess)


def check_references(mistakes: Mistakes, built: Sequence[tuple[Section, Route]], groups: list[str]) -> None:
    """Note every reference that leads to no resource of another route. `groups` are all that are written somewhere."""
    known = KnownRoutes(route.known for _, route in built)
    for section, route in built:
        texts = [("changes", text) for text in route.changes]
        texts += [("member_key", route.member_key)] if route.member_key else []
        for key, text in texts:
            _check_reference(mistakes, section, key, text, known, groups)


def _check_reference(mistakes: Mistakes, section: Section, key: str, text: str, known: KnownRoutes, groups: list[str]) -> None:
    reference = parse_reference(text)
    if reference.group in groups and not known.has_group(reference.group):
        # The route that has it is wrong elsewhere, and that has been said.
        return
    try:
        known.naming(reference)
    except ValueError as error:
        near = meant(reference.group, groups) if reference.group else ""
        guess = shown(text.replace(reference.group, near, 1)) if near else ""
        allowed = "GROUP/TEMPLATE with a group of " + (", ".join(groups) or "a route (there is none)") + ", or a path"
        mistakes.add(section.place_of(key), f"{section.name}.{key}", str(error), read=shown(text), allowed=allowed, meant=guess)
