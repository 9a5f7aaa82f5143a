"""The OpenAPI document of the admin API, made from its operations and documents."""

from functools import cache
from typing import Any

import msgspec

from .. import __version__
from .documents import Problem
from .operations import OPERATIONS, PREFIX, Form, Operation, Parameter

_REF = "#/components/schemas/{name}"
_WHY = {
    400: "A parameter is unknown or cannot be, or noclobber would refuse such a request itself.",
    401: "The token is missing.",
    403: "The token is wrong or none is configured, or a page of another site asks.",
    404: "There is no such operation.",
    405: "The method is not possible here.",
    409: "Not now: a lease is held, or a wait runs. `until_at` says until when.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    501: "This process cannot do that.",
    503: "The store does not answer, or too many listen.",
}


@cache
def document() -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    bodies = [operation.body for operation in OPERATIONS]
    types = [Problem, *(operation.answer for operation in OPERATIONS), *(body for body in bodies if body is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    problem, *rest = schemas
    sent = iter(rest[len(OPERATIONS) :])
    paths: dict[str, Any] = {}
    for operation, schema in zip(OPERATIONS, rest, strict=False):
        described = _operation(operation, schema, problem)
        if operation.body is not None:
            described["requestBody"] = {"required": True, "content": {"application/json": {"schema": next(sent)}}}
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "noclobber admin API",
            "version": __version__,
            "description": "What noclobber's console and commands are made of. Times are RFC 3339 in UTC, durations are in seconds.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(operation: Operation, schema: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    body = {"schema": {"type": "string"}} if operation.form is Form.EVENTS else {"schema": schema}
    refusals = sorted({400, 403, *operation.problems, *((401,) if operation.changes else ())})
    return {
        "operationId": operation.name,
        "summary": operation.does,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        # An empty requirement: the token is not needed, and shows more.
        "security": [{"token": []}] if operation.changes else [{}, {"token": []}],
        "responses": {
            "200": {"description": operation.does, "content": {operation.form.value: body}},
            **{str(status): _refusal(status, problem) for status in refusals},
        },
    }


def _refusal(status: int, problem: dict[str, Any]) -> dict[str, Any]:
    return {"description": _WHY[status], "content": {"application/problem+json": {"schema": problem}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.most:
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.most}
    if parameter.default:
        schema["default"] = int(parameter.default) if parameter.most else parameter.default
    return {"name": parameter.name, "in": "query", "description": parameter.does, "required": parameter.default is None, "schema": schema}
