"""Grants: which origins a backend lets in (CORS), kept for the answers that noclobber gives without it."""

from collections.abc import Callable, Sequence

from ..core.cors import ALLOW_LINE, EXPOSE_LINE, is_preflight, refusal_lines, without_ours
from ..core.fields import AnswerFields
from .exchange import Exchange
from .reply import Reply
from .rules import Cors

REMEMBERED_GRANTS = 4096
Tell = Callable[[str, bytes, Sequence[bytes]], None]
"""Tells other processes of a route, an origin, and what it was granted."""


class Grants:
    """What the backend last said to each origin on each route.

    A refusal that rests on a look carries what that look was answered. One that was made before the backend was heard (428, 503) tells
    nothing of the resource, so it carries what the same origin was last granted on the same route. `tell` is told what is new.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, bytes], Sequence[bytes]] = {}
        self.tell: Tell | None = None

    def learn(self, route: str, origin: bytes, grant: Sequence[bytes]) -> bool:
        """Remember what an origin was granted on a route, as another process has heard it. Return whether that is new."""
        lines = tuple(grant)
        if self._last.get((route, origin)) == lines:
            return False
        self._last[route, origin] = lines
        if len(self._last) > REMEMBERED_GRANTS:
            del self._last[next(iter(self._last))]
        return True

    def hear(self, exchange: Exchange, fields: AnswerFields) -> None:
        """Take in an answer of the backend's, and have it expose what our clients need, where it lets anybody in."""
        if self._note(exchange, fields):
            fields.passing.append(EXPOSE_LINE)

    def hear_preflight(self, exchange: Exchange, fields: AnswerFields) -> None:
        """Take in the answer to a preflight, and have it allow what is judged here."""
        if self._note(exchange, fields):
            fields.passing.append(ALLOW_LINE)

    def prepare_preflight(self, exchange: Exchange) -> bool:
        """Whether this is a preflight. The fields that are judged here are not asked about upstream."""
        is_one = exchange.method == b"OPTIONS" and exchange.fields.origin is not None and is_preflight(exchange.fields.passing)
        if is_one and exchange.rules.cors is Cors.BACKEND:
            exchange.fields.passing = without_ours(exchange.fields.passing)
        return is_one

    def complete(self, exchange: Exchange, reply: Reply) -> None:
        """Put the grant of its origin on a reply of our own."""
        origin = exchange.fields.origin
        if origin is None or not exchange.rules.is_guarded or exchange.rules.cors is Cors.OFF:
            return
        grant = exchange.cors_grant
        if grant is None:
            grant = self._last.get((exchange.rules.name, origin), ())
        reply.lines.extend(refusal_lines(grant))

    def _note(self, exchange: Exchange, fields: AnswerFields) -> bool:
        grant = fields.cors_grant
        if not grant:
            exchange.cors_grant = exchange.cors_grant or ()
            return False
        if exchange.rules.cors is Cors.OFF:
            return False
        exchange.cors_grant = grant
        origin, route = exchange.fields.origin, exchange.rules.name
        if origin is not None and self.learn(route, origin, grant) and self.tell is not None:
            self.tell(route, origin, grant)
        return True
