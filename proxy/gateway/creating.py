"""Creating: a POST that makes a new resource, on a route that says so (`post = "create"`).

What does not exist yet is nobody's to overwrite, so no lease is taken on the collection, and creations run side by side. The answer holds
the first version that the new resource has in this history of the store: whoever has written to it since has left it behind, and its maker
is refused rather than let pass.
"""

from collections.abc import Callable
from time import perf_counter

from ..core.conflict import Problem
from ..core.dialect import Post
from ..core.etag import EntityTag
from ..core.fields import without_digests
from ..core.json_text import Document, read_json
from ..core.outcome import Judge, Outcome, classify
from ..core.resource import ResourceKey, key_digest
from ..core.version import Strategy
from ..errors import Delivery, OriginError
from ..origin.port import OriginRequest, StreamedBody
from ..store.port import StoreKey
from .aside import aside
from .exchange import Exchange
from .hearing import Heard
from .injecting import may_change, with_version
from .labels import Labels
from .listing import member_key
from .metrics import RouteMetrics
from .refusing import refuse
from .replay import idempotency_keys
from .reply import OUTCOME_UNKNOWN, Held, Reply, content_of
from .representation import Representations
from .spool import Spool

KeyAt = Callable[[bytes, bytes], ResourceKey | None]
"""Say which resource stands at a target, given with a Host; None where no guarded route has it, or it is not to be told."""


def makes_member(exchange: Exchange) -> bool:
    """Whether a request makes a new resource, beside the one that it is sent to."""
    return exchange.method == b"POST" and exchange.rules.dialect.post is Post.CREATE


def needs_no_lease(exchange: Exchange) -> bool:
    """Whether that is all it does. Not where it names a state, changes other resources, or must not be done twice."""
    return makes_member(exchange) and not (
        exchange.has_conditions or exchange.names_a_state or exchange.rules.changes or idempotency_keys(exchange)
    )


class Creating:
    """Send creations, and tell their makers the versions of what they have made."""

    def __init__(self, representations: Representations, labels: Labels, key_at: KeyAt | None) -> None:
        """`key_at` None: what has been made is only known where the route has a `member_key`."""
        self._representations = representations
        self._labels = labels
        self._key_at = key_at

    async def create(self, exchange: Exchange, body: bytes | Spool | None, metrics: RouteMetrics) -> Reply:
        """Send a creation once, and hear its answer out."""
        payload = StreamedBody(body.size_bytes, body.pieces()) if isinstance(body, Spool) else body
        request = OriginRequest(exchange.sent_method or exchange.method, exchange.target.forwarded, exchange.lines_to_write(), payload)
        started = perf_counter()
        try:
            # From here on it may have been sent: whoever stops us says so.
            exchange.outcome = Outcome.UNKNOWN.value
            heard = Heard(await self._representations.origin_of(exchange).send(request, exchange.interim))
            self._representations.grants.hear(exchange, heard.fields)
            await heard.listen(self._representations.hold_limits)
        except OriginError as failure:
            if failure.delivery is Delivery.NOT_SENT:
                exchange.outcome = Outcome.NOT_APPLIED.value
                return refuse(exchange, Problem.NOT_SENT, "The backend cannot be reached.")
            metrics.unknown_outcomes.inc()
            return refuse(exchange, Problem.OUTCOME_UNKNOWN, "The backend broke off before its answer began, or took too long.")
        finally:
            exchange.upstream_seconds += perf_counter() - started
        outcome = classify(heard.answer.status, Judge.NOCLOBBER)
        exchange.outcome = outcome.value
        if outcome is Outcome.UNKNOWN:
            metrics.unknown_outcomes.inc()
        return heard.reply([OUTCOME_UNKNOWN] if outcome is Outcome.UNKNOWN else [])

    async def with_version(self, exchange: Exchange, reply: Reply) -> Reply:
        """Tell the maker of a resource its version, in the tag and in the body, as far as it is known which resource that is."""
        if reply.is_own or not 200 <= reply.status < 300 or exchange.rules.strategy is not Strategy.REVISION:
            return reply
        content = await self._content(reply)
        document = read_json(content) if content and may_change(reply.lines) else None
        tag = await self._first_tag(exchange, self._key(exchange, reply, document))
        if tag is None:
            return reply
        dialect = exchange.rules.dialect
        changed = None if document is None or not dialect.inject else await aside(len(content), with_version, dialect, content, tag)
        if changed is not None:
            reply.close()
            reply.lines, reply.body, reply.trailers = without_digests(reply.lines), changed, ()
        reply.lines = [*reply.lines, dialect.tag_line(tag)]
        return reply

    async def _content(self, reply: Reply) -> bytes:
        """The body of a reply; empty where there is none, or it is too large to look into."""
        is_large = isinstance(reply.body, Held) and reply.body.length > self._representations.max_tagged_bytes
        return b"" if is_large else await content_of(reply.body)

    def _key(self, exchange: Exchange, reply: Reply, document: Document | None) -> ResourceKey | None:
        """Which resource has been made: what the body says where the route knows how, else what stands at Location."""
        naming = exchange.rules.member
        key = None if naming is None or document is None else member_key(exchange, naming, document)
        if key is not None or self._key_at is None or exchange.fields.host is None:
            return key
        locations = [line[9:].strip() for line in reply.lines if line[:9].lower() == b"location:"]
        return self._key_at(locations[0], exchange.fields.host) if len(locations) == 1 else None

    async def _first_tag(self, exchange: Exchange, key: ResourceKey | None) -> EntityTag | None:
        if key is None:
            return None
        standing = await self._labels.standing(StoreKey(key_digest(key)))
        return None if standing is None else self._labels.tag(standing._replace(record=None), exchange.rules.numbers)
