"""The field traceparent (W3C Trace Context, §3.2): which trace a request belongs to. Without tracing it is only passed on, as it came."""

import re
import time
from collections.abc import Iterable

from ..telemetry.samples import MAX_EXEMPLAR_CHARS, Exemplar

# version "-" trace-id "-" parent-id "-" trace-flags, all in lower-case hex. An id of zeros is none, and so is the version ff.
_TRACEPARENT = re.compile(rb"traceparent:[ \t]*(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.IGNORECASE)


def trace_id_of(lines: Iterable[bytes]) -> str:
    """The id of the trace that a request's field lines name; empty where they name none, or several."""
    found = [match[1] for line in lines if (match := _TRACEPARENT.match(line)) is not None]
    return found[0].decode("ascii") if len(found) == 1 else ""


def exemplar_of(lines: Iterable[bytes], request_id: bytes, seconds: float) -> Exemplar | None:
    """An exemplar by the trace of a request's field lines, else by its id; None where that is missing, or too long for one."""
    trace_id = trace_id_of(lines)
    label, value = ("trace_id", trace_id) if trace_id else ("request_id", request_id.decode("ascii"))
    return Exemplar(label, value, seconds, time.time()) if value and len(label + value) <= MAX_EXEMPLAR_CHARS else None
