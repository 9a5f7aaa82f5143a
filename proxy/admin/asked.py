"""What an operation is asked: its parameters and its body, checked; and who asks."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from .answers import Refused
from .operations import Operation, Parameter

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
PEER = "X-Forwarded-For"
"""The field in which the parent process says who has asked it. It is believed where no address tells: over a Unix socket."""

T = TypeVar("T")


def parameters(operation: Operation, query: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a query, with the defaults of those that are missing. Refused where one is unknown, or cannot be."""
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name in query:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise Refused(400, f"The parameter {name[:40]!r} is unknown, allowed: {allowed}.")
    return {name: _value(parameter, query.get(name)) for name, parameter in known.items()}


def _value(parameter: Parameter, text: str | None) -> str:
    if text is None:
        if parameter.default is None:
            raise Refused(400, f"The parameter {parameter.name!r} is missing: {parameter.does}")
        return parameter.default
    if parameter.most and not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= parameter.most):
        raise Refused(400, f"The parameter {parameter.name!r} is not a whole number from 1 to {parameter.most}, read {text[:40]!r}.")
    return text


async def body(request: web.BaseRequest, kind: type[T]) -> T:
    """The body of a request. Refused where it is none of that kind."""
    if request.content_type != "application/json":
        raise Refused(415, f"The body is to be application/json, read {request.content_type[:40]!r}.")
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                read += piece
                if len(read) > MAX_BODY_BYTES:
                    raise Refused(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        return msgspec.json.decode(read, type=kind)
    except TimeoutError as error:
        raise Refused(408, f"The body did not arrive within {BODY_SECONDS:g} s.") from error
    except web.RequestPayloadError as error:
        raise Refused(400, "The body is not framed as its head says.") from error
    except msgspec.MsgspecError as error:
        raise Refused(400, f"The body cannot be read: {error}.") from error


def peer(request: web.BaseRequest) -> str:
    """Who asks: an address, as far as one is known."""
    return request.remote or request.headers.get(PEER, "")[:64] or "somebody on this machine"
