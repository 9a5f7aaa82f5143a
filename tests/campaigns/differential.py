"""Differential fuzz: what noclobber judged is what the backend parsed, for every message of a recording backend behind it.

Connections carry requests by the grammar and mutated ones, in one write or in odd pieces. The handler of a real noclobber (on real
sockets, in this process) tells what it judged: method, target, fields, body, and the status it answered. Whatever was answered by the
backend must have reached it exactly once and in that order, as two parsers of its read it (`tests/wire/recorder.py`, and h11); whatever
was refused must not have reached it. Where nothing was done to a connection's bytes, what was judged must be what was meant.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import h11
import pytest

from proxy.core.method import SAFE
from proxy.core.target import Target, parse_target
from proxy.gateway.arrival import Arrivals
from proxy.gateway.arriving import ArrivingBody
from proxy.gateway.exchange import Exchange
from proxy.gateway.handler import Handler
from tests.campaigns.grammar import Message, message, mutated
from tests.campaigns.guided import guided
from tests.gateway.serving import route, serving, until
from tests.wire.recorder import Heard, Recorder

PATIENCE_SECONDS = 60.0
SHOWN = 5
# What noclobber sets itself, or ends at this hop (RFC 9110 §7.6.1), and what it judges instead of the backend where a route is guarded.
HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect")
)
JUDGED_HERE = frozenset(
    (b"accept-encoding", b"range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range")
)
ADDED = frozenset(
    (b"via", b"accept-encoding", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
)


@dataclass
class Judged:
    """One request as noclobber saw it: `is_guarded` if it was not just passed on; `body` is what was read, `status` that of the answer."""

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    is_guarded: bool
    body: bytearray
    status: int = 0


@dataclass
class Result:
    """What came of it. `messages` counts those that were answered; the others stood behind one that ended its connection."""

    seed: int
    seconds: float = 0.0
    sent: int = 0
    messages: int = 0
    passed_on: int = 0
    mutated: int = 0
    connections: int = 0
    in_pieces: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    disagreements: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    hangs: int = 0
    per_second: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all is as it must be. A run that passed nothing on, or refused nothing, proves nothing."""
        return not (self.disagreements or self.crashes or self.hangs) and self.passed_on > 0 and self.messages > self.passed_on


class Hook:
    """Where the handlers of this process say what they judged, in order."""

    def __init__(self) -> None:
        self.judged: list[Judged] = []
        self.statuses: Counter[str] = Counter()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Listen at the judge, at the body and at the account of every request."""
        judge, account, read = Arrivals.judge, Handler._account, ArrivingBody.read
        bodies: dict[object, Judged] = {}

        def judging(arrivals: Arrivals, request):  # type: ignore[no-untyped-def]
            answer = judge(arrivals, request)
            exchange, routed, _ = answer
            if isinstance(exchange, Exchange):
                sent = exchange.sent_method or exchange.method
                is_read = sent in (b"GET", b"HEAD") and exchange.body.size_bytes == 0
                is_guarded = routed.rules.is_guarded and (is_read or sent not in SAFE)
                seen = Judged(sent, exchange.target.forwarded, list(request.raw_headers), is_guarded, bytearray())
                bodies[exchange.body] = seen
            return answer

        async def reading(body: ArrivingBody) -> bytes:
            piece = await read(body)
            bodies[body].body += piece
            return piece

        def accounting(handler: Handler, request, exchange, routed, reply, started, request_id):  # type: ignore[no-untyped-def]
            self.statuses[str(reply.status)] += 1
            if exchange is not None:
                seen = bodies.pop(exchange.body)
                seen.status = reply.status
                self.judged.append(seen)
            return account(handler, request, exchange, routed, reply, started, request_id)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Arrivals, "judge", judging)
            patch.setattr(Handler, "_account", accounting)
            patch.setattr(ArrivingBody, "read", reading)
            yield


class Crashes(logging.Handler):
    """Keep what the process logs as an error: a handler or a callback that failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.texts.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


