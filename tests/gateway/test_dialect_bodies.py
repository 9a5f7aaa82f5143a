"""Dialects: a version in bodies: written into what is read and into answers to writes, taken from writes, and taken out of them again."""

import json

import pytest
from aiohttp import web

from .client import Answer
from .legacy import Legacy, Respond
from .serving import route, serving

JSON = b"Content-Type: application/json"
DIALECT = """
[[dialect]]
name = "tagged"
token = "body:/meta/version"
compare = "equal"
stale_status = 409
stale_body = '{"error": "stale", "now": ${representation}, "sent": ${client_version}}'
problem_body = '{"error": ${title}, "message": ${detail}}'
inject = ["/meta/version"]
absent = "404"
"""
INJECTING = route(dialect="tagged")


def saving(**fields: str) -> Respond:
    """A `respond` that keeps JSON documents and answers each write with what it has stored."""
    documents: dict[str, bytes] = {}

    async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        path = request.path
        if request.method == "PUT":
            documents[path] = body
        elif request.method == "DELETE":
            documents.pop(path, None)
            return web.Response(status=204)
        if path not in documents:
            return web.json_response({"detail": "no such thing"}, status=404)
        return web.Response(body=documents[path], headers={"Content-Type": "application/json", **fields})

    documents["/doc"] = b'{"name": "first",  "price": 1.10}'
    return respond


@pytest.fixture
def saver(legacy: Legacy) -> Legacy:
    """A backend that answers a write with what it has stored."""
    legacy.respond = saving()
    return legacy


def version(answer: Answer) -> str:
    document = json.loads(answer.body)
    return str(document["meta"]["version"])


