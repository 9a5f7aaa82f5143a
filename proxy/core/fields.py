"""Field lines: sorting those of a request and of an answer into what passes, what we judge, and what ends at this hop.

Names and values are bytes and stay as they came: order, case and multiplicity are kept, and no two lines are ever joined.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .roles import ANSWER_ROLES, CONDITIONS, OVERRIDES, REQUEST_ROLES, Role, Roles

Field = tuple[bytes, bytes]


# Names of the module's, since looking a member up costs more than comparing it, and this is done for every field of every message.
_ENDS_HERE, _CONNECTION, _HOST, _OVERRIDE = Role.ENDS_HERE, Role.CONNECTION, Role.HOST, Role.OVERRIDE
_TRANSFER_CODING = Role.TRANSFER_CODING
_CONDITION, _RANGE, _CODING, _CONTENT = Role.CONDITION, Role.RANGE, Role.CODING, Role.CONTENT
_ETAG, _LAST_MODIFIED, _DATE = Role.ETAG, Role.LAST_MODIFIED, Role.DATE
_CONTENT_CODING, _ACCEPT_RANGES = Role.CONTENT_CODING, Role.ACCEPT_RANGES
_CONTENT_TYPE, _TRAILER = Role.CONTENT_TYPE, Role.TRAILER
_ORIGIN, _CORS_GRANT = Role.ORIGIN, Role.CORS_GRANT

# Content that is sent as it comes about, and may never end.
_ENDLESS_TYPES = (b"text/event-stream", b"multipart/x-mixed-replace")
_HARMLESS_OPTIONS = frozenset({b"keep-alive", b"close", b""})
# A client that names one of these in Connection asks a hop to drop what the next one judges by: never a mistake, always an attack.
_END_TO_END = frozenset(
    {*CONDITIONS, *OVERRIDES, b"host", b"authorization", b"cookie", b"content-length", b"content-type", b"range", b"expect"}
)

UNDERSCORE = "has an underscore in its name, which many backends read as a hyphen"
# Where nothing is guarded other names with underscores pass; these would say to a backend what we did not hear, or set ourselves.
_NEVER_WITH_UNDERSCORES = frozenset({
    *REQUEST_ROLES, b"authorization", b"cookie", b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto",
    b"x-real-ip", b"x-request-id",
}) - frozenset(OVERRIDES)  # fmt: skip

# RFC 9110 §15.4.5: what a 304 carries of what the 200 would have. A browser applies the CORS check to the 304 itself, so those go with it.
_OF_A_304 = frozenset({b"content-location", b"vary", b"cache-control", b"expires"})
_CORS_PREFIX = b"access-control-"

# RFC 9110 §7.2: Host = uri-host [ ":" port ]; RFC 3986 §3.2.2: host = IP-literal / IPv4address / reg-name. Ours is never empty.
_HOST_VALUE = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+)(?::[0-9]*)?")


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Whether value can name a host. Remembered: a server hears few names, and each of them with every request."""
    return _HOST_VALUE.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class RefusedField:
    """A request that is answered with 400 for one of its fields. `why` completes the sentence "The field NAME …"."""

    name: bytes
    why: str


class RequestFields:
    """The fields of a request, sorted. Lines end in CRLF; values do not.

    A plain class whose rarer lists are shared and empty until something is put into them: one is made for every request.
    """

    __slots__ = (
        "coding",
        "condition_lines",
        "conditions",
        "content",
        "expectations",
        "forwarded",
        "has_content_range",
        "host",
        "is_chunked",
        "options",
        "origin",
        "overrides",
        "passing",
        "range_lines",
        "ranges",
        "request_ids",
        "takes_trailers",
        "underscored",
        "upgrades",
    )

    def __init__(self) -> None:
        self.host: bytes | None = None
        self.passing: list[bytes] = []
        self.content: list[bytes] = []
        self.coding: Sequence[bytes] = ()
        self.conditions: Mapping[bytes, Sequence[bytes]] = _NO_CONDITIONS
        self.condition_lines: Sequence[bytes] = ()
        self.ranges: Sequence[bytes] = ()
        self.range_lines: Sequence[bytes] = ()
        self.expectations: Sequence[bytes] = ()
        self.has_content_range = False
        self.is_chunked = False
        # What the Connection field names beside `close` and `keep-alive`, in lower case.
        self.options: frozenset[bytes] = frozenset()
        self.upgrades: Sequence[bytes] = ()
        self.takes_trailers = False
        self.forwarded: Sequence[Field] = ()
        self.request_ids: Sequence[bytes] = ()
        self.origin: bytes | None = None
        self.overrides: Sequence[Field] = ()
        self.underscored: bytes | None = None


