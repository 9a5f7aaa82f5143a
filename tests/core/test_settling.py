"""Which dates say nothing yet."""

from datetime import UTC, datetime

import pytest

from proxy.core.settling import is_unsettled

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()

# The value, how many seconds after noon it is seen, whether it may still be shared.
DATES = (
    ("Sun, 01 Mar 2026 12:00:00 GMT", 0, True),
    ("Sun, 01 Mar 2026 12:00:00 GMT", 1.9, True),
    ("Sun, 01 Mar 2026 12:00:00 GMT", 2, False),
    ("Sunday, 01-Mar-26 12:00:00 GMT", 1, True),
    ("Sun Mar  1 12:00:00 2026", 1, True),
    ("2026-03-01T12:00:00Z", 1, True),
    ("2026-03-01T12:00:00Z", 2, False),
    ("2026-03-01t12:00:00z", 1, True),
    ("2026-03-01T13:00:00+01:00", 1, True),
    ("2026-03-01T13:00:00+0100", 2, False),
    ("2026-03-01 08:30:00 -03:30", 1, True),
    ("2026-03-01T12:00:00+00", 1, True),
    ("2026-03-01T12:00:00.000Z", 1, True),
    ("2026-03-01T12:00:00,000000Z", 1, True),
    ("2026-03-01T12:00:00.001Z", 0, False),
    ("2026-03-01T12:00:00.100000Z", 0, False),
    ("2026-03-01T12:00:30Z", 0, True),
    ("2026-03-01T11:59:60Z", 0, True),
    ("2026-03-01T12:00Z", 60, True),
    ("2026-03-01T12:00Z", 61, False),
    ("2026-03-01", 40_000, True),
    ("2026-02-27", 0, False),
    ("2026-03-01 12:00:00", 1, True),
    ("2026-03-01 12:00:00", 2, False),
    ("2026-03-01 17:30:00", 1, True),
    ("2026-03-01 02:45:00", 1, True),
    ("2026-02-28 12:00:00", 1, False),
    ("2026-03-02 12:00:00", 1, True),
    ("2026-03-01 12:00:00.5", 1, False),
    (str(int(NOON)), 1, True),
    (str(int(NOON)), 2, False),
    (str(int(NOON) + 5), 0, False),
    (f"{int(NOON)}000", 1, True),
    (f"{int(NOON)}001", 1, False),
    (f"{int(NOON)}.000", 1, True),
    (f"{int(NOON)}.25", 1, False),
    ("7", 0, False),
    ("2026-13-01T12:00:00Z", 0, False),
    ("2026-02-30", 0, False),
    ("2026-03-01T12:00:00Zulu", 0, False),
    ("", 0, False),
    ("é\U0001f600", 0, False),
    ('W/"17"', 0, False),
)


@pytest.mark.parametrize(("value", "later", "expected"), DATES, ids=[f"{row[0]} after {row[1]}" for row in DATES])
def test_unsettled(value: str, later: float, expected: bool) -> None:
    assert is_unsettled(value, NOON + later) is expected
