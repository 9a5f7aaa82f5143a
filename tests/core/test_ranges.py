"""Range, RFC 9110 §14.1.2 and §14.2: one range of bytes is served, everything else is ignored or past the end."""

import re
import time
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.ranges import ByteRange, RangeOutcome, select_range
from tests.strategies import octets

WHOLE: Final = RangeOutcome.WHOLE
UNSATISFIABLE: Final = RangeOutcome.UNSATISFIABLE

# Of a body of 10000 octets, the size in the RFC's own examples.
RANGES: dict[str, tuple[list[bytes], object]] = {
    "14.1.2 the first 500": ([b"bytes=0-499"], ByteRange(0, 499)),
    "14.1.2 the second 500": ([b"bytes=500-999"], ByteRange(500, 999)),
    "14.1.2 the last 500": ([b"bytes=-500"], ByteRange(9500, 9999)),
    "14.1.2 the last 500, open": ([b"bytes=9500-"], ByteRange(9500, 9999)),
    "14.1.2 one octet": ([b"bytes=0-0"], ByteRange(0, 0)),
    "14.1.2 the last octet": ([b"bytes=-1"], ByteRange(9999, 9999)),
    "14.1.2 everything": ([b"bytes=0-"], ByteRange(0, 9999)),
    "14.1.2 ends with the body": ([b"bytes=0-9999"], ByteRange(0, 9999)),
    "14.1.2 ends after the body": ([b"bytes=9999-10000"], ByteRange(9999, 9999)),
    "14.1.2 suffix of the body's size": ([b"bytes=-10000"], ByteRange(0, 9999)),
    "14.1.2 suffix longer than the body": ([b"bytes=-10001"], ByteRange(0, 9999)),
    "14.1.2 zeros in front": ([b"bytes=0001-0002"], ByteRange(1, 2)),
    "14.1 the unit in any case": ([b"ByTeS=0-1"], ByteRange(0, 1)),
    "5.6.1.2 empty members around": ([b"bytes=, \t0-1 ,"], ByteRange(0, 1)),
    "14.1.2 begins at the end": ([b"bytes=10000-"], UNSATISFIABLE),
    "14.1.2 begins after the end": ([b"bytes=10001-20000"], UNSATISFIABLE),
    "14.1.2 suffix of nothing": ([b"bytes=-0"], UNSATISFIABLE),
    "14.1.2 suffix of many nothings": ([b"bytes=-000"], UNSATISFIABLE),
    "14.1.1 last before first": ([b"bytes=2-1"], WHOLE),
    "14.1.1 last before first, after the end": ([b"bytes=20000-10000"], WHOLE),
    "14.1.1 last shorter than first": ([b"bytes=10-9"], WHOLE),
    "14.2 several": ([b"bytes=0-0,-1"], WHOLE),
    "14.2 several with white space": ([b"bytes=0-1, 5-6"], WHOLE),
    "14.2 other unit": ([b"pages=0-1"], WHOLE),
    "14.2 unit that begins alike": ([b"bytesx=0-1"], WHOLE),
    "14.2 no unit": ([b"0-1"], WHOLE),
    "14.2 no line": ([], WHOLE),
    "14.2 empty": ([b""], WHOLE),
    "14.2 two lines": ([b"bytes=0-1", b"bytes=0-1"], WHOLE),
    "14.1.1 no range": ([b"bytes="], WHOLE),
    "14.1.1 only a comma": ([b"bytes=,"], WHOLE),
    "14.1.1 only a dash": ([b"bytes=-"], WHOLE),
    "14.1.1 no dash": ([b"bytes=5"], WHOLE),
    "14.1.1 two dashes": ([b"bytes=--5"], WHOLE),
    "14.1.1 negative last": ([b"bytes=1--5"], WHOLE),
    "14.1.1 plus": ([b"bytes=+1-5"], WHOLE),
    "14.1.1 hexadecimal": ([b"bytes=0x1-5"], WHOLE),
    "14.1.1 underscore": ([b"bytes=1_0-20"], WHOLE),
    "14.1.1 fraction": ([b"bytes=1.0-2"], WHOLE),
    "14.1.1 space within": ([b"bytes=0 - 1"], WHOLE),
    "14.1.1 space after the unit": ([b"bytes =0-1"], WHOLE),
    "14.1.1 other-range": ([b"bytes=abc"], WHOLE),
    "14.1.1 junk after": ([b"bytes=0-1;x"], WHOLE),
    "14.1.1 digits of another script": (["bytes=٠-١".encode()], WHOLE),
    "14.1.1 line feed after": ([b"bytes=0-1\n"], WHOLE),
}

