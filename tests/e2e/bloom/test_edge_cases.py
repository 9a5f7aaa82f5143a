"""BLOOM-203, AC-10 to AC-12, and the tests that the task itself names."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.asking import ask
from tests.e2e.browsers import Browser
from tests.e2e.cutting import Cutter
from tests.e2e.peers import installed
from tests.e2e.processes import Noclobber
from tests.e2e.stages import Stage, start_backend

from .journeys import CONFIG, fetched, new_journey, opened, path_of, put, standing

# The first of them may have to install node and the packages.
pytestmark = pytest.mark.timeout(400)

# ---- edge cases --------------------------------------------------------------------------------------------------------------------------


def test_ac_10_rapid_saves_of_one_user_do_not_conflict(stage: Stage, ann: Browser, journey: str) -> None:
    tab = opened(ann, journey)

    saved = ann.do("saveRapidly", tab, 10)

    assert saved == [{"version": version, "open": False} for version in range(2, 12)]
    assert standing(stage, journey)["name"] == "Draft 10"


def test_ac_10_a_double_click_is_one_save(stage: Stage, ann: Browser, journey: str) -> None:
    tab = opened(ann, journey)

    after = ann.do("saveTwice", tab, {"name": "Clicked twice"})

    assert after["conflictDialog"] == {"open": False}
    assert [toast["kind"] for toast in after["toasts"]] == ["success", "success"]
    assert after["currentJourney"] == fetched(stage, journey)
    assert after["currentJourney"]["version"] == 2
    assert stage.backend_saw("PUT", path_of(journey)) == [200]


def test_ac_10_the_same_bytes_of_another_user_are_a_conflict(stage: Stage, ann: Browser, ben: Browser, journey: str) -> None:
    hers, his = opened(ann, journey), opened(ben, journey)

    saved, refused = ann.do("save", hers, {"status": "active"}), ben.do("save", his, {"status": "active"})

    assert saved["currentJourney"]["version"] == 2
    assert refused["conflictDialog"]["open"] is True


def test_ac_11_a_save_whose_answer_was_lost_is_no_conflict(stage: Stage, journey: str) -> None:
    with Cutter(stage.noclobber.port) as cutter:
        eve = stage.browser("eve", cutter.port)
        tab = opened(eve, journey)
        cutter.cut("PUT")

        after = eve.do("save", tab, {"name": "Saved through a tunnel"})

        assert cutter.cuts == 1
    assert after["failure"] is None
    assert after["conflictDialog"] == {"open": False}
    assert [toast["kind"] for toast in after["toasts"]] == ["success"]
    assert after["currentJourney"] == fetched(stage, journey)
    assert after["currentJourney"]["version"] == 2
    assert stage.backend_saw("PUT", path_of(journey)) == [200]
    assert eve.statuses()[-2:] == [0, 200]


def test_ac_11_a_save_that_the_backend_applied_and_did_not_answer_is_no_conflict(tmp_path: Path, stage: Stage) -> None:
    """noclobber cannot know either, and says so: 504. The retry waits until nothing can come any more, and finds its change in place."""
    backend, port = start_backend("bloom-journeys", tmp_path)
    with backend, Cutter(port) as cutter, Noclobber(cutter.port, "memory://", tmp_path / "noclobber.log", config=CONFIG) as noclobber:
        noclobber.wait_until_ready()
        journey = new_journey(port)
        with Browser(stage.site, "bloom", noclobber.port, "sam") as sam:
            tab = opened(sam, journey)
            cutter.cut("PUT")

            complete = {**ask(port, "GET", path_of(journey)).json(), "name": "Applied"}
            after = sam.do("save", tab, complete)

            assert cutter.cuts == 1
            assert sam.statuses() == [200, 504, 200]
        assert (after["failure"], after["conflictDialog"]) == (None, {"open": False})
        assert after["currentJourney"] == ask(noclobber.port, "GET", path_of(journey)).json()
        assert (after["currentJourney"]["name"], after["currentJourney"]["version"]) == ("Applied", 2)
        assert len(re.findall(r'"PUT \S+ HTTP/1\.1" 200', backend.log.read_text())) == 1


def test_ac_12_a_deleted_journey_is_404_and_no_conflict(stage: Stage, ann: Browser, ben: Browser, journey: str) -> None:
    his = opened(ben, journey)
    assert ask(stage.noclobber.port, "DELETE", path_of(journey)).status == 204

    after = ben.do("save", his, {"name": "Too late"})

    assert after["failure"]["status"] == 404
    assert after["conflictDialog"] == {"open": False}
    assert after["toasts"] == [{"message": "Failed to save journey", "kind": "error"}]
    assert put(stage, journey, name="Too late", version=1).status == 404
    assert ask(stage.noclobber.port, "GET", path_of(journey)).status == 404
    # The backend's own answer to such a PUT is a 500: it was never asked.
    assert stage.backend_saw("PUT", path_of(journey)) == []


def test_ac_12_a_journey_that_was_deleted_around_noclobber_is_404_too(stage: Stage, journey: str) -> None:
    assert fetched(stage, journey)["version"] == 1
    assert ask(stage.backend_port, "DELETE", path_of(journey)).status == 204

    assert put(stage, journey, name="Too late", version=1).status == 404


# ---- the rest of the task ----------------------------------------------------------------------------------------------------------------


def test_the_tests_of_the_task_pass(stage: Stage) -> None:
    done = subprocess.run(
        [installed("node"), "--test", "--test-reporter=tap", str(stage.site / "client" / "concurrent-edits.test.js")],
        env={**os.environ, "BLOOM_URL": f"http://127.0.0.1:{stage.noclobber.port}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"^# tests 3$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^# pass 3$", done.stdout, re.MULTILINE), done.stdout


def test_the_tests_of_the_task_fail_without_noclobber(stage: Stage) -> None:
    done = subprocess.run(
        [installed("node"), "--test", "--test-reporter=tap", str(stage.site / "client" / "concurrent-edits.test.js")],
        env={**os.environ, "BLOOM_URL": f"http://127.0.0.1:{stage.backend_port}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert re.search(r"^# pass 0$", done.stdout, re.MULTILINE), done.stdout


def test_a_created_journey_begins_at_1(stage: Stage) -> None:
    fields = {"name": "New", "clientId": "blue-rail", "stages": [], "version": 7}

    answer = ask(stage.noclobber.port, "POST", "/api/journeys", fields)

    assert (answer.status, answer.json()["version"]) == (201, 1)
    assert fetched(stage, str(answer.json()["id"])) == answer.json()


@pytest.mark.parametrize("wrong", ['"3"', "1.5", "null", "true", "[1]"])
def test_a_version_that_is_no_number_is_refused(stage: Stage, journey: str, wrong: str) -> None:
    body = b'{"name": "Wrong", "version": %s}' % wrong.encode()

    answer = ask(stage.noclobber.port, "PUT", path_of(journey), body)

    assert answer.status == 400
    assert stage.backend_saw("PUT", path_of(journey)) == []
