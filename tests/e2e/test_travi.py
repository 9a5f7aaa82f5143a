"""TRAVI CMS: its own fetch and React Query code, unchanged, through noclobber in front of its last-write-wins backend."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.asking import ask
from tests.e2e.browsers import Browser
from tests.e2e.stages import Stage, staged

# The first of them may have to install node and the packages.
pytestmark = pytest.mark.timeout(400)

PATH = "/api/contents/123"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged("travi-cms", "travi", tmp_path_factory.mktemp("travi")) as stage:
        yield stage


@pytest.fixture
def ann(stage: Stage) -> Browser:
    """Client A of the guide's diagram."""
    return stage.browser("ann")


@pytest.fixture
def ben(stage: Stage) -> Browser:
    """Client B."""
    return stage.browser("ben")


@pytest.fixture(autouse=True)
def no_bare_412(stage: Stage) -> Iterator[None]:
    """These clients know 409 alone."""
    yield
    assert 412 not in stage.new_statuses()


def standing(stage: Stage, path: str = PATH) -> dict[str, Any]:
    """What the backend itself holds."""
    return ask(stage.backend_port, "GET", path).json()


def post(stage: Stage, title: str) -> tuple[int, str]:
    """A content that the backend has had all along: its number and path."""
    number = ask(stage.backend_port, "POST", "/api/contents", {"title": title, "body": "…"}).json()["id"]
    assert isinstance(number, int)
    return number, f"/api/contents/{number}"