EMPTY_BODY: dict[str, tuple[bytes, object]] = {
    "14.1.2 from the start": (b"bytes=0-", UNSATISFIABLE),
    "14.1.2 some": (b"bytes=0-5", UNSATISFIABLE),
    "14.1.2 suffix": (b"bytes=-5", WHOLE),
    "14.1.2 suffix of nothing": (b"bytes=-0", WHOLE),
}

MANY = b"9" * 5000
HUGE_NUMBERS: dict[str, tuple[bytes, object]] = {
    "last": (b"bytes=1-" + MANY, ByteRange(1, 9999)),
    "first": (b"bytes=" + MANY + b"-", UNSATISFIABLE),
    "first and last": (b"bytes=" + MANY + b"-" + MANY, UNSATISFIABLE),
    "last is one less": (b"bytes=" + MANY + b"-" + MANY[1:] + b"8", WHOLE),
    "suffix": (b"bytes=-" + MANY, ByteRange(0, 9999)),
    "zeros": (b"bytes=" + b"0" * 5000 + b"7-" + b"0" * 6000 + b"8", ByteRange(7, 8)),
    "2 ** 63 - 1": (b"bytes=1-9223372036854775807", ByteRange(1, 9999)),
    "2 ** 64": (b"bytes=18446744073709551616-", UNSATISFIABLE),
}


@pytest.mark.parametrize(("lines", "expected"), RANGES.values(), ids=RANGES)
def test_selects(lines: list[bytes], expected: object) -> None:
    assert select_range(lines, 10000) == expected


@pytest.mark.parametrize(("line", "expected"), EMPTY_BODY.values(), ids=EMPTY_BODY)
def test_selects_of_an_empty_body(line: bytes, expected: object) -> None:
    assert select_range([line], 0) == expected


@pytest.mark.parametrize(("line", "expected"), HUGE_NUMBERS.values(), ids=HUGE_NUMBERS)
def test_selects_by_huge_numbers(line: bytes, expected: object) -> None:
    assert select_range([line], 10000) == expected


@pytest.mark.parametrize("piece", [b"9", b"0", b",", b" ", b"-", b"0-", b"0-1,"], ids=lambda piece: repr(piece))
def test_time_grows_with_length_only(piece: bytes) -> None:
    hostile = piece * (500_000 // len(piece))
    started = time.process_time()
    select_range([b"bytes=" + hostile], 10000)
    select_range([b"bytes=1-" + hostile + b"x"], 10000)
    select_range([b"bytes=" + hostile + b"-" + hostile], 10000)
    assert time.process_time() - started < 2


def _naive(line: bytes, size: int) -> object:
    """The octets themselves, taken by slicing a list of their numbers."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", line.decode())
    assert found is not None
    numbers = list(range(size))
    if not found[1]:
        taken = numbers[-int(found[2]) :] if found[2] and int(found[2]) else []
        if not found[2] or not numbers:
            return WHOLE
    elif found[2] and int(found[2]) < int(found[1]):
        return WHOLE
    else:
        taken = numbers[int(found[1]) :]
        if found[2]:
            taken = taken[: int(found[2]) - int(found[1]) + 1]
    return ByteRange(taken[0], taken[-1]) if taken else UNSATISFIABLE


_positions = st.none() | st.integers(min_value=0, max_value=60)


@given(_positions, _positions, st.integers(min_value=0, max_value=50))
def test_agrees_with_slicing(first: int | None, last: int | None, size: int) -> None:
    line = b"bytes=%b-%b" % (b"" if first is None else b"%d" % first, b"" if last is None else b"%d" % last)
    assert select_range([line], size) == _naive(line, size)


@given(octets(b"bytes==0123456789--,, ", max_size=24).map(lambda tail: b"bytes=" + tail) | st.binary(max_size=24), st.integers(0, 10**12))
def test_a_range_lies_within_the_body(line: bytes, size: int) -> None:
    selected = select_range([line], size)
    if isinstance(selected, ByteRange):
        assert 0 <= selected.first <= selected.last < size
