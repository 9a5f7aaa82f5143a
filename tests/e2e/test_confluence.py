"""atlassian-python-api, unchanged, and the code of ADR-007, in front of a page store that checks no version."""

import re
import runpy
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from atlassian import Confluence
from requests import HTTPError

from tests.e2e.asking import ask
from tests.e2e.processes import Child, Noclobber

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "confluence-pages"
PAGE = "65537"
PATH = f"/rest/api/content/{PAGE}"
WRITERS = 5

example: Any = type("example", (), runpy.run_path(str(EXAMPLE / "client.py")))


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[int]:
    """The example's page store, with one page in it; its port."""
    with Child([sys.executable, EXAMPLE / "backend.py", "--port", "0"], tmp_path / "backend.log") as child:
        yield int(child.wait_for_line(re.compile(r"listening on (\d+)"))[1])


@pytest.fixture
def noclobber(backend: int, tmp_path: Path) -> Iterator[Noclobber]:
    """noclobber in front of it, as the example's README starts it."""
    with Noclobber(backend, "memory://", tmp_path / "noclobber.log", config=EXAMPLE / "config.toml") as process:
        yield process.wait_until_ready()


make_client: Callable[..., Any] = Confluence


def confluence(port: int) -> Any:
    """A real client of what listens on port."""
    return make_client(f"http://127.0.0.1:{port}", username="admin", password="admin")


def between(client: Any, path: str, happens: Callable[[], object]) -> None:
    """Have something happen once, right after the client's next GET of a path was answered."""
    left = [happens]

    def hook(response: Any, *_: object, **__: object) -> None:
        if response.request.method == "GET" and response.request.path_url.partition("?")[0] == path and left:
            left.pop()()

    client.session.hooks["response"].append(hook)


def text(port: int) -> str:
    """What the page store itself holds."""
    page: Any = ask(port, "GET", f"{PATH}?expand=body.storage").json()
    return str(page["body"]["storage"]["value"])


def test_straight_at_the_store_the_library_does_not_even_work(backend: int) -> None:
    with pytest.raises(KeyError, match="number"):
        confluence(backend).update_page(PAGE, "Release notes", "<p>Mine.</p>")


def test_update_page_saves_and_counts_up(backend: int, noclobber: Noclobber) -> None:
    client = confluence(noclobber.port)
    assert client.get_page_by_id(PAGE)["version"]["number"] == 1

    saved = client.update_page(PAGE, "Release notes", "<p>Second draft.</p>", version_comment="done")

    assert saved["version"]["number"] == 2
    assert client.get_page_by_id(PAGE)["version"]["number"] == 2
    assert client.history(PAGE)["lastUpdated"]["number"] == 2
    assert text(backend) == "<p>Second draft.</p>"
    # The number never reached the store; what else the client said about the version did.
    assert ask(backend, "GET", PATH).json()["version"] == {"minorEdit": False, "message": "done"}


def test_a_save_after_somebody_else_s_is_refused(backend: int, noclobber: Noclobber) -> None:
    client, rival = confluence(noclobber.port), confluence(noclobber.port)
    between(client, f"{PATH}/history", lambda: rival.update_page(PAGE, "Release notes", "<p>The rival's.</p>"))

    with pytest.raises(HTTPError) as refused:
        client.update_page(PAGE, "Release notes", "<p>Mine.</p>", always_update=True)
    answer = refused.value.response
    assert answer is not None

    assert answer.status_code == 409
    assert "conflict" in str(refused.value).lower()
    # Both numbers: the one that stands, and the one that was sent.
    assert set(re.findall(r"\d+", answer.json()["message"])) == {"2"}
    assert text(backend) == "<p>The rival's.</p>"


def test_the_code_of_the_record_recognises_the_conflict(noclobber: Noclobber) -> None:
    wrapper = example.APIWrapper(f"http://127.0.0.1:{noclobber.port}")
    rival = confluence(noclobber.port)
    between(wrapper._get_client(), f"{PATH}/history", lambda: rival.update_page(PAGE, "Release notes", "<p>The rival's.</p>"))

    with pytest.raises(example.APIAccessError, match=rf"^Version conflict updating page {PAGE} \(version 1 is stale\)$"):
        wrapper.update_page(PAGE, "Release notes", "<p>Mine.</p>", 1, always_update=True)


@pytest.mark.parametrize("number", [1, 3, 2**40])
def test_any_number_but_the_next_is_refused_with_both_numbers(backend: int, noclobber: Noclobber, number: int) -> None:
    refused = ask(noclobber.port, "PUT", PATH, {"title": "Mine", "version": {"number": number}})

    assert refused.status == 409
    message = str(refused.json()["message"])
    assert "conflict" in message.lower()
    assert {"1", str(number)} <= set(re.findall(r"\d+", message))
    assert ask(backend, "GET", PATH).json()["title"] == "Release notes"


