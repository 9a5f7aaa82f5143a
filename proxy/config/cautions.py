"""Cautions: what a configuration may say, and what does nothing, or less than its writer will think."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..core.alias import Query
from ..core.dialect import Compare, Post, Written
from ..core.naming import Source
from ..core.version import Strategy
from .choices import OnStoreLoss, Verify
from .keys import shown, shown_setting
from .mistakes import Place
from .overlap import Patterns, with_head
from .reading import Section
from .route import Route


class Caution(NamedTuple):
    """One thing that is allowed, and probably not meant: at which key, what about it, and what to write instead."""

    place: Place
    key: str
    what: str
    read: str
    better: str

    def __str__(self) -> str:
        return f"{self.place.text}: warning: {self.key}: {self.what}, read {self.read}, better {self.better}"


def _takes_reads(route: Route) -> bool:
    return not route.methods or bool({"GET", "HEAD"} & {*route.methods})


def _is_part_of_the_key(route: Route) -> bool:
    place, _, name = route.token.partition(":")
    counts = route.query is Query.SIGNIFICANT or (not isinstance(route.query, Query) and name in route.query)
    return place == "query" and route.naming is None and counts


class _Rule(NamedTuple):
    """A caution that one route alone gives rise to."""

    key: str
    holds: Callable[[Route], bool]
    what: str
    better: str


_NUMBERS = (Compare.EQUAL, Compare.SUCCESSOR)

RULES = (
    _Rule(
        "on_store_loss",
        lambda route: route.strategy is Strategy.REVISION and route.on_store_loss is not OnStoreLoss.DENY,
        "lets writes through while the store that counts versions is away: two states may get one number",
        '"deny"',
    ),
    _Rule(
        "strategy",
        lambda route: route.strategy is Strategy.NATIVE and bool(route.inject),
        "takes the backend's own tags, and the version that inject writes changes what they name",
        '"content" or "revision", or no inject',
    ),
    _Rule(
        "first_version",
        lambda route: route.first_version is not None and route.strategy is not Strategy.REVISION,
        "does nothing without the strategy that counts",
        'strategy = "revision"',
    ),
    _Rule(
        "ignore",
        lambda route: bool(route.ignore) and route.strategy not in (Strategy.JSON, Strategy.REVISION),
        "does nothing without a strategy that reads JSON",
        'strategy = "json", or "revision", which looks for changes from elsewhere',
    ),
    _Rule(
        "field",
        lambda route: bool(route.field) and route.strategy is not Strategy.FIELD,
        "does nothing without the strategy that takes a field",
        'strategy = "field"',
    ),
    _Rule(
        "compare",
        lambda route: route.compare in _NUMBERS and route.first_version is None,
        "compares numbers, and no version is one",
        'first_version with strategy = "revision", or another comparison',
    ),
    _Rule(
        "compare",
        lambda route: route.compare in (Compare.STRONG, Compare.WEAK) and route.first_version is not None,
        "compares entity tags, and versions are plain numbers: no client's number will ever match without quotes",
        '"bare" or "equal"',
    ),
    _Rule(
        "weak_tags",
        lambda route: route.weak_tags and route.compare is Compare.STRONG,
        "sends tags that a strong comparison never matches: every write with one is refused",
        'compare = "weak"',
    ),
    _Rule(
        "written",
        lambda route: route.written is Written.NUMBER and bool(route.inject) and route.first_version is None,
        "writes numbers, and there is none",
        'first_version with strategy = "revision", or "tag"',
    ),
    _Rule(
        "members",
        lambda route: bool(route.members) and bool(route.inject) and not route.member_key,
        "names the members of a list, and nothing says which resources they are: no version is written into them",
        "member_key beside it",
    ),
    _Rule(
        "members",
        lambda route: bool(route.members) and bool(route.inject) and bool(route.member_key) and route.strategy is not Strategy.REVISION,
        "names the members of a list, whose versions are only known before they are asked for where they are counted: none is written",
        'strategy = "revision"',
    ),
    _Rule(
        "token",
        lambda route: _is_part_of_the_key(route),
        "is in the query, which tells resources apart here: each version would be a resource of its own, and none is ever stale",
        'query = "ignored", or the names of the parameters that count',
    ),
    _Rule(
        "member_key",
        lambda route: bool(route.member_key) and not route.members and route.post is not Post.CREATE,
        "names the members of a list, and nothing says where they stand",
        'members beside it, or post = "create"',
    ),
    _Rule(
        "group",
        lambda route: bool(route.group) and route.guarded and route.strategy is not Strategy.REVISION,
        "makes the lock common, and not the version: each of its URLs shows something else, and a tag of one is none of the others",
        'strategy = "revision"',
    ),
    _Rule(
        "group",
        lambda route: _is_looked_at(route) and not route.representation,
        "has several URLs, and nothing says which of them shows the whole: changes around noclobber are not seen",
        'representation beside it, or writers = "proxy-only" where that is so',
    ),
    _Rule(
        "query",
        lambda route: route.naming is not None and route.query is not Query.IGNORED,
        "does nothing beside group or key",
        "{query:name} in key",
    ),
    _Rule(
        "key",
        lambda route: _is_named_by_body(route) and _takes_reads(route),
        "is in the body, and a GET has none: such reads pass untouched, without a tag",
        'methods that have a body, as in ["POST", "PUT", "PATCH"], and a route of its own for the reads',
    ),
    _Rule(
        "override_field",
        lambda route: bool(route.override_field) and not route.override_principals,
        "may be used by nobody",
        'override_principals beside it; "*" is anyone',
    ),
    _Rule(
        "override_principals",
        lambda route: bool(route.override_principals) and not route.override_field,
        "do nothing without a field",
        "override_field beside it",
    ),
)


def cautions(built: Sequence[tuple[Section, Route]], store: Section) -> list[Caution]:
    """What to tell of routes that are without a mistake, and of the store that they use, in the order of the file."""
    url = store.values.get("url")
    found: list[Caution] = []
    for section, route in built:
        found += [_caution(section, route, rule) for rule in RULES if rule.holds(route)]
        if url == "memory://" and route.first_version is not None:
            what = "begins anew with every start, because the store forgets: a number that a client holds may come again"
            found.append(Caution(section.place_of("first_version"), f"{section.name}.first_version", what, shown(url), "another store"))
    found += [*_of_pairs(built), *_of_groups(built)]
    return sorted(found, key=lambda caution: (caution.place.source, caution.place.line))


def _caution(section: Section, route: Route, rule: _Rule) -> Caution:
    read = shown_setting(getattr(route, rule.key))
    return Caution(section.place_of(rule.key), f"{section.name}.{rule.key}", rule.what, read, rule.better)


def _of_pairs(built: Sequence[tuple[Section, Route]]) -> Iterator[Caution]:
    """Routes that one URL leads to by different methods, and that say different things of its resource."""
    earlier: Patterns[tuple[Section, Route]] = Patterns()
    # Paths whose last method some route has taken: no later one gets anything of theirs.
    taken: set[tuple[str, str]] = set()
    for section, route in built:
        if not route.methods:
            taken.add((route.host, route.path))
        if not _is_judged(route):
            continue
        for pattern, (other, rival) in earlier.meeting(route.pattern):
            methods = route.pattern.methods
            place = rival.host, rival.path
            if place in taken and place != (route.host, route.path):
                continue
            is_reached = pattern.methods and not (methods and methods <= with_head(pattern.methods))
            if not is_reached or _is_named_by_body(rival) or _is_named_by_body(route):
                continue
            difference = _difference(rival, route)
            if difference:
                what = f"leads to resources of the route in line {other.place.line} too, by other methods, with {difference}"
                better = "the same in both: a tag from the one is held against the other"
                yield Caution(section.place_of("path"), f"{section.name}.path", what, shown(route.path), better)
                # One is enough to look at the route: a last one for everything meets all others.
                break
        earlier.add(route.pattern, (section, route))


def _is_looked_at(route: Route) -> bool:
    """Whether the resources of a route are one with those of others, and looked at before a write."""
    is_counted = bool(route.group) and route.guarded and route.strategy is Strategy.REVISION
    has_writes = not route.methods or bool({*route.methods} - {"GET", "HEAD"})
    return is_counted and has_writes and route.verify is Verify.ALWAYS and route.post is Post.ACTION


def _is_named_by_body(route: Route) -> bool:
    """Whether a route is for an action on what its body names: nobody reads that there."""
    return route.naming is not None and Source.BODY in route.naming.template.sources


def _is_judged(route: Route) -> bool:
    """Whether writes of a route's own resources are judged."""
    return route.guarded and not (route.methods == ("POST",) and route.post is not Post.ACTION)


