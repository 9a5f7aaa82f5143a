"""The OpenAPI document is one, and what is really answered is what it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.admin.openapi import document
from proxy.admin.operations import OPERATIONS, PREFIX, Form, Operation
from tests.gateway.legacy import Legacy, answering
from tests.gateway.serving import SHORT, Door, route, serving

from .asking import TOKEN, ask

# A 500 is no status of any operation.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ROUTES = (route("/doc", "doc", strategy="revision"), route("/{path*}", "rest"))


def plain() -> dict[str, Any]:
    """The document as it goes over the wire."""
    found: dict[str, Any] = json.loads(json.dumps(document()))
    return found


def test_it_is_an_openapi_document() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(plain()).iter_errors()] == []


def test_every_operation_is_in_it_and_nothing_else() -> None:
    found = {(path, method): each["operationId"] for path, methods in plain()["paths"].items() for method, each in methods.items()}
    assert found == {(PREFIX + each.path, each.method.lower()): each.name for each in OPERATIONS}


def test_what_is_answered_with_says_what_it_is() -> None:
    """A schema of a document without properties would let everything pass."""
    for name, schema in plain()["components"]["schemas"].items():
        assert schema.get("properties") or schema.get("enum") or name == "Nothing", name
        assert schema["description"], name
        assert set(schema.get("required", ())) <= set(schema.get("properties", ()))


@pytest.fixture
async def busy(legacy: Legacy) -> AsyncIterator[Door]:
    """noclobber with something of everything to tell."""
    async with serving(legacy.port, *ROUTES, server__admin_token=TOKEN, **SHORT) as door:
        tag = await door.tag()
        for number in range(3):
            await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"%d" % number)
        legacy.respond = answering(500, only="PUT")
        await door.ask(b"PUT", b"/elsewhere", body=b"x")
        legacy.respond = None
        yield door


async def test_the_document_is_served(busy: Door) -> None:
    answer = await ask(busy, f"{PREFIX}/openapi.json")
    assert json.loads(answer.body) == plain()


VALID: dict[str, dict[str, Any]] = {
    "resource": {"query": {"url": "/doc"}},
    "forget": {"body": {"url": "/doc"}, "media_type": "application/json"},
    "mark_unknown": {"body": {"url": "/doc", "method": "PUT"}, "media_type": "application/json"},
    "reload": {"body": {}, "media_type": "application/json"},
}
"""What is asked where a name made up leads to nothing."""


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.form is Form.DOCUMENT], ids=lambda each: each.name)
async def test_what_is_answered_is_what_the_document_says(busy: Door, operation: Operation) -> None:
    """Whatever is asked, rightly or wrongly, with the token and without it."""
    described = schemathesis.openapi.from_dict(plain())[PREFIX + operation.path][operation.method]
    asking = Asking(f"http://{busy.gateway.admin}")

    def ask_all() -> int:
        asking.ask(described.Case(**VALID.get(operation.name, {})))
        status = asking.status
        for mode in ("POSITIVE", "NEGATIVE") if operation.parameters or operation.body else ("POSITIVE",):
            cases = described.as_strategy(generation_mode=schemathesis.GenerationMode[mode])
            given(case=cases)(RUNS(lambda case: asking.ask(case)))()
        return status

    assert await asyncio.to_thread(ask_all) == (501 if operation.name == "reload" else 200)


RUNS = settings(max_examples=8, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Asking:
    """Ask what schemathesis makes up, and hold the answers against the document."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.status = 0

    def ask(self, case: Any) -> None:
        """Ask without the token and with it. `status` is that of the latter."""
        for headers in ({"Authorization": "Basic eDp5"}, {"Authorization": f"Bearer {TOKEN}"}):
            response = case.call(base_url=self._base, headers=headers, timeout=20)
            case.validate_response(response, checks=CHECKS)
        self.status = response.status_code
