"""The keys of a [[route]] that say how resources are protected. The rules of `schema.py` hold here too."""

from typing import Annotated

from ..core.pointer import Pointer, parse_pointer
from ..core.version import FieldSource
from .choices import AfterWrite, ConflictDetail, Cors, HopTags, Mode, OnStoreLoss, OwnWrite, PutEtag, Unrecorded, Verify, Writers
from .dialect import STANDARD, DialectKeys
from .forms import check_name
from .notes import formed, listed, plain, seconds, seconds_or_none
from .pointers import check_field, check_field_name, check_inject, check_principal, parse_field


class Protection(DialectKeys, frozen=True, kw_only=True):
    """Where versions come from, what becomes of writes, and how long things may take."""

    ignore: Annotated[
        tuple[str, ...],
        listed(
            "With json, and where revision looks for changes from elsewhere: what is no change; * is every member of an array or object.",
            "A place that users edit: their changes overwrite each other.",
            'JSON Pointers, as in ["/serverTime", "/items/*/viewed"]',
            check_inject,
            "[]",
        ),
    ] = ()
    field: Annotated[
        str,
        formed(
            "With field: the value that changes with every change of the resource.",
            "A value that stays the same when something else changes: lost updates.",
            '"/pointer" or "header:Name", as in "/updatedAt" or "header:Last-Modified"',
            check_field,
        ),
    ] = ""
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
    write_timeout_seconds: Annotated[
        float,
        seconds("As in [protocol], for this route.", "Too low: slow writes become unknown.", "that of [protocol]"),
    ] = 30.0
    lease_wait_seconds: Annotated[
        float,
        seconds_or_none("As in [protocol], for this route.", "Too low: busy resources answer 503 often.", "that of [protocol]"),
    ] = 2.0
    dialect: Annotated[
        str,
        formed(
            "How clients speak about versions: the settings of a dialect, as far as this route does not set them itself.",
            "Another than they speak: they misread answers, or send no version.",
            "standard, conflict-409, body-version, version-number, scim, shared-tag or the name of a [[dialect]]",
            check_name,
        ),
    ] = STANDARD
    mode: Annotated[
        Mode,
        plain(
            "Whether verdicts are enforced, or only counted and logged (observe).",
            "observe: lost updates, as without us.",
            "that of [server]",
        ),
    ] = Mode.ENFORCE
    own_write: Annotated[
        OwnWrite,
        plain(
            "By what the retry of a write that was applied is recognised: its Idempotency-Key, or also who sent it, its body and its tag.",
            "principal+body+tag where several people share credentials: the same change by two of them is made once.",
        ),
    ] = OwnWrite.KEY
    own_write_seconds: Annotated[
        float,
        seconds("For how long.", "Too high: a change that is made again on purpose is answered, and not made."),
    ] = 60.0
    override_field: Annotated[
        str,
        formed(
            "The request field in which a write may say why it overwrites whatever stands there; empty: none.",
            "Set by clients as a matter of course: lost updates.",
            "the name of a field, as in X-Force-Save",
            check_field_name,
        ),
    ] = ""
    override_principals: Annotated[
        tuple[str, ...],
        listed(
            "Who may do so.",
            '"*": everyone.',
            'principals as the conflict log names them, or "*" for anyone; empty: nobody',
            check_principal,
            "[]",
        ),
    ] = ()
    conflict_detail: Annotated[
        ConflictDetail,
        plain(
            "What an answer to a stale write holds beside the tags, where its sender may read the resource: the present representation, or "
            "also what has changed.",
            "current or changes with large resources: large answers, and copies held in memory.",
        ),
    ] = ConflictDetail.NONE

    @property
    def ignored(self) -> tuple[Pointer, ...]:
        """`ignore`, parsed."""
        return tuple(parse_pointer(each) for each in self.ignore)

    @property
    def field_source(self) -> FieldSource | None:
        """`field`, parsed; None where it is not set."""
        return parse_field(self.field)