def end_to_end(judged: Judged) -> list[tuple[bytes, bytes]]:
    """The fields that must reach the backend, by name and in the order of each, as RFC 9110 §7.6.1 has it."""
    named = {option.strip(b" \t").lower() for name, value in judged.fields if name.lower() == b"connection" for option in value.split(b",")}
    dropped = HOP | named | (JUDGED_HERE if judged.is_guarded else frozenset())
    return by_name([(name, value) for name, value in judged.fields if name.lower() not in dropped])


def is_look(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether this is a GET of noclobber's on behalf of a writer: the line that asks for a fresh answer stands right before its Via."""
    via = max((at for at, (name, _) in enumerate(fields) if name == b"Via"), default=0)
    return via > 0 and fields[via - 1] == (b"Cache-Control", b"no-cache")


def by_name(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Sort fields by name; those of one name stay in order."""
    return sorted(fields, key=lambda one: one[0].lower())


def disagreement(judged: Judged, heard: Heard) -> str:
    """Say in what a judged request and a heard one differ; empty if in nothing."""
    method = judged.method
    methods = (method, b"GET") if judged.is_guarded and method == b"HEAD" else (method,)
    if heard.line not in [b"%b %b HTTP/1.1" % (each, judged.target) for each in methods]:
        return f"judged {judged.method!r} {judged.target!r}, heard {heard.line!r}"
    if bytes(judged.body) != heard.body:
        return f"judged body {bytes(judged.body)!r}, heard {heard.body!r}"
    wanted = end_to_end(judged)
    names = {name.lower() for name, _ in wanted}
    got = by_name([one for one in heard.fields if one[0].lower() not in HOP and (one[0].lower() in names or one[0].lower() not in ADDED)])
    return "" if got == wanted else f"judged fields {wanted}, heard {got}"


def second_opinion(heard: Heard) -> str:
    """Say in what h11 reads a request differently from the recorder; empty if in nothing."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(heard.raw)
    try:
        request, body = server.next_event(), b""
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError as error:
        return f"h11 cannot read {heard.raw!r}: {error}"
    if not isinstance(request, h11.Request) or not isinstance(event, h11.EndOfMessage) or server.trailing_data[0]:
        return f"h11 reads {heard.raw!r} as {request}, {event}, {server.trailing_data}"
    if (b"%b %b HTTP/1.1" % (request.method, request.target), body) != (heard.line, heard.body):
        return f"h11 reads {request} {body!r}, the recorder {heard.line!r} {heard.body!r}"
    fields = [(name.lower(), value.strip(b" \t")) for name, value in heard.fields if name.lower() != b"transfer-encoding"]
    read = [(name, value) for name, value in request.headers if name != b"transfer-encoding"]
    return "" if read == fields else f"h11 reads {read}, the recorder {fields}"


class Differential:
    """One run: a noclobber, a backend, and one connection after the other."""

    def __init__(self, seed: int, messages: int) -> None:
        self._rng = random.Random(seed)
        self._wanted = messages
        self.result = Result(seed)
        self._hook = Hook()
        self._recorder = Recorder()

    async def run(self) -> Result:
        """Go on until enough messages were answered."""
        crashes = Crashes()
        logging.getLogger().addHandler(crashes)
        started = time.monotonic()
        routes = (route("/open/{path*}", "open", guarded=False), route(after_write="none"))
        try:
            async with self._recorder, serving(self._recorder.port, *routes) as door:
                host, _, port = door.gateway.listen.rpartition(":")
                with self._hook.installed():
                    while self.result.messages < self._wanted and self.result.hangs < SHOWN:
                        await self._connection(host, int(port), door.gateway.handler)
        finally:
            logging.getLogger().removeHandler(crashes)
        result = self.result
        result.crashes = crashes.texts[:SHOWN]
        result.statuses = dict(self._hook.statuses)
        result.crashes += [f"{self._hook.statuses['500']} answers of 500"] if self._hook.statuses["500"] else []
        result.seconds = time.monotonic() - started
        result.per_second = result.messages / result.seconds
        return result

    async def _connection(self, host: str, port: int, handler: Handler) -> None:
        """Play one connection, and compare."""
        messages = self._messages()
        data = b"".join(each.data for each in messages)
        pieces = self._pieces(data)
        result = self.result
        result.connections += 1
        result.sent += len(messages)
        result.mutated += sum(not each.is_whole for each in messages)
        result.in_pieces += len(pieces) > 1
        before = sum(self._hook.statuses.values())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answers = await self._play(host, port, pieces)
                # A client whose last request is cut is let go of while an earlier one is still being served.
                await until(lambda: handler.in_flight == 0)
        except TimeoutError:
            result.hangs += 1
            self._complain(data, "was not answered in time")
            return
        refused = answers.count(b"400 Bad Request\r\n")
        result.messages += max(sum(self._hook.statuses.values()) - before, min(refused, 1))
        self._compare(messages, data)

    def _messages(self) -> list[Message]:
        rng = self._rng
        count = rng.choice((1, 1, 2, 3, 5, 10, 20))
        spoilt = rng.random() < 0.75
        # Behind a spoilt message there are some to be smuggled.
        at = count - 1 - rng.choice((0, 0, 1, 2)) if spoilt else count
        return [
            mutated(rng, message(rng, is_last=False)) if place == at or (at < 0 and not place) else message(rng, place == count - 1)
            for place in range(count)
        ]

    def _pieces(self, data: bytes) -> list[bytes]:
        rng = self._rng
        if rng.random() < 0.6:
            return [data]
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((1, 3, 10, 60))))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end]

    async def _play(self, host: str, port: int, pieces: list[bytes]) -> bytes:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
        try:
            for piece in pieces:
                if writer.transport.is_closing():
                    break
                writer.write(piece)
                if len(pieces) > 1:
                    await asyncio.sleep(0)
            if writer.can_write_eof() and not writer.transport.is_closing():
                writer.write_eof()
            return await reader.read(-1)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    def _compare(self, messages: list[Message], data: bytes) -> None:
        judged, heard = self._hook.judged, self._recorder.heard
        reached = [each for each in judged if each.status == 200]
        asked = [each for each in heard if not is_look(each.fields)]
        self.result.passed_on += len(reached)
        for unreadable in self._recorder.broken:
            self._complain(data, f"the backend could not read {unreadable!r}")
        if len(reached) != len(asked):
            self._complain(data, f"answered {[(one.method, one.target) for one in reached]}, heard {[each.line for each in asked]}")
        for one, each in zip(reached, asked, strict=False):
            for complaint in filter(None, (disagreement(one, each), second_opinion(each))):
                self._complain(data, complaint)
        if all(each.is_whole for each in messages):
            self._compare_with_what_was_meant(messages, judged, data)
        judged.clear()
        heard.clear()
        self._recorder.broken.clear()

    def _compare_with_what_was_meant(self, messages: list[Message], judged: list[Judged], data: bytes) -> None:
        if len(messages) != len(judged):
            self._complain(data, f"{len(messages)} were meant, {len(judged)} judged")
        for meant, got in zip(messages, judged, strict=False):
            # What was refused was refused for its head.
            body = bytes(got.body) if got.status == 200 else meant.body
            if (meant.method, target_of(meant), meant.body) != (got.method, got.target, body):
                self._complain(data, f"meant {meant.method!r} {meant.target!r} {meant.body!r}, judged {got}")

    def _complain(self, data: bytes, complaint: str) -> None:
        if len(self.result.disagreements) < SHOWN:
            self.result.disagreements.append(f"{complaint}; connection {data!r}")


def target_of(meant: Message) -> bytes:
    """The canonical form of the target that was meant."""
    target = parse_target(meant.target, b"a")
    assert isinstance(target, Target)
    return target.forwarded


def run(seed: int, messages: int) -> Result:
    """Run one campaign on the loop that noclobber is served with."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Differential(seed, messages).run())


def main() -> int:
    """Run the command line. Exit status 0: all agreed."""
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000, help="how many are to be answered (default: 1000000)")
    parser.add_argument("--seed", type=int, default=0, help="the seed (default: 0)")
    parser.add_argument("--guided", action="store_true", help="fuzz the readers of bytes with atheris instead, led by coverage")
    parser.add_argument("--seconds", type=int, default=60, help="how long the guided one takes (default: 60)")
    options = parser.parse_args()
    if options.guided:
        return guided(options.seconds)
    result = run(options.seed, options.messages)
    print(json.dumps(asdict(result), indent=2))
    print("passed" if result.passed else "FAILED")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
