"""The corpus, row by row: the answers to raw bytes, and what the backend heard of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.gateway.client import Client, NoAnswer
from tests.gateway.serving import Door, route, serving

from .corpus import CORPUS, Case
from .recorder import Recorder

PATIENCE_SECONDS = 30


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with Recorder() as recorder:
        yield recorder


@pytest.fixture
async def door(recorder: Recorder) -> AsyncIterator[Door]:
    """Everything is guarded but what is below /open. No look before and after a write, so that what is heard is what was asked."""
    routes = (route("/open/{path*}", "open", guarded=False), route(after_write="none"))
    async with serving(recorder.port, *routes) as door:
        yield door


def test_there_are_rows_enough() -> None:
    assert len(CORPUS) >= 120
    assert len({case.sent for case in CORPUS.values()}) == len(CORPUS)


async def play(client: Client, case: Case) -> list[int]:
    """Send the bytes, read the answers that are due, and then whatever else comes."""
    client.send(case.sent)
    statuses: list[int] = []
    with contextlib.suppress(NoAnswer, OSError):
        for _ in case.statuses:
            statuses.append((await client.answer(case.sent.partition(b" ")[0])).status)  # noqa: PERF401 - those before the end count
        client.half_close()
        while True:
            statuses.append((await client.answer(b"GET")).status)
    return statuses


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS)
async def test_row(case: Case, door: Door, recorder: Recorder) -> None:
    client = await door.connect()
    statuses = await asyncio.wait_for(play(client, case), PATIENCE_SECONDS)
    heard = tuple((each.line, each.body) for each in recorder.heard)
    assert (tuple(statuses), heard, recorder.broken) == (case.statuses, case.heard, [])
