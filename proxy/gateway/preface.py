"""Prefaces: the PROXY protocol (versions 1 and 2), by which a balancer that passes bytes on says whose they are.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. Of version 2 addresses are read, the TLVs after them are not.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MAX_V1_BYTES = 107
"""§2.1: the longest line, its CRLF included."""
MAX_V2_BYTES = 536
"""§2.2: what every receiver must take; more than addresses and the usual TLVs need."""
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD_BYTES = 16
_ADDRESS_BYTES = {0x1: 12, 0x2: 36, 0x3: 216}


class Unfinished(Enum):
    """What can be said of bytes that are no whole preface."""

    SHORT = "more must come"
    MALFORMED = "no preface"


@dataclass(frozen=True, slots=True)
class Preface:
    """`length` bytes stand before the first request. `address` None: the balancer speaks for itself, or says nothing that we can use."""

    length: int
    address: str | None


def read_preface(data: bytes) -> Preface | Unfinished:
    """Read what a connection begins with."""
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _read_v2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _read_v1(data)
    return Unfinished.MALFORMED


def _read_v1(data: bytes) -> Preface | Unfinished:
    end = data.find(b"\r\n", 0, MAX_V1_BYTES)
    if end < 0:
        return Unfinished.SHORT if len(data) < MAX_V1_BYTES else Unfinished.MALFORMED
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Preface(end + 2, None)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6") or not all(_is_port(word) for word in words[4:]):
        return Unfinished.MALFORMED
    make = IPv4Address if words[1] == b"TCP4" else IPv6Address
    try:
        source, _ = (make(word.decode("ascii")) for word in words[2:4])
    except (AddressValueError, UnicodeDecodeError):
        return Unfinished.MALFORMED
    return Preface(end + 2, str(source))


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) <= 65535


def _read_v2(data: bytes) -> Preface | Unfinished:
    if len(data) < _V2_HEAD_BYTES:
        return Unfinished.SHORT
    version, command = data[12] >> 4, data[12] & 0xF
    family = data[13] >> 4
    length = _V2_HEAD_BYTES + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1 or family > 3 or data[13] & 0xF > 2 or length > MAX_V2_BYTES:
        return Unfinished.MALFORMED
    is_spoken_for = command == 1 and family in _ADDRESS_BYTES
    if is_spoken_for and length < _V2_HEAD_BYTES + _ADDRESS_BYTES[family]:
        return Unfinished.MALFORMED
    if len(data) < length:
        return Unfinished.SHORT
    if not is_spoken_for or family == 0x3:
        return Preface(length, None)
    source: IPv4Address | IPv6Address = IPv4Address(data[16:20]) if family == 0x1 else IPv6Address(data[16:32])
    return Preface(length, str(source))
