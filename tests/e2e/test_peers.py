"""noclobber among servers that nobody here wrote: behind proxies that compress, and before WebDAV servers.

The proxies change the tags that go through them; a client sends back what it has received.
"""

import gzip
import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.foreign import WebDav, start_webdav
from tests.e2e.peers import FRONTS, apache_dav, nginx_dav
from tests.e2e.processes import Noclobber

# Long enough for each of them to find it worth compressing.
FIRST, SECOND, THIRD = (f"{word} " * 400 for word in ("one", "second", "the third"))
BACKENDS = {"wsgidav": start_webdav, "nginx": nginx_dav, "Apache": apache_dav}
EXPECTED = {"nginx": r'W/"[^"]+"', "Apache": r'"[^"]+-gzip"', "Varnish": r'W/"[^"]+"', "HAProxy": r'W/"[^"]+"'}
"""What each of them makes of a strong tag when it compresses."""


@dataclass
class Chain:
    """A proxy, noclobber, and WsgiDAV behind it. `port` is the proxy's."""

    name: str
    port: int
    noclobber: Noclobber
    backend: WebDav

    def undone(self) -> float:
        """How many tags noclobber has taken the mark of a hop off."""
        samples = re.findall(r"^noclobber_tags_undone_total\{.*\} (\S+)$", self.noclobber.ask_admin("/metrics")[1], re.MULTILINE)
        return sum(map(float, samples))


@pytest.fixture(scope="module", params=FRONTS)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp(request.param)
    config = directory / "noclobber.toml"
    config.write_text('[[route]]\nname = "files"\npath = "/{path*}"\nstrategy = "content"\n')
    backend, backend_port = start_webdav(directory)
    with backend, Noclobber(backend_port, f"sqlite:///{directory}/noclobber.db", directory / "noclobber.log", config=config) as noclobber:
        front, port = FRONTS[request.param](directory, noclobber.port)
        with front:
            front.wait_for_port(port)
            scene = WebDav(backend, backend_port)
            scene.port = noclobber.wait_until_ready().port
            yield Chain(request.param, port, noclobber, scene)


def read(chain: Chain, path: str, **fields: str) -> Answer:
    return ask(chain.port, "GET", path, accept_encoding="gzip", **fields)


@pytest.mark.timeout(300)
def test_the_tag_as_received_is_good_for_one_write(chain: Chain) -> None:
    path = chain.backend.make(FIRST)
    before = chain.undone()
    got = read(chain, path)

    assert (got.status, got.fields.get("content-encoding"), gzip.decompress(got.body).decode()) == (200, "gzip", FIRST)
    assert re.fullmatch(EXPECTED[chain.name], got.tag), "the proxy does not do what this test is about"

    fresh = ask(chain.port, "PUT", path, SECOND.encode(), content_type="text/plain", if_match=got.tag)
    stale = ask(chain.port, "PUT", path, THIRD.encode(), content_type="text/plain", if_match=got.tag)

    assert 200 <= fresh.status < 300
    assert stale.status == 412
    assert chain.backend.stands(path) == SECOND
    assert chain.undone() == before + 1


@pytest.mark.timeout(300)
def test_a_second_round_goes_on_from_the_tag_of_the_first(chain: Chain) -> None:
    path = chain.backend.make(FIRST)
    for text in (SECOND, THIRD, FIRST):
        tag = read(chain, path).tag
        assert 200 <= ask(chain.port, "PUT", path, text.encode(), content_type="text/plain", if_match=tag).status < 300
        assert chain.backend.stands(path) == text


@pytest.mark.timeout(300)
def test_what_the_client_has_is_not_sent_again(chain: Chain) -> None:
    path = chain.backend.make(FIRST)
    tag = read(chain, path).tag

    assert read(chain, path, if_none_match=tag).status == 304
    ask(chain.backend.backend_port, "PUT", path, SECOND.encode())
    assert read(chain, path, if_none_match=tag).status == 200


@pytest.mark.timeout(300)
def test_a_stale_delete_is_refused_and_a_fresh_one_deletes(chain: Chain) -> None:
    path = chain.backend.make(FIRST)
    stale = read(chain, path).tag
    ask(chain.backend.backend_port, "PUT", path, SECOND.encode())

    assert ask(chain.port, "DELETE", path, if_match=stale).status == 412
    assert 200 <= ask(chain.port, "DELETE", path, if_match=read(chain, path).tag).status < 300
    assert chain.backend.stands(path) is None


# ---- behind -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BACKENDS)
def dav(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDav]:
    directory = tmp_path_factory.mktemp(f"{request.param}-dav")
    backend, port = BACKENDS[request.param](directory)
    with backend, Noclobber(port, f"sqlite:///{directory}/noclobber.db", directory / "noclobber.log") as noclobber:
        scene = WebDav(backend, port)
        scene.port = noclobber.wait_until_ready().port
        yield scene


@pytest.mark.timeout(300)
def test_in_front_of_a_webdav_server_a_fresh_write_passes_and_a_stale_one_does_not(dav: WebDav) -> None:
    path = dav.make(FIRST)
    tag = dav.read(path).tag

    fresh, stale = dav.put(path, SECOND, if_match=tag), dav.put(path, THIRD, if_match=tag)

    assert (200 <= fresh.status < 300, stale.status) == (True, 412)
    assert dav.stands(path) == SECOND
    # The answer's tag is the next write's, whether the server's own tags were believed meanwhile or not.
    assert 200 <= dav.put(path, THIRD, if_match=dav.read(path).tag).status < 300
    assert dav.stands(path) == THIRD


@pytest.mark.timeout(300)
def test_in_front_of_a_webdav_server_of_two_who_create_the_second_is_refused(dav: WebDav) -> None:
    assert dav.put("/minutes.txt", FIRST, if_none_match="*").status == 201
    assert dav.put("/minutes.txt", SECOND, if_none_match="*").status == 412
    assert dav.stands("/minutes.txt") == FIRST


@pytest.mark.timeout(300)
def test_in_front_of_a_webdav_server_a_stale_delete_is_refused(dav: WebDav) -> None:
    path = dav.make(FIRST)
    tag = dav.read(path).tag
    dav.put(path, SECOND, if_match=tag)

    assert ask(dav.port, "DELETE", path, if_match=tag).status == 412
    assert ask(dav.port, "DELETE", path, if_match=dav.read(path).tag).status == 204


@pytest.mark.timeout(300)
def test_collections_are_made_copied_and_moved_through(dav: WebDav) -> None:
    path = dav.make(FIRST)
    connection = http.client.HTTPConnection("127.0.0.1", dav.port, timeout=30)
    try:
        for method, target, fields, status in [
            ("MKCOL", "/folder/", {}, 201),
            ("COPY", path, {"Destination": f"http://127.0.0.1:{dav.port}/folder/copy.txt"}, (201, 204)),
            ("MOVE", path, {"Destination": f"http://127.0.0.1:{dav.port}/folder/moved.txt"}, (201, 204)),
        ]:
            connection.request(method, target, headers=fields)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (status if isinstance(status, tuple) else (status,)), (method, answer.status)
    finally:
        connection.close()
    assert (dav.stands("/folder/copy.txt"), dav.stands("/folder/moved.txt"), dav.stands(path)) == (FIRST, FIRST, None)
