"""The keys of a [[route]]. The rules of `schema.py` hold here too."""

from typing import Annotated

from msgspec import Struct

from ..core.alias import Aliases, Case, PathParameters, Query, TrailingSlash
from ..core.method import MethodOverride
from ..core.resource import Template, parse_template
from ..core.version import Strategy
from .choices import Absent, AfterWrite, Cors, HopTags, Missing, OnStoreLoss, PutEtag, SafeMethods, Unrecorded, Verify, Writers
from .forms import check_name, check_parameter, check_suffix, check_template
from .notes import formed, listed, plain, seconds
from .upstream import DEFAULT


class Route(Struct, frozen=True, kw_only=True):
    """How the resources under a path are protected. The first route whose path matches is taken."""

    name: Annotated[
        str,
        formed("The name in metrics and logs, unique.", "Renaming it begins new time series.", "characters of a-z, 0-9 and -", check_name),
    ]
    path: Annotated[
        str,
        formed(
            "Which paths it is for: {name} is one segment, {name*} at the end any further path.",
            "A pattern too narrow leaves writes to the routes below it.",
            'a path template such as "/api/journeys/{id}" or "/files/{path*}"',
            check_template,
        ),
    ]
    upstream: Annotated[
        str,
        formed(
            "The backend, by its name in [[upstreams]]; default is that of [upstream].",
            "One resource by two routes with different backends: the version of the one is held against the other.",
            "a name of [[upstreams]], or default",
            check_name,
        ),
    ] = DEFAULT
    strategy: Annotated[
        Strategy,
        plain(
            "Where the version comes from: the backend's strong ETag (native), a digest of the answer (content), or whichever there is.",
            "native on a backend that sends none: nothing is protected. content where answers hold a clock: every write is stale.",
        ),
    ] = Strategy.AUTO
    missing: Annotated[
        Missing,
        plain("Whether a write without a precondition is let through or gets 428.", "allow: such writes still overwrite."),
    ] = Missing.ALLOW
    writers: Annotated[
        Writers,
        plain(
            "Whether anyone writes to the backend around noclobber.",
            "proxy-only where that is not so: changes from elsewhere may be overwritten.",
        ),
    ] = Writers.OTHERS_TOO
    verify: Annotated[
        Verify,
        plain(
            'Whether each write is preceded by a GET, or trusts the version in the store; trust-store needs writers = "proxy-only".',
            "trust-store with writers elsewhere: lost updates.",
            '"trust-store" with writers = "proxy-only", else "always"',
        ),
    ] = Verify.ALWAYS
    after_write: Annotated[
        AfterWrite,
        plain(
            "Where the tag after a write comes from: a GET, the answer, the request body, or nowhere.",
            "response or request where the backend stores something else: the tag names no state, and the next write gets 412.",
        ),
    ] = AfterWrite.READ_BACK
    on_store_loss: Annotated[
        OnStoreLoss,
        plain(
            "What becomes of writes while the store is away: 503, a GET and then the write without a lease, or no check at all.",
            "verify-only: two writers at the same moment may overwrite each other. open: every lost update goes through.",
            '"deny"; "verify-only" and "open" only with verify = "always"',
        ),
    ] = OnStoreLoss.DENY
    unrecorded: Annotated[
        Unrecorded,
        plain(
            "What a write gets that was applied but could not be recorded: the backend's answer without a tag, or 504.",
            "504 where clients give up on it: they report a save as failed that was made.",
        ),
    ] = Unrecorded.ANSWER
    put_etag: Annotated[
        PutEtag,
        plain(
            "Whether a PUT is answered with the new ETag even if the backend changed the body (RFC 9110 §9.3.4 says no: strict).",
            "send: a client that keeps its own body under that tag may keep a wrong one. strict: clients must GET after each PUT.",
        ),
    ] = PutEtag.SEND
    safe_methods: Annotated[
        SafeMethods,
        plain("Whether If-Match and If-None-Match count on GET and HEAD.", "ignore: no 304, so every read is a full answer."),
    ] = SafeMethods.EVALUATE
    absent: Annotated[
        Absent,
        plain(
            "What a conditional request for something absent gets: as RFC 9110 has it, or always 404 or 412.",
            "404 or 412 for clients that expect the other: they report a wrong error.",
        ),
    ] = Absent.RFC
    hop_tags: Annotated[
        HopTags,
        plain(
            "Whether a tag that a compressing hop has weakened or marked (W/, -gzip, ;br) counts as the tag that it was made of.",
            "exact behind such a hop: conditional writes get 412. undo where a backend's own tags differ in nothing else: lost updates.",
        ),
    ] = HopTags.UNDO
    cors: Annotated[
        Cors,
        plain(
            "Whether, where the backend speaks CORS, scripts may read ETag and send If-Match; off leaves its fields as they are.",
            "off: pages of other origins see no tag and cannot write conditionally.",
        ),
    ] = Cors.BACKEND
    guarded: Annotated[
        bool, plain("Whether requests are protected at all; false passes them through untouched.", "false: lost updates, as without us.")
    ] = True
    apply_delay_seconds: Annotated[
        float,
        seconds(
            "As in [protocol], for this route.",
            "Too low: lost updates. The largest of all routes also lengthens the grace.",
            "that of [protocol]",
        ),
    ] = 10.0

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

    @property
    def aliases(self) -> Aliases:
        """Which spellings of a target lead to one resource."""
        return Aliases(self.case, self.trailing_slash, self.query, self.suffixes, self.path_parameters)

    @property
    def template(self) -> Template:
        """`path`, parsed."""
        return parse_template(self.path)


EVERYTHING = Route(name="default", path="/{path*}")
"""The only route where none is written."""