_NO_CONDITIONS: Mapping[bytes, Sequence[bytes]] = {}


def read_request_fields(raw: Iterable[Field], roles: Roles = REQUEST_ROLES) -> RequestFields | RefusedField:
    """Sort the field lines of a request. Conditions are taken before Connection is obeyed, and so are the forwarded fields."""
    sorted_ = RequestFields()
    passing = sorted_.passing
    dropped: frozenset[bytes] = frozenset()
    for name, value in raw:
        lower = name.lower()
        role = roles.get(lower)
        if role is None:
            if b"_" in name:
                if lower.replace(b"_", b"-") in _NEVER_WITH_UNDERSCORES:
                    return RefusedField(name, UNDERSCORE)
                sorted_.underscored = sorted_.underscored or name
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _HOST:
            if sorted_.host is not None:
                return RefusedField(name, "stands twice")
            if not _is_host(value):
                return RefusedField(name, "is not a host, or a host and a port")
            sorted_.host = value
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _CONNECTION:
            options = frozenset(option.strip(b" \t").lower() for option in value.split(b","))
            if not options <= _HARMLESS_OPTIONS:
                if options & _END_TO_END:
                    return RefusedField(name, "names a field that is not the connection's to drop")
                dropped |= options
        elif role is _TRANSFER_CODING:
            # RFC 9112 §6.1: we know no other coding, and of a body that another one is put on nobody knows what it says.
            if sorted_.is_chunked or value.lower() != b"chunked":
                return RefusedField(name, "is not exactly chunked")
            sorted_.is_chunked = True
        elif role is _ORIGIN:
            sorted_.origin = value
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is not _ENDS_HERE:
            _sort_special(sorted_, role, lower, name, value)
    if dropped:
        sorted_.options = dropped
        sorted_.passing = _without(passing, dropped)
        sorted_.content = _without(sorted_.content, dropped)
        sorted_.coding = _without(sorted_.coding, dropped)
    return sorted_


def _sort_special(sorted_: RequestFields, role: Role, lower: bytes, name: bytes, value: bytes) -> None:
    if role is _CODING:
        sorted_.coding = (*sorted_.coding, b"%b: %b\r\n" % (name, value))
    elif role is _CONTENT:
        sorted_.content.append(b"%b: %b\r\n" % (name, value))
        sorted_.has_content_range = sorted_.has_content_range or lower == b"content-range"
    elif role is _CONDITION:
        sorted_.conditions = {**sorted_.conditions, lower: (*sorted_.conditions.get(lower, ()), value)}
        sorted_.condition_lines = (*sorted_.condition_lines, b"%b: %b\r\n" % (name, value))
    elif role is _RANGE:
        sorted_.ranges = (*sorted_.ranges, value)
        sorted_.range_lines = (*sorted_.range_lines, b"%b: %b\r\n" % (name, value))
    elif role is Role.FORWARDED:
        sorted_.forwarded = (*sorted_.forwarded, (name, value))
    elif role is Role.REQUEST_ID:
        sorted_.request_ids = (*sorted_.request_ids, value)
    elif role is Role.UPGRADE:
        sorted_.upgrades = (*sorted_.upgrades, value.lower())
    elif role is Role.TE:
        sorted_.takes_trailers = sorted_.takes_trailers or b"trailers" in [each.strip(b" \t") for each in value.lower().split(b",")]
    elif role is _OVERRIDE:
        sorted_.overrides = (*sorted_.overrides, (lower, value))
        # With the content, since a GET that looks for the writer must not be made another method by it.
        sorted_.content.append(b"%b: %b\r\n" % (name, value))
    else:
        sorted_.expectations = (*sorted_.expectations, value)


def _without(lines: Iterable[bytes], names: frozenset[bytes]) -> list[bytes]:
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


IN_PLACE = b"\0"
"""The Date of an answer whose line stands among those that pass. No value: a NUL is in none."""


class AnswerFields:
    """The fields of a backend's answer, sorted. `passing` lacks what we set ourselves: framing, ETag, Accept-Ranges, Date.

    `is_endless`: the content is made as it is sent, so it must not be waited for. `trailer_lines` announce the trailers.
    """

    __slots__ = (
        "accept_ranges",
        "coding",
        "content_type",
        "cors_grant",
        "date",
        "etags",
        "is_endless",
        "last_modified",
        "passing",
        "trailer_lines",
    )

    def __init__(self) -> None:
        self.passing: list[bytes] = []
        self.etags: Sequence[bytes] = ()
        self.last_modified: Sequence[bytes] = ()
        self.date: bytes | None = None
        self.coding = b""
        self.content_type = b""
        self.accept_ranges: Sequence[bytes] = ()
        self.is_endless = False
        self.trailer_lines: Sequence[bytes] = ()
        self.cors_grant: Sequence[bytes] = ()


