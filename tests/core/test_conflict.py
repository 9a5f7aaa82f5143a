"""Problem documents (RFC 9457): what every one of them says."""

import json
import re

import pytest

from proxy.core.conflict import MAX_ECHO_CHARS, Problem, Received, problem_document
from proxy.core.etag import EntityTag


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_says_what_it_is_and_what_to_do(problem: Problem) -> None:
    document = json.loads(problem_document(problem, "Why.", b"/a"))
    assert document == {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": "Why.",
        "instance": "/a",
        "next": problem.cure,
    }
    assert re.fullmatch(r"urn:noclobber:problem:[a-z-]+", problem.type)
    assert 400 <= problem.status < 600
    assert problem.cure.endswith(".")


def test_no_two_problems_share_a_type() -> None:
    assert len({problem.type for problem in Problem}) == len(Problem)


def test_only_what_was_not_done_may_be_sent_again() -> None:
    """The contract: 503 (and 429) means certainly not applied, 504 re-read before you retry."""
    for problem in Problem:
        assert ("Nothing was done." in problem.cure) == (problem.status in (429, 503))


def test_what_was_received_and_what_stands() -> None:
    document = json.loads(problem_document(Problem.STALE, "Why.", b"/a", Received(b"If-Match", b'"a"'), EntityTag(b"b\xff")))
    assert document["received"] == {"field": "If-Match", "value": '"a"'}
    assert document["currentTag"] == '"b\xff"'


def test_it_is_ascii_whatever_came() -> None:
    body = problem_document(Problem.MALFORMED, "Why.", b"/\xff\x00", Received(b"If-Match", b'\xe9"\n\x1b'))
    assert body.isascii()
    assert json.loads(body)["received"]["value"] == '\xe9"\n\x1b'
    assert not re.search(rb"[\x00-\x1f]", body)


def test_an_echo_has_an_end() -> None:
    value = json.loads(problem_document(Problem.MALFORMED, "Why.", b"/", Received(b"If-Match", b"a" * 5000)))["received"]["value"]
    assert value == "a" * MAX_ECHO_CHARS + "…"
    whole = json.loads(problem_document(Problem.MALFORMED, "Why.", b"/" + b"a" * (MAX_ECHO_CHARS - 1)))["instance"]
    assert len(whole) == MAX_ECHO_CHARS
