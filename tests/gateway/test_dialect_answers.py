"""Dialects: what clients of each kind are answered when a write may not go on, to the letter."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .client import Answer
from .legacy import Legacy, answering
from .serving import Door, route, serving

STALE = b'"AAAAAAAAAAAAAAAAAAAAAA"'


def said(answer: Answer, media_type: bytes = b"application/json") -> Any:
    """The body of an answer of noclobber's own in JSON."""
    assert answer.one(b"Content-Type") == media_type
    assert answer.one(b"Cache-Control") == b"no-store"
    return json.loads(answer.body)


# ---- conflict-409: the CMS -------------------------------------------------------------------------------------------------------------


async def test_a_conflict_is_a_409_with_both_versions_and_the_ways_out(legacy: Legacy) -> None:
    async with serving(legacy.port, route(dialect="conflict-409")) as door:
        first = await door.tag()
        saved = await door.ask(b"PUT", b"/doc", b"If-Match: " + first, body=b'{"count": 2}')
        assert saved.status == 204
        second = saved.etag

        got = await door.ask(b"PATCH", b"/doc", b"If-Match: " + first, body=b"lost")

        assert got.status == 409
        assert said(got) == {
            "error": "Conflict: Content has been modified",
            "code": "VERSION_CONFLICT",
            "currentVersion": second.decode(),
            "clientVersion": first.decode(),
            "message": "The content was modified by another user. Please refresh and try again.",
            "resolution": {"options": ["refresh", "force_save", "merge"], "refreshUrl": "/doc"},
        }
        assert got.etag == second
        assert await door.sample("noclobber_conflicts_total", kind="stale") == 1
    assert legacy.documents["/doc"] == b'{"count": 2}'


async def test_without_if_match_the_save_is_forced_and_counted(legacy: Legacy) -> None:
    async with serving(legacy.port, route(dialect="conflict-409")) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"forced")
        assert got.status == 204
        assert got.etag == await door.tag()
        assert await door.sample("noclobber_unprotected_writes_total") == 1
    assert legacy.documents["/doc"] == b"forced"


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE"])
async def test_what_is_gone_is_the_backends_404(legacy: Legacy, method: bytes) -> None:
    async with serving(legacy.port, route(dialect="conflict-409")) as door:
        got = await door.ask(method, b"/none", b"If-Match: " + STALE, body=None if method == b"DELETE" else b"x")
        assert (got.status, got.body) == (404, b"no such thing\n")
    assert "/none" not in legacy.documents


# ---- shared-tag: the jobs manager ------------------------------------------------------------------------------------------------------

SHARED = {"dialect": "shared-tag", "strategy": "content"}


async def test_a_write_without_a_tag_is_a_428_that_says_so_in_one_word(legacy: Legacy) -> None:
    async with serving(legacy.port, route(**SHARED)) as door:
        got = await door.ask(b"PATCH", b"/doc", body=b"x")
        assert got.status == 428
        how = "Read the resource, and send its ETag as If-Match (If-None-Match: * to create)."
        assert said(got) == {"error": f"This write names no state that it is based on. {how}"}
    assert legacy.methods() == []


async def test_a_stale_tag_is_a_412_in_the_same_form(legacy: Legacy) -> None:
    async with serving(legacy.port, route(**SHARED)) as door:
        got = await door.ask(b"PATCH", b"/doc", b"If-Match: " + STALE, body=b"x")
        assert got.status == 412
        assert set(said(got)) == {"error"}
        assert got.etag == await door.tag()
    assert "PATCH" not in legacy.methods()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it was given": lambda tag: tag,
    "without quotes": lambda tag: tag.strip(b'"'),
    "weak": lambda tag: b"W/" + tag,
    "weak without quotes": lambda tag: b"W/" + tag.strip(b'"'),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_quotes_are_optional(legacy: Legacy, form: Callable[[bytes], bytes]) -> None:
    async with serving(legacy.port, route(**SHARED)) as door:
        tag = await door.tag()
        got = await door.ask(b"PATCH", b"/doc", b"If-Match: " + form(tag), body=b"+")
        assert got.status == 200
        again = await door.ask(b"PATCH", b"/doc", b"If-Match: " + form(tag), body=b"+")
        assert again.status == 412
    assert legacy.documents["/doc"] == b'{"count": 1}+'


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("field", [b"If-Match", b"If-None-Match"])
async def test_a_read_never_fails_for_the_tag_that_it_brings(legacy: Legacy, method: bytes, field: bytes) -> None:
    """Its clients add If-Match to reads as well, and reload by a read: a 412 would go round for ever."""
    async with serving(legacy.port, route(**SHARED)) as door:
        tag = await door.tag()
        for sent in (STALE, tag, tag.strip(b'"')):
            got = await door.ask(method, b"/doc", field + b": " + sent)
            assert (got.status, got.etag) == (200, tag)


