"""Outcomes: what every status means for a write (protocol §5, W5)."""

import pytest

from proxy.core.outcome import Judge, Outcome, classify

NOT_APPLIED = {400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 422, 428, 429}
"""Written out again, as the protocol has it: a status that slips in here would be a lost update."""


@pytest.mark.parametrize("judge", Judge)
def test_every_status(judge: Judge) -> None:
    for status in range(200, 1000):
        outcome = classify(status, judge)
        if status < 300:
            assert outcome is Outcome.APPLIED, status
        elif status in NOT_APPLIED or (status == 412 and judge is Judge.BACKEND_TOO):
            assert outcome is Outcome.NOT_APPLIED, status
        else:
            assert outcome is Outcome.UNKNOWN, status


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_interim_answer_is_no_answer(status: int) -> None:
    assert classify(status, Judge.NOCLOBBER) is Outcome.UNKNOWN
