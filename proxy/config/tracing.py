"""The keys of [tracing]. The rules of `schema.py` hold here too."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Struct

from .notes import Note, at_least, formed


def check_endpoint(text: str) -> None:
    """Accept the URL of a receiver, or nothing."""
    url = urlsplit(text)
    if text and (url.scheme not in ("http", "https") or not url.hostname):
        raise ValueError("is not the URL of a receiver")


def check_service_name(text: str) -> None:
    """Accept any text that is not blank."""
    if not text.strip():
        raise ValueError("is blank")


class Tracing(Struct, frozen=True, kw_only=True):
    """Spans for OpenTelemetry. They need the extra: pip install 'noclobber[otel]'."""

    endpoint: Annotated[
        str,
        formed(
            "Where spans are sent, in OTLP over HTTP; empty: nothing is traced, and a traceparent is passed on as it came.",
            "A receiver that is away: its spans are lost, and nothing else.",
            'an http or https URL with its path, as in "http://127.0.0.1:4318/v1/traces"',
            check_endpoint,
        ),
    ] = ""
    sample_ratio: Annotated[
        float,
        at_least(
            Note(
                "How many of the traces that begin here are recorded; where a client has begun one its own decision is followed.",
                "1.0 under load: spans cost more than serving does.",
                "share",
            ),
            ge=0,
            le=1,
        ),
    ] = 1.0
    service_name: Annotated[
        str,
        formed("What spans are told to come from.", "The same for two: they cannot be told apart.", "a text", check_service_name),
    ] = "noclobber"