def test_a_save_that_names_no_version_is_refused(backend: int, noclobber: Noclobber) -> None:
    refused = ask(noclobber.port, "PUT", PATH, {"title": "Mine"})
    assert refused.status == 409
    assert "conflict" in str(refused.json()["message"]).lower()
    assert ask(backend, "GET", PATH).json()["title"] == "Release notes"


def test_a_page_that_is_not_there_is_a_404(noclobber: Noclobber) -> None:
    refused = ask(noclobber.port, "PUT", "/rest/api/content/99", {"title": "Mine", "version": {"number": 2}})
    assert refused.status == 404


def test_a_change_around_noclobber_is_a_conflict(backend: int, noclobber: Noclobber) -> None:
    client = confluence(noclobber.port)
    # The page is known to noclobber from here on.
    client.update_page(PAGE, "Release notes", "<p>Second draft.</p>")
    between(client, f"{PATH}/history", lambda: ask(backend, "PUT", PATH, {"title": "Changed elsewhere"}))

    with pytest.raises(HTTPError) as refused:
        client.update_page(PAGE, "Release notes", "<p>Mine.</p>", always_update=True)
    answer = refused.value.response
    assert answer is not None

    assert answer.status_code == 409
    assert client.get_page_by_id(PAGE)["title"] == "Changed elsewhere"


def test_pages_in_lists_have_the_version_of_the_page(noclobber: Noclobber) -> None:
    client = confluence(noclobber.port)
    client.update_page(PAGE, "Release notes", "<p>Second draft.</p>")

    created = client.create_page("DOC", "Roadmap", "<p>Soon.</p>")

    assert created["version"]["number"] == 1
    results: Any = ask(noclobber.port, "GET", "/rest/api/content?expand=version").json()["results"]
    assert {page["title"]: page["version"]["number"] for page in results} == {"Release notes": 2, "Roadmap": 1}
    assert client.update_page(created["id"], "Roadmap", "<p>Later.</p>")["version"]["number"] == 2


def append(port: int, make_client: Callable[..., Any], line: str) -> list[int]:
    """Append a line by the record's loop, called again as often as it gives up; return the versions that were told."""
    wrapper = example.APIWrapper(f"http://127.0.0.1:{port}", make_client)
    fetcher, updater = example.PageFetcher(wrapper), example.PageUpdater(wrapper)
    for _ in range(20):
        try:
            return [example.update_with_retry(fetcher, updater, PAGE, "Release notes", lambda content: f"{content}<p>{line}</p>")]
        except Exception as error:
            if str(error) != "Max retry attempts exceeded":
                raise
    return []


def appended(port: int, make_client: Callable[..., Any]) -> list[int]:
    """Have all writers append their lines at once; the versions that they were told, in order."""
    with ThreadPoolExecutor(WRITERS) as pool:
        saves = [pool.submit(append, port, make_client, f"line {number}") for number in range(WRITERS)]
        return sorted(version for save in saves for version in save.result())


def test_the_retry_loop_of_five_writers_converges(noclobber: Noclobber) -> None:
    versions = appended(noclobber.port, Confluence)

    # Each of them has saved, and no two on one version.
    assert versions == list(range(2, 2 + WRITERS))
    assert confluence(noclobber.port).history(PAGE)["lastUpdated"]["number"] == 1 + WRITERS


def test_five_writers_that_send_the_version_they_have_read_lose_nothing(backend: int, noclobber: Noclobber) -> None:
    versions = appended(noclobber.port, example.CarefulConfluence)

    assert versions == list(range(2, 2 + WRITERS))
    assert sorted(re.findall(r"line \d", text(backend))) == [f"line {number}" for number in range(WRITERS)]


def test_what_changes_before_the_library_asks_for_the_number_nobody_can_see(backend: int, noclobber: Noclobber) -> None:
    # As at Confluence itself: `update_page` sends the number that stands when it is called, not the one its caller has read.
    wrapper = example.APIWrapper(f"http://127.0.0.1:{noclobber.port}")
    page = example.PageFetcher(wrapper).fetch_page(PAGE)
    confluence(noclobber.port).update_page(PAGE, "Release notes", "<p>The rival's.</p>")

    example.PageUpdater(wrapper).update_page(PAGE, "Release notes", f"{page.content_storage}<p>Mine.</p>", page.version)

    assert "rival" not in text(backend)
    careful = example.APIWrapper(f"http://127.0.0.1:{noclobber.port}", example.CarefulConfluence)
    page = example.PageFetcher(careful).fetch_page(PAGE)
    confluence(noclobber.port).update_page(PAGE, "Release notes", "<p>The rival's.</p>")
    with pytest.raises(example.APIAccessError, match="Version conflict"):
        example.PageUpdater(careful).update_page(PAGE, "Release notes", f"{page.content_storage}<p>Mine.</p>", page.version)
    assert text(backend) == "<p>The rival's.</p>"


def test_everything_else_goes_through_as_it_is(noclobber: Noclobber, backend: int) -> None:
    for path in ("/rest/api/space", "/rest/api/content/65537/label"):
        assert ask(noclobber.port, "GET", path).body == ask(backend, "GET", path).body
