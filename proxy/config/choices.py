"""Choices: the closed sets that a key of the configuration takes one of."""

from enum import Enum


class Mode(Enum):
    """What noclobber does with its verdicts."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class TlsMinimum(Enum):
    """The oldest version of TLS that is spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class LogForm(Enum):
    """How lines are logged. AUTO: as text on a terminal, else as JSON."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"
    OFF = "off"


class Level(Enum):
    """The least grave message that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Forwarded(Enum):
    """In which fields the backend is told of the client."""

    X_FORWARDED = "x-forwarded"
    FORWARDED = "forwarded"
    BOTH = "both"
    OFF = "off"


class Missing(Enum):
    """What a write without any precondition gets."""

    ALLOW = "allow"
    REQUIRE = "require"


class Writers(Enum):
    """Who writes to the backend."""

    OTHERS_TOO = "others-too"
    PROXY_ONLY = "proxy-only"


class Verify(Enum):
    """What a write's tag is compared with."""

    ALWAYS = "always"
    TRUST_STORE = "trust-store"


class AfterWrite(Enum):
    """Where the tag of what a write left behind comes from."""

    READ_BACK = "read-back"
    RESPONSE = "response"
    REQUEST = "request"
    NONE = "none"


class OnStoreLoss(Enum):
    """What becomes of writes while the store is away."""

    DENY = "deny"
    VERIFY_ONLY = "verify-only"
    OPEN = "open"


class Unrecorded(Enum):
    """What a write is answered with that was applied but could not be recorded."""

    ANSWER = "answer"
    UNKNOWN = "504"


class PutEtag(Enum):
    """Whether the answer to a PUT carries the new tag."""

    SEND = "send"
    STRICT = "strict"


class SafeMethods(Enum):
    """Whether preconditions on GET and HEAD are evaluated."""

    EVALUATE = "evaluate"
    IGNORE = "ignore"


class HopTags(Enum):
    """Whether what hops do to a tag is undone."""

    UNDO = "undo"
    EXACT = "exact"


class ScimRole(Enum):
    """What a route has to do with SCIM's endpoints."""

    RESOURCES = "resources"
    CONFIG = "config"
    BULK = "bulk"


class Cors(Enum):
    """Whether what a script in a browser needs is added to a backend's CORS fields."""

    BACKEND = "backend"
    OFF = "off"


class Absent(Enum):
    """What a conditional request for something that does not exist gets."""

    RFC = "rfc"
    NOT_FOUND = "404"
    FAILED = "412"


class OwnWrite(Enum):
    """By what the retry of a write is recognised that was applied already."""

    KEY = "key"
    SAME = "principal+body+tag"


class ConflictDetail(Enum):
    """What an answer to a stale write tells of the present state."""

    NONE = "none"
    CURRENT = "current"
    CHANGES = "changes"


class History(Enum):
    """What is known of the versions that a store held before its present data set."""

    UNKNOWN = "unknown"
    KEPT = "kept"
