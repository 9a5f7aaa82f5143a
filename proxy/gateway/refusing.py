"""Refusing: every answer of noclobber's own on a route, in the form that the clients of that route expect."""

from functools import lru_cache

from ..core.body_template import Json, Value, parse_body_template
from ..core.conflict import MAX_ECHO_CHARS, Problem, Received
from ..core.dialect import AnswerForm, Dialect
from ..core.etag import EntityTag, parse_tag
from ..core.target import Target
from ..core.token import MAX_DIGITS
from ..errors import Delivery, OriginError, OriginTimeout
from .exchange import Exchange
from .reply import RETRY_AFTER_SECONDS, Reply, own_answer, problem
from .rules import ConflictDetail, Rules

_STALE = frozenset({Problem.STALE, Problem.EXISTS})

# Read once a template: there are as many as routes have dialects of their own.
_template = lru_cache(maxsize=4096)(parse_body_template)


def refuse(
    exchange: Exchange,
    kind: Problem,
    detail: str,
    *,
    received: Received | None = None,
    current: EntityTag | None = None,
    representation: bytes | None = None,
    changes: bytes | None = None,
    retry_after_seconds: float = RETRY_AFTER_SECONDS,
) -> Reply:
    """Answer a request with a refusal.

    `current` is the tag that stands, `representation` what stands, and `changes` the patch that leads there, both as JSON: they are only to
    be passed where this client has just been allowed to read the resource. None: not known, or not to be told.
    """
    return refuse_at(
        exchange.rules,
        exchange.target.path,
        kind,
        detail,
        target=exchange.target,
        received=received,
        current=current,
        representation=representation,
        changes=changes,
        retry_after_seconds=retry_after_seconds,
    )


def backend_failed(exchange: Exchange, failure: OriginError) -> Reply:
    """Tell a reader that the backend failed: 504 if it was too slow, 502 otherwise. Nothing of the failure's text is shown."""
    exchange.outcome = "backend failed"
    if isinstance(failure, OriginTimeout):
        return refuse(exchange, Problem.BACKEND_SLOW, "The backend took too long.")
    if failure.delivery is Delivery.NOT_SENT:
        return refuse(exchange, Problem.BACKEND_NONSENSE, "The backend cannot be reached.")
    return refuse(exchange, Problem.BACKEND_NONSENSE, "The backend broke off, or what it sent was not HTTP.")


def refuse_at(
    rules: Rules,
    path: bytes,
    kind: Problem,
    detail: str,
    *,
    target: Target | None = None,
    received: Received | None = None,
    current: EntityTag | None = None,
    representation: bytes | None = None,
    changes: bytes | None = None,
    retry_after_seconds: float = RETRY_AFTER_SECONDS,
) -> Reply:
    """Answer as `refuse` does where there is no exchange yet. `target` None: it has not been read."""
    dialect = rules.dialect
    shown = None if current is None else dialect.shown(current)
    own = _own_form(dialect, kind)
    status = kind.status if own is None else own.status
    form = dialect.problem if own is None or own.body is None else own
    if form is None or form.body is None:
        more = {} if rules.conflict_detail is ConflictDetail.NONE else {"current": representation, "changes": changes}
        seconds = retry_after_seconds
        return problem(kind, detail, path, received=received, current=shown, retry_after_seconds=seconds, status=status, more=more)
    values: dict[str, Value] = {
        "type": kind.type,
        "status": status,
        "title": kind.title,
        "detail": detail,
        "next": kind.cure,
        "path": _text(path),
        "url": _text(path if target is None else target.forwarded),
        "route": rules.name,
        "current_tag": None if shown is None else bytes(shown).decode("latin-1"),
        "current_version": None if current is None else _version(current.opaque, rules),
        "client_tag": None if received is None else _text(received.value),
        "client_version": None if received is None else _version(_unquoted(received.value), rules),
        "representation": None if representation is None else Json(representation),
        "changes": None if changes is None else Json(changes),
    }
    body = _template(form.body, form.media_type).fill(values)
    return own_answer(kind, status, form.media_type.encode("ascii"), body, current=shown, retry_after_seconds=retry_after_seconds)


def shows_what_stands(rules: Rules) -> bool:
    """Whether the answer to a stale write holds the current representation."""
    if rules.conflict_detail is not ConflictDetail.NONE:
        return True
    form = rules.dialect.stale
    return form is not None and form.body is not None and "representation" in _template(form.body, form.media_type).names


def _own_form(dialect: Dialect, kind: Problem) -> AnswerForm | None:
    """The form that the dialect has for this kind alone."""
    if kind in _STALE:
        return dialect.stale
    if kind is Problem.REQUIRED:
        return dialect.missing
    return dialect.gone if kind is Problem.GONE else None


def _version(opaque: bytes, rules: Rules) -> int | str:
    """A version as a value: a number where those of the route are numbers and this is one."""
    if rules.numbers is not None and opaque.isdigit() and len(opaque) <= MAX_DIGITS:
        return int(opaque)
    return _text(opaque)


def _unquoted(value: bytes) -> bytes:
    tag = parse_tag(value)
    return tag.opaque if isinstance(tag, EntityTag) else value


def _text(value: bytes) -> str:
    text = value.decode("latin-1")
    return text if len(text) <= MAX_ECHO_CHARS else text[:MAX_ECHO_CHARS] + "…"