def _difference(left: Route, right: Route) -> str:
    if _naming(left) != _naming(right):
        return "another key"
    if left.aliases != right.aliases:
        return "other spellings of one path"
    return "another strategy" if _versions(left) != _versions(right) else ""


def _naming(route: Route) -> object:
    """How a route names its resources, whatever its parameters are called."""
    naming = route.naming
    if naming is None:
        return None
    places = {parameter.name: f"{place}" for place, parameter in enumerate(route.template.parameters)}
    parts = [part._replace(name=places[part.name]) if part.source is Source.PATH else part for part in naming.template.parts]
    return route.group or route.path, parts, naming.template.tail


def _versions(route: Route) -> object:
    return route.strategy, route.first_version, route.ignore, route.field


def _of_groups(built: Sequence[tuple[Section, Route]]) -> Iterator[Caution]:
    """Routes of one group whose versions come from different places."""
    firsts: dict[str, tuple[Section, Route]] = {}
    for section, route in built:
        if not route.group or not route.guarded:
            continue
        other, first = firsts.setdefault(route.group, (section, route))
        if _versions(first) != _versions(route):
            what = f"has another strategy than the route in line {other.place.line}: a tag of the one is none of the other"
            yield Caution(section.place_of("group"), f"{section.name}.group", what, shown(route.group), "the same strategy in all of them")
