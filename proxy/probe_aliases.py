"""Find out which spellings of a URL a backend takes for one resource, and say which keys of the route tell noclobber so.

Each spelling is read straight at the backend and compared with what the URL itself shows. Nothing is written. What a backend does with
other resources than this one, or with a write, no reading can show.
"""

import asyncio
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .core.alias import query_pairs
from .errors import OriginError
from .origin.port import OriginRequest
from .straight import ProbeFailed, straight_to

SUFFIXES = (b".json", b".xml", b".html")
MAX_BYTES = 8 << 20


class Kind(Enum):
    """What is varied. The value is how the report calls it."""

    CASE = "case"
    SLASH = "trailing slash"
    SUFFIX = "suffix"
    QUERY_ORDER = "order of the query"
    UNKNOWN_PARAMETER = "a parameter nobody knows"
    WITHOUT_PARAMETER = "without a parameter"
    PATH_PARAMETER = "; parameter"
    ESCAPE = "escaped letter"
    DOUBLE_SLASH = "double slash"
    DOT_SEGMENT = "dot segment"
    ENDING = "dot or space at the end"


class Variant(NamedTuple):
    """Another spelling. `detail` is the suffix or the parameter that it is about; empty for other kinds."""

    kind: Kind
    target: bytes
    detail: str = ""


class Finding(NamedTuple):
    """What a spelling showed. `is_same`: 200, and the same content as the URL itself."""

    variant: Variant
    status: int
    is_same: bool


@dataclass(frozen=True, slots=True)
class Probing:
    """What is asked for: a URL, and fields to send without CRLF."""

    url: str
    lines: Sequence[str] = ()


def variants(path: bytes, query: bytes) -> list[Variant]:
    """The spellings of a path and a query (empty: none) that are tried."""
    tail = b"?" + query if query else b""
    before, _, last = path.rpartition(b"/")
    found = [Variant(Kind.CASE, other + tail) for other in dict.fromkeys((path.swapcase(), path.lower(), path.upper())) if other != path]
    if path != b"/":
        found.append(Variant(Kind.SLASH, (path.removesuffix(b"/") if path.endswith(b"/") else path + b"/") + tail))
    if last:
        stem, dot, suffix = last.rpartition(b".")
        if stem:
            found.append(Variant(Kind.SUFFIX, before + b"/" + stem + tail, (dot + suffix).decode()))
        else:
            found += [Variant(Kind.SUFFIX, path + suffix + tail, suffix.decode()) for suffix in SUFFIXES]
        letter = next((place for place, byte in enumerate(last) if chr(byte).isalnum()), None)
        if letter is not None and b"%" not in last:
            found.append(Variant(Kind.ESCAPE, before + b"/" + last[:letter] + b"%%%02X" % last[letter] + last[letter + 1 :] + tail))
        found += [Variant(Kind.ENDING, path + ending + tail) for ending in (b".", b"%20")]
        found.append(Variant(Kind.PATH_PARAMETER, path + b";noclobber=1" + tail))
        found.append(Variant(Kind.DOUBLE_SLASH, before + b"//" + last + tail))
        found.append(Variant(Kind.DOT_SEGMENT, before + b"/./" + last + tail))
    pieces = [piece for piece in query.split(b"&") if piece]
    if len(pieces) > 1:
        found.append(Variant(Kind.QUERY_ORDER, path + b"?" + b"&".join(reversed(pieces))))
    found.append(Variant(Kind.UNKNOWN_PARAMETER, path + b"?" + b"&".join([*pieces, b"noclobber=1"])))
    for place, piece in enumerate(pieces):
        rest = pieces[:place] + pieces[place + 1 :]
        name = query_pairs(piece)[0][0].decode("utf-8", "replace") if query_pairs(piece) else ""
        found.append(Variant(Kind.WITHOUT_PARAMETER, path + (b"?" + b"&".join(rest) if rest else b""), name))
    return found


