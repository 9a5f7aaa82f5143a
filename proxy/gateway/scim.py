"""SCIM beside its resources: the provider's config, and Bulk requests, each operation of which is served as a request of its own.

So every operation has its own lease, its own verdict and its own outcome, by the very code that a single request passes. The backend's own
Bulk endpoint is not asked: it could neither judge versions nor say of each operation whether it was applied.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from ..core.conflict import Problem
from ..core.fields import Field, without_digests
from ..core.json_text import read_json
from ..core.scim import (
    MAX_BULK_BYTES,
    MEDIA_TYPE,
    BulkRequest,
    Operation,
    RefusedBulk,
    Result,
    bulk_response,
    error_document,
    order,
    read_bulk,
    resolved,
    with_versions,
)
from ..errors import BodyTooLarge
from .arrival import Arrivals, RoutedRules
from .exchange import Exchange
from .injecting import may_change
from .refusing import refuse
from .reply import Reply, content_of
from .rules import ScimRole
from .spool import Spool, SpoolLimits, take
from .tasks import Tasks

_LIMITS = SpoolLimits(MAX_BULK_BYTES, MAX_BULK_BYTES)
_HEAD = [b"Content-Type: " + MEDIA_TYPE.encode("ascii") + b"\r\n", b"Cache-Control: no-store\r\n"]
# What a Bulk request says of itself, and not of what is in it.
_OF_THE_WHOLE = frozenset(
    {
        *(b"connection", b"content-encoding", b"content-length", b"content-type", b"expect", b"idempotency-key", b"if-match"),
        *(b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"keep-alive", b"range", b"te", b"trailer"),
        *(b"content-digest", b"content-md5", b"digest", b"repr-digest", b"transfer-encoding", b"upgrade"),
    }
)

Serve = Callable[[Exchange, RoutedRules], Awaitable[Reply]]
Account = Callable[[web.BaseRequest, Exchange | None, RoutedRules, Reply, float, bytes], None]


def with_versions_supported(reply: Reply) -> Reply:
    """Make a provider's answer for its config say that entity tags are supported. Anything but a whole JSON object stays as it is."""
    document = read_json(reply.body) if isinstance(reply.body, bytes) and reply.status == 200 and may_change(reply.lines) else None
    if document is not None and isinstance(document.value(()), dict):
        reply.body = with_versions(document)
        reply.lines = [line for line in without_digests(reply.lines) if not line.lower().startswith(b"accept-ranges:")]
    return reply


class _Content:
    """The body of an operation, which is all there."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def read_nowait(self, size: int) -> bytes:
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def is_eof(self) -> bool:
        return not self._left


class _Unwritten:
    """In the place of a writer: nothing is written for one operation."""

    output_size = 0


class _Inner:
    """One operation, as the request it stands for: what `Arrivals` asks of a request, and the connection of the Bulk request."""

    def __init__(self, outer: web.BaseRequest, method: str, target: str, fields: Sequence[Field], content: bytes) -> None:
        self.method = method
        self.raw_path = target
        self.raw_headers = tuple(fields)
        self.version = HttpVersion11
        self.protocol = outer.protocol
        self.content = _Content(content)
        self.body_exists = bool(content)
        # Nobody is told of interim answers: they would be to the whole.
        self.transport = None
        # What is written is the answer to the whole, too.
        self.writer = _Unwritten()


class _Heard(NamedTuple):
    """An operation's answer. `document` None: its body is no JSON object."""

    reply: Reply
    content: bytes
    document: Mapping[str, object] | None

    def text(self, *names: str) -> str:
        """The text that stands in the document under these names, empty where none does."""
        value: object = self.document
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    def field(self, name: bytes) -> str:
        """The value of a field, empty where there is none."""
        for line in b"".join(self.reply.lines).split(b"\r\n"):
            given, _, value = line.partition(b":")
            if given.lower() == name:
                return value.strip().decode("latin-1")
        return ""


