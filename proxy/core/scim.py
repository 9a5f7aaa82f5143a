"""SCIM (RFC 7643, 7644), as far as versions go: what a provider says of itself, its errors, and Bulk requests.

A Bulk request is a list of single requests. It is taken apart here; each of its operations is then served as the request it stands for.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, TypeGuard

from .json_text import Document, Number, as_int, read_json
from .pointer import Pointer

MEDIA_TYPE = "application/scim+json"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MAX_BULK_BYTES = 1048576
MAX_OPERATIONS = 1000
"""How many operations one Bulk request may have: each costs the backend several requests."""

METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_BULK_ID = "bulkId:"
_RESERVED = re.compile(rb"[^A-Za-z0-9._~\-]")


class RefusedBulk(NamedTuple):
    """A Bulk request that is not carried out at all. `scim_type` is one of RFC 7644 §3.12, or empty."""

    status: int
    detail: str
    scim_type: str = ""


class Operation(NamedTuple):
    """One operation. `path` begins with "/" and lies below the provider's root. `version` None: unconditional.

    `bulk_id` empty and `data` None: there is none. `why` says what is wrong with the operation; empty: nothing is.
    """

    method: str
    path: str
    bulk_id: str = ""
    version: str | None = None
    data: bytes | None = None
    why: str = ""


class BulkRequest(NamedTuple):
    """A Bulk request. `fail_on_errors` None: it goes on whatever fails."""

    operations: tuple[Operation, ...]
    fail_on_errors: int | None


class Result(NamedTuple):
    """What became of an operation. `location` and `version` empty: not known. `error` is the body of the answer where it failed."""

    status: int
    location: str = ""
    version: str = ""
    error: bytes = b""


def with_versions(provider: Document) -> bytes:
    """Return a ServiceProviderConfig that says that entity tags are supported, and that Bulk goes as far as it goes here."""
    changes: dict[Pointer, bytes | None] = {("etag", "supported"): b"true"}
    if not isinstance(provider.value(("etag",)), dict):
        changes = {("etag",): b'{"supported":true}'}
    for name, most in (("maxOperations", MAX_OPERATIONS), ("maxPayloadSize", MAX_BULK_BYTES)):
        told = as_int(provider.value(("bulk", name)))
        if told is not None and told > most:
            changes["bulk", name] = b"%d" % most
    return provider.edited(changes)


def error_document(status: int, detail: str, scim_type: str = "") -> bytes:
    """The body of an error (RFC 7644 §3.12): its status is a text there."""
    typed = {"scimType": scim_type} if scim_type else {}
    return json.dumps({"schemas": [ERROR], "status": str(status), **typed, "detail": detail}).encode("ascii")


# ---- Bulk requests (RFC 7644 §3.7) ------------------------------------------------------------------------------------------------


def read_bulk(content: bytes) -> BulkRequest | RefusedBulk:
    """Take a Bulk request apart. A faulty operation is no reason to refuse the others: it bears its fault in `why`."""
    document = read_json(content)
    if document is None or document.has_duplicates:
        return RefusedBulk(400, "The body is no JSON document, or one of its objects has a name twice.", "invalidSyntax")
    members = _members(document.value(()))
    if members is None:
        return RefusedBulk(400, "The body is no object, or has an attribute twice.", "invalidSyntax")
    schemas, operations, most = (members.get(name) for name in ("schemas", "operations", "failonerrors"))
    if not isinstance(schemas, list) or BULK_REQUEST not in schemas:
        return RefusedBulk(400, f"The schema of a Bulk request is {BULK_REQUEST}.", "invalidSyntax")
    if not isinstance(operations, list):
        return RefusedBulk(400, "Operations is missing, or no array.", "invalidSyntax")
    if len(operations) > MAX_OPERATIONS:
        return RefusedBulk(413, f"A Bulk request has {MAX_OPERATIONS} operations at most.")
    if most is None:
        return BulkRequest(_operations(operations), None)
    number = as_int(most)
    if number is None:
        return RefusedBulk(400, "failOnErrors is no whole number.", "invalidValue")
    return BulkRequest(_operations(operations), max(1, number))


def _operations(operations: Sequence[object]) -> tuple[Operation, ...]:
    made: list[Operation] = []
    names: set[str] = set()
    for value in operations:
        operation = _operation(value)
        if operation.method == "POST" and operation.bulk_id in names:
            operation = operation._replace(why="Its bulkId is that of another operation.")
        if operation.method == "POST" and operation.bulk_id:
            names.add(operation.bulk_id)
        made.append(operation)
    return tuple(made)


def _members(value: object) -> Mapping[str, object] | None:
    """The members of an object by their names in lower case (RFC 7643 §2.1); None if it is none, or two of them have one name so."""
    if not isinstance(value, dict):
        return None
    members = {name.lower(): member for name, member in value.items()}
    return members if len(members) == len(value) else None


def _operation(value: object) -> Operation:
    members = _members(value)
    if members is None:
        return Operation("", "", why="It is no object, or has an attribute twice.")
    method, path, bulk_id, version, data = (members.get(name) for name in ("method", "path", "bulkid", "version", "data"))
    method = method.upper() if _is_text(method) else ""
    return Operation(
        method,
        path if _is_text(path) else "",
        bulk_id if _is_text(bulk_id) else "",
        version if _is_text(version) else None,
        None if data is None or method == "DELETE" else _write(data).encode("ascii"),
        _fault(method, path, version),
    )


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, Number)


def _write(value: object) -> str:
    """The JSON text of a value, with numbers as they came. No deeper than what `read_json` takes."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        members = ",".join(f"{json.dumps(name)}:{_write(member)}" for name, member in value.items())
        return f"{{{members}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_write, value))}]"
    return json.dumps(value)


