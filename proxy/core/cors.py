"""CORS (Fetch standard §3.2): what a script of another origin needs in order to write conditionally, added where the backend lets it in.

The rule of this file: nobody is let in here. Fields are only added to an answer in which the backend itself has named an allowed origin,
or, for a refusal of our own, taken from such an answer.
"""

from collections.abc import Iterable, Sequence

ALLOW_ORIGIN = b"access-control-allow-origin"
OF_A_GRANT = frozenset({ALLOW_ORIGIN, b"access-control-allow-credentials"})
"""The fields by which a backend lets an origin in."""

EXPOSE_LINE = b"Access-Control-Expose-Headers: ETag, Location, Retry-After, Noclobber-Outcome, Noclobber-Would\r\n"
ALLOW_LINE = b"Access-Control-Allow-Headers: If-Match, If-None-Match, If-Unmodified-Since, Idempotency-Key\r\n"
_JUDGED_HERE = frozenset({b"if-match", b"if-none-match", b"if-unmodified-since", b"idempotency-key"})
_REQUEST_HEADERS = b"access-control-request-headers"
_REQUEST_METHOD = b"access-control-request-method"


def refusal_lines(grant: Sequence[bytes]) -> list[bytes]:
    """The lines of a refusal of our own to an origin that the backend has let in with the lines `grant`."""
    return [*grant, EXPOSE_LINE, b"Vary: Origin\r\n"] if grant else []


def is_preflight(lines: Iterable[bytes]) -> bool:
    """Whether the lines of an OPTIONS that has an Origin ask what may be sent."""
    return any(_name(line) == _REQUEST_METHOD for line in lines)


def without_ours(lines: Iterable[bytes]) -> list[bytes]:
    """The lines of a preflight without the fields that are judged here: a backend that has never heard of them might let nobody in."""
    kept: list[bytes] = []
    for line in lines:
        if _name(line) == _REQUEST_HEADERS:
            name, _, value = line.partition(b":")
            asked = [field.strip() for field in value.split(b",")]
            rest = [field for field in asked if field.lower() not in _JUDGED_HERE]
            if rest == asked:
                kept.append(line)
            elif rest:
                kept.append(b"%b: %b\r\n" % (name, b", ".join(rest)))
        else:
            kept.append(line)
    return kept


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