async def test_a_round_of_read_and_save(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        read = await door.ask(b"GET", b"/doc")
        assert read.status == 200
        assert version(read).encode() == read.etag
        assert json.loads(read.body) == {"name": "first", "price": 1.1, "meta": {"version": version(read)}}
        # Every byte that is not ours is as it was.
        assert b'"name": "first",  "price": 1.10}' in read.body

        document = json.loads(read.body) | {"name": "second"}
        saved = await door.ask(b"PUT", b"/doc", JSON, body=json.dumps(document).encode())

        assert saved.status == 200
        assert version(saved).encode() == saved.etag != read.etag
        assert json.loads(saver.last("PUT").body) == {"name": "second", "price": 1.1}
        again = await door.ask(b"GET", b"/doc")
        assert (version(again), again.etag) == (version(saved), saved.etag)

        stale = await door.ask(b"PUT", b"/doc", JSON, body=json.dumps(document).encode())

        assert stale.status == 409
        assert json.loads(stale.body) == {
            "error": "stale",
            "now": {"name": "second", "price": 1.1, "meta": {"version": version(saved)}},
            "sent": version(read).strip('"'),
        }
    assert saver.methods().count("PUT") == 1


MALFORMED = {
    "a number": b'{"meta": {"version": 3}}',
    "null": b'{"meta": {"version": null}}',
    "an object": b'{"meta": {"version": {}}}',
    "an empty text": b'{"meta": {"version": ""}}',
    "two": b'{"meta": {"version": "a", "version": "b"}}',
    "a second object": b'{"meta": {"version": "a"}, "meta": {}}',
    "no JSON": b'{"meta": {"version": "a"}',
    "not UTF-8": b'{"meta": {"version": "\xff"}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_is_never_absent(saver: Legacy, body: bytes) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=body)
        assert got.status == 400
        assert set(json.loads(got.body)) == {"error", "message"}
    assert "PUT" not in saver.methods()


@pytest.mark.parametrize("line", [JSON, b"Content-Type: text/plain", b"X: y"])
async def test_a_coded_body_hides_no_version(saver: Legacy, line: bytes) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        got = await door.ask(b"PUT", b"/doc", line, b"Content-Encoding: gzip", body=b"\x1f\x8b")
        assert got.status == 400
    assert "PUT" not in saver.methods()


async def test_absent_is_as_the_route_has_it(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        assert (await door.ask(b"PUT", b"/doc", JSON, body=b'{"name": "blind"}')).status == 200
        assert await door.sample("noclobber_unprotected_writes_total") == 1
    required = route(dialect="tagged", missing="require")
    async with serving(saver.port, DIALECT, required) as door:
        got = await door.ask(b"PUT", b"/doc", JSON, body=b'{"name": "blind"}')
        assert got.status == 428
        assert set(json.loads(got.body)) == {"error", "message"}
        assert (await door.ask(b"DELETE", b"/doc")).status == 428
        tag = await door.tag()
        assert (await door.ask(b"DELETE", b"/doc", b"If-Match: " + tag)).status == 204
    assert saver.methods().count("PUT") == 1


async def test_what_is_gone_is_a_404(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        got = await door.ask(b"PUT", b"/none", JSON, body=b'{"meta": {"version": "a"}}')
        assert (got.status, json.loads(got.body)) == (404, {"detail": "no such thing"})


async def test_a_field_that_is_not_ours_stays_beside_it(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        tag = (await door.tag()).decode()
        body = json.dumps({"meta": {"author": "x", "version": tag}, "n": 1}).encode()
        got = await door.ask(b"PUT", b"/doc", JSON, body=body)
        assert json.loads(saver.last("PUT").body) == {"meta": {"author": "x"}, "n": 1}
        assert json.loads(got.body)["meta"] == {"author": "x", "version": got.etag.decode()}


async def test_digests_of_a_body_that_was_changed_are_dropped(legacy: Legacy) -> None:
    digests = {"Content-Digest": "sha-256=:x:", "Repr-Digest": "sha-256=:x:", "Content-MD5": "x", "Digest": "sha-256=x"}
    legacy.respond = saving(**digests)
    lines = [f"{name}: {value}".encode() for name, value in digests.items()]
    async with serving(legacy.port, DIALECT, INJECTING) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag.decode()
        body = json.dumps({"meta": {"version": tag}}).encode()
        saved = await door.ask(b"PUT", b"/doc", JSON, *lines, body=body)
        assert saved.status == 200
        for answer in (saved, await door.ask(b"GET", b"/doc")):
            assert not {name.lower().encode() for name in digests} & answer.names
    assert not {name.lower() for name in digests} & set(legacy.last("PUT").fields)
    assert legacy.last("PUT").fields["content-length"] == str(len(legacy.last("PUT").body))


async def test_a_head_has_the_length_that_the_get_would_have(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        read, head = await door.ask(b"GET", b"/doc"), await door.ask(b"HEAD", b"/doc")
        assert head.one(b"Content-Length") == read.one(b"Content-Length") == b"%d" % len(read.body)
        assert head.etag == read.etag


async def test_a_conditional_read_is_answered_by_the_tag(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        tag = await door.tag()
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + tag)).status == 304
        other = await door.ask(b"GET", b"/doc", b'If-None-Match: "other"')
        assert (other.status, version(other)) == (200, tag.decode())
        assert (await door.ask(b"GET", b"/doc", b'If-Match: "other"')).status == 409


async def test_no_range_is_cut_of_what_was_changed(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        whole = await door.ask(b"GET", b"/doc")
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-3")
        assert (got.status, got.body) == (200, whole.body)
        assert got.one(b"Accept-Ranges") is None


NO_PLACE: dict[str, tuple[bytes, dict[str, str]]] = {
    "no-transform": (b'{"a": 1}', {"Content-Type": "application/json", "Cache-Control": "max-age=5, No-Transform"}),
    "a coding": (b'{"a": 1}', {"Content-Type": "application/json", "Content-Encoding": "x-own"}),
    "not said to be JSON": (b'{"a": 1}', {"Content-Type": "text/html"}),
    "not JSON": (b'{"a": 1', {"Content-Type": "application/json"}),
    "no object": (b"[1]", {"Content-Type": "application/json"}),
    "empty": (b"", {"Content-Type": "application/json"}),
}


@pytest.mark.parametrize(("content", "fields"), NO_PLACE.values(), ids=NO_PLACE)
async def test_where_there_is_no_place_for_a_version_the_answer_is_as_it_came(
    legacy: Legacy, content: bytes, fields: dict[str, str]
) -> None:
    legacy.documents["/doc"], legacy.extra = content, fields
    async with serving(legacy.port, DIALECT, INJECTING) as door:
        got = await door.ask(b"GET", b"/doc")
        assert (got.status, got.body) == (200, content)
        assert got.one(b"Accept-Ranges") == b"bytes"


async def test_a_client_may_forbid_it_too(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        got = await door.ask(b"GET", b"/doc", b"Cache-Control: no-transform")
        assert got.body == b'{"name": "first",  "price": 1.10}'


async def test_what_is_too_large_to_tag_goes_out_as_it_is_and_that_is_said_once(legacy: Legacy, caplog: pytest.LogCaptureFixture) -> None:
    legacy.documents["/doc"] = json.dumps({"text": "x" * 5000}).encode()
    legacy.extra = {"Content-Type": "application/json"}
    async with serving(legacy.port, DIALECT, INJECTING, limits__max_tagged_body_bytes=4096) as door:
        for _ in range(2):
            got = await door.ask(b"GET", b"/doc")
            assert got.body == legacy.documents["/doc"]
            assert got.one(b"ETag") is None
        large = await door.ask(b"PUT", b"/doc", JSON, body=legacy.documents["/doc"])
        assert large.status == 413
    assert sum("its version is not written into it" in record.getMessage() for record in caplog.records) == 1
    assert "PUT" not in legacy.methods()


async def test_a_large_document_is_changed_all_the_same(legacy: Legacy) -> None:
    """Too large for memory: it was put on disk, and so was the body of the write."""
    legacy.respond = saving()
    async with serving(legacy.port, DIALECT, INJECTING, limits__spool_memory_bytes=65536) as door:
        tag = (await door.tag()).decode()
        document = {"meta": {"version": tag}, "text": "x" * 300_000}
        saved = await door.ask(b"PUT", b"/doc", JSON, body=json.dumps(document).encode())
        assert (saved.status, version(saved)) == (200, saved.etag.decode())
        assert json.loads(legacy.last("PUT").body) == {"text": document["text"]}
        read = await door.ask(b"GET", b"/doc")
        assert json.loads(read.body) == {"text": document["text"], "meta": {"version": read.etag.decode()}}
        assert (read.etag, saved.etag) == (saved.etag, read.etag)


async def test_if_match_beside_the_body_must_agree(saver: Legacy) -> None:
    async with serving(saver.port, DIALECT, INJECTING) as door:
        tag = await door.tag()
        body = json.dumps({"meta": {"version": tag.decode()}}).encode()
        assert (await door.ask(b"PUT", b"/doc", JSON, b'If-Match: "other"', body=body)).status == 400
        assert (await door.ask(b"PUT", b"/doc", JSON, b"If-Match: " + tag, body=body)).status == 200
    assert saver.methods().count("PUT") == 1


# ---- scim ------------------------------------------------------------------------------------------------------------------------------


async def test_weak_tags_in_fields_and_in_meta(legacy: Legacy) -> None:
    legacy.respond = saving()
    scim_json = b"Content-Type: application/scim+json"
    async with serving(legacy.port, route(dialect="scim")) as door:
        read = await door.ask(b"GET", b"/doc")
        assert read.etag.startswith(b'W/"')
        assert version(read).encode() == read.etag
        assert (await door.ask(b"GET", b"/doc", b"If-None-Match: " + read.etag)).status == 304

        body = json.dumps(json.loads(read.body) | {"name": "second"}).encode()
        saved = await door.ask(b"PUT", b"/doc", scim_json, b"If-Match: " + read.etag, body=body)
        assert (saved.status, version(saved).encode()) == (200, saved.etag)
        assert saved.etag.startswith(b'W/"')
        assert json.loads(legacy.last("PUT").body) == {"name": "second", "price": 1.1}

        stale = await door.ask(b"PUT", b"/doc", scim_json, b"If-Match: " + read.etag, body=body)
        assert (stale.status, stale.etag) == (412, saved.etag)
        error = json.loads(stale.body)
        assert (error["schemas"], error["status"]) == (["urn:ietf:params:scim:api:messages:2.0:Error"], "412")
        strong = await door.ask(b"DELETE", b"/doc", b"If-Match: " + saved.etag.removeprefix(b"W/"))
        assert strong.status == 204