class Bulk:
    """Carry out Bulk requests (RFC 7644 §3.7). `serve` answers one request, `account` counts it."""

    def __init__(self, arrivals: Arrivals, tasks: Tasks, serve: Serve, account: Account) -> None:
        self._arrivals = arrivals
        self._tasks = tasks
        self._serve = serve
        self._account = account

    async def answer(self, exchange: Exchange, request: web.BaseRequest, request_id: bytes) -> Reply:
        """Answer one Bulk request. Raises what reading its body raises. A client that leaves does not stop it."""
        try:
            await exchange.body.ask_for()
            body = await take(exchange.body.read, _LIMITS)
        except BodyTooLarge as too_large:
            return refuse(exchange, Problem.TOO_LARGE, f"A Bulk request has {too_large.limit_bytes} bytes at most.")
        bulk = read_bulk(body if isinstance(body, bytes) else b"")
        if isinstance(body, Spool):
            body.close()
        if isinstance(bulk, RefusedBulk):
            return Reply(bulk.status, b"", list(_HEAD), error_document(*bulk), is_own=True)
        task = self._tasks.start(_Job(self, exchange, request, request_id, bulk).run())
        try:
            return Reply(200, b"", list(_HEAD), await asyncio.shield(task), is_own=True)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # It is the client that has left.
        return refuse(exchange, Problem.OUTCOME_UNKNOWN, "noclobber was stopped while the operations were under way.")

    async def serve(self, request: web.BaseRequest, request_id: bytes) -> Reply:
        """Answer one operation, and count it as a request of its route."""
        started = perf_counter()
        judged, routed, _ = self._arrivals.judge(request)
        exchange = None if isinstance(judged, Reply) else judged
        if isinstance(judged, Reply):
            reply = judged
        elif routed.rules.scim is not ScimRole.RESOURCES:
            reply = refuse(judged, Problem.BAD_REQUEST, "No operation of a Bulk request can be served here.")
        else:
            reply = await self._serve(judged, routed)
        self._account(request, exchange, routed, reply, started, request_id)
        return reply

    def fields_of(self, request: web.BaseRequest, request_id: bytes) -> list[Field]:
        """The fields that each operation of a request has in common."""
        named = b"" if self._arrivals.ids is None else self._arrivals.ids.field.lower()
        kept = [(name, value) for name, value in request.raw_headers if name.lower() not in _OF_THE_WHOLE and name.lower() != named]
        return [*kept, (named, request_id)] if named else kept


class _Job:
    """One Bulk request on its way."""

    def __init__(self, bulk: Bulk, exchange: Exchange, request: web.BaseRequest, request_id: bytes, what: BulkRequest) -> None:
        self._bulk = bulk
        self._request = request
        self._what = what
        self._request_id = request_id
        self._fields = bulk.fields_of(request, self._request_id)
        self._base = exchange.target.path.rpartition(b"/")[0].decode("latin-1")
        self._root = f"{_scheme(exchange) or request.scheme}://{(exchange.fields.host or b'').decode('latin-1')}{self._base}"
        self._keys = [value for name, value in request.raw_headers if name.lower() == b"idempotency-key"]

    async def run(self) -> bytes:
        """Carry the operations out one after the other; return the body of the answer."""
        operations, most = self._what
        results: dict[int, Result] = {}
        ids: dict[str, str] = {}
        errors = 0
        for at in order(operations):
            if most is not None and errors >= most:
                break
            operation = operations[at]
            results[at] = await self._carry_out(at, operation, ids)
            errors += results[at].status >= 400
        return bulk_response([(operations[at], results[at]) for at in sorted(results)])

    async def _carry_out(self, at: int, operation: Operation, ids: dict[str, str]) -> Result:
        if operation.why:
            return self._failed(operation, 400, operation.why, "invalidValue")
        complete = resolved(operation, ids)
        if complete is None:
            return self._failed(operation, 409, "It refers to a bulkId that no resource was created with.")
        fields = list(self._fields)
        if complete.data is not None:
            fields += [(b"Content-Type", MEDIA_TYPE.encode("ascii")), (b"Content-Length", b"%d" % len(complete.data))]
        if complete.version is not None and complete.method != "POST":
            fields.append((b"If-Match", complete.version.encode("ascii")))
        fields += [(b"Idempotency-Key", _key_of(key, at)) for key in self._keys]
        inner = _Inner(self._request, complete.method, self._base + complete.path, fields, complete.data or b"")
        heard = await _hear(await self._bulk.serve(cast(web.BaseRequest, inner), self._request_id))
        status = heard.reply.status
        if status >= 300:
            location = "" if complete.method == "POST" else self._root + complete.path
            if heard.document is None or (heard.reply.is_own and "schemas" not in heard.document):
                return Result(status, location, "", error_document(status, heard.text("detail") or "No reason was given."))
            return Result(status, location, "", heard.content)
        if complete.method == "POST" and complete.bulk_id and heard.text("id"):
            ids[complete.bulk_id] = heard.text("id")
        location = heard.text("meta", "location") or heard.field(b"location") or self._root + complete.path
        return Result(status, location, heard.text("meta", "version") or heard.field(b"etag"))

    def _failed(self, operation: Operation, status: int, detail: str, scim_type: str = "") -> Result:
        location = self._root + operation.path if operation.path and operation.method != "POST" else ""
        return Result(status, location, "", error_document(status, detail, scim_type))


def _scheme(exchange: Exchange) -> str:
    """The scheme that the client speaks, as the backend is told it; empty where it is not."""
    for line in exchange.added.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"x-forwarded-proto":
            return value.partition(b",")[0].strip().lower().decode("latin-1")
    return ""


async def _hear(reply: Reply) -> _Heard:
    """Take an answer in."""
    try:
        content = await content_of(reply.body)
    finally:
        reply.close()
    document = read_json(content)
    value = None if document is None else document.value(())
    return _Heard(reply, content, value if isinstance(value, dict) else None)


def _key_of(key: bytes, at: int) -> bytes:
    """The Idempotency-Key of one operation: that of the whole, with its position."""
    return b'%b/%d"' % (key[:-1], at) if key.endswith(b'"') else b"%b/%d" % (key, at)
