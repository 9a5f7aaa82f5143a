"""The Jobs Manager's client, in browsers that are node: its own interceptors, axios and Vue, with nothing changed for noclobber."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.jobs import EXAMPLE, VIEWS, WRITES, Browser, Jobs, node_binary, packages, running, url

pytestmark = pytest.mark.timeout(240)

CONFLICT = "This job was updated by another user. Data reloaded. Please retry your changes."


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """The example as its README starts it."""
    with running(tmp_path_factory.mktemp("jobs")) as jobs:
        yield jobs


@pytest.fixture(scope="module")
def browsers(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Browser]]:
    """Two users, each with the client open."""
    directory = tmp_path_factory.mktemp("browsers")
    with Browser(jobs.port, directory / "ana.log") as ana, Browser(jobs.port, directory / "ben.log") as ben:
        yield ana, ben


def test_the_client_finds_one_tag_on_all_views_of_a_job(jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    job = jobs.make(name="Gate")
    # Before the first write all jobs have the same one, and it would say nothing.
    browsers[0].request("GET", url(job))
    written = browsers[0].request("POST", url(job, "events/create/"), {"description": "Steel has come"})["etag"]

    tags = {view: browsers[0].request("GET", url(job, view))["etag"] for view in VIEWS}

    assert isinstance(written, str)
    assert set(tags.values()) == {written}
    assert browsers[0].do("etag", job=job)["etag"] == written


@pytest.mark.parametrize("view", ["status-choices/", "weekly-metrics/"])
def test_what_is_a_view_of_no_job_has_no_tag(view: str, jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    answer = browsers[0].request("GET", f"/job/rest/jobs/{view}")

    assert (answer["status"], answer["etag"]) == (200, None)
    assert browsers[0].do("etag", job=view.strip("/"))["etag"] is None


def test_saves_in_a_row_need_no_reload(jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    ana, _ = browsers
    job = jobs.make(name="Gate")
    ana.request("GET", url(job, "header/"))

    outcomes = [ana.request(*_client_write(job, name)) for name in WRITES]

    assert [outcome.get("status") for outcome in outcomes] == [200, 200, 201, 200, 200]
    # One request each, with the tag that the answer before carried.
    assert [len(_sent(outcome)) for outcome in outcomes] == [1] * len(WRITES)
    carried = [_sent(outcome)[0]["if_match"] for outcome in outcomes]
    assert carried[1:] == [outcome["etag"] for outcome in outcomes[:-1]]


def test_a_save_without_a_load_is_refused_and_nothing_is_lost(jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    job = jobs.make(name="Gate", notes="keep")

    outcome = browsers[0].request("PATCH", url(job), {"notes": "blind"})

    assert (outcome["error"], outcome["status"]) == ("AxiosError", 428)
    assert jobs.stands(job)["notes"] == "keep"


def test_who_comes_second_is_told_reloaded_and_may_retry(jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    ana, ben = browsers
    job = jobs.make(name="Gate")
    ana.request("GET", url(job))
    stale = ben.request("GET", url(job))["etag"]
    reloads = ben.do("store")["reloads"]
    assert isinstance(reloads, int)
    saved = ana.request("PATCH", url(job), {"notes": "Ana's"})

    refused = ben.request("PATCH", url(job), {"order_number": "Ben's"})

    assert (refused["error"], refused["job"], refused["message"]) == ("ConcurrencyError", job, CONFLICT)
    assert jobs.stands(job)["order_number"] == ""
    # The interceptor goes by the URL: the reload itself carries the stale tag, and has to be answered with 200, or it would be for ever.
    assert [(request["method"], request["path"], request["if_match"]) for request in _sent(refused)] == [
        ("PATCH", url(job), stale),
        ("GET", url(job), stale),
        ("GET", url(job, "header/"), None),
        ("GET", url(job, "basic-info/"), None),
    ]
    store = ben.do("store")
    assert store["reloads"] == reloads + 1
    assert _detailed(store, job)["notes"] == "Ana's"
    assert ben.do("etag", job=job)["etag"] == saved["etag"]

    retried = ben.do("retry")

    assert retried["error"] is None
    assert [(request["method"], request["if_match"]) for request in _sent(retried)] == [("PATCH", saved["etag"])]
    held = jobs.stands(job)
    assert (held["notes"], held["order_number"]) == ("Ana's", "Ben's")


@pytest.mark.parametrize("name", ["PUT", "event", "quote", "DELETE"])
def test_every_other_write_of_the_client_meets_a_conflict_in_the_same_way(name: str, jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    ana, ben = browsers
    job = jobs.make(name="Gate")
    ana.request("GET", url(job))
    ben.request("GET", url(job, "events/"))
    assert ana.request("PATCH", url(job), {"notes": "Ana's"})["status"] == 200
    before = jobs.stands(job)

    refused = ben.request(*_client_write(job, name))

    assert (refused["error"], refused["job"], len(_sent(refused))) == ("ConcurrencyError", job, 4)
    assert jobs.stands(job) == before
    assert ben.do("retry")["error"] is None


def test_a_change_at_a_cost_line_is_a_conflict_of_the_job(jobs: Jobs, browsers: tuple[Browser, Browser]) -> None:
    ana, _ = browsers
    job = jobs.make(name="Gate")
    line = jobs.make_line(job)
    ana.request("GET", url(job, "costs/summary/"))
    assert ask(jobs.port, "PATCH", line, {"job_id": job, "quantity": 3}).status == 200

    refused = ana.request("PATCH", url(job), {"notes": "late"})

    assert (refused["error"], refused["job"]) == ("ConcurrencyError", job)
    assert ana.do("retry")["error"] is None
    assert jobs.stands(job)["notes"] == "late"


def test_the_composable_as_printed_loses_tags_but_no_update(jobs: Jobs, tmp_path: Path) -> None:
    """It makes a map at every call: no tag is ever sent, and only a route that requires one keeps the data whole."""
    job = jobs.make(name="Gate", notes="keep")
    with Browser(jobs.port, tmp_path / "browser.log", as_printed=True) as browser:
        assert browser.request("GET", url(job))["etag"] == jobs.tag(job)
        outcome = browser.request("PATCH", url(job), {"notes": "blind"})

    assert [request["if_match"] for request in _sent(outcome)] == [None]
    assert (outcome["status"], jobs.stands(job)["notes"]) == (428, "keep")


def test_the_client_passes_the_type_checker() -> None:
    done = subprocess.run(
        [node_binary(), packages() / "node_modules/typescript/bin/tsc", "--project", _project()],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def _client_write(job: str, name: str) -> tuple[str, str, object]:
    method, view, body = WRITES[name]
    return method, url(job, view), body


def _sent(outcome: dict[str, object]) -> list[dict[str, object]]:
    sent = outcome["sent"]
    assert isinstance(sent, list)
    return sent


def _detailed(store: dict[str, object], job: str) -> dict[str, object]:
    detailed = json.loads(json.dumps(store))["detailed"][job]["data"]["job"]
    assert isinstance(detailed, dict)
    return detailed


def _project() -> Path:
    """The client's settings for the type checker, beside the packages, where it looks for them."""
    settings = {
        "compilerOptions": {
            "strict": True,
            "noEmit": True,
            "module": "esnext",
            "target": "es2022",
            "moduleResolution": "bundler",
            "skipLibCheck": True,
            "types": [],
            "lib": ["es2022", "dom"],
            "paths": {"@/*": [f"{EXAMPLE}/client/*"], "axios": ["./node_modules/axios"], "vue": ["./node_modules/vue"]},
        },
        "include": [f"{EXAMPLE}/client/**/*.ts"],
    }
    project = packages() / "tsconfig.json"
    project.write_text(json.dumps(settings))
    return project
