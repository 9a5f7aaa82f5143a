"""Dialects whose versions are numbers, counted in the store: body-version (the version itself), version-number (the one after it)."""

import asyncio
import json
from typing import Any

import pytest

from .client import Answer
from .legacy import Legacy, answering
from .serving import route, serving
from .test_dialect_bodies import JSON, saving

BODY_VERSION = route("/{path*}", dialect="body-version")
PAGES = route("/{path*}", dialect="version-number")


@pytest.fixture
def saver(legacy: Legacy) -> Legacy:
    """A backend that answers a write with what it has stored."""
    legacy.respond = saving()
    return legacy


def put(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def said(answer: Answer) -> Any:
    return json.loads(answer.body)


async def test_a_journey_is_saved_and_counted(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        read = await door.ask(b"GET", b"/doc")
        assert said(read) == {"name": "first", "price": 1.1, "version": 1}
        assert b'"price": 1.10' in read.body

        saved = await door.ask(b"PUT", b"/doc", JSON, body=put({"name": "second", "version": 1}))
        assert (saved.status, said(saved), saved.etag) == (200, {"name": "second", "version": 2}, b'"2"')
        assert said(await door.ask(b"GET", b"/doc")) == {"name": "second", "version": 2}

        stale = await door.ask(b"PUT", b"/doc", JSON, body=put({"name": "third", "version": 1}))
        assert stale.status == 409
        assert said(stale) == {
            "error": "Conflict detected",
            "message": "This resource was modified by another user. Please refresh and retry.",
            "code": "VERSION_CONFLICT",
            "serverVersion": {"name": "second", "version": 2},
        }
        # The way out that its dialog takes: the version of the representation that came with the refusal.
        merged = await door.ask(b"PUT", b"/doc", JSON, body=put({"name": "merged", "version": said(stale)["serverVersion"]["version"]}))
        assert (merged.status, said(merged)["version"]) == (200, 3)
    assert [json.loads(asked.body) for asked in saver.asked if asked.method == "PUT"] == [{"name": "second"}, {"name": "merged"}]


MALFORMED = ["3.0", '"1"', "null", "-1", "1e0", "01", "[1]", "true", "99999999999999999999"]


@pytest.mark.parametrize("text", MALFORMED)
async def test_a_version_of_the_wrong_type_is_malformed(saver: Legacy, text: str) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"version": %b}' % text.encode())
        assert got.status == 400
        assert set(said(got)) == {"error", "message"}
    assert "PUT" not in saver.methods()


@pytest.mark.parametrize("text", ["0", "2", "9007199254740992"])
async def test_a_version_that_nobody_was_given_is_stale(saver: Legacy, text: str) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"version": %b}' % text.encode())
        assert (got.status, said(got)["serverVersion"]["version"]) == (409, 1)
    assert "PUT" not in saver.methods()


async def test_without_a_version_the_save_proceeds_and_counts(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"name": "old client"}')
        assert said(got) == {"name": "old client", "version": 2}
        assert await door.sample("noclobber_unprotected_writes_total") == 1


async def test_of_many_savers_of_one_version_one_is_heard(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION, protocol__lease_wait_seconds=20) as door:
        saves = [door.ask(b"PUT", b"/doc", JSON, body=put({"name": f"saver {number}", "version": 1})) for number in range(8)]
        answers = await asyncio.gather(*saves)
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
        assert said(await door.ask(b"GET", b"/doc"))["version"] == 2
    assert saver.methods().count("PUT") == 1


async def test_what_was_deleted_is_a_404(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        assert (await door.ask(b"DELETE", b"/doc", b'If-Match: "1"')).status == 204
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"name": "late", "version": 1}')
        assert (got.status, said(got)) == (404, {"detail": "no such thing"})


async def test_a_head_does_not_tell_the_length_of_what_would_be_changed(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        read, head = await door.ask(b"GET", b"/doc"), await door.ask(b"HEAD", b"/doc")
        assert (head.status, head.etag) == (200, b'"1"')
        assert head.one(b"Content-Length") in (None, b"%d" % len(read.body))


async def test_no_range_of_a_counted_representation(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-3")
        assert (got.status, said(got)["version"]) == (200, 1)


async def test_while_the_backend_fails_the_save_gets_what_it_can_retry(saver: Legacy) -> None:
    """Its interceptor retries everything but a 409: what it retries must be certain not to have been applied."""
    async with serving(saver.port, BODY_VERSION) as door:
        saver.respond = answering(500, only="GET")
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"version": 1}')
        assert (got.status, set(said(got))) == (503, {"error", "message"})
    assert "PUT" not in saver.methods()


async def test_a_page_is_sent_with_the_number_that_it_will_have(saver: Legacy) -> None:
    async with serving(saver.port, PAGES) as door:
        assert said(await door.ask(b"GET", b"/doc"))["version"] == {"number": 1}

        saved = await door.ask(b"PUT", b"/doc", JSON, body=put({"title": "t", "version": {"number": 2, "minorEdit": False}}))
        assert said(saved) == {"title": "t", "version": {"number": 2, "minorEdit": False}}
        assert json.loads(saver.last("PUT").body) == {"title": "t", "version": {"minorEdit": False}}

        for number in (1, 2, 4):
            stale = await door.ask(b"PUT", b"/doc", JSON, body=put({"title": "lost", "version": {"number": number}}))
            assert stale.status == 409
            message = said(stale)["message"]
            assert "conflict" in message.lower()
            assert "2" in message
            assert str(number) in message
        none = await door.ask(b"PUT", b"/doc", JSON, body=put({"title": "lost", "version": {"number": 0}}))
        assert (none.status, set(said(none))) == (400, {"statusCode", "message"})
    assert saver.methods().count("PUT") == 1


async def test_a_retry_under_a_key_is_told_the_version_too(saver: Legacy) -> None:
    async with serving(saver.port, BODY_VERSION) as door:
        body = put({"name": "once", "version": 1})
        first = await door.ask(b"PUT", b"/doc", JSON, b"Idempotency-Key: k", body=body)
        again = await door.ask(b"PUT", b"/doc", JSON, b"Idempotency-Key: k", body=body)
        assert again.one(b"Noclobber-Outcome") == b"replayed"
        assert (again.status, said(again), again.etag) == (200, said(first), first.etag)
        assert said(again)["version"] == 2
    assert saver.methods().count("PUT") == 1


@pytest.mark.parametrize(
    ("document", "would"),
    [({"version": "1"}, b"400"), ({"version": 5}, b"409"), ({"version": 1}, None)],
    ids=["malformed", "stale", "right"],
)
async def test_where_it_is_only_observed_every_save_goes_through(saver: Legacy, document: dict[str, Any], would: bytes | None) -> None:
    async with serving(saver.port, route("/{path*}", dialect="body-version", mode="observe")) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=put({"name": "x", **document}))
        assert (got.status, got.one(b"Noclobber-Would"), said(got)["name"]) == (200, would, "x")
    assert json.loads(saver.last("PUT").body)["name"] == "x"
