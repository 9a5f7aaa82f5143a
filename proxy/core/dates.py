"""HTTP dates (RFC 9110 §5.6.7), as seconds since 1970 in UTC. Who needs the present brings it along: there is no clock here.

A date is in one of the three forms to the letter, or it is none. The day's name has to be one, but is not held against the date: the
grammar does not ask for that, and a date that is dropped takes its condition with it.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DAY_NAME = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DAY_NAME_L = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY = rb"(?P<day>[0-9]{2})"
_YEAR = rb"(?P<year>[0-9]{4})"
# IMF-fixdate  = day-name "," SP day SP month SP year SP time-of-day SP GMT
_IMF_FIXDATE = re.compile(_DAY_NAME + rb", " + _DAY + rb" " + _MONTH + rb" " + _YEAR + rb" " + _TIME + rb" GMT")
# rfc850-date  = day-name-l "," SP day "-" month "-" 2DIGIT SP time-of-day SP GMT
_RFC850_DATE = re.compile(_DAY_NAME_L + rb", " + _DAY + rb"-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT")
# asctime-date = day-name SP month SP ( 2DIGIT / ( SP DIGIT ) ) SP time-of-day SP year
_ASCTIME_DATE = re.compile(_DAY_NAME + rb" " + _MONTH + rb" (?P<day>[0-9]{2}| [0-9]) " + _TIME + rb" " + _YEAR)

RFC850_HORIZON_YEARS = 50
"""A two-digit year never means a time further ahead than this (§5.6.7)."""


def parse_http_date(value: bytes, now: float) -> float | None:
    """Read one HTTP-date; None where it is not one, or names a day or time that does not exist.

    `now` only serves the two-digit years of RFC 850: the latest such year that is not more than 50 years ahead of it is meant. A leap
    second counts as the second that follows it.
    """
    date = _full_date(value)
    if date is None and (found := _RFC850_DATE.fullmatch(value)):
        within = _within_year(found)
        return _seconds(_full_year(int(found["year"]), within, now), within)
    return date


@lru_cache(maxsize=256)
def _full_date(value: bytes) -> float | None:
    """Read a date with all of its year. Remembered: within a second every answer of a backend has the same one."""
    found = _IMF_FIXDATE.fullmatch(value) or _ASCTIME_DATE.fullmatch(value)
    return None if found is None else _seconds(int(found["year"]), _within_year(found))


def format_http_date(seconds: float) -> bytes:
    """Write seconds as an IMF-fixdate, the only form that may be sent. A fraction is dropped: Last-Modified is never in the future.

    Raise OverflowError for a time outside the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(seconds=math.floor(seconds))
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _DAYS[moment.weekday()],
        moment.day,
        _MONTHS[moment.month - 1],
        moment.year,
        moment.hour,
        moment.minute,
        moment.second,
    )


def _within_year(found: re.Match[bytes]) -> tuple[int, int, int, int, int]:
    return _MONTH_NUMBERS[found["month"]], int(found["day"]), int(found["hour"]), int(found["minute"]), int(found["second"])


def _full_year(last_digits: int, within_year: tuple[int, int, int, int, int], now: float) -> int:
    """Find the latest year that ends in last_digits and puts the rest of the date no more than 50 years after now."""
    present = _EPOCH + timedelta(seconds=math.floor(now))
    horizon = present.year + RFC850_HORIZON_YEARS
    year = horizon - (horizon - last_digits) % 100
    is_beyond = year == horizon and within_year > (present.month, present.day, present.hour, present.minute, present.second)
    return year - 100 if is_beyond else year


def _seconds(year: int, within_year: tuple[int, int, int, int, int]) -> float | None:
    month, day, hour, minute, second = within_year
    # time-of-day runs from 00:00:00 to 23:59:60: a leap second comes at the end of a day and nowhere else.
    leap = 1 if (hour, minute, second) == (23, 59, 60) else 0
    try:
        return (datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC) - _EPOCH).total_seconds() + leap
    except ValueError:
        return None