def conflict_by(ann: Browser, ben: Browser) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Both read, both save: what they read, Ann's answer, and Ben's."""
    before, also = ann.do("readContent"), ben.do("readContent")
    assert before == also
    saved = ann.do("updateContent", {"title": f"Ann's, after {before['etag']}"}, before["etag"])
    refused = ben.do("updateContent", {"title": "Ben's", "status": "review"}, before["etag"])
    return before, saved, refused


# ---- the guide's fetch client ------------------------------------------------------------------------------------------------------------


def test_both_clients_end_as_in_the_diagram(stage: Stage, ann: Browser, ben: Browser) -> None:
    before, saved, refused = conflict_by(ann, ben)

    assert (saved["status"], refused["status"]) == (200, 409)
    assert saved["etag"] not in (None, before["etag"])
    assert saved["content"] == ann.do("readContent")["content"] == standing(stage)
    assert saved["content"]["title"].startswith("Ann's")
    assert ann.do("readContent")["etag"] == saved["etag"]


def test_the_answer_to_a_conflict_is_that_of_the_guide_field_by_field(ann: Browser, ben: Browser) -> None:
    before, saved, refused = conflict_by(ann, ben)

    assert refused["conflict"] == {
        "error": "Conflict: Content has been modified",
        "code": "VERSION_CONFLICT",
        "currentVersion": saved["etag"],
        "clientVersion": before["etag"],
        "message": "The content was modified by another user. Please refresh and try again.",
        "resolution": {"options": ["refresh", "force_save", "merge"], "refreshUrl": PATH},
    }
    assert saved["etag"].startswith('"')
    assert before["etag"].startswith('"')


def test_a_read_has_the_backends_last_modified_beside_the_tag(stage: Stage, ann: Browser) -> None:
    assert ann.do("readContent")["lastModified"] == ask(stage.backend_port, "GET", PATH).fields["last-modified"]


def test_refreshing_gets_what_to_save_on(stage: Stage, ann: Browser, ben: Browser) -> None:
    _, saved, refused = conflict_by(ann, ben)

    fresh = ben.do("refresh", refused["conflict"])
    again = ben.do("updateContent", {"status": "review"}, fresh["etag"])

    assert fresh == {"content": saved["content"], "etag": saved["etag"]}
    assert again["status"] == 200
    assert standing(stage) == {**saved["content"], "status": "review", "updatedAt": again["content"]["updatedAt"]}


def test_a_forced_save_goes_through_and_makes_older_tags_stale(stage: Stage, ann: Browser, ben: Browser) -> None:
    _, saved, _ = conflict_by(ann, ben)

    forced = ben.do("forceSave", 123, {"title": "Ben's, forced"})
    late = ann.do("updateContent", {"title": "Ann's again"}, saved["etag"])

    assert forced["status"] == 200
    assert late["status"] == 409
    assert late["conflict"]["currentVersion"] == forced["etag"]
    assert standing(stage)["title"] == "Ben's, forced"


def test_a_merge_is_saved_on_the_version_that_the_conflict_names(stage: Stage, ann: Browser, ben: Browser) -> None:
    _, saved, refused = conflict_by(ann, ben)

    merged = ben.do("mergeAndSave", 123, {"title": "Ben's"}, refused["conflict"]["currentVersion"])

    assert merged["server"] == saved["content"]
    assert merged["saved"]["status"] == 200
    assert standing(stage)["title"] == f"{saved['content']['title']} / Ben's"


def test_a_merge_that_is_late_itself_is_a_conflict_again(stage: Stage, ann: Browser, ben: Browser) -> None:
    _, saved, refused = conflict_by(ann, ben)
    third = ann.do("updateContent", {"title": "Ann's third"}, saved["etag"])

    merged = ben.do("mergeAndSave", 123, {"title": "Ben's"}, refused["conflict"]["currentVersion"])

    assert merged["saved"]["status"] == 409
    assert merged["saved"]["conflict"]["currentVersion"] == third["etag"]
    assert standing(stage)["title"] == "Ann's third"


def test_a_client_without_if_match_proceeds_and_is_counted(stage: Stage) -> None:
    number, path = post(stage, "Old client")
    unprotected = stage.metric("noclobber_unprotected_writes_total", route="content")

    answer = ask(stage.noclobber.port, "PATCH", path, {"title": "Saved by an old client"})

    assert (answer.status, standing(stage, path)["title"]) == (200, "Saved by an old client")
    assert answer.tag == ask(stage.noclobber.port, "GET", path).tag
    assert stage.metric("noclobber_unprotected_writes_total", route="content") == unprotected + 1
    assert standing(stage, path)["id"] == number


def test_conflicts_are_counted(stage: Stage, ann: Browser, ben: Browser) -> None:
    conflicts = stage.metric("noclobber_conflicts_total", route="content")

    conflict_by(ann, ben)

    assert stage.metric("noclobber_conflicts_total", route="content") == conflicts + 1


def test_a_content_that_is_gone_is_not_found(stage: Stage) -> None:
    _, path = post(stage, "Short-lived")
    tag = ask(stage.noclobber.port, "GET", path).tag
    assert ask(stage.noclobber.port, "DELETE", path, None, if_match=tag).status == 204

    answer = ask(stage.noclobber.port, "PATCH", path, {"title": "Too late"}, if_match=tag)

    assert (answer.status, answer.json()) == (404, {"error": "Content not found"})


# ---- React and React Query ---------------------------------------------------------------------------------------------------------------


def both_edit(stage: Stage, ann: Browser, ben: Browser, title: str) -> tuple[str, str]:
    """Ann and Ben open one content, and Ann saves first; then Ben saves, and sees the dialog. The tab of both, and the path."""
    number, path = post(stage, title)
    for browser in (ann, ben):
        browser.do("render", path, "Editor", {"id": number})
        browser.see(path, "[name=title]", lambda shown: shown == title)
    assert ann.do("text", path, "[name=etag]") == ben.do("text", path, "[name=etag]")
    first = ann.do("text", path, "[name=etag]")
    ann.do("fill", path, "title", "Ann's title")
    ann.do("press", path, "save")
    ann.see(path, "[name=etag]", lambda tag: tag != first)
    assert ann.do("text", path, "[name=state]") == "success"
    ben.do("fill", path, "title", "Ben's title")
    ben.do("press", path, "save")
    assert ben.see(path, "[role=dialog] p") == "The content was modified by another user. Please refresh and try again."
    assert standing(stage, path)["title"] == "Ann's title"
    return path, path


def test_the_dialog_is_shown_to_the_second_alone(stage: Stage, ann: Browser, ben: Browser) -> None:
    tab, _ = both_edit(stage, ann, ben, "Who sees it")

    assert ann.do("text", tab, "[role=dialog]") is None
    assert ben.do("text", tab, "[name=state]") == "error"


def test_refresh_in_the_dialog_discards_the_draft(stage: Stage, ann: Browser, ben: Browser) -> None:
    tab, path = both_edit(stage, ann, ben, "Refreshed")

    ben.do("press", tab, "refresh")

    ben.see(tab, "[name=title]", lambda shown: shown == "Ann's title")
    assert ben.do("text", tab, "[role=dialog]") is None
    ben.do("fill", tab, "status", "review")
    ben.do("press", tab, "save")
    ben.see(tab, "[name=state]", lambda state: state == "success")
    assert (standing(stage, path)["title"], standing(stage, path)["status"]) == ("Ann's title", "review")


def test_saving_mine_in_the_dialog_forces_it(stage: Stage, ann: Browser, ben: Browser) -> None:
    unprotected = stage.metric("noclobber_unprotected_writes_total", route="content")
    tab, path = both_edit(stage, ann, ben, "Forced")

    ben.do("press", tab, "force")

    ben.see(tab, "[role=dialog]", lambda shown: shown is None)
    assert standing(stage, path)["title"] == ben.do("text", tab, "[name=title]") == "Ben's title"
    assert stage.metric("noclobber_unprotected_writes_total", route="content") == unprotected + 1


def test_merging_in_the_dialog_keeps_both(stage: Stage, ann: Browser, ben: Browser) -> None:
    tab, path = both_edit(stage, ann, ben, "Merged")

    ben.do("press", tab, "merge")
    assert ben.see(tab, "[role=alertdialog] .server") == "Ann's title"
    assert ben.do("text", tab, "[role=alertdialog] .local") == "Ben's title"
    ben.do("press", tab, "merged")

    ben.see(tab, "[name=title]", lambda shown: shown == "Ann's title / Ben's title")
    assert standing(stage, path)["title"] == "Ann's title / Ben's title"


# ---- any backend of the same paths ------------------------------------------------------------------------------------------------------


def test_noclobber_is_told_nothing_but_the_backends_url(stage: Stage) -> None:
    """The stage itself runs with `--config … --upstream … --store …`; what its routes do not name passes untouched."""
    straight, through = (ask(port, "GET", "/elsewhere") for port in (stage.backend_port, stage.noclobber.port))

    assert (through.status, through.body) == (straight.status, straight.body)
    assert "etag" not in through.fields
