"""Dialects on the wire: bodies that are changed on their way, in every framing that they may come and go in."""

import asyncio
import gzip
import json

import pytest
from aiohttp import web

from tests.gateway.client import Client, chunked, request
from tests.gateway.legacy import Legacy
from tests.gateway.serving import route, serving

JSON = b"Content-Type: application/json"
BODY_VERSION = route("/doc", dialect="body-version")
DOCUMENT = {"text": "x" * 3000}


class Streamer(Legacy):
    """Shows one document in chunks, and keeps what it is sent. `coding` empty: plain; `digest`: in a trailer."""

    def __init__(self) -> None:
        super().__init__()
        self.content = json.dumps(DOCUMENT).encode()
        self.fields = {"Content-Type": "application/json"}
        self.respond = self._stream

    async def _stream(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if request.method == "PUT":
            self.content = body
        answer = web.StreamResponse(headers=self.fields)
        if request.method != "HEAD":
            answer.enable_chunked_encoding()
        await answer.prepare(request)
        if request.method != "HEAD":
            for start in range(0, len(self.content), 700):
                await answer.write(self.content[start : start + 700])
        await answer.write_eof()
        return answer


@pytest.fixture
async def streamer() -> Streamer:
    return Streamer()


async def test_a_chunked_body_is_sent_on_with_its_new_length(streamer: Streamer) -> None:
    body = json.dumps({**DOCUMENT, "version": 1}).encode()
    async with streamer, serving(streamer.port, BODY_VERSION) as door:
        client = await door.connect()
        head = b"PUT /doc HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(head + chunked(body[:10], body[10:2000], body[2000:]))
        answer = await client.answer(b"PUT")

        assert json.loads(answer.body) == {**DOCUMENT, "version": 2}
        assert answer.one(b"Content-Length") == b"%d" % len(answer.body)
        sent = streamer.last("PUT")
        assert json.loads(sent.body) == DOCUMENT
        assert sent.fields["content-length"] == str(len(sent.body))
        assert "transfer-encoding" not in sent.fields
        # Nothing of either is left on the connection.
        assert json.loads((await client.ask(b"GET", b"/doc")).body)["version"] == 2


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_chunked_answer_has_its_new_length(streamer: Streamer, version: bytes) -> None:
    async with streamer, serving(streamer.port, BODY_VERSION) as door:
        answer = await door.ask(b"GET", b"/doc", version=version)
        assert json.loads(answer.body) == {**DOCUMENT, "version": 1}
        assert answer.one(b"Content-Length") == b"%d" % len(answer.body)
        assert answer.one(b"Transfer-Encoding") is None
        head = await door.ask(b"HEAD", b"/doc", version=version)
        assert head.one(b"Content-Length") in (None, b"%d" % len(answer.body))


async def test_a_coded_answer_is_left_alone(streamer: Streamer) -> None:
    """A backend that codes though it was asked not to: nothing can be written into that, and it still arrives whole."""
    streamer.content, streamer.fields["Content-Encoding"] = gzip.compress(streamer.content), "gzip"
    async with streamer, serving(streamer.port, BODY_VERSION) as door:
        answer = await door.ask(b"GET", b"/doc")
        assert (answer.status, answer.etag) == (200, b'"1"')
        assert answer.one(b"Content-Encoding") == b"gzip"
        assert json.loads(gzip.decompress(answer.body)) == DOCUMENT


async def test_an_answer_without_end_is_passed_on_as_it_comes() -> None:
    """Events are no document, and must not be waited for."""
    going_on = asyncio.Event()

    async def events(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b'data: {"a": 1}\n\n')
        await going_on.wait()
        await answer.write_eof()
        return answer

    async with Legacy() as backend, serving(backend.port, BODY_VERSION) as door:
        backend.respond = events
        client = await door.connect()
        client.send(request(b"GET", b"/doc"))
        status, _, _ = await client.head()
        assert status == 200
        going_on.set()


async def test_who_waits_to_send_a_body_is_asked_for_it_and_then_judged(streamer: Streamer) -> None:
    """The version is in the body, so nothing can be said before it has come."""
    body = json.dumps({"version": 7}).encode()
    async with streamer, serving(streamer.port, BODY_VERSION) as door:
        client = await door.connect()
        client.send(request(b"PUT", b"/doc", JSON, b"Expect: 100-continue", b"Content-Length: %d" % len(body)))
        status, _, _ = await client.head()
        assert status == 100
        client.send(body)
        answer = await client.answer(b"PUT")
        assert (answer.status, json.loads(answer.body)["serverVersion"]["version"]) == (409, 1)
    assert "PUT" not in streamer.methods()


async def test_what_can_be_judged_by_the_head_is_judged_before_the_body(streamer: Streamer) -> None:
    tagged = route("/doc", dialect="shared-tag")
    async with streamer, serving(streamer.port, tagged) as door:
        for line, status in ((b"If-Match: stale", 412), (b"X: y", 428), (b"If-Match: a b", 400)):
            client = await door.connect()
            client.send(request(b"PUT", b"/doc", line, b"Expect: 100-continue", b"Content-Length: 1000000"))
            answer = await client.answer(b"PUT")
            assert (answer.status, list(answer.interims), set(json.loads(answer.body))) == (status, [], {"error"})


async def test_the_same_connection_serves_one_after_the_other(streamer: Streamer) -> None:
    async with streamer, serving(streamer.port, BODY_VERSION) as door:
        client: Client = await door.connect()
        for number in range(1, 6):
            read = await client.ask(b"GET", b"/doc")
            assert json.loads(read.body)["version"] == number
            saved = await client.ask(b"PUT", b"/doc", JSON, body=read.body)
            assert json.loads(saved.body)["version"] == number + 1
            stale = await client.ask(b"PUT", b"/doc", JSON, body=read.body)
            assert stale.status == 409
    assert streamer.content == json.dumps(DOCUMENT).encode()