def _fault(method: str, path: object, version: object) -> str:
    if method not in METHODS:
        return "Its method is none of POST, PUT, PATCH and DELETE."
    if not _is_text(path) or not path.startswith("/") or not _is_printable(path) or "?" in path or "#" in path:
        return "Its path is no path below the provider's root."
    endpoint, _, resource = path[1:].partition("/")
    if not endpoint or bool(resource) == (method == "POST"):
        return "Its path is not that of a type for POST, and else that of a resource."
    if endpoint.lower() == "bulk" or ".search" in (endpoint, resource):
        return "Its path is that of no resource."
    # An absent version means an unconditional write, so a faulty one must not count as absent.
    if version is not None and not (_is_text(version) and _is_printable(version)):
        return "Its version is no text in ASCII."
    return ""


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


# ---- the order, and who refers to whom ----------------------------------------------------------------------------------------------


def references(operation: Operation) -> frozenset[str]:
    """The bulkIds of other operations that an operation refers to."""
    found = {segment.removeprefix(_BULK_ID) for segment in operation.path.split("/") if segment.startswith(_BULK_ID)}
    document = read_json(operation.data) if operation.data is not None and _BULK_ID.encode() in operation.data else None
    if document is not None:
        found.update(bulk_id for _, bulk_id in _mentions(document.value(()), ()))
    return frozenset(found)


def _mentions(value: object, place: Pointer) -> Iterator[tuple[Pointer, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _mentions(member, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mentions(item, (*place, str(index)))
    elif _is_text(value) and value.startswith(_BULK_ID):
        yield place, value.removeprefix(_BULK_ID)


def order(operations: Sequence[Operation]) -> list[int]:
    """The positions of the operations in the order to carry them out: as they came, each creation before what refers to it.

    Those that refer to each other in a circle come last; nothing can be put in the place of their references.
    """
    makers = {operation.bulk_id: at for at, operation in enumerate(operations) if operation.method == "POST" and operation.bulk_id}
    awaited = [{makers[name] for name in references(operation) if name in makers} for operation in operations]
    waiting: dict[int, list[int]] = {}
    for at, others in enumerate(awaited):
        for other in others:
            waiting.setdefault(other, []).append(at)
    ready = [at for at, others in enumerate(awaited) if not others]
    done: list[int] = []
    while ready:
        made = heappop(ready)
        done.append(made)
        for at in waiting.get(made, ()):
            awaited[at].discard(made)
            if not awaited[at]:
                heappush(ready, at)
    return done + [at for at, others in enumerate(awaited) if others]


def resolved(operation: Operation, ids: Mapping[str, str]) -> Operation | None:
    """Return the operation with ids, by bulkId, in the place of its references; None where one of them is not among the ids."""
    names = references(operation)
    if not names:
        return operation
    if not names <= ids.keys():
        return None
    parts = operation.path.split("/")
    path = "/".join(_escaped(ids[part.removeprefix(_BULK_ID)]) if part.startswith(_BULK_ID) else part for part in parts)
    data = operation.data
    document = None if data is None else read_json(data)
    if document is not None:
        data = document.edited({place: json.dumps(ids[name]).encode() for place, name in _mentions(document.value(()), ())})
    return operation._replace(path=path, data=data)


def _escaped(name: str) -> str:
    """A name as one segment of a path (RFC 3986 §2.3)."""
    return _RESERVED.sub(lambda found: b"%%%02X" % ord(found[0]), name.encode("utf-8", "replace")).decode("ascii")


# ---- the answer ---------------------------------------------------------------------------------------------------------------------


def bulk_response(results: Sequence[tuple[Operation, Result]]) -> bytes:
    """The body of the answer, in the order of the request. An operation that was not carried out is not among the results."""
    return b'{"schemas":["%b"],"Operations":[%b]}' % (BULK_RESPONSE.encode(), b",".join(_entry(*each) for each in results))


def _entry(operation: Operation, result: Result) -> bytes:
    members = {"location": result.location, "method": operation.method, "bulkId": operation.bulk_id, "version": result.version}
    known = {name: text for name, text in members.items() if text} | {"status": str(result.status)}
    entry = json.dumps(known).encode("ascii")
    return b'%b,"response":%b}' % (entry[:-1], result.error) if result.error else entry
