"""The role of a field: what becomes of it on the way through, by its name."""

from collections.abc import Mapping
from enum import Enum, auto

from .cors import OF_A_GRANT


class Role(Enum):
    """What we have to do with a field that has a meaning here."""

    ENDS_HERE = auto()
    CONNECTION = auto()
    CONDITION = auto()
    RANGE = auto()
    CODING = auto()
    CONTENT = auto()
    HOST = auto()
    EXPECT = auto()
    OVERRIDE = auto()
    TRANSFER_CODING = auto()
    ETAG = auto()
    LAST_MODIFIED = auto()
    DATE = auto()
    CONTENT_CODING = auto()
    ACCEPT_RANGES = auto()
    FORWARDED = auto()
    REQUEST_ID = auto()
    UPGRADE = auto()
    TE = auto()
    TRAILER = auto()
    CONTENT_TYPE = auto()
    ORIGIN = auto()
    CORS_GRANT = auto()


# RFC 9110 §7.6.1 names these; Trailer goes with Transfer-Encoding, since we re-frame every body.
_HOP_BY_HOP = (b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"trailer")
# Fields of the representation that a request carries: they say nothing about a GET made on behalf of the same writer.
_OF_THE_BODY = (
    *(b"content-type", b"content-encoding", b"content-language", b"content-location", b"content-disposition", b"content-range"),
    *(b"content-md5", b"content-digest", b"repr-digest", b"digest", b"idempotency-key", b"prefer"),
    # WebDAV's condition on a write (RFC 4918 §10.4), by our tags perhaps, which a backend that is sent a GET would judge as well.
    b"if",
)
CONDITIONS = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range")
OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
# What a hop says of the client before it (RFC 7239 and what was there earlier). Whether it is believed is decided by who sent it.
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")

REQUEST_ROLES: dict[bytes, Role] = {
    **dict.fromkeys(_HOP_BY_HOP, Role.ENDS_HERE),
    **dict.fromkeys(_OF_THE_BODY, Role.CONTENT),
    **dict.fromkeys(CONDITIONS, Role.CONDITION),
    **dict.fromkeys(OVERRIDES, Role.OVERRIDE),
    b"connection": Role.CONNECTION,
    b"content-length": Role.ENDS_HERE,
    b"transfer-encoding": Role.TRANSFER_CODING,
    b"range": Role.RANGE,
    b"accept-encoding": Role.CODING,
    b"host": Role.HOST,
    b"expect": Role.EXPECT,
    **dict.fromkeys(_FORWARDED, Role.FORWARDED),
    b"upgrade": Role.UPGRADE,
    b"te": Role.TE,
    b"origin": Role.ORIGIN,
}
ANSWER_ROLES: dict[bytes, Role] = {
    **dict.fromkeys(_HOP_BY_HOP, Role.ENDS_HERE),
    b"connection": Role.CONNECTION,
    b"content-length": Role.ENDS_HERE,
    b"etag": Role.ETAG,
    b"last-modified": Role.LAST_MODIFIED,
    b"date": Role.DATE,
    b"content-encoding": Role.CONTENT_CODING,
    b"accept-ranges": Role.ACCEPT_RANGES,
    b"content-type": Role.CONTENT_TYPE,
    b"trailer": Role.TRAILER,
    **dict.fromkeys(OF_A_GRANT, Role.CORS_GRANT),
}
Roles = Mapping[bytes, Role]
"""What becomes of a field, by its name in lower case."""


def has_a_role(name: bytes) -> bool:
    """Whether the field name, in any case, means something to us already, so that it cannot be given another meaning."""
    return name.lower() in REQUEST_ROLES or name.lower() in ANSWER_ROLES


def request_roles(request_id: bytes) -> Roles:
    """What becomes of the fields of a request where the one called request_id, in any case, holds its id."""
    return {**REQUEST_ROLES, request_id.lower(): Role.REQUEST_ID}
