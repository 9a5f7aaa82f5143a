"""The Jobs Manager: one tag for a job and all its views, in front of a backend without versions."""

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.jobs import VIEWS, WRITES, Jobs, backend, noclobber, running, url, write
from tests.servers import free_port

COMPLEX = "/job/rest/jobs/toggle-complex-job/"
STALE = '"stale"'
ROUNDS = 10
# One reader takes the first, another the last.
TWICE = b'{"job_id": "0b0d3a52-7c1e-4c57-9a64-3f8e1d2c4b01", "job_id": "0b0d3a52-7c1e-4c57-9a64-3f8e1d2c4b02"}'


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """The example as its README starts it."""
    with running(tmp_path_factory.mktemp("jobs")) as jobs:
        yield jobs


def error_of(answer: Answer) -> str:
    """The text of a refusal. The client knows no other form than this."""
    assert answer.fields["content-type"] == "application/json"
    document = answer.json()
    assert isinstance(document["error"], str)
    return document["error"]


# ---- one tag for a job and its views ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PUT", "PATCH", "event", "quote"])
def test_a_write_is_answered_with_the_tag_that_all_views_then_have(name: str, jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    before = jobs.tag(job)

    answer = write(jobs, job, name, if_match=before)

    assert answer.status in (200, 201)
    assert answer.tag != before
    assert {jobs.tag(job, view) for view in VIEWS} == {answer.tag}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_without_a_tag_is_refused_with_428(name: str, jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    before = jobs.stands(job)

    answer = write(jobs, job, name)

    assert answer.status == 428
    assert error_of(answer)
    assert jobs.stands(job) == before


@pytest.mark.parametrize("name", WRITES)
def test_a_write_with_a_stale_tag_is_refused_with_412(name: str, jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    old = jobs.tag(job)
    newer = write(jobs, job, "event", if_match=old).tag
    before = jobs.stands(job)

    stale = write(jobs, job, name, if_match=old)
    untouched = jobs.stands(job)
    fresh = write(jobs, job, name, if_match=newer)

    assert stale.status == 412
    assert error_of(stale)
    assert untouched == before
    assert fresh.status in (200, 201)


def test_a_tag_may_come_without_its_quotes(jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    old = jobs.tag(job)

    first = write(jobs, job, "PATCH", if_match=old.strip('"'))

    assert first.status == 200
    assert write(jobs, job, "PATCH", if_match=old.strip('"')).status == 412
    assert write(jobs, job, "PATCH", if_match=f"W/{first.tag}").status == 200


def test_a_write_to_one_job_leaves_the_tag_of_another(jobs: Jobs) -> None:
    job, other = jobs.make(name="Gate"), jobs.make(name="Ramp")
    before = jobs.tag(other)

    assert write(jobs, job, "PATCH", if_match=jobs.tag(job)).status == 200

    assert jobs.tag(other) == before != jobs.tag(job)


def test_a_job_that_is_gone_is_404_whatever_the_tag(jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    tag = jobs.tag(job)
    assert write(jobs, job, "DELETE", if_match=tag).status == 200

    assert ask(jobs.port, "GET", url(job)).status == 404
    assert write(jobs, job, "PATCH", if_match=tag).status == 404


def test_a_read_with_a_stale_tag_shows_what_stands(jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    current = jobs.tag(job)

    for view in VIEWS:
        for stale in (STALE, "stale", "*", f"W/{current}"):
            answer = ask(jobs.port, "GET", url(job, view), if_match=stale)
            assert (answer.status, answer.tag) == (200, current)


# ---- writes at other URLs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_to_a_cost_line_changes_the_tag_of_its_job(method: str, jobs: Jobs) -> None:
    job, other = jobs.make(name="Gate"), jobs.make(name="Ramp")
    line = jobs.make_line(job)
    old = jobs.tag(job, "costs/summary/")
    elsewhere = jobs.tag(other)

    if method == "POST":
        answer = ask(
            jobs.port, "POST", "/job/rest/cost_lines/", {"job_id": job, "kind": "time", "quantity": 2, "unit_cost": 1, "unit_rev": 2}
        )
    elif method == "PATCH":
        answer = ask(jobs.port, "PATCH", line, {"job_id": job, "quantity": 3})
    else:
        answer = ask(jobs.port, "DELETE", f"{line}?job_id={job}")

    assert 200 <= answer.status < 300
    assert old not in {jobs.tag(job, view) for view in VIEWS}
    assert len({jobs.tag(job, view) for view in VIEWS}) == 1
    assert jobs.tag(other) == elsewhere
    assert write(jobs, job, "PATCH", if_match=old).status == 412
    assert write(jobs, job, "PATCH", if_match=jobs.tag(job)).status == 200


def test_a_write_to_a_cost_line_that_the_backend_refuses_changes_no_tag(jobs: Jobs) -> None:
    job, other = jobs.make(name="Gate"), jobs.make(name="Ramp")
    tags, line = (jobs.tag(job), jobs.tag(other)), jobs.make_line(job)

    assert ask(jobs.port, "PATCH", line, {"job_id": other, "quantity": 3}).status == 400

    assert (jobs.tag(job), jobs.tag(other)) == tags


def test_a_post_that_names_its_job_in_the_body_is_guarded(jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    old = jobs.tag(job)
    body = {"complex_job": True, "job_id": job}

    missing = ask(jobs.port, "POST", COMPLEX, body)
    assert (missing.status, jobs.stands(job)["complex_job"]) == (428, False)
    assert error_of(missing)

    newer = write(jobs, job, "PATCH", if_match=old).tag
    stale = ask(jobs.port, "POST", COMPLEX, body, if_match=old)
    assert (stale.status, jobs.stands(job)["complex_job"]) == (412, False)
    assert error_of(stale)

    fresh = ask(jobs.port, "POST", COMPLEX, body, if_match=newer)
    assert (fresh.status, jobs.stands(job)["complex_job"]) == (200, True)
    assert fresh.tag == jobs.tag(job, "header/") != newer


@pytest.mark.parametrize("body", [{"complex_job": True}, {"job_id": None}, {"job_id": ["x"]}, [], b"{", b"", TWICE])
def test_a_post_that_names_no_job_is_refused(body: object, jobs: Jobs) -> None:
    answer = ask(jobs.port, "POST", COMPLEX, body, if_match=STALE)

    assert answer.status == 400
    assert error_of(answer)


def test_a_tag_outlives_a_restart(tmp_path: Path) -> None:
    """A form that was open meanwhile is saved, and one that was stale before is stale still."""
    port, store = free_port(), f"sqlite:///{tmp_path}/noclobber.db"
    with backend(port, tmp_path / "backend.log") as child:
        child.wait_for_port(port)
        with noclobber(port, store, tmp_path / "first.log") as first:
            jobs = Jobs(port, first.port)
            job, unwritten = jobs.make(name="Gate"), jobs.make(name="Ramp")
            old, untouched = jobs.tag(job), jobs.tag(unwritten)
            newer = write(jobs, job, "PATCH", if_match=old).tag
        with noclobber(port, store, tmp_path / "second.log") as second:
            jobs = Jobs(port, second.port)

            assert (jobs.tag(job, "header/"), jobs.tag(unwritten)) == (newer, untouched)
            assert write(jobs, job, "PATCH", if_match=old).status == 412
            assert write(jobs, job, "PATCH", if_match=newer).status == 200
            assert write(jobs, unwritten, "PATCH", if_match=untouched).status == 200


@pytest.mark.parametrize("spell", [str.upper, lambda job: job.replace("-", ""), "{{{}}}".format], ids=["capitals", "no hyphens", "braces"])
def test_another_spelling_of_the_job_is_no_way_round_its_tag(spell: Callable[[str], str], jobs: Jobs) -> None:
    job = jobs.make(name="Gate")
    old = jobs.tag(job)
    newer = write(jobs, job, "PATCH", if_match=old).tag

    stale = ask(jobs.port, "POST", COMPLEX, {"job_id": spell(job), "complex_job": True}, if_match=old)
    # 404 is what the backend says of the job's URL in that spelling; the body it would take.
    assert (stale.status in (404, 412), jobs.stands(job)["complex_job"]) == (True, False)

    fresh = ask(jobs.port, "POST", COMPLEX, {"job_id": spell(job), "complex_job": True}, if_match=newer)
    assert (fresh.status, jobs.stands(job)["complex_job"]) == (200, True)
    assert fresh.tag == jobs.tag(job) != newer


# ---- races --------------------------------------------------------------------------------------------------------------------------


def test_of_many_writes_with_one_tag_at_several_urls_one_is_applied(jobs: Jobs) -> None:
    for _ in range(5):
        job = jobs.make(name="Gate")
        tag = jobs.tag(job)
        with ThreadPoolExecutor(12) as pool:
            futures = [pool.submit(write, jobs, job, name, if_match=tag) for name in ("PUT", "PATCH", "event", "quote") * 2]
            toggle = {"job_id": job, "complex_job": True}
            futures += [pool.submit(ask, jobs.port, "POST", COMPLEX, toggle, if_match=tag) for _ in range(4)]
            statuses = [future.result().status for future in futures]

        assert sorted(status for status in statuses if status < 400) in ([200], [201])
        # 503: on a busy machine a turn may not come in time.
        assert {status for status in statuses if status >= 400} <= {412, 503}


def test_no_note_of_many_users_is_lost(jobs: Jobs) -> None:
    """Each reads another view, adds to what it read, and on 412 begins again."""
    job = jobs.make(name="Gate", notes="")
    rounds = 8

    def add(name: str) -> None:
        for number in range(rounds):
            while True:
                read = ask(jobs.port, "GET", url(job, "basic-info/"))
                notes = f"{read.json()['notes']}{name}{number} "
                saved = ask(jobs.port, "PATCH", url(job), {"notes": notes}, if_match=read.tag)
                if saved.status == 200:
                    break
                assert saved.status in (412, 503)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(add, "abcde"))

    assert sorted(str(jobs.stands(job)["notes"]).split()) == sorted(f"{name}{number}" for name in "abcde" for number in range(rounds))


def test_no_save_rests_on_costs_that_have_changed_since(tmp_path: Path) -> None:
    """Through two noclobbers some change cost lines, and others save the total that they have read: it must still be so when they save."""
    port, store = free_port(), f"sqlite:///{tmp_path}/noclobber.db"
    with backend(port, tmp_path / "backend.log") as child:
        child.wait_for_port(port)
        with noclobber(port, store, tmp_path / "first.log") as first, noclobber(port, store, tmp_path / "second.log") as second:
            ports = first.port, second.port
            jobs = Jobs(port, first.port)
            job = jobs.make(name="Gate")
            line = jobs.make_line(job)
            with ThreadPoolExecutor(6) as pool:
                changing = [pool.submit(_change_costs, ports[n % 2], line, job, n) for n in range(3)]
                saving = [pool.submit(_save_totals, ports[n % 2], job) for n in range(3)]
                changes = sum(future.result() for future in changing)
                pairs = [pair for future in saving for pair in future.result()]

    assert changes == 3 * ROUNDS
    assert len(pairs) == 3 * ROUNDS
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


def _change_costs(port: int, line: str, job: str, seed: int) -> int:
    """Change a cost line so many times; return how often."""
    chance, done = random.Random(seed), 0
    while done < ROUNDS:
        status = ask(port, "PATCH", line, {"job_id": job, "quantity": chance.randrange(1, 1000)}).status
        assert status in (200, 503)
        done += status == 200
        time.sleep(chance.random() * 0.02)
    return done


def _save_totals(port: int, job: str) -> list[tuple[object, object]]:
    """Save the job so many times; return the totals that were read, each with the one at the moment of the save."""
    pairs: list[tuple[object, object]] = []
    while len(pairs) < ROUNDS:
        read = ask(port, "GET", url(job, "costs/summary/"))
        total = read.json()["actual"]
        saved = ask(port, "PATCH", url(job), {"notes": json.dumps(total)}, if_match=read.tag)
        assert saved.status in (200, 412, 503)
        if saved.status == 200:
            pairs.append((total, json.loads(saved.body)["data"]["job"]["cost_summary"]["actual"]))
    return pairs
