"""Dates as versions: a date that counts whole seconds says nothing until its second is over, because another write may still share it.

A date that counts in fractions is taken at its word. So is a text that is no date.
"""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

from .dates import parse_http_date

MARGIN_SECONDS = 1
"""How much longer than what it counts a date is waited for: clocks of one backend that show different seconds."""

# RFC 3339 §5.6, and what is left out of it in practice: seconds, the time, the zone; a space for the T (SQL), a comma (ISO 8601).
_DATE = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<minute>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
# Seconds or milliseconds since 1970, from 2001 to 2286.
_COUNT = re.compile(r"(?P<seconds>[1-9][0-9]{9})(?:000|\.0+)?")
_ZONE_STEP_SECONDS = 900
# UTC-12 to UTC+14.
_ZONES_SECONDS = 15 * 3600


def is_unsettled(value: str, now: float) -> bool:
    """Whether value is a date in whole seconds (or minutes, or days) that another write may still leave as it is.

    A fraction of nothing but zeros counts as whole seconds: so do the dates of a database come that keeps no more. A date without a zone
    is unsettled if it would be so young in any zone. One in the future is unsettled: its clock is not the one that it is held against.
    """
    if (moment := parse_http_date(value.encode("latin-1", "replace"), now)) is not None:
        return now - moment < 1 + MARGIN_SECONDS
    if found := _COUNT.fullmatch(value):
        return 0 <= now - int(found["seconds"]) < 1 + MARGIN_SECONDS
    found = _DATE.fullmatch(value)
    if found is None or (found["fraction"] or "").strip("0"):
        return False
    step = 1 if found["second"] else 60 if found["minute"] else 86400
    try:
        moment = _seconds(found)
    except ValueError:
        return False
    age = now - moment
    if found["zone"]:
        return age < step + MARGIN_SECONDS
    if not -_ZONES_SECONDS <= age < _ZONES_SECONDS + step + MARGIN_SECONDS:
        return age < 0
    return step >= _ZONE_STEP_SECONDS or age % _ZONE_STEP_SECONDS < step + MARGIN_SECONDS


def _seconds(found: re.Match[str]) -> float:
    """When a date is, as if it were UTC where it has no zone. Raises ValueError for a day or a time that does not exist."""
    zone = found["zone"] or "Z"
    offset = timedelta()
    if zone not in "Zz":
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0)) * (-1 if zone[0] == "-" else 1)
    # A leap second is the one before it.
    second = min(int(found["second"] or 0), 59)
    hour, minute = (found["minute"] or "00:00").split(":")
    year, month, day = map(int, found["day"].split("-"))
    return math.floor(datetime(year, month, day, int(hour), int(minute), second, tzinfo=timezone(offset)).astimezone(UTC).timestamp())
