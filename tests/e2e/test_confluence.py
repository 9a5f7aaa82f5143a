"""atlassian-python-api, unchanged, and the code of ADR-007, in front of a page store that checks no version."""

import re
import runpy
import subprocess
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
TITLE = "Release notes"
WRITERS = 5

example: Any = type("example", (), runpy.run_path(str(EXAMPLE / "client.py")))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all tests write. Each test has a page of its own."""
    return tmp_path_factory.mktemp("confluence")


@pytest.fixture(scope="module")
def backend(directory: Path) -> Iterator[int]:
    """The example's page store; its port."""
    with Child([sys.executable, EXAMPLE / "backend.py", "--port", "0"], directory / "backend.log") as child:
        yield int(child.wait_for_line(re.compile(r"listening on (\d+)"))[1])


@pytest.fixture(scope="module")
def noclobber(backend: int, directory: Path) -> Iterator[int]:
    """noclobber in front of it, as the example's README starts it; its port."""
    with Noclobber(backend, "memory://", directory / "noclobber.log", config=EXAMPLE / "config.toml") as process:
        yield process.wait_until_ready().port


@pytest.fixture
def page(backend: int) -> str:
    """The id of a page that was there before noclobber heard of it."""
    draft = {"type": "page", "title": TITLE, "body": {"storage": {"value": "<p>First draft.</p>", "representation": "storage"}}}
    return str(ask(backend, "POST", "/rest/api/content", draft).json()["id"])


def path_of(page: str) -> str:
    return f"/rest/api/content/{page}"


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


def text(port: int, page: str) -> str:
    """What the page store itself holds."""
    shown: Any = ask(port, "GET", f"{path_of(page)}?expand=body.storage").json()
    return str(shown["body"]["storage"]["value"])


def test_straight_at_the_store_the_library_does_not_even_work(backend: int, page: str) -> None:
    with pytest.raises(KeyError, match="number"):
        confluence(backend).update_page(page, TITLE, "<p>Mine.</p>")


def test_update_page_saves_and_counts_up(backend: int, noclobber: int, page: str) -> None:
    client = confluence(noclobber)
    assert client.get_page_by_id(page)["version"]["number"] == 1

    saved = client.update_page(page, TITLE, "<p>Second draft.</p>", version_comment="done")

    assert saved["version"]["number"] == 2
    assert client.get_page_by_id(page)["version"]["number"] == 2
    assert client.history(page)["lastUpdated"]["number"] == 2
    assert text(backend, page) == "<p>Second draft.</p>"
    # The number never reached the store; what else the client said about the version did.
    assert ask(backend, "GET", path_of(page)).json()["version"] == {"minorEdit": False, "message": "done"}


def test_a_save_after_somebody_else_s_is_refused(backend: int, noclobber: int, page: str) -> None:
    client, rival = confluence(noclobber), confluence(noclobber)
    between(client, f"{path_of(page)}/history", lambda: rival.update_page(page, TITLE, "<p>The rival's.</p>"))

    with pytest.raises(HTTPError) as refused:
        client.update_page(page, TITLE, "<p>Mine.</p>", always_update=True)
    answer = refused.value.response
    assert answer is not None

    assert answer.status_code == 409
    assert "conflict" in str(refused.value).lower()
    # Both numbers: the one that stands, and the one that was sent.
    assert set(re.findall(r"\d+", answer.json()["message"])) == {"2"}
    assert text(backend, page) == "<p>The rival's.</p>"


def test_the_code_of_the_record_recognises_the_conflict(noclobber: int, page: str) -> None:
    wrapper = example.APIWrapper(f"http://127.0.0.1:{noclobber}")
    rival = confluence(noclobber)
    between(wrapper._get_client(), f"{path_of(page)}/history", lambda: rival.update_page(page, TITLE, "<p>The rival's.</p>"))

    with pytest.raises(example.APIAccessError, match=rf"^Version conflict updating page {page} \(version 1 is stale\)$"):
        wrapper.update_page(page, TITLE, "<p>Mine.</p>", 1, always_update=True)


@pytest.mark.parametrize("number", [1, 3, 2**40])
def test_any_number_but_the_next_is_refused_with_both_numbers(backend: int, noclobber: int, number: int, page: str) -> None:
    refused = ask(noclobber, "PUT", path_of(page), {"title": "Mine", "version": {"number": number}})

    assert refused.status == 409
    message = str(refused.json()["message"])
    assert "conflict" in message.lower()
    assert {"1", str(number)} <= set(re.findall(r"\d+", message))
    assert ask(backend, "GET", path_of(page)).json()["title"] == TITLE


def test_a_save_that_names_no_version_is_refused(backend: int, noclobber: int, page: str) -> None:
    refused = ask(noclobber, "PUT", path_of(page), {"title": "Mine"})
    assert refused.status == 409
    told = str(refused.json()["message"])
    assert "conflict" in told.lower()
    # What to do is said in this client's terms: it knows no If-Match.
    assert told.endswith("Read the page, and send the number after its own.")
    assert ask(backend, "GET", path_of(page)).json()["title"] == TITLE


def test_a_page_that_is_not_there_is_a_404(noclobber: int) -> None:
    refused = ask(noclobber, "PUT", "/rest/api/content/99", {"title": "Mine", "version": {"number": 2}})
    assert refused.status == 404


