"""What noclobber itself says to a client: problem documents (RFC 9457) that name what was read, what stands, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .etag import EntityTag


class Problem(Enum):
    """Every answer that is noclobber's own: status, title, and what the client does next. The name is the problem's type."""

    STALE = (412, "The resource has changed since you read it", "Read it again, repeat your change on what you find, and send the new tag.")
    EXISTS = (412, "The resource exists already", "Read it, and update it with If-Match, or choose another name for yours.")
    GONE = (412, "There is nothing to update", "Create it without If-Match, or with If-None-Match: *.")
    REQUIRED = (428, "A write here needs a precondition", "Read the resource, and send its ETag as If-Match (If-None-Match: * to create).")
    MALFORMED = (400, "A precondition cannot be read", 'Send entity tags as the ETag field gave them, quotes included: If-Match: "…".')
    BAD_REQUEST = (400, "The request cannot be handled safely", "Correct the request.")
    TOO_LARGE = (413, "The body is too large", "Send less, or have the limit raised (limits.max_body_bytes).")
    TOO_SLOW = (408, "The request did not arrive in time", "Send it again, faster.")
    LINE_TOO_LONG = (414, "The request line is too long", "Send a shorter target, or have the limit raised (limits.max_line_bytes).")
    FIELDS_TOO_LARGE = (431, "The header fields are too large", "Send fewer or shorter ones, or have the limits raised.")
    TOO_MANY_WRITES = (429, "Too many of your writes are under way", "Nothing was done. Wait for one of them, and send it again.")
    OVERLOADED = (503, "There is too much to do at the moment", "Nothing was done. Send the same request again.")
    IN_FLIGHT = (409, "This very request is being handled already", "Wait for its answer, or send it again later with the same key.")
    KEY_REUSED = (422, "This Idempotency-Key stands for another request", "Send a new request under a new key.")
    FORBIDDEN = (403, "You may not force a write here", "Send the tag of what you have read, or ask for the right to.")
    NOT_ALLOWED = (405, "The method is not available here", "Use another method.")
    BUSY = (503, "Others are writing this resource", "Nothing was done. Send the same request again.")
    GRACE = (503, "Writes are not granted yet", "Nothing was done. The store has just started anew; send the same request again later.")
    STORE_AWAY = (503, "The store cannot be reached", "Nothing was done. Send the same request again.")
    NO_ROOM = (503, "There is no room for a body of this size at the moment", "Nothing was done. Send the same request again.")
    NOT_SENT = (503, "The backend cannot be reached", "Nothing was done. Send the same request again.")
    DRAINING = (503, "This server is shutting down", "Nothing was done. Send the same request again.")
    OUTCOME_UNKNOWN = (504, "Nobody can say whether the write was applied", "Read the resource before you try again.")
    BACKEND_NONSENSE = (502, "The backend did not answer properly", "Try again later.")
    BACKEND_SLOW = (504, "The backend did not answer in time", "Try again later.")
    INTERNAL = (500, "noclobber failed", "Try again later, and report it with the request id if it stays.")

    def __init__(self, status: int, title: str, cure: str) -> None:
        self.status = status
        self.title = title
        self.cure = cure

    @property
    def type(self) -> str:
        """A stable name for the kind of problem: a URN, so that it promises no page."""
        return "urn:noclobber:problem:" + self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Received:
    """The field that decided, as it came. Empty `value`: the field was not there."""

    field: bytes
    value: bytes


MAX_ECHO_CHARS = 256


def problem_document(
    problem: Problem,
    detail: str,
    instance: bytes,
    received: Received | None = None,
    current: EntityTag | None = None,
    status: int | None = None,
) -> bytes:
    """Make the body of an `application/problem+json` answer.

    `instance` is the path that was asked for. `current` is the tag that stands, and is only to be passed where this client has just been
    allowed to read the resource. `status` None: the problem's own.
    """
    members: dict[str, object] = {
        "type": problem.type,
        "title": problem.title,
        "status": status or problem.status,
        "detail": detail,
        "instance": _text(instance),
        "next": problem.cure,
    }
    if received is not None:
        members["received"] = {"field": _text(received.field), "value": _text(received.value)}
    if current is not None:
        members["currentTag"] = bytes(current).decode("latin-1")
    return json.dumps(members, ensure_ascii=True).encode("ascii")


def with_members(document: bytes, members: Mapping[str, bytes | None]) -> bytes:
    """A document with further members, given as JSON text; None: left out."""
    further = b"".join(b", %b: %b" % (json.dumps(name).encode("ascii"), text) for name, text in members.items() if text is not None)
    return document[:-1] + further + b"}" if further else document


def _text(value: bytes) -> str:
    text = value.decode("latin-1")
    return text if len(text) <= MAX_ECHO_CHARS else text[:MAX_ECHO_CHARS] + "…"