# ---- the other answers -----------------------------------------------------------------------------------------------------------------

MALFORMED = b'If-Match: "a" "b"'
OWN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "conflict-409": ({}, {"error", "message"}),
    "shared-tag": ({"strategy": "content"}, {"error"}),
    "scim": ({}, {"schemas", "status", "detail"}),
}


@pytest.mark.parametrize(("name", "keys", "members"), [(name, *rest) for name, rest in OWN.items()], ids=OWN)
async def test_every_answer_of_our_own_has_the_form_of_the_route(
    legacy: Legacy, name: str, keys: dict[str, Any], members: set[str]
) -> None:
    media_type = b"application/scim+json" if name == "scim" else b"application/json"
    async with serving(legacy.port, route(dialect=name, **keys)) as door:
        tag = await door.tag()
        answers = {
            400: await door.ask(b"PUT", b"/doc", MALFORMED, body=b"{}"),
            503: await _while_the_backend_fails(legacy, door, tag),
        }
    for status, answer in answers.items():
        assert answer.status == status
        document = said(answer, media_type)
        assert set(document) == members
        if "status" in document:
            assert document["status"] == str(status)
        assert (answer.one(b"Retry-After") is not None) == (status == 503)


async def _while_the_backend_fails(legacy: Legacy, door: Door, tag: bytes) -> Answer:
    legacy.respond = answering(500, only="GET")
    got = await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"{}")
    legacy.respond = None
    return got


async def test_a_dialect_says_nothing_of_requests_that_reach_no_route(legacy: Legacy) -> None:
    async with serving(legacy.port, route("/elsewhere", dialect="shared-tag", strategy="content")) as door:
        got = await door.ask(b"GET", b"/a//b/../c")
        assert got.status == 404 or got.kind == "bad-request"


# ---- a dialect of one's own ------------------------------------------------------------------------------------------------------------

OWN_DIALECT = """
[[dialect]]
name = "objects"
base = "conflict-409"
token = "query:ifVersion"
compare = "bare"
stale_status = 412
media_type = "application/xml"
stale_body = '<Error route="${route}"><Code>PreconditionFailed</Code><Sent>${client_tag}</Sent><Now>${current_tag}</Now></Error>'
missing = "require"
missing_status = 400
missing_body = "<Error><Code>MissingVersion</Code><Status>${status}</Status></Error>"
problem_body = "<Error><Code>${title}</Code></Error>"
"""


async def test_a_dialect_of_ones_own(legacy: Legacy) -> None:
    async with serving(legacy.port, OWN_DIALECT, route(dialect="objects")) as door:
        tag = (await door.tag()).strip(b'"')
        missing = await door.ask(b"PUT", b"/doc", body=b"x")
        malformed = await door.ask(b"PUT", b"/doc?ifVersion=", body=b"x")
        stale = await door.ask(b"PUT", b"/doc?ifVersion=abc", body=b"x")
        twice = await door.ask(b"PUT", b"/doc?ifVersion=abc", b'If-Match: "def"', body=b"x")
        good = await door.ask(b"PUT", b"/doc?ifVersion=" + tag, body=b"good")
        again = await door.ask(b"PUT", b"/doc?ifVersion=" + tag, body=b"lost")

        assert [answer.status for answer in (missing, malformed, stale, twice, good, again)] == [400, 400, 412, 400, 204, 412]
        assert missing.body == b"<Error><Code>MissingVersion</Code><Status>400</Status></Error>"
        assert malformed.body == b"<Error><Code>A precondition cannot be read</Code></Error>"
        assert stale.body == (
            b'<Error route="r"><Code>PreconditionFailed</Code><Sent>abc</Sent><Now>&quot;' + tag + b"&quot;</Now></Error>"
        )
        assert stale.one(b"Content-Type") == b"application/xml"
        assert good.etag == await door.tag()
    assert legacy.documents["/doc"] == b"good"


async def test_without_a_dialect_the_answers_are_problem_documents(legacy: Legacy) -> None:
    async with serving(legacy.port, route(missing="require")) as door:
        assert (await door.ask(b"PUT", b"/doc", body=b"x")).kind == "required"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + STALE, body=b"x")).kind == "stale"
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: bare", body=b"x")).kind == "malformed"


async def test_a_status_alone_leaves_the_problem_document(legacy: Legacy) -> None:
    async with serving(legacy.port, route(stale_status=409, missing="require", missing_status=403)) as door:
        stale = await door.ask(b"PUT", b"/doc", b"If-Match: " + STALE, body=b"x")
        missing = await door.ask(b"PUT", b"/doc", body=b"x")
        assert (stale.status, stale.kind, stale.problem["currentTag"]) == (409, "stale", stale.etag.decode())
        assert (missing.status, missing.kind) == (403, "required")