def test_a_page_is_removed_without_a_number_and_a_later_save_is_a_404(backend: int, noclobber: int, page: str) -> None:
    client = confluence(noclobber)
    client.update_page(page, TITLE, "<p>Second draft.</p>")

    client.remove_page(page)

    assert ask(backend, "GET", path_of(page)).status == 404
    late = {"title": "Mine", "version": {"number": 3}}
    assert ask(noclobber, "PUT", path_of(page), late).status == 404


def test_a_change_around_noclobber_is_a_conflict(backend: int, noclobber: int, page: str) -> None:
    client = confluence(noclobber)
    # The page is known to noclobber from here on.
    client.update_page(page, TITLE, "<p>Second draft.</p>")
    between(client, f"{path_of(page)}/history", lambda: ask(backend, "PUT", path_of(page), {"title": "Changed elsewhere"}))

    with pytest.raises(HTTPError) as refused:
        client.update_page(page, TITLE, "<p>Mine.</p>", always_update=True)
    answer = refused.value.response
    assert answer is not None

    assert answer.status_code == 409
    assert client.get_page_by_id(page)["title"] == "Changed elsewhere"


def test_pages_in_lists_have_the_version_of_the_page(noclobber: int, page: str) -> None:
    client = confluence(noclobber)
    client.update_page(page, TITLE, "<p>Second draft.</p>")

    created = client.create_page("DOC", "Roadmap", "<p>Soon.</p>")

    assert created["version"]["number"] == 1
    results: Any = ask(noclobber, "GET", "/rest/api/content?expand=version").json()["results"]
    versions = {each["id"]: each["version"]["number"] for each in results}
    assert (versions[page], versions[created["id"]]) == (2, 1)
    assert client.update_page(created["id"], "Roadmap", "<p>Later.</p>")["version"]["number"] == 2


def append(port: int, page: str, make_client: Callable[..., Any], line: str) -> list[int]:
    """Append a line by the record's loop, called again as often as it gives up; return the versions that were told."""
    wrapper = example.APIWrapper(f"http://127.0.0.1:{port}", make_client)
    fetcher, updater = example.PageFetcher(wrapper), example.PageUpdater(wrapper)
    for _ in range(20):
        try:
            return [example.update_with_retry(fetcher, updater, page, lambda content: f"{content}<p>{line}</p>")]
        except Exception as error:
            if str(error) != "Max retry attempts exceeded":
                raise
    return []


def appended(port: int, page: str, make_client: Callable[..., Any]) -> list[int]:
    """Have all writers append their lines at once; the versions that they were told, in order."""
    with ThreadPoolExecutor(WRITERS) as pool:
        saves = [pool.submit(append, port, page, make_client, f"line {number}") for number in range(WRITERS)]
        return sorted(version for save in saves for version in save.result())


def test_the_retry_loop_of_five_writers_converges(noclobber: int, page: str) -> None:
    versions = appended(noclobber, page, Confluence)

    # Each of them has saved, and no two on one version.
    assert versions == list(range(2, 2 + WRITERS))
    assert confluence(noclobber).history(page)["lastUpdated"]["number"] == 1 + WRITERS


def test_five_writers_that_send_the_version_they_have_read_lose_nothing(backend: int, noclobber: int, page: str) -> None:
    versions = appended(noclobber, page, example.CarefulConfluence)

    assert versions == list(range(2, 2 + WRITERS))
    assert sorted(re.findall(r"line \d", text(backend, page))) == [f"line {number}" for number in range(WRITERS)]


def test_what_changes_before_the_library_asks_for_the_number_nobody_can_see(backend: int, noclobber: int, page: str) -> None:
    # As at Confluence itself: `update_page` sends the number that stands when it is called, not the one its caller has read.
    wrapper = example.APIWrapper(f"http://127.0.0.1:{noclobber}")
    read = example.PageFetcher(wrapper).fetch_page(page)
    confluence(noclobber).update_page(page, TITLE, "<p>The rival's.</p>")

    example.PageUpdater(wrapper).update_page(page, TITLE, f"{read.content_storage}<p>Mine.</p>", read.version)

    assert "rival" not in text(backend, page)
    careful = example.APIWrapper(f"http://127.0.0.1:{noclobber}", example.CarefulConfluence)
    read = example.PageFetcher(careful).fetch_page(page)
    confluence(noclobber).update_page(page, TITLE, "<p>The rival's.</p>")
    with pytest.raises(example.APIAccessError, match="Version conflict"):
        example.PageUpdater(careful).update_page(page, TITLE, f"{read.content_storage}<p>Mine.</p>", read.version)
    assert text(backend, page) == "<p>The rival's.</p>"


def test_everything_else_goes_through_as_it_is(noclobber: int, backend: int) -> None:
    for path in ("/rest/api/space", "/rest/api/content/65537/label"):
        assert ask(noclobber, "GET", path).body == ask(backend, "GET", path).body


def test_the_example_s_client_appends_its_line(noclobber: int, backend: int, page: str) -> None:
    command = [sys.executable, str(EXAMPLE / "client.py"), f"http://127.0.0.1:{noclobber}", "--page", page, "--line", "One more."]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == "Updated to version 2\n"
    assert text(backend, page) == "<p>First draft.</p><p>One more.</p>"
