"""noclobber in front of backends that nobody here wrote: none of them is changed, and none of them enforces what it is asked to here."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.foreign import JsonServer, Scene, ScimServer, WebDav, start_json_server, start_scim_server, start_webdav
from tests.e2e.processes import Noclobber

STARTS = {
    "json-server": (start_json_server, JsonServer),
    "scim2-server": (lambda directory: start_scim_server(directory, supported=False), ScimServer),
    "wsgidav": (start_webdav, WebDav),
}
# No two of one length: WsgiDAV's tag is made from the size and a time in whole seconds.
FIRST, SECOND, THIRD = "one", "second", "the third"


@pytest.fixture(scope="module", params=STARTS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One backend after the other, each with a noclobber of its own in front."""
    start, dress = STARTS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    child, port = start(directory)
    with child, Noclobber(port, f"sqlite:///{directory}/noclobber.db", directory / "noclobber.log") as noclobber:
        scene = dress(child, port)
        scene.port = noclobber.wait_until_ready().port
        yield scene


def test_a_read_is_what_the_backend_sends_and_carries_a_strong_tag(scene: Scene) -> None:
    path = scene.make(FIRST)

    first, second = scene.read(path), scene.read(path)

    assert (first.status, scene.text(first)) == (200, FIRST)
    assert first.tag == second.tag
    assert first.tag.startswith('"')


def test_an_unchanged_representation_is_not_sent_again(scene: Scene) -> None:
    path = scene.make(FIRST)

    answer = ask(scene.port, "GET", path, if_none_match=scene.read(path).tag)

    assert (answer.status, answer.body) == (304, b"")


def test_a_fresh_write_is_applied_and_answered_with_the_next_tag(scene: Scene) -> None:
    path = scene.make(FIRST)
    tag = scene.read(path).tag

    answer = scene.put(path, SECOND, if_match=tag)

    assert 200 <= answer.status < 300
    assert scene.stands(path) == SECOND
    assert answer.tag == scene.read(path).tag != tag


def test_a_stale_write_is_refused_and_the_data_untouched(scene: Scene) -> None:
    path = scene.make(FIRST)
    tag = scene.read(path).tag
    scene.put(path, SECOND, if_match=tag)

    answer = scene.put(path, THIRD, if_match=tag)

    assert answer.status == 412
    assert answer.fields["content-type"] == "application/problem+json"
    assert answer.tag == scene.read(path).tag
    assert scene.stands(path) == SECOND


def test_a_change_around_noclobber_is_noticed(scene: Scene) -> None:
    path = scene.make(FIRST)
    tag = scene.read(path).tag
    ask(scene.backend_port, "PUT", path, scene.body(path, SECOND), content_type=scene.content_type)

    assert scene.put(path, THIRD, if_match=tag).status == 412
    assert scene.stands(path) == SECOND


def test_a_stale_patch_is_refused_and_a_fresh_one_applied(scene: Scene) -> None:
    path = scene.make(FIRST)
    tag = scene.read(path).tag
    newer = scene.put(path, SECOND, if_match=tag).tag
    if scene.patch_type is None:
        # Nothing of noclobber's: the backend knows no PATCH, and its own words come through.
        assert ask(scene.port, "PATCH", path, b"x", if_match=newer).status == ask(scene.backend_port, "PATCH", path, b"x").status
        return

    stale = ask(scene.port, "PATCH", path, scene.patch(THIRD), content_type=scene.patch_type, if_match=tag)
    untouched = scene.stands(path)
    fresh = ask(scene.port, "PATCH", path, scene.patch(THIRD), content_type=scene.patch_type, if_match=newer)

    assert (stale.status, untouched) == (412, SECOND)
    assert 200 <= fresh.status < 300
    assert scene.stands(path) == THIRD


def test_a_stale_delete_is_refused_and_a_fresh_one_deletes(scene: Scene) -> None:
    path = scene.make(FIRST)
    tag = scene.read(path).tag
    newer = scene.put(path, SECOND, if_match=tag).tag

    stale = ask(scene.port, "DELETE", path, if_match=tag)
    untouched = scene.stands(path)
    fresh = ask(scene.port, "DELETE", path, if_match=newer)

    assert (stale.status, untouched) == (412, SECOND)
    assert 200 <= fresh.status < 300
    assert scene.stands(path) is None


