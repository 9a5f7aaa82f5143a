"""The keys of a [[route]] that say which requests it is for, and which resources they are about. The rules of `schema.py` hold here too."""

from typing import Annotated

from ..core.alias import Aliases, Case, PathParameters, Query, TrailingSlash
from ..core.dialect import Dialect
from ..core.method import MethodOverride
from ..core.naming import KeyTemplate, Naming, Reference, parse_reference
from ..core.references import Known
from ..core.template import Pattern, Template, parse_template
from .choices import ScimRole
from .forms import check_group, check_name, check_parameter, check_suffix, check_template
from .notes import formed, listed, plain
from .pointers import check_host, check_key_template, check_method, check_reference, check_representation, parse_representation
from .protection import Protection
from .upstream import DEFAULT


class Route(Protection, frozen=True, kw_only=True):
    """How the resources under a path are protected. The first route that a request fits is taken."""

    name: Annotated[
        str,
        formed("The name in metrics and logs, unique.", "Renaming it begins new time series.", "characters of a-z, 0-9 and -", check_name),
    ]
    path: Annotated[
        str,
        formed(
            "Which paths it is for: {name} is one segment, {name:int}, {name:uuid} and {name:hex} one of that form, {name*} at the end any "
            "further path.",
            "A pattern too narrow leaves writes to the routes below it.",
            'a path template such as "/api/journeys/{id}" or "/files/{path*}"',
            check_template,
        ),
    ]
    host: Annotated[
        str,
        formed(
            "Which host it is for; empty: any.",
            "Two names for one backend, of which one has no route: a way round its locks.",
            'a host name without port, as in "api.example.org", or "*.example.org" for all below it',
            check_host,
        ),
    ] = ""
    methods: Annotated[
        tuple[str, ...],
        listed(
            "Which methods it is for; empty: all. GET stands for HEAD as well.",
            "A method that is missing, and that writes: it goes to the routes below.",
            'names of methods, as in ["GET", "PUT"]',
            check_method,
            "[]",
        ),
    ] = ()
    upstream: Annotated[
        str,
        formed(
            "The backend, by its name in [[upstreams]]; default is that of [upstream].",
            "One resource by two routes with different backends: the version of the one is held against the other.",
            "a name of [[upstreams]], or default",
            check_name,
        ),
    ] = DEFAULT
    group: Annotated[
        str,
        formed(
            "The name of what several routes show parts of: with the same key they have one lock and one version; empty: none.",
            "One name for two things: a write to the one makes tags of the other stale.",
            "characters of a-z, 0-9 and -; empty: none",
            check_group,
        ),
    ] = ""
    key: Annotated[
        str,
        formed(
            "What tells its resources apart; empty: the path, in a group the parameters of the path in order.",
            "Too little: resources wait for each other. Too much: two locks for one resource.",
            'a text with {name} of the path, {query:name}, {header:Name} or {body:/pointer}, as in "{id}" or "{body:/job}"',
            check_key_template,
        ),
    ] = ""
    changes: Annotated[
        tuple[str, ...],
        listed(
            "Other resources that a write here changes too: they are locked as well, and their tags change.",
            "Missing: a tag of theirs still passes after the change.",
            '"GROUP/TEMPLATE" or paths, as in ["job/{body:/job}"]',
            check_reference,
            "[]",
        ),
    ] = ()
    representation: Annotated[
        str,
        formed(
            "The path whose GET shows the resource, looked at before and after a write; empty: that of the request.",
            "Another resource's: changes around noclobber are not seen, and writes are refused for no reason.",
            'a path with placeholders as in key, as in "/jobs/{id}/"',
            check_representation,
        ),
    ] = ""
    case: Annotated[
        Case,
        plain(
            "Whether the backend tells capitals from small letters in paths (and, where they count, in queries).",
            "sensitive where it does not: /Doc is a way round the lock of /doc. insensitive where it does: a wait at most.",
        ),
    ] = Case.SENSITIVE
    trailing_slash: Annotated[
        TrailingSlash,
        plain(
            "Whether the backend tells /doc/ from /doc.",
            "significant where it does not: two locks for one resource. ignored where it does: a wait at most.",
        ),
    ] = TrailingSlash.SIGNIFICANT
    query: Annotated[
        Query | tuple[str, ...],
        listed(
            "What of the query tells resources apart: nothing, all of it in any order, or the parameters named here.",
            "significant where the backend overlooks a parameter it does not know: ?id=5&x=1 is a way round the lock of ?id=5.",
            '"ignored", "significant", or names of parameters, as in ["id", "lang"]',
            check_parameter,
            '"ignored"',
        ),
    ] = Query.IGNORED
    suffixes: Annotated[
        tuple[str, ...],
        listed(
            "Ends of a path that name a format of the same resource.",
            "Missing: /doc.json is a way round the lock of /doc.",
            'texts such as ".json"',
            check_suffix,
            "[]",
        ),
    ] = ()
    path_parameters: Annotated[
        PathParameters,
        plain(
            "What becomes of ;name=value in a path: 400, taken out and not passed on, or part of the path like any other character.",
            "keep where the backend overlooks them: /doc;x is a way round the lock of /doc.",
        ),
    ] = PathParameters.REFUSE
    method_override: Annotated[
        MethodOverride,
        plain(
            "The field, or _method of the query, in which a POST may say that it means another method, by which it is judged; refuse: 400.",
            "Another than the backend goes by: a POST is judged as what it is not.",
        ),
    ] = MethodOverride.REFUSE

    scim: Annotated[
        ScimRole,
        plain(
            "What it has to do with SCIM (RFC 7644): a GET of /ServiceProviderConfig (config) says that entity tags are supported, and "
            "each operation of a POST to /Bulk (bulk) is served as the request it stands for.",
            "resources for /Bulk: its operations write without a lock, and their versions mean nothing to the provider.",
        ),
    ] = ScimRole.RESOURCES

    @property
    def aliases(self) -> Aliases:
        """Which spellings of a target lead to one resource."""
        return Aliases(self.case, self.trailing_slash, self.query, self.suffixes, self.path_parameters)

    @property
    def template(self) -> Template:
        """`path`, parsed."""
        return parse_template(self.path)

    @property
    def pattern(self) -> Pattern:
        """Which requests it is for."""
        return Pattern(self.template, self.host.lower().encode("ascii"), frozenset(method.encode("ascii") for method in self.methods))

    @property
    def naming(self) -> Naming | None:
        """How `group` and `key` name its resources; None where their paths do."""
        return Naming.of(self.group, self.key, self.template, self.aliases)

    @property
    def known(self) -> Known:
        """What others can refer to it by."""
        return Known(self.pattern, self.group, self.naming, self.aliases)

    @property
    def other_resources(self) -> tuple[Reference, ...]:
        """`changes`, parsed."""
        return tuple(parse_reference(each) for each in self.changes)

    @property
    def member_reference(self) -> Reference | None:
        """`member_key`, parsed; None where it is not set."""
        return parse_reference(self.member_key) if self.member_key else None

    @property
    def shown_at(self) -> KeyTemplate | None:
        """`representation`, parsed; None where it is not set."""
        return parse_representation(self.representation)

    @property
    def manners(self) -> Dialect:
        """Its dialect, with what is set for it alone."""
        return self.manner(self.dialect)


EVERYTHING = Route(name="default", path="/{path*}")
"""The only route where none is written."""
