"""Backends with strong tags of their own: these stay, and what they mean is the backend's (protocol §7, native and auto)."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.origin.scripted import Hear, Say, ScriptedBackend, Step, ok, serve

from .legacy import Legacy
from .serving import route, serving

STRATEGIES = ["auto", "native"]


class Native(Legacy):
    """A backend that tags what it shows and evaluates If-None-Match and ranges itself; and preconditions of writes if it `enforces`."""

    def __init__(self, enforces: bool = False) -> None:
        super().__init__()
        self.documents["/doc"] = b"one"
        self.enforces = enforces
        self.respond = self._judge

    def tag(self, path: str = "/doc") -> str:
        return f'"{self.documents[path].decode()}"'

    async def _judge(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        if request.path not in self.documents:
            return None
        tag, fields = self.tag(request.path), request.headers
        self.extra = {"ETag": tag}
        if request.method not in ("GET", "HEAD"):
            stale = fields.get("If-Match", tag) != tag
            return web.Response(status=412, text="says the backend", headers={"ETag": tag}) if stale and self.enforces else None
        if fields.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        if "Range" in fields and fields.get("If-Range", tag) == tag:
            content = self.documents[request.path][:2]
            return web.Response(status=206, body=content, headers={"ETag": tag, "Content-Range": f"bytes 0-1/{len(content)}"})
        return None


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_strong_tag_is_kept(strategy: str) -> None:
    async with Native() as backend, serving(backend.port, route(strategy=strategy)) as door:
        for method in (b"GET", b"HEAD", b"GET", b"HEAD"):
            got = await door.ask(method, b"/doc")
            assert (got.status, got.etag, got.one(b"Content-Length")) == (200, b'"one"', b"3")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_what_is_known_to_be_native_is_left_to_the_backend(strategy: str) -> None:
    """HEAD goes as HEAD, and conditions and ranges go through."""
    async with Native() as backend, serving(backend.port, route(strategy=strategy)) as door:
        await door.ask(b"GET", b"/doc")
        assert (await door.ask(b"HEAD", b"/doc")).status == 200
        assert backend.methods()[-1] == "HEAD"
        assert (await door.ask(b"GET", b"/doc", b'If-None-Match: "one"')).status == 304
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Range: "one"')
        assert (got.status, got.body, got.etag) == (206, b"on", b'"one"')
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Range: "two"')).status == 200


async def test_content_ignores_a_tag_of_the_backends() -> None:
    async with Native() as backend, serving(backend.port, route(strategy="content")) as door:
        tag = (await door.ask(b"GET", b"/doc")).etag
        assert tag != b'"one"'
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "one"', body=b"two")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"two")).status == 204
        assert "if-match" not in backend.last("PUT").fields


async def test_native_without_a_tag_is_untagged_and_matches_nothing(legacy: Legacy) -> None:
    async with serving(legacy.port, route(strategy="native")) as door:
        got = await door.ask(b"GET", b"/doc")
        assert (got.status, got.body) == (200, b'{"count": 1}')
        assert b"etag" not in got.names
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "a"', body=b"x")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: *", body=b"x")).status == 204


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
@pytest.mark.parametrize(
    ("lines", "status"), [([b'If-None-Match: W/"one"'], 304), ([b'If-Match: "two"'], 412), ([b'If-Match: "one"'], 200)]
)
async def test_conditions_are_judged_here_whether_the_backend_does_or_not(lines: list[bytes], status: int, known: bool) -> None:
    async with Native() as backend, serving(backend.port) as door:
        if known:
            await door.ask(b"GET", b"/doc")
        client = await door.connect()
        assert (await client.ask(b"GET", b"/doc", *lines)).status == status
        assert (await client.ask(b"HEAD", b"/doc", *lines)).status == status
        await client.check_boundary()


async def test_a_part_from_the_backend_does_not_get_past_a_stale_if_match() -> None:
    """RFC 9110 §13.2.2: the preconditions come before the range, for a backend that knows only of ranges as well."""
    async with Native() as backend, serving(backend.port) as door:
        await door.ask(b"GET", b"/doc")
        got = await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Match: "two"')
        assert (got.status, got.etag) == (412, b'"one"')
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Match: "one"')).status == 206


async def test_a_route_that_ignores_preconditions_keeps_them_from_the_backend() -> None:
    async with Native() as backend, serving(backend.port, route(safe_methods="ignore")) as door:
        await door.ask(b"GET", b"/doc")
        assert (await door.ask(b"GET", b"/doc", b'If-None-Match: "one"')).status == 200
        assert (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Range: "two"')).status == 200


async def test_a_change_of_mind_makes_the_old_tag_stale() -> None:
    """Protocol §7: never valid, whichever way the mind changes."""
    async with Native() as backend, serving(backend.port) as door:
        native = (await door.ask(b"GET", b"/doc")).etag
        backend.respond, backend.extra = None, {}
        content = (await door.ask(b"GET", b"/doc")).etag
        assert content != native
        assert (await door.ask(b"HEAD", b"/doc")).etag == content
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + native, body=b"x")).status == 412
        backend.respond = backend._judge
        assert (await door.ask(b"GET", b"/doc")).etag == native
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + content, body=b"x")).status == 412


async def test_a_head_after_a_change_of_mind_shows_no_other_tag_than_the_get() -> None:
    async with Native() as backend, serving(backend.port) as door:
        await door.ask(b"GET", b"/doc")
        backend.respond, backend.extra = None, {}
        head = await door.ask(b"HEAD", b"/doc")
        assert head.one(b"ETag") in (None, (await door.ask(b"GET", b"/doc")).etag)


async def test_large_answers_stream_with_their_own_tag() -> None:
    answer = ok(bytes(2000), b'ETag: "big"', b"Accept-Ranges: bytes")
    async with ScriptedBackend(serve(answer, 3)) as backend, serving(backend.port, limits__max_tagged_body_bytes=1000) as door:
        for _ in range(2):
            got = await door.ask(b"GET", b"/doc")
            assert (got.body, got.etag, got.lines(b"Accept-Ranges")) == (bytes(2000), b'"big"', [b"bytes"])


# ---- writes --------------------------------------------------------------------------------------------------------------------------


async def test_conditions_are_judged_and_forwarded() -> None:
    async with Native() as backend, serving(backend.port) as door:
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "none"', body=b"two")).status == 412
        assert "PUT" not in backend.methods()
        done = await door.ask(b"PUT", b"/doc", b'If-Match: "x", "one"', body=b"two")
        assert (done.status, done.etag) == (204, b'"two"')
        assert backend.last("PUT").fields["if-match"] == '"x", "one"'
        assert "if-match" not in backend.last("GET").fields


async def test_a_412_of_such_a_backend_is_a_definite_no() -> None:
    """Protocol §7: its atomicity is added to ours, and its 412 leaves nothing in doubt."""
    script: list[Step] = [
        Hear(),
        Say(ok(b"1", b'ETag: "one"')),
        Hear(),
        Say(b'HTTP/1.1 412 No\r\nETag: "two"\r\nContent-Length: 2\r\n\r\nno'),
    ]
    async with ScriptedBackend([*script, *serve(ok(b"2", b'ETag: "two"'), 8)]) as backend, serving(backend.port) as door:
        refused = await door.ask(b"PUT", b"/doc", b'If-Match: "one"', body=b"x")
        assert (refused.status, refused.body, refused.etag) == (412, b"no", b'"two"')
        assert b"noclobber-outcome" not in refused.names
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "two"', body=b"x")).status == 200
        assert await door.sample("noclobber_unknown_outcomes_total") == 0


async def test_a_412_of_a_backend_that_was_told_no_condition_is_in_doubt(legacy: Legacy) -> None:
    async def refuse(request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        return web.Response(status=412) if request.method == "PUT" else None

    legacy.respond = refuse
    async with serving(legacy.port) as door:
        got = await door.ask(b"PUT", b"/doc", body=b"x")
        assert (got.status, got.one(b"Noclobber-Outcome")) == (412, b"unknown")


async def test_conditions_and_ranges_never_reach_a_backend_that_has_no_tags(legacy: Legacy) -> None:
    """W4: it would ignore them, or misunderstand them."""
    async with serving(legacy.port) as door:
        tag = (await door.ask(b"GET", b"/doc", b"Range: bytes=0-1", b'If-Match: "a"', b"If-Range: a")).etag
        lines = [b"If-Match: " + tag, b'If-None-Match: "a"', b"If-Modified-Since: x", b"If-Unmodified-Since: x", b"If-Range: x"]
        assert (await door.ask(b"PUT", b"/doc", *lines, b"Range: bytes=0-1", body=b"x")).status == 204
    for asked in legacy.asked:
        assert not [name for name in asked.fields if name.startswith("if-") or name == "range"]


# ---- tags that name two states -------------------------------------------------------------------------------------------------------


class Constant(Native):
    """A backend whose strong tag stays what it is, as one made of a date and a size does within a second."""

    def tag(self, path: str = "/doc") -> str:
        return '"same"'


async def test_a_strong_tag_that_names_two_states_is_found_out() -> None:
    """Else a stale write would pass: from there on the content tells."""
    async with Constant() as backend, serving(backend.port) as door:
        assert await door.tag() == b'"same"'
        first = await door.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"two")
        assert first.status == 204
        assert first.etag == await door.tag() != b'"same"'
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"lost update")).status == 412
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + first.etag, body=b"three")).status == 204
        assert backend.documents["/doc"] == b"three"


async def test_another_process_learns_of_it_from_the_record(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    async with Constant() as backend, serving(backend.port, store=store) as one, serving(backend.port, store=store) as other:
        assert await other.tag() == b'"same"'
        new = (await one.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"two")).etag
        assert (await other.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"lost update")).status == 412
        assert await other.tag() == new


async def test_native_trusts_the_backend_come_what_may() -> None:
    async with Constant() as backend, serving(backend.port, route(strategy="native")) as door:
        for body in (b"two", b"three"):
            assert (await door.ask(b"PUT", b"/doc", b'If-Match: "same"', body=body)).etag == b'"same"'


async def test_a_write_that_changes_nothing_disproves_no_tag() -> None:
    """Saving what stands already leaves an honest tag as it is, too."""
    async with Native() as backend, serving(backend.port) as door:
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "one"', body=b"one")).etag == b'"one"'
        assert await door.tag() == b'"one"'


async def test_an_unconditional_write_finds_such_a_tag_out_as_well() -> None:
    async with Constant() as backend, serving(backend.port) as door:
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"two")).etag != b'"same"'
        assert (await door.ask(b"PUT", b"/doc", b'If-Match: "same"', body=b"lost update")).status == 412
    async with Constant() as backend, serving(backend.port) as door:
        assert (await door.ask(b"PUT", b"/doc", body=b"two")).etag == b'"same"'
        assert (await door.ask(b"PUT", b"/doc", body=b"three")).etag == await door.tag() != b'"same"'


async def test_a_content_tag_that_stays_is_no_reason_to_look_again(legacy: Legacy) -> None:
    legacy.documents["/doc"] = b"one"
    async with serving(legacy.port) as door:
        tag = await door.tag()
        assert (await door.ask(b"PUT", b"/doc", b"If-Match: " + tag, body=b"one")).etag == tag
        assert legacy.methods() == ["GET", "GET", "PUT", "GET"]