def test_a_put_that_may_only_create_leaves_what_is_there(scene: Scene) -> None:
    path = scene.make(FIRST)

    assert scene.put(path, SECOND, if_none_match="*").status == 412
    assert scene.stands(path) == FIRST


@pytest.mark.parametrize("scene", ["wsgidav"], indirect=True)
def test_of_two_who_create_the_second_is_refused(scene: Scene) -> None:
    first = scene.put("/minutes.txt", FIRST, if_none_match="*")
    second = scene.put("/minutes.txt", SECOND, if_none_match="*")

    assert (first.status, second.status) == (201, 412)
    assert scene.stands("/minutes.txt") == FIRST


# ---- what they send themselves ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["json-server"], indirect=True)
def test_weak_tags_of_json_server_are_replaced_by_strong_ones(scene: Scene) -> None:
    path = scene.make(FIRST)
    own = ask(scene.backend_port, "GET", path).tag

    # RFC 9110 §13.1.1: If-Match compares strongly, and a weak tag never matches.
    assert own.startswith('W/"')
    assert scene.put(path, SECOND, if_match=own).status == 412
    assert scene.stands(path) == FIRST


@pytest.mark.parametrize("scene", ["scim2-server"], indirect=True)
def test_scim_server_was_told_to_send_no_tags(scene: Scene) -> None:
    assert "etag" not in ask(scene.backend_port, "GET", scene.make(FIRST)).fields


def test_weak_tags_of_scim_server_are_replaced_by_strong_ones(tmp_path: Path) -> None:
    child, port = start_scim_server(tmp_path, supported=True)
    with child, Noclobber(port, f"sqlite:///{tmp_path}/noclobber.db", tmp_path / "noclobber.log") as noclobber:
        scene = ScimServer(child, port)
        scene.port = noclobber.wait_until_ready().port
        path = scene.make(FIRST)
        own, tag = ask(port, "GET", path).tag, scene.read(path).tag

        assert own.startswith('W/"')
        assert tag.startswith('"')
        assert scene.put(path, SECOND, if_match=own).status == 412
        assert 200 <= scene.put(path, SECOND, if_match=tag).status < 300
        assert scene.put(path, THIRD, if_match=tag).status == 412
        assert scene.stands(path) == SECOND


@pytest.mark.parametrize("scene", ["wsgidav"], indirect=True)
def test_strong_tags_of_webdav_are_kept(scene: Scene) -> None:
    path = scene.make(FIRST)

    assert scene.read(path).tag == ask(scene.backend_port, "GET", path).tag


@pytest.mark.parametrize("strategy", ["auto", "content"])
def test_two_changes_within_a_second_are_told_apart(strategy: str, tmp_path: Path) -> None:
    """The backend makes its strong tag from whole seconds and the size: a note of the same length, stored at once, has the same."""
    config = tmp_path / "noclobber.toml"
    config.write_text(f'[[route]]\nname = "files"\npath = "/{{path*}}"\nstrategy = "{strategy}"\n')
    child, port = start_webdav(tmp_path)
    with child, Noclobber(port, f"sqlite:///{tmp_path}/noclobber.db", tmp_path / "noclobber.log", config=config) as noclobber:
        scene = WebDav(child, port)
        scene.port = noclobber.wait_until_ready().port
        for _ in range(20):
            time.sleep(1.0 - time.time() % 1.0)
            path = scene.make("aaa")
            own, tag = ask(port, "GET", path).tag, scene.read(path).tag
            assert scene.put(path, "bbb", if_match=tag).status == 204
            if ask(port, "GET", path).tag == own:
                break
        else:
            pytest.fail("the backend never stored two notes within one second")

        assert scene.put(path, "ccc", if_match=tag).status == 412
        assert scene.stands(path) == "bbb"
        assert scene.put(path, "ccc", if_match=scene.read(path).tag).status == 204
        assert scene.stands(path) == "ccc"