def is_json(content_type: bytes) -> bool:
    """Whether a media type is JSON: application/json, text/json, or any with the suffix +json (RFC 6839 §3.1)."""
    essence = content_type.partition(b";")[0].strip(b" \t").lower()
    return essence.endswith((b"/json", b"+json"))


def read_answer_fields(raw: Iterable[Field]) -> AnswerFields:
    """Sort the field lines of an answer. A repeated Date is kept once: the first."""
    sorted_ = AnswerFields()
    passing = sorted_.passing
    dropped: frozenset[bytes] = frozenset()
    for name, value in raw:
        role = ANSWER_ROLES.get(name.lower())
        if role is None:
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _CONTENT_TYPE:
            sorted_.content_type = value
            sorted_.is_endless = value[:25].lower().startswith(_ENDLESS_TYPES)
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _DATE:
            sorted_.date = sorted_.date or value
        elif role is _ETAG:
            sorted_.etags = (*sorted_.etags, value)
        elif role is _LAST_MODIFIED:
            sorted_.last_modified = (*sorted_.last_modified, value)
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _CONTENT_CODING:
            sorted_.coding += value.lower() + b","
            passing.append(b"%b: %b\r\n" % (name, value))
        elif role is _ACCEPT_RANGES:
            sorted_.accept_ranges = (*sorted_.accept_ranges, value)
        elif role is _CORS_GRANT:
            line = b"%b: %b\r\n" % (name, value)
            sorted_.cors_grant = (*sorted_.cors_grant, line)
            passing.append(line)
        elif role is _CONNECTION:
            dropped |= frozenset(option.strip(b" \t").lower() for option in value.split(b","))
        elif role is _TRAILER:
            sorted_.trailer_lines = (*sorted_.trailer_lines, b"%b: %b\r\n" % (name, value))
    if not dropped <= _HARMLESS_OPTIONS:
        sorted_.passing = _without(passing, dropped)
    return sorted_


def read_untouched_fields(raw: Iterable[Field]) -> AnswerFields:
    """Sort the field lines of an answer that is none of our business: all but those of the hop pass, each in its place.

    `date` is then None where there is none, else `IN_PLACE`. Of a repeated Date the first is kept.
    """
    sorted_ = AnswerFields()
    dropped: frozenset[bytes] = frozenset()
    for name, value in raw:
        role = ANSWER_ROLES.get(name.lower())
        if role is _CONNECTION:
            dropped |= frozenset(option.strip(b" \t").lower() for option in value.split(b","))
        elif role is _TRAILER:
            sorted_.trailer_lines = (*sorted_.trailer_lines, b"%b: %b\r\n" % (name, value))
        elif role is not _ENDS_HERE and (role is not _DATE or sorted_.date is None):
            sorted_.passing.append(b"%b: %b\r\n" % (name, value))
            if role is _DATE:
                sorted_.date = IN_PLACE
    if not dropped <= _HARMLESS_OPTIONS:
        sorted_.passing = _without(sorted_.passing, dropped)
    return sorted_


def trailer_lines(trailers: Iterable[Field]) -> list[bytes]:
    """The lines of a trailer section that pass: none that frames, validates or dates, which only a head may do (RFC 9110 §6.5.1)."""
    return [b"%b: %b\r\n" % (name, value) for name, value in trailers if name.lower() not in ANSWER_ROLES]


# What a message says of its own bytes, and of those of the representation (RFC 9530; RFC 3230, and RFC 1864 before it).
_DIGESTS = frozenset({b"content-md5", b"content-digest", b"repr-digest", b"digest"})


def without_digests(lines: Iterable[bytes]) -> list[bytes]:
    """The lines of a message without those that would be wrong of other bytes."""
    return _without(lines, _DIGESTS)


def lines_of_304(passing: Iterable[bytes]) -> list[bytes]:
    """Those of an answer's lines that a 304 carries; Date and ETag are set beside them."""
    kept: list[bytes] = []
    for line in passing:
        name = line.partition(b":")[0].lower()
        if name in _OF_A_304 or name.startswith(_CORS_PREFIX):
            kept.append(line)
    return kept
