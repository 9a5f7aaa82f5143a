"""HTTP dates, RFC 9110 §5.6.7: the three forms to the letter, two-digit years, and what is not a date."""

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dates import format_http_date, parse_http_date
from tests.strategies import LAST_SECOND, octets, timestamps

NOVEMBER_1994 = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of the RFC's examples."""


def at(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0) -> float:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


NOW = at(2026, 11, 15, 12)

DATES = {
    "5.6.7 IMF-fixdate": (b"Sun, 06 Nov 1994 08:49:37 GMT", NOVEMBER_1994),
    "5.6.7 rfc850-date": (b"Sunday, 06-Nov-94 08:49:37 GMT", NOVEMBER_1994),
    "5.6.7 asctime-date": (b"Sun Nov  6 08:49:37 1994", NOVEMBER_1994),
    "5.6.7 asctime-date, two-digit day": (b"Wed Nov 16 08:49:37 1994", NOVEMBER_1994 + 864000),
    "5.6.7 asctime-date, day with a zero": (b"Sun Nov 06 08:49:37 1994", NOVEMBER_1994),
    "5.6.7 the epoch": (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    "5.6.7 before the epoch": (b"Wed, 31 Dec 1969 23:59:59 GMT", -1.0),
    "5.6.7 first year": (b"Mon, 01 Jan 0001 00:00:00 GMT", -62135596800.0),
    "5.6.7 last second": (b"Fri, 31 Dec 9999 23:59:59 GMT", float(LAST_SECOND)),
    "5.6.7 leap day": (b"Thu, 29 Feb 2024 00:00:00 GMT", at(2024, 2, 29)),
    "5.6.7 leap day of a leap century": (b"Tue, 29 Feb 2000 00:00:00 GMT", at(2000, 2, 29)),
    "5.6.7 leap second": (b"Sat, 31 Dec 2016 23:59:60 GMT", at(2017)),
    "5.6.7 leap second, asctime": (b"Sat Dec 31 23:59:60 2016", at(2017)),
    "5.6.7 the day's name does not fit": (b"Mon, 06 Nov 1994 08:49:37 GMT", NOVEMBER_1994),
    "5.6.7 the day's long name does not fit": (b"Monday, 06-Nov-94 08:49:37 GMT", NOVEMBER_1994),
}

NOT_DATES = {
    "nothing": b"",
    "a number": b"784111777",
    "a tag": b'"a"',
    "ISO 8601": b"1994-11-06T08:49:37Z",
    "two dates": b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    "a length after it": b"Sun, 06 Nov 1994 08:49:37 GMT; length=3",
    "white space before": b" Sun, 06 Nov 1994 08:49:37 GMT",
    "white space after": b"Sun, 06 Nov 1994 08:49:37 GMT ",
    "a line feed after": b"Sun, 06 Nov 1994 08:49:37 GMT\n",
    "no zone": b"Sun, 06 Nov 1994 08:49:37",
    "zone UTC": b"Sun, 06 Nov 1994 08:49:37 UTC",
    "zone +0000": b"Sun, 06 Nov 1994 08:49:37 +0000",
    "zone gmt": b"Sun, 06 Nov 1994 08:49:37 gmt",
    "asctime with zone": b"Sun Nov  6 08:49:37 1994 GMT",
    "asctime, one-digit day, one space": b"Sun Nov 6 08:49:37 1994",
    "no day's name": b"06 Nov 1994 08:49:37 GMT",
    "unknown day's name": b"Foo, 06 Nov 1994 08:49:37 GMT",
    "day's name in small letters": b"sun, 06 Nov 1994 08:49:37 GMT",
    "day's name in capitals": b"SUN, 06 Nov 1994 08:49:37 GMT",
    "long name in the short form": b"Sunday, 06 Nov 1994 08:49:37 GMT",
    "short name in the long form": b"Sun, 06-Nov-94 08:49:37 GMT",
    "four-digit year in the long form": b"Sunday, 06-Nov-1994 08:49:37 GMT",
    "two-digit year in the short form": b"Sun, 06 Nov 94 08:49:37 GMT",
    "no comma": b"Sun 06 Nov 1994 08:49:37 GMT",
    "no space": b"Sun,06 Nov 1994 08:49:37 GMT",
    "two spaces": b"Sun,  06 Nov 1994 08:49:37 GMT",
    "a tab": b"Sun,\t06 Nov 1994 08:49:37 GMT",
    "unknown month": b"Sun, 06 Nox 1994 08:49:37 GMT",
    "month in small letters": b"Sun, 06 nov 1994 08:49:37 GMT",
    "month as a number": b"Sun, 06 11 1994 08:49:37 GMT",
    "one-digit day": b"Sun, 6 Nov 1994 08:49:37 GMT",
    "one-digit hour": b"Sun, 06 Nov 1994 8:49:37 GMT",
    "no seconds": b"Sun, 06 Nov 1994 08:49 GMT",
    "fraction": b"Sun, 06 Nov 1994 08:49:37.5 GMT",
    "five-digit year": b"Sun, 06 Nov 19940 08:49:37 GMT",
    "sign in the year": b"Sun, 06 Nov +994 08:49:37 GMT",
    "digits of another script": "Sun, 0٦ Nov 1994 08:49:37 GMT".encode(),
    "year 0": b"Sat, 01 Jan 0000 00:00:00 GMT",
    "day 0": b"Sun, 00 Nov 1994 08:49:37 GMT",
    "day 31 of 30": b"Thu, 31 Nov 1994 08:49:37 GMT",
    "day 32": b"Thu, 32 Oct 1994 08:49:37 GMT",
    "30 February": b"Thu, 30 Feb 2024 00:00:00 GMT",
    "29 February of no leap year": b"Wed, 29 Feb 2023 00:00:00 GMT",
    "29 February of no leap century": b"Thu, 29 Feb 1900 00:00:00 GMT",
    "29 February of no leap year, two digits": b"Wednesday, 29-Feb-23 00:00:00 GMT",
    "day 0, asctime": b"Sun Nov  0 08:49:37 1994",
    "hour 24": b"Sun, 06 Nov 1994 24:00:00 GMT",
    "minute 60": b"Sun, 06 Nov 1994 08:60:37 GMT",
    "second 61": b"Sun, 06 Nov 1994 23:59:61 GMT",
    "second 60 within a day": b"Sun, 06 Nov 1994 08:49:60 GMT",
}

# RFC 9110 §5.6.7: a two-digit year that appears to be more than 50 years in the future is the latest past one with these digits.
TWO_DIGIT_YEARS = [
    (at(1994, 11, 6), b"94", 1994),
    (at(2026, 11, 15, 12), b"94", 1994),
    (at(2026, 11, 15, 12), b"26", 2026),
    (at(2026, 11, 15, 12), b"75", 2075),
    (at(2026, 11, 15, 12), b"77", 1977),
    (at(2026, 11, 15, 12), b"00", 2000),
    (at(2099, 12, 31), b"05", 2105),
    (at(2099, 12, 31), b"99", 2099),
    (at(2051, 1, 1), b"01", 2001),
    (at(1970, 1, 1), b"00", 2000),
]


@pytest.mark.parametrize(("value", "seconds"), DATES.values(), ids=DATES)
def test_reads_a_date(value: bytes, seconds: float) -> None:
    assert parse_http_date(value, NOW) == seconds


@pytest.mark.parametrize("value", NOT_DATES.values(), ids=NOT_DATES)
def test_refuses_what_is_no_date(value: bytes) -> None:
    assert parse_http_date(value, NOW) is None


@pytest.mark.parametrize(("now", "digits", "year"), TWO_DIGIT_YEARS)
def test_the_year_of_two_digits(now: float, digits: bytes, year: int) -> None:
    assert parse_http_date(b"Sunday, 06-Nov-" + digits + b" 08:49:37 GMT", now) == at(year, 11, 6, 8, 49, 37)


def test_fifty_years_to_the_second() -> None:
    now = at(2026, 11, 6, 8, 49, 37)
    assert parse_http_date(b"Friday, 06-Nov-76 08:49:37 GMT", now) == at(2076, 11, 6, 8, 49, 37)
    assert parse_http_date(b"Friday, 06-Nov-76 08:49:38 GMT", now) == at(1976, 11, 6, 8, 49, 38)
    assert parse_http_date(b"Friday, 06-Nov-76 08:49:37 GMT", now - 0.5) == at(1976, 11, 6, 8, 49, 37)


def test_fifty_years_from_a_leap_day() -> None:
    assert parse_http_date(b"Saturday, 28-Feb-74 23:59:59 GMT", at(2024, 2, 29)) == at(2074, 2, 28, 23, 59, 59)
    assert parse_http_date(b"Saturday, 01-Mar-74 00:00:00 GMT", at(2024, 2, 29)) == at(1974, 3, 1)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (NOVEMBER_1994, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (NOVEMBER_1994 + 0.999, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (-0.5, b"Wed, 31 Dec 1969 23:59:59 GMT"),
        (-62135596800.0, b"Mon, 01 Jan 0001 00:00:00 GMT"),
        (float(LAST_SECOND), b"Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_writes_an_imf_fixdate(seconds: float, written: bytes) -> None:
    assert format_http_date(seconds) == written


@pytest.mark.parametrize("seconds", [float(LAST_SECOND + 1), -62135596801.0, float("inf")])
def test_there_is_no_date_beyond_the_years(seconds: float) -> None:
    with pytest.raises(OverflowError):
        format_http_date(seconds)


@given(timestamps)
def test_what_was_written_is_read(seconds: int) -> None:
    assert parse_http_date(format_http_date(float(seconds)), NOW) == seconds


@given(st.integers(min_value=0, max_value=LAST_SECOND))
def test_is_written_as_the_standard_library_does(seconds: int) -> None:
    assert format_http_date(float(seconds)) == formatdate(seconds, usegmt=True).encode()


LONG_NAMES = {
    b"Mon,": b"Monday",
    b"Tue,": b"Tuesday",
    b"Wed,": b"Wednesday",
    b"Thu,": b"Thursday",
    b"Fri,": b"Friday",
    b"Sat,": b"Saturday",
}


@given(timestamps)
def test_the_three_forms_agree(seconds: int) -> None:
    name, day, month, year, time, zone = format_http_date(float(seconds)).split()
    asctime = b"%b %b %2d %b %b" % (name[:3], month, int(day), time, year)
    assert parse_http_date(asctime, NOW) == seconds
    # Seen from the day itself a two-digit year means this very one.
    rfc850 = b"%b, %b-%b-%b %b %b" % (LONG_NAMES.get(name, b"Sunday"), day, month, year[2:], time, zone)
    assert parse_http_date(rfc850, float(seconds)) == seconds


@given(timestamps, st.floats(min_value=0, max_value=4e9))
def test_a_two_digit_year_is_within_a_century_of_now(seconds: int, now: float) -> None:
    _, day, month, year, time, _ = format_http_date(float(seconds)).split()
    read = parse_http_date(b"Monday, %b-%b-%b %b GMT" % (day, month, year[2:], time), now)
    if read is not None:
        year_seconds = 366 * 86400
        assert now - 50 * year_seconds - 1 <= read <= now + 50 * year_seconds


@given(octets(b"SunMonFri,,  0123456789-::NovGMTday", max_size=32) | st.binary(max_size=40))
def test_nothing_is_read_that_is_not_written_so(value: bytes) -> None:
    seconds = parse_http_date(value, NOW)
    assert seconds is None or value.endswith(b"GMT") or value[-4:].isdigit()
