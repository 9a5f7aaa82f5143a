"""Which part of a held body a Range asks for (RFC 9110 §14.1, §14.2): one range of bytes, or nothing that is answered in part.

A server may ignore any Range (§14.2), and what is not understood here is ignored: other units, several ranges, nonsense. A whole answer
is never wrong. Whether the Range counts at all (method, preconditions, If-Range) was decided before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

# ranges-specifier = range-unit "=" range-set    ; the unit's name in any case
# range-set        = 1#range-spec                ; of which one is read, with empty members around it (§5.6.1.2)
# int-range        = first-pos "-" [ last-pos ]
# suffix-range     = "-" suffix-length
_ONE_BYTE_RANGE = re.compile(rb"(?i:bytes)=[ \t,]*+([0-9]*+)-([0-9]*+)[ \t,]*+")

MAX_DIGITS = 18
"""A number with more digits is past the end of every body. Python converts long ones slowly, and refuses those over 4300 digits."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The octets to send: from `first` to `last`, both counted from 0 and both included."""

    first: int
    last: int


class RangeOutcome(Enum):
    """What to do where there is no range to send."""

    WHOLE = "answer as if there were no Range"
    UNSATISFIABLE = "416: the range begins past the end"


def select_range(lines: Sequence[bytes], size: int) -> ByteRange | RangeOutcome:
    """Say which octets of a body of `size` octets the Range lines ask for. No line, or several: the whole body."""
    found = _ONE_BYTE_RANGE.fullmatch(lines[0]) if len(lines) == 1 else None
    if found is None:
        return RangeOutcome.WHOLE
    first_pos, last_pos = found[1], found[2]
    if not first_pos:
        return _suffix(last_pos, size)
    # §14.1.1: an int-range whose last position is less than its first is invalid, wherever the body ends.
    if last_pos and _magnitude(last_pos) < _magnitude(first_pos):
        return RangeOutcome.WHOLE
    first = _number(first_pos)
    if first >= size:
        return RangeOutcome.UNSATISFIABLE
    return ByteRange(first, min(_number(last_pos), size - 1) if last_pos else size - 1)


def _suffix(length: bytes, size: int) -> ByteRange | RangeOutcome:
    # Of an empty body any suffix is the whole of it, and Content-Range has no way to name no octets.
    if not length or size == 0:
        return RangeOutcome.WHOLE
    wanted = _number(length)
    if wanted == 0:
        return RangeOutcome.UNSATISFIABLE
    return ByteRange(max(0, size - wanted), size - 1)


def _magnitude(digits: bytes) -> tuple[int, bytes]:
    """Order digit strings of any length as the numbers they write."""
    significant = digits.lstrip(b"0")
    return len(significant), significant


def _number(digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    return int(significant or b"0") if len(significant) <= MAX_DIGITS else 10**MAX_DIGITS
