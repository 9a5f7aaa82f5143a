"""Extras: whether the packages are installed that a setting needs."""

from importlib.util import find_spec

from .mistakes import Mistakes
from .reading import Section

TRACING = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""What the extra otel brings."""


def check_tracing(mistakes: Mistakes, section: Section) -> None:
    """Note where spans are asked for that nobody can make."""
    endpoint = section.values.get("endpoint")
    if endpoint and "endpoint" not in section.refused and not all(map(_is_there, TRACING)):
        what, allowed = "needs packages that are not installed: pip install 'noclobber[otel]'", 'these, or ""'
        mistakes.add(section.place_of("endpoint"), f"{section.name}.endpoint", what, read="an endpoint", allowed=allowed)


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
