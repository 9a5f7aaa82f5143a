"""Aside: work on whole documents, done in a thread where it may take long, so that others need not wait for it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

THREAD_BYTES = 64 * 1024
"""A document larger than this is worked on in a thread."""

P = ParamSpec("P")
R = TypeVar("R")


async def aside(size_bytes: int, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Do work on a document of that size."""
    return work(*arguments, **named) if size_bytes <= THREAD_BYTES else await asyncio.to_thread(work, *arguments, **named)