class AliasProbe:
    """Look at one resource of one backend."""

    def __init__(self, probing: Probing) -> None:
        """Raise ProbeFailed for a URL that cannot be used."""
        straight = straight_to(probing.url, probing.lines)
        self._path, self._query, self._lines, self._origin = straight.path, straight.query, straight.lines, straight.origin

    async def run(self) -> list[Finding]:
        """Read the URL, then every variant. Raises ProbeFailed where nothing can be told from that."""
        try:
            content = await self._check()
            findings = []
            for variant in variants(self._path, self._query):
                status, shown = await self._read(variant.target)
                findings.append(Finding(variant, status, status == 200 and shown == content))
            return findings
        finally:
            await self._origin.close()

    async def _check(self) -> bytes:
        target = self._path + (b"?" + self._query if self._query else b"")
        status, content = await self._read(target)
        if status != 200:
            raise ProbeFailed(f"the backend answered a plain GET with {status}")
        if await self._read(target) != (200, content):
            raise ProbeFailed("two GETs of the URL itself show different contents, so nothing can be compared with it")
        stranger = self._path.rpartition(b"/")[0] + b"/" + secrets.token_hex(8).encode()
        if await self._read(stranger) == (200, content):
            raise ProbeFailed("the backend shows the same for a path that nobody has made, so every path would seem to be an alias")
        return content

    async def _read(self, target: bytes) -> tuple[int, bytes]:
        answer = await self._origin.fetch(OriginRequest(b"GET", target, self._lines))
        content = b""
        while piece := await answer.read():
            content += piece
            if len(content) > MAX_BYTES:
                answer.abandon()
                raise ProbeFailed(f"the content is larger than {MAX_BYTES} bytes: take a smaller resource")
        return answer.status, content


def keys(findings: Sequence[Finding]) -> list[str]:
    """The keys that the route needs, as a file writes them."""
    same = {finding.variant.kind for finding in findings if finding.is_same}
    found = []
    if Kind.CASE in same:
        found.append('case = "insensitive"')
    if Kind.SLASH in same:
        found.append('trailing_slash = "ignored"')
    suffixes = [f'"{each.variant.detail}"' for each in findings if each.variant.kind is Kind.SUFFIX and each.is_same]
    if suffixes:
        found.append(f"suffixes = [{', '.join(suffixes)}]")
    telling = [f'"{each.variant.detail}"' for each in findings if each.variant.kind is Kind.WITHOUT_PARAMETER and not each.is_same]
    if telling:
        found.append(f"query = [{', '.join(dict.fromkeys(telling))}]")
    return found


def report(findings: Sequence[Finding]) -> str:
    """Say what every spelling showed, and what to set."""
    lines = [f"{'spelling':<26} {'status':>6}  {'same':<4} target"]
    for variant, status, is_same in findings:
        lines.append(f"{variant.kind.value:<26} {status:>6}  {'yes' if is_same else 'no':<4} {variant.target.decode('ascii', 'replace')}")
    needed = keys(findings)
    lines.append("")
    lines += (
        ["The route of this URL needs:", *(f"  {key}" for key in needed)] if needed else ["The route of this URL needs no key for aliases."]
    )
    same = {finding.variant.kind for finding in findings if finding.is_same}
    if Kind.PATH_PARAMETER in same:
        lines.append('; parameters are overlooked: leave path_parameters = "refuse", or "strip" where clients send them; never "keep".')
    if Kind.UNKNOWN_PARAMETER in same:
        lines.append('Parameters nobody knows are overlooked: never query = "significant".')
    if same & {Kind.DOUBLE_SLASH, Kind.DOT_SEGMENT, Kind.ESCAPE}:
        lines.append(
            "Escaped letters share the key without any key of the route; double slashes and dot segments are refused by noclobber."
        )
    if Kind.ENDING in same:
        lines.append("A dot or a space at the end is overlooked, and no key of the route says so: refuse such paths in front of noclobber.")
    return "\n".join(lines)


def probe_aliases(probing: Probing) -> int:
    """Look, print, and return the exit status: 0 looked, 1 not."""
    try:
        findings = asyncio.run(AliasProbe(probing).run())
    except (ProbeFailed, OriginError) as failure:
        print(f"noclobber: {failure}", file=sys.stderr)  # noqa: T201
        return 1
    print(report(findings))  # noqa: T201 - this is what the command is for
    return 0
