"""A legacy backend whose answers differ from look to look, and the two strategies that tell its states apart all the same."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.processes import Child, Noclobber

ROUTES = """
[[route]]
name = "content"
path = "/content/{id}"
strategy = "content"

[[route]]
name = "json"
path = "/json/{id}"
strategy = "json"
ignore = ["/serverTime", "/meta", "/updatedAt", "/savedAt"]

[[route]]
name = "version"
path = "/version/{id}"
strategy = "field"
field = "/meta/version"

[[route]]
name = "updated"
path = "/updated/{id}"
strategy = "field"
field = "/updatedAt"

[[route]]
name = "saved"
path = "/saved/{id}"
strategy = "field"
field = "/savedAt"

[[route]]
name = "modified"
path = "/modified/{id}"
strategy = "field"
field = "header:Last-Modified"
"""
PROMPT = ["json", "version", "updated"]
"""Routes on which a state has a tag at once."""
SECONDS = ["saved", "modified"]
"""Routes whose dates count whole seconds."""
WRITERS, ROUNDS = 4, 5


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Two noclobbers in front of one backend of notes, on one store."""
    home = tmp_path_factory.mktemp("notes")
    config = home / "routes.toml"
    config.write_text(ROUTES)
    with ExitStack() as stack:
        command: list[str | Path] = [sys.executable, Path(__file__).parent / "notes_backend.py", "--database", home / "notes.db"]
        backend = stack.enter_context(Child(command, home / "backend.log"))
        port = int(backend.wait_for_line(re.compile(r"listening on (\d+)"))[1])
        logs = [home / f"noclobber-{n}.log" for n in range(2)]
        store = f"sqlite:///{home}/store.db"
        proxies = [stack.enter_context(Noclobber(port, store, log, config=config)) for log in logs]
        yield [proxy.wait_until_ready().port for proxy in proxies]


def created(port: int, path: str, **note: object) -> None:
    assert ask(port, "PUT", path, note).status == 200


def test_the_content_tells_no_states_apart_here(ports: list[int]) -> None:
    created(ports[0], "/content/1", total=100)
    assert ask(ports[0], "GET", "/content/1").tag != ask(ports[0], "GET", "/content/1").tag


@pytest.mark.parametrize("route", PROMPT)
def test_the_update_is_not_lost(ports: list[int], route: str) -> None:
    path = f"/{route}/story"
    created(ports[0], path, total=100)
    for_ann, for_ben = ask(ports[0], "GET", path), ask(ports[1], "GET", path)
    assert for_ann.tag == for_ben.tag

    saved = ask(ports[0], "PUT", path, {"total": 250}, if_match=for_ann.tag)
    refused = ask(ports[1], "PUT", path, {"total": 100, "approved": True}, if_match=for_ben.tag)
    assert (saved.status, refused.status) == (200, 412)

    again = ask(ports[1], "GET", path)
    assert again.json()["total"] == 250
    assert again.tag == saved.tag == refused.tag
    assert ask(ports[1], "PUT", path, {"total": 250, "approved": True}, if_match=again.tag).status == 200


@pytest.mark.parametrize("route", SECONDS)
def test_a_date_in_whole_seconds_names_a_state_once_its_second_is_over(ports: list[int], route: str) -> None:
    path = f"/{route}/story"
    created(ports[0], path, total=100)
    for_ann, for_ben = settled(ports[0], path), settled(ports[1], path)
    assert for_ann.tag == for_ben.tag

    saved = ask(ports[0], "PUT", path, {"total": 250}, if_match=for_ann.tag)
    refused = ask(ports[1], "PUT", path, {"total": 100, "approved": True}, if_match=for_ben.tag)
    assert (saved.status, refused.status) == (200, 412)
    again = settled(ports[1], path)
    assert again.json()["total"] == 250
    assert again.tag != for_ann.tag


def settled(port: int, path: str) -> Answer:
    """Look until there is a tag."""
    deadline = time.monotonic() + 20
    while "etag" not in (answer := ask(port, "GET", path)).fields:
        assert answer.status == 200
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return answer


@pytest.mark.parametrize("route", PROMPT)
def test_many_writers_through_two_noclobbers_lose_nothing(ports: list[int], route: str) -> None:
    path = f"/{route}/counter"
    created(ports[0], path, count=0)
    conflicts: list[int] = []
    done: list[int] = []

    def count_up(number: int) -> None:
        for turn in range(ROUNDS):
            while True:
                seen = ask(ports[(number + turn) % 2], "GET", path)
                count = seen.json()["count"]
                assert isinstance(count, int)
                answer = ask(ports[turn % 2], "PUT", path, {"count": count + 1}, if_match=seen.tag)
                if answer.status == 200:
                    done.append(number)
                    break
                assert answer.status in (412, 503)
                conflicts.append(answer.status)

    threads = [threading.Thread(target=count_up, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == WRITERS * ROUNDS
    assert ask(ports[0], "GET", path).json()["count"] == WRITERS * ROUNDS
    assert 412 in conflicts
