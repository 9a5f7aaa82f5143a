"""Finding out which spellings a backend takes for one resource: one that overlooks everything, and one that overlooks nothing."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from proxy.cli import main
from proxy.config import load_config
from proxy.probe_aliases import AliasProbe, Finding, Kind, Probing, keys, report, variants
from proxy.straight import ProbeFailed
from tests.gateway.legacy import Legacy, answering
from tests.servers import free_port
from tests.wire.test_aliases import aliasing


@pytest.fixture
async def backend() -> AsyncIterator[Legacy]:
    async with Legacy() as backend:
        backend.documents |= {"/a/doc": b"shown", "/a/doc/5": b"five"}
        yield backend


async def probe(backend: Legacy, target: str) -> list[Finding]:
    return await AliasProbe(Probing(f"http://127.0.0.1:{backend.port}{target}", ["X-Own: 1"])).run()


def same(findings: list[Finding]) -> set[Kind]:
    return {finding.variant.kind for finding in findings if finding.is_same}


async def test_a_backend_that_overlooks_much(backend: Legacy) -> None:
    backend.respond = partial(aliasing, backend)
    findings = await probe(backend, "/a/doc?id=5&x=1")
    assert same(findings) >= {Kind.CASE, Kind.SLASH, Kind.QUERY_ORDER, Kind.UNKNOWN_PARAMETER, Kind.PATH_PARAMETER}
    assert keys(findings) == ['case = "insensitive"', 'trailing_slash = "ignored"', 'suffixes = [".json"]', 'query = ["id"]']
    assert 'never "keep"' in report(findings)
    assert 'never query = "significant"' in report(findings)
    assert {asked.method for asked in backend.asked} == {"GET"}
    assert all(asked.fields["x-own"] == "1" for asked in backend.asked)


async def test_a_backend_that_overlooks_nothing(backend: Legacy) -> None:
    async def exact(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        found = backend.documents.get(request.raw_path)
        return web.Response(status=404) if found is None else web.Response(body=found)

    backend.respond = exact
    findings = await probe(backend, "/a/doc")
    assert same(findings) == set()
    assert keys(findings) == []
    assert "needs no key" in report(findings)


async def test_what_it_says_is_what_a_file_takes(backend: Legacy, tmp_path: Path) -> None:
    backend.respond = partial(aliasing, backend)
    lines = ["[[route]]", 'name = "r"', 'path = "/{p*}"', *keys(await probe(backend, "/a/doc?id=5"))]
    file = tmp_path / "config.toml"
    await asyncio.to_thread(file.write_text, "\n".join(lines), "utf-8")
    (route,) = load_config(file, {}, {"upstream": "http://127.0.0.1:9000"}).routes
    assert (route.aliases.suffixes, route.aliases.query) == ((".json",), ("id",))


def test_variants() -> None:
    tried = {variant.target for variant in variants(b"/a/Doc.xml", b"x=1&y")}
    assert tried >= {
        *(b"/a/doc.xml?x=1&y", b"/A/DOC.XML?x=1&y", b"/a/Doc.xml/?x=1&y", b"/a/Doc?x=1&y", b"/a/%44oc.xml?x=1&y"),
        *(b"/a/Doc.xml;noclobber=1?x=1&y", b"/a//Doc.xml?x=1&y", b"/a/./Doc.xml?x=1&y", b"/a/Doc.xml.?x=1&y", b"/a/Doc.xml%20?x=1&y"),
        *(b"/a/Doc.xml?y&x=1", b"/a/Doc.xml?x=1&y&noclobber=1", b"/a/Doc.xml?y", b"/a/Doc.xml?x=1"),
    }
    assert {variant.kind for variant in variants(b"/", b"")} == {Kind.UNKNOWN_PARAMETER}


async def test_what_cannot_be_told_is_said(backend: Legacy) -> None:
    with pytest.raises(ProbeFailed, match="404"):
        await probe(backend, "/nothing")
    backend.respond = answering(200, b"welcome")
    with pytest.raises(ProbeFailed, match="nobody has made"):
        await probe(backend, "/a/doc")
    numbers = count()

    async def clock(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.Response(text=str(next(numbers)))

    backend.respond = clock
    with pytest.raises(ProbeFailed, match="two GETs"):
        await probe(backend, "/a/doc")


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe-aliases", f"http://127.0.0.1:{free_port()}/doc"]) == 1
    assert "noclobber: " in capsys.readouterr().err
    assert main(["probe-aliases", "nowhere"]) == 1
    assert "read 'nowhere'" in capsys.readouterr().err
