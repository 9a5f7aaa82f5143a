"""The body of a request whose client is gone."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from proxy.core.fields import RequestFields
from proxy.gateway.arriving import ArrivingBody
from proxy.gateway.limits import BodyPace


async def test_a_client_that_left_before_its_body_was_asked_for_is_gone() -> None:
    """Found by the differential campaign: no defect of noclobber's, and so no 500."""
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 1024, loop=loop)
    request = cast(Any, SimpleNamespace(content=content, transport=None))
    pace = BodyPace(start_seconds=10, total_seconds=10, min_bytes_per_second=0)
    with pytest.raises(ConnectionResetError):
        await ArrivingBody(request, RequestFields(), pace).read()
