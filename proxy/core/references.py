"""References: from the name that one route has for a resource of another to the key that the other knows it by."""

from collections.abc import Iterable
from dataclasses import dataclass

from .alias import EXACT, Aliases, quote, unquote
from .naming import KeyTemplate, Naming, Part, Reference, Source, canonical_value
from .template import Pattern, Template

_Segment = tuple[bytes, Part | None]
"""The literal text of a segment, or (behind an empty one) the placeholder that it is."""


@dataclass(frozen=True, slots=True)
class Known:
    """A route, as far as others can refer to its resources. `group` empty: it has none; `naming` None: by its path."""

    pattern: Pattern
    group: str
    naming: Naming | None
    aliases: Aliases


class KnownRoutes:
    """All routes, as far as references are concerned, in the order of the file."""

    def __init__(self, routes: Iterable[Known]) -> None:
        self._routes = tuple(routes)
        self._groups: dict[str, Known] = {}
        for route in self._routes:
            self._groups.setdefault(route.group, route)

    def has_group(self, group: str) -> bool:
        """Whether a route has a group."""
        return group in self._groups

    def naming(self, reference: Reference) -> Naming:
        """How a reference names its resource. Raise ValueError saying what is wrong, as the end of the sentence "The value ..."."""
        if reference.group:
            known = self._groups.get(reference.group)
            if known is None:
                raise ValueError(f'names the group "{reference.group}", which no route has')
            return Naming(f"{reference.group}:".encode(), reference.template, known.aliases)
        segments = _segments(reference.template)
        for route in self._routes:
            if _may_lead_to(segments, route):
                template = route.pattern.template
                if route.naming is None:
                    return Naming(b"", reference.template, route.aliases, template)
                return Naming(route.naming.scope, _composed(route.naming.template, template, segments), route.aliases)
        return Naming(b"", reference.template, EXACT)


def _segments(template: KeyTemplate) -> list[_Segment]:
    """The segments of the template of a path. Raise ValueError where a placeholder is not a whole one."""
    segments: list[_Segment] = []
    texts: list[str | Part] = []
    for part in template.parts:
        texts += (part.literal, part)
    texts.append(template.tail)
    current: list[str | Part] = []
    for text in texts:
        if isinstance(text, Part):
            current.append(text)
            continue
        first, *others = text.split("/")
        current.append(first)
        for other in others:
            segments.append(_segment(current))
            current = [other]
    segments.append(_segment(current))
    # What stands before the first slash is nothing.
    return segments[1:]


def _segment(pieces: list[str | Part]) -> _Segment:
    parts = [piece for piece in pieces if isinstance(piece, Part)]
    literal = "".join(piece for piece in pieces if isinstance(piece, str))
    if parts and (literal or len(parts) > 1):
        raise ValueError("has a placeholder that is not a whole segment of the path")
    return literal.encode(), parts[0] if parts else None


def _may_lead_to(segments: list[_Segment], route: Known) -> bool:
    """Whether a path with these segments fits the route, whatever the placeholders stand for."""
    template = route.pattern.template
    if route.pattern.methods and b"GET" not in route.pattern.methods:
        return False
    literals = [literal if part is None else None for literal, part in segments]
    folded = route.aliases.fold_segments(tuple(literals), False)
    wanted = route.aliases.fold_segments(template.segments, template.has_tail)
    if len(folded) < len(wanted) or (len(folded) > len(wanted) and not template.has_tail):
        return False
    parameters = iter(template.parameters)
    for literal, own in zip(wanted, folded, strict=False):
        form = next(parameters).form if literal is None else None
        if own is not None and (own != literal if literal is not None else own == b"" or not (form is None or form.takes(own))):
            return False
    return True


def _composed(key: KeyTemplate, path: Template, segments: list[_Segment]) -> KeyTemplate:
    """The template of a key, with what stands in a path put in for its parameters."""
    places = [position for position, literal in enumerate(path.segments) if literal is None]
    of_name = {parameter.name: segments[position] for parameter, position in zip(path.parameters, places, strict=False)}
    parts: list[Part] = []
    pending = ""
    for part in key.parts:
        if part.source is not Source.PATH or part.name not in of_name:
            raise ValueError("leads to a route whose resources are not known by segments of their paths: name its group instead")
        literal, own = of_name[part.name]
        pending += part.literal
        if own is None:
            pending += quote(canonical_value(unquote(literal))).decode("ascii")
        else:
            parts.append(own._replace(literal=pending))
            pending = ""
    return KeyTemplate(key.text, tuple(parts), pending + key.tail)
