"""Measure D, the apply delay of a backend: how long after it was abandoned a write may still be applied (protocol §1, A1).

A write is sent whole, and its connection is reset before the answer: at once, and after some pauses, since what a backend has begun it may
finish. Then the resource is read until the write shows. What a backend may do under load, or after minutes, no measurement can exclude.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import OriginError
from .origin.port import OriginRequest
from .straight import ProbeFailed, straight_to

PLACE = "{probe}"
PAUSES_SECONDS = (0.0, 0.001, 0.01, 0.1)
POLL_SECONDS = 0.02
HEADROOM = 3.0
"""How many times the longest delay seen is recommended: what was measured once is not the worst."""
LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Probing:
    """What is asked for. `body` holds PLACE, where each write puts a text of its own; `lines` are fields without CRLF."""

    url: str
    body: str
    method: str = "PUT"
    lines: Sequence[str] = ()
    rounds: int = 3
    watch_seconds: float = 15.0


class Finding(NamedTuple):
    """One abandoned write. `applied_after` None: it did not show while it was watched. `answered`: it was too late to abandon it."""

    pause_seconds: float
    applied_after: float | None
    answered: bool


class Probe:
    """Measure one resource of one backend."""

    def __init__(self, probing: Probing) -> None:
        """Raise ProbeFailed for a URL or a body that cannot be used."""
        if PLACE not in probing.body:
            raise ProbeFailed(f"--body has no {PLACE}, so one write could not be told from another; read {probing.body!r}")
        self._probing = probing
        straight = straight_to(probing.url, probing.lines)
        self._target = straight.path + (b"?" + straight.query if straight.query else b"")
        self._lines, self._origin = straight.lines, straight.origin

    async def run(self) -> list[Finding]:
        """Write once as usual, then abandon one write after the other. What stood there before is put back, if it could be read."""
        before = await self._read()
        try:
            await self._check()
            return [await self._abandon(pause) for _ in range(self._probing.rounds) for pause in PAUSES_SECONDS]
        finally:
            if before is not None and self._probing.method == "PUT":
                await self._write(before)
            await self._origin.close()

    async def _check(self) -> None:
        text = secrets.token_hex(8)
        status = await self._write(self._body(text))
        if not 200 <= status < 300:
            raise ProbeFailed(f"the backend answered a plain {self._probing.method} with {status}")
        if text.encode() not in (await self._read() or b""):
            raise ProbeFailed(f"the text put in place of {PLACE} does not show when the resource is read")

    async def _abandon(self, pause: float) -> Finding:
        text = secrets.token_hex(8)
        connection = await self._origin.reserve()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                def gate() -> bool:
                    limit.reschedule(loop.time() + pause)
                    return True

                answer = await connection.send(self._request(self._body(text)), gate)
        except TimeoutError:
            abandoned = time.monotonic()
        else:
            answer.abandon()
            return Finding(pause, None, answered=True)
        while (waited := time.monotonic() - abandoned) < self._probing.watch_seconds:
            if text.encode() in (await self._read() or b""):
                return Finding(pause, time.monotonic() - abandoned, answered=False)
            await asyncio.sleep(min(POLL_SECONDS, self._probing.watch_seconds - waited))
        return Finding(pause, None, answered=False)

    def _body(self, text: str) -> bytes:
        return self._probing.body.replace(PLACE, text).encode()

    def _request(self, body: bytes) -> OriginRequest:
        return OriginRequest(self._probing.method.encode("ascii"), self._target, self._lines, body)

    async def _write(self, body: bytes) -> int:
        answer = await self._origin.send(self._request(body))
        answer.abandon()
        return answer.status

    async def _read(self) -> bytes | None:
        """The representation; None where there is none."""
        answer = await self._origin.fetch(OriginRequest(b"GET", self._target, self._lines))
        content = b""
        while piece := await answer.read():
            content += piece
        return content if answer.status == 200 else None


def report(findings: Sequence[Finding], watch_seconds: float) -> str:
    """Say what was found, pause by pause, and what to set."""
    lines = [f"{'abandoned after':>16} {'answered':>9} {'applied':>8} {'not seen':>9} {'longest delay':>14}"]
    for pause in PAUSES_SECONDS:
        here = [finding for finding in findings if finding.pause_seconds == pause]
        delays = [finding.applied_after for finding in here if finding.applied_after is not None]
        answered = sum(finding.answered for finding in here)
        longest = f"{max(delays):.3f} s" if delays else "-"
        lines.append(f"{pause:>14.3f} s {answered:>9} {len(delays):>8} {len(here) - answered - len(delays):>9} {longest:>14}")
    delays = [finding.applied_after for finding in findings if finding.applied_after is not None]
    if all(finding.answered for finding in findings):
        lines.append("Every write was answered before it could be abandoned: try a slower write, or the backend under load.")
    else:
        advice = max(LEAST_SECONDS, HEADROOM * max(delays, default=0.0))
        seen = f"at most {max(delays):.3f} s" if delays else f"none within {watch_seconds:g} s"
        lines.append(
            f"Applied after it was abandoned: {seen}. apply_delay_seconds = {advice:.1f} leaves {HEADROOM:g} times that, if not less"
        )
        lines.append("than the backend's own time limit for a request: ask its documentation for that one, and measure under load.")
    return "\n".join(lines)


def probe(probing: Probing) -> int:
    """Measure, print, and return the exit status: 0 measured, 1 not."""
    try:
        findings = asyncio.run(Probe(probing).run())
    except (ProbeFailed, OriginError) as failure:
        print(f"noclobber: {failure}", file=sys.stderr)  # noqa: T201
        return 1
    print(report(findings, probing.watch_seconds))  # noqa: T201 - this is what the command is for
    return 0
