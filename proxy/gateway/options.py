"""OPTIONS, TRACE and CONNECT: what of them ends here, and how far the others may go on (RFC 9110 §7.6.2)."""

from ..core.conflict import Problem
from ..core.fields import RequestFields
from .reply import Reply, problem

SPECIAL = frozenset({"OPTIONS", "TRACE", "CONNECT"})
_ALLOW = b"Allow: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE\r\n"
_MAX_FORWARDS = b"max-forwards:"
# RFC 9110 §9.3.8: what a TRACE shows must not be what only the client and the backend know.
_SECRET = (b"authorization:", b"proxy-authorization:", b"cookie:", b"x-api-key:", b"x-auth-token:")
_DIGITS = 9


def answer_here(method: str, target: bytes, fields: RequestFields) -> Reply | None:
    """Answer what is for us; None: it goes on, with Max-Forwards counted down. Whatever a method asks for of `*` is asked of us."""
    if method == "CONNECT":
        return problem(Problem.NOT_ALLOWED, "This is no open proxy.", target, lines=[_ALLOW])
    counts = [line for line in fields.passing if line[: len(_MAX_FORWARDS)].lower() == _MAX_FORWARDS]
    if counts:
        digits = counts[0].partition(b":")[2].strip()
        if len(counts) > 1 or not digits.isdigit() or len(digits) > _DIGITS:
            return problem(Problem.BAD_REQUEST, "The field Max-Forwards is not one number.", target)
        left = int(digits)
        if left:
            name = counts[0].partition(b":")[0]
            fields.passing = [b"%b: %d\r\n" % (name, left - 1) if line is counts[0] else line for line in fields.passing]
    if method == "OPTIONS" and (target == b"*" or (counts and not left)):
        return Reply(200, b"", [_ALLOW], b"")
    if method == "TRACE" and counts and not left:
        return _echo(target, fields)
    return None


def _echo(target: bytes, fields: RequestFields) -> Reply:
    """The request as it came here, without what is secret."""
    lines = [line for line in (*fields.passing, *fields.content) if not line.lower().startswith(_SECRET)]
    return Reply(200, b"", [b"Content-Type: message/http\r\n"], b"TRACE %b HTTP/1.1\r\n%b\r\n" % (target, b"".join(lines)))
